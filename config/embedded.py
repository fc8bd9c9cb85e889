"""What both embedded servers need: a plan, a folder of their own, a child process without root.

The servers listen on 127.0.0.1 over TCP alone and ask for a password. PostgreSQL refuses to run as
root, so under root both run as `nobody`, with data and copied binaries where `nobody` can reach
them (ADR 0005). `config.keeper` starts and stops them; everybody else meets `config.servers`.
"""

import ctypes
import errno
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from config.errors import ServerRefused

LOOPBACK = "127.0.0.1"

_ROOM_TO_START_BYTES = 64 * 1024 * 1024
_ROOM_TO_CREATE_BYTES = 512 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which server runs in which folder. `durable=False` is for tests alone: no fsync."""

    kind: str
    folder: Path
    version: int = 18
    durable: bool = True

    def to_json(self) -> str:
        return json.dumps({**vars(self), "folder": str(self.folder)})

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        given = json.loads(text)
        return cls(
            kind=str(given["kind"]),
            folder=Path(given["folder"]),
            version=int(given["version"]),
            durable=bool(given["durable"]),
        )


class Server(Protocol):
    """What the keeper needs of a server."""

    name: str
    stop: signal.Signals

    def prepare(self) -> None:
        """Make the folder at the first start, else check it; raises ServerRefused."""

    def launch(self, port: int) -> subprocess.Popen[bytes]:
        """Start the process on a port that is free."""

    def ready(self, port: int) -> bool:
        """Tell whether it answers; raises ServerRefused when it never will."""

    def complete(self, port: int) -> Mapping[str, str]:
        """Make what must be inside, and return its addresses by name."""


def server_user() -> pwd.struct_passwd | None:
    """Return whom the servers run as when that is not ourselves: `nobody` under root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def make_folder(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make a folder that only the servers' user may enter."""
    path.mkdir(mode=0o700, parents=True)
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def check_folder(data: Path, *, server: str, user: pwd.struct_passwd | None) -> None:
    """Refuse a data folder of somebody else, and a disk too full to start on."""
    wanted = os.geteuid() if user is None else user.pw_uid
    if data.exists() and data.stat().st_uid != wanted:
        raise ServerRefused(
            server,
            f"数据目录 {data} 属于用户 {data.stat().st_uid}，当前需要 {wanted}。"
            "请用创建它的用户运行，或把该目录移走。",
            f"the data folder {data} belongs to user {data.stat().st_uid}, {wanted} is needed. "
            "Run as the user who made it, or move the folder away.",
        )
    needed = _ROOM_TO_START_BYTES if data.exists() else _ROOM_TO_CREATE_BYTES
    check_room(data.parent, server=server, needed_bytes=needed)


def check_room(folder: Path, *, server: str, needed_bytes: int) -> None:
    """Refuse a folder on whose disk less than that is free.

    Raises:
        ServerRefused: says how much is free and how much is needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise disk_full(server, folder, free_bytes=free, needed_bytes=needed_bytes)


def disk_full(server: str, folder: Path, *, free_bytes: int, needed_bytes: int) -> ServerRefused:
    """Return the refusal of a disk that is too full."""
    free, needed = free_bytes // 2**20, needed_bytes // 2**20
    return ServerRefused(
        server,
        f"磁盘空间不足：{folder} 剩余 {free} MB，至少需要 {needed} MB。请先清理磁盘。",
        f"the disk is full: {folder} has {free} MB left, {needed} MB are needed. Make room first.",
    )


def start_failure(server: str, output: str, log: Path) -> ServerRefused:
    """Return the refusal that tells why a server process ended at its start."""
    if os.strerror(errno.ENOSPC) in output:
        free = shutil.disk_usage(log.parent).free
        return disk_full(server, log.parent, free_bytes=free, needed_bytes=_ROOM_TO_CREATE_BYTES)
    said = "\n    ".join(output.strip().splitlines()[-5:])
    return ServerRefused(
        server,
        f"启动失败，日志见 {log}。最后的输出如下。",
        f"it did not start; its log is {log}. It said:\n    {said}",
    )


def remembered_secrets(folder: Path, names: Sequence[str], *, fresh: bool) -> Mapping[str, str]:
    """Return the passwords of the folder, made at random once and kept in a 0600 file."""
    path = folder / "secrets.json"
    if path.exists():
        known = json.loads(path.read_text())
        return {name: str(known[name]) for name in names}
    if not fresh:
        raise ServerRefused(
            folder.name,
            f"密码文件 {path} 不见了，请从备份恢复，或把 {folder} 移走后重新开始。",
            f"the password file {path} is gone; restore it, or move {folder} away to begin anew.",
        )
    made = {name: secrets.token_urlsafe(24) for name in names}
    write_private(path, json.dumps(made))
    return made


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step by one that only its owner may read; it survives a power cut."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def package_folder(package: str) -> Path:
    """Return where a wheel's files lie, without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ServerRefused(
            package,
            "没有安装。请运行 make setup，或在设置中指向自己的服务器。",
            "it is not installed. Run make setup, or name servers of your own in the settings.",
        )
    return Path(found.submodule_search_locations[0])


def reachable_copy(
    source: Path, *, beside: Sequence[str], bin_folder: Path, user: pwd.struct_passwd | None
) -> Path:
    """Return a folder of binaries that the servers' user can reach: under root, a copy.

    `source` lies in a site-packages folder; `beside` names siblings of its package that it loads
    libraries from. A copy is made once for a wheel, beside its final name, then moved there.
    """
    if user is None:
        return source
    package = source.parent
    stamp = f"{package.name}-{source.name}-{int(source.stat().st_mtime)}"
    copy = bin_folder / stamp
    if not copy.exists():
        fresh = bin_folder / f"{stamp}.{os.getpid()}"
        shutil.copytree(source, fresh / package.name / source.name)
        for name in beside:
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, fresh / name)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
                if path.stat().st_mode & 0o100:
                    path.chmod(path.stat().st_mode | 0o011)
        fresh.rename(copy)
    return copy / package.name / source.name


def spawn(
    command: Sequence[str], *, log: Path, user: pwd.struct_passwd | None, death_signal: int
) -> subprocess.Popen[bytes]:
    """Start a server process that ends when its keeper ends, however that dies (Linux)."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=spawn_settings(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=become(user, death_signal),  # noqa: PLW1509  (the keeper alone forks here)
        )


def spawn_settings() -> dict[str, str]:
    """Return the environment of a server: none of our secrets, and the plain locale."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def become(user: pwd.struct_passwd | None, death_signal: int | None) -> Callable[[], None]:
    """Return what a child does before its program: drop to `user`, die with its parent."""
    parent = os.getpid()

    def prepare_child() -> None:
        if user is not None:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.umask(0o077)
        if death_signal is not None:
            die_with_parent(death_signal)
            if os.getppid() != parent:  # It died before we asked.
                os._exit(1)

    return prepare_child


def die_with_parent(death_signal: int) -> None:
    """Ask the kernel to send this process a signal when its parent ends, however (Linux)."""
    if _LIBRARY is not None:
        _LIBRARY.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)


def free_port(preferred: int | None) -> int:
    """Return the preferred port if nobody listens on it, else one that is free."""
    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerRefused("TCP", "本机没有空闲端口。", "this machine has no free port.")


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask every 20 ms until the condition holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
