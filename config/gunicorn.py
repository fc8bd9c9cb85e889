"""gunicorn reads this file: `gunicorn -c config/gunicorn.py wsgi:app`.

Threads, because a request waits for PostgreSQL most of its time. Nothing is preloaded: every worker
opens its own connections after the fork.
"""

import os
from pathlib import Path
from typing import Protocol

from prometheus_client import multiprocess

from config.logging import log_config
from config.settings import Settings

_settings = Settings.from_environ(os.environ)

bind = f"{_settings.web.host}:{_settings.web.port}"
worker_class = "gthread"
workers = _settings.web.workers
threads = _settings.web.threads
timeout = 30
graceful_timeout = 20
keepalive = 5
backlog = 512
limit_request_line = 4094
limit_request_fields = 64
max_requests = 100_000
max_requests_jitter = 10_000
preload_app = False
proc_name = "plaza"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (a heartbeat file)
logconfig_dict = log_config(_settings.log_level)


class _Worker(Protocol):
    pid: int


def child_exit(server: object, worker: _Worker) -> None:  # noqa: ARG001  (gunicorn names them)
    """Take the gauges of a worker that ended out of the sums."""
    if _settings.web.metrics_folder is not None:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
