"""The web part of Plaza for as long as a command needs it, on a free port of this machine."""

import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import requests

from app.cli.children import Child
from app.cli.context import Command
from config.embedded import LOOPBACK, wait_until
from config.errors import ConfigError

_START_SECONDS = 60


class WebDoorFailed(ConfigError):
    """The web part that a command started for itself does not answer."""

    def __init__(self, log: object) -> None:
        super().__init__(
            f"临时启动的网页服务没有应答，原因见日志 {log} / "
            f"The web part that was started for this command does not answer; see {log}"
        )


@dataclass(frozen=True, kw_only=True)
class Served:
    """A web part that runs: where it answers, and its first process, which starts the workers."""

    address: str
    pid: int


@contextmanager
def served(command: Command, *, app: str = "wsgi:app") -> Iterator[str]:
    """Run gunicorn with the command's settings and servers; it ends with the command, or dies.

    `app` is what it serves. Yields the address.

    Raises:
        WebDoorFailed: it does not come up.
    """
    with serving(command, app=app, environ={}) as running:
        yield running.address


@contextmanager
def serving(
    command: Command, *, app: str = "wsgi:app", environ: Mapping[str, str]
) -> Iterator[Served]:
    """Run gunicorn as `served` does, with settings of its own in `environ`; yields its process too.

    Raises:
        WebDoorFailed: it does not come up.
    """
    port = _free_port()
    (command.home / "log").mkdir(exist_ok=True)
    child = Child(
        name="web",
        arguments=[sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", app],
        environ={
            **command.environ(),
            "PLAZA_HOST": LOOPBACK,
            "PLAZA_PORT": str(port),
            "PLAZA_LOG_LEVEL": "WARNING",  # A line for each request would be most of the work.
            **environ,
        },
        death_signal=signal.SIGINT,
        log=command.home / "log" / "command-web.log",
    )
    child.start()
    try:
        address = f"http://{LOOPBACK}:{port}"
        wait_until(lambda: answers(address) or not child.alive(), seconds=_START_SECONDS)
        if not answers(address):
            raise WebDoorFailed(child.log)
        assert child.process is not None, "it answers, so it runs"
        yield Served(address=address, pid=child.process.pid)
    finally:
        child.tell_to_stop()
        child.stop()


def answers(address: str) -> bool:
    """Tell whether a web part answers there."""
    try:
        return requests.get(f"{address}/healthz", timeout=2).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
