"""The application as it runs: gunicorn with its settings, on a port of its own."""

import base64
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from config.settings import KEY_NAMES, PROJECT, Settings

_START_SECONDS = 120


@contextmanager
def served(settings: Settings, *, workers: int = 2) -> Iterator[str]:
    """Run gunicorn and return its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
        cwd=PROJECT,
        env={**_environ(settings), "PLAZA_PORT": str(port), "PLAZA_WORKERS": str(workers)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def _environ(settings: Settings) -> dict[str, str]:
    keys = {
        name: base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
        for name in KEY_NAMES
    }
    named = {
        "PLAZA_DATABASE_URL": settings.database.url,
        "PLAZA_OWNER_DATABASE_URL": settings.database.owner_url,
        "PLAZA_REDIS_URL": settings.redis_url,
        "PLAZA_LOG_LEVEL": "WARNING",
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("PLAZA_")}
    return {**others, **named, **keys}


def _wait(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError("gunicorn did not come up")
