"""The embedded PostgreSQL and Valkey, started where the settings name none.

`attach` joins the server of a folder, or starts it, for as long as the caller lives: the first user
starts it, the last one to go stops it, and a killed user counts as gone. Any number of commands may
do so at once.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from config.embedded import Plan, wait_until
from config.embedded_postgres import reachable_postgres
from config.errors import ServerRefused
from config.keeper import locked

_ROOT_HOME = Path("/var/lib/plaza")


def home_of(project: Path) -> Path:
    """Return the project's data folder, made at the first call.

    It is `.plaza` in the project; under root, where `nobody` must be able to reach it, that is a
    link to a folder of `/var/lib/plaza`.

    Raises:
        ServerRefused: it belongs to another user.
    """
    link = project / ".plaza"
    if os.geteuid() == 0 and not link.exists():
        name = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:12]
        _ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        (_ROOT_HOME / name).mkdir(mode=0o755, exist_ok=True)
        link.unlink(missing_ok=True)  # a link whose folder was removed
        link.symlink_to(_ROOT_HOME / name)
    link.mkdir(mode=0o755, exist_ok=True)
    home = link.resolve()
    owner = home.stat().st_uid
    if owner != os.geteuid():
        raise ServerRefused(
            ".plaza",
            f"数据目录 {home} 属于用户 {owner}，请用该用户运行，或把 {link} 移走。",
            f"the data folder {home} belongs to user {owner}; run as that user, "
            f"or move {link} away.",
        )
    return home


@dataclass(frozen=True, kw_only=True)
class Running:
    """An embedded server that this process uses; close it (or leave `with`) to let go of it."""

    plan: Plan
    addresses: Mapping[str, str]
    handle: int

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def alive(self) -> bool:
        """Tell whether the keeper still watches over the server."""
        return _kept(self.plan)

    def close(self) -> None:
        """Let go of the server; when nobody else uses it, return once it has stopped."""
        os.close(self.handle)
        announced = self.plan.folder / "running.json"
        if wait_until(lambda: not announced.exists(), seconds=0.3):
            wait_until(lambda: not _kept(self.plan), seconds=90)


def attach_postgres(folder: Path, *, version: int = 18, durable: bool = True) -> Running:
    """Use the PostgreSQL of a folder: `superuser_url`, `owner_url` and `app_url` (database plaza).

    Raises:
        ServerRefused: it cannot run there; says what to do, and nothing was changed.
    """
    return _attach(Plan(kind="postgres", folder=folder, version=version, durable=durable))


def attach_valkey(folder: Path, *, durable: bool = True) -> Running:
    """Use the Redis-protocol server of a folder: `url`, without a database number.

    Raises:
        ServerRefused: it cannot run there; says what to do, and nothing was changed.
    """
    return _attach(Plan(kind="valkey", folder=folder, durable=durable))


def postgres_binaries(folder: Path, *, version: int = 18) -> Path:
    """Return where `pg_dump`, `psql` and `pgbench` of the wheel lie, for the server in a folder."""
    return reachable_postgres(version, folder.parent / "bin")


def _attach(plan: Plan) -> Running:
    try:
        plan.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _starting(plan):
            handle = os.open(plan.folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH)  # Waits for a keeper that is just stopping.
                return Running(plan=plan, addresses=_join_or_start(plan), handle=handle)
            except BaseException:
                os.close(handle)
                raise
    except OSError as error:
        raise ServerRefused(
            plan.kind,
            f"无法使用 {error.filename}（{error.strerror}）；请检查所有者与磁盘空间。",
            f"cannot use {error.filename} ({error.strerror}); check its owner and the disk.",
        ) from error


@contextmanager
def _starting(plan: Plan) -> Iterator[None]:
    """Let one command at a time look and start, so that two never start two servers."""
    with locked(plan.folder / "start.lock"):
        yield


def _join_or_start(plan: Plan) -> Mapping[str, str]:
    running = plan.folder / "running.json"
    if _kept(plan) and running.exists():
        known: dict[str, str] = json.loads(running.read_text())
        return known
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "config.keeper", plan.to_json()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment,
    )
    said = json.loads(done.stdout) if done.stdout else {"refused": {"zh": "", "en": done.stderr}}
    if "refused" in said:
        refused = said["refused"]
        raise ServerRefused(refused.get("server", plan.kind), refused["zh"], refused["en"])
    addresses: dict[str, str] = said["running"]
    return addresses


def _kept(plan: Plan) -> bool:
    handle = os.open(plan.folder / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
