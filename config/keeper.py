"""The keeper: a background process that owns one embedded server for as long as somebody uses it.

Every user holds a shared lock on `users.lock`. The keeper waits for the exclusive one: the kernel
grants it when the last user has gone, cleanly or by `kill -9`; then the keeper stops its server.
A server that dies is started again on the same port. A keeper that is killed takes its server
along (PR_SET_PDEATHSIG), and PostgreSQL recovers at the next start.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.embedded import Plan, Server, free_port, start_failure, wait_until, write_private
from config.embedded_postgres import Postgres
from config.embedded_valkey import Valkey
from config.errors import ConfigError, ServerRefused

_START_SECONDS = 60  # recovery after a crash may replay the log for a while
_STOP_SECONDS = 30


def keep(plan: Plan, *, report: int) -> None:
    """Start the server, say so on the file `report`, and stop it when nobody uses it any more."""
    with locked(plan.folder / "keeper.lock"):
        keeper = _Keeper(plan)
        try:
            addresses = keeper.start()
        except (ConfigError, OSError) as error:
            _say(report, {"refused": _refusal(plan, error).__dict__})
            return
        write_private(plan.folder / "running.json", json.dumps(addresses))
        _say(report, {"running": addresses})
        try:
            keeper.watch()
        finally:
            (plan.folder / "running.json").unlink(missing_ok=True)
            keeper.stop()


@contextmanager
def locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a file lock; the kernel gives it back however the process ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


class _Keeper:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._server: Server = Postgres(plan) if plan.kind == "postgres" else Valkey(plan)
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._port = 0

    def start(self) -> dict[str, str]:
        """Prepare and start the server; returns its addresses once it answers."""
        remembered = self._plan.folder / "port"
        with suppress(FileNotFoundError, ValueError):
            self._port = int(remembered.read_text())
        self._server.prepare()
        self._port = free_port(self._port)
        write_private(remembered, str(self._port))
        self._launch()
        return {**self._server.complete(self._port), "keeper_pid": str(os.getpid())}

    def watch(self) -> None:
        """Return when the last user is gone or somebody ends us; restart the server meanwhile."""
        for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ending, lambda *_: self._ending.set())
        threading.Thread(target=self._await_last_user, daemon=True).start()
        pause = 0.1
        while not self._ending.wait(0.2):
            if self._process is None or self._process.poll() is None:
                continue
            time.sleep(pause)
            pause = min(pause * 2, 5)
            with suppress(ConfigError):  # It is tried again; its log tells why.
                self._server.prepare()
                self._launch()
                pause = 0.1

    def stop(self) -> None:
        """Stop the server in its clean way, and harder when it does not listen."""
        process = self._process
        if process is None:
            return
        for ending in (self._server.stop, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                process.send_signal(ending)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
                return

    def _launch(self) -> None:
        log = self._plan.folder / "server.log"
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            begin = log.stat().st_size if log.exists() else 0
            self._process = self._server.launch(self._port)
            if self._answers(self._process, seconds=end - time.monotonic()):
                return
            self.stop()
            said = log.read_bytes()[begin:].decode(errors="replace")
            if "still in use" not in said:  # else backends of a killed postmaster are going
                raise start_failure(self._server.name, said, log)
            time.sleep(0.2)
        raise start_failure(self._server.name, "timeout", log)

    def _answers(self, process: subprocess.Popen[bytes], *, seconds: float) -> bool:
        wait_until(
            lambda: process.poll() is not None or self._server.ready(self._port), seconds=seconds
        )
        return process.poll() is None and self._server.ready(self._port)

    def _await_last_user(self) -> None:
        with locked(self._plan.folder / "users.lock"):
            self._ending.set()
            while True:  # Newcomers wait at the lock until the kernel sees us gone.
                time.sleep(60)


def _refusal(plan: Plan, error: ConfigError | OSError) -> ServerRefused:
    if isinstance(error, ServerRefused):
        return error
    return ServerRefused(
        plan.kind, f"无法启动（{plan.folder}）：{error}", f"cannot start in {plan.folder}: {error}"
    )


def _say(report: int, message: dict[str, object]) -> None:
    with suppress(BrokenPipeError), os.fdopen(report, "w") as pipe:
        json.dump(message, pipe)


def main() -> None:
    """Leave the caller's session, then keep the server that the first argument plans."""
    plan = Plan.from_json(sys.argv[1])
    report = os.dup(1)
    if os.fork():
        os._exit(0)
    os.setsid()
    log = os.open(plan.folder / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(log, standard)
    keep(plan, report=report)


if __name__ == "__main__":
    main()
