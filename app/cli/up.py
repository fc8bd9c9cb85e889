"""`plaza up`: everything Plaza needs, under one supervisor, in the foreground.

Embedded servers stop when nobody uses them any more, children die with the supervisor, and a child
that dies is started again. So no kill leaves anything that would block the next start.
"""

import fcntl
import http.client
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from app.cli.children import Child
from app.cli.context import Command, join_servers, pass_command
from app.lab import seed
from app.merchants import keys
from app.wiring import build
from config.dotenv import ensure_keys
from config.embedded import check_room, die_with_parent, wait_until
from config.errors import ConfigError
from config.servers import Running
from config.settings import Settings, WebSettings
from migrations import run

_READY_SECONDS = 60
_PATIENCE_SECONDS = 10
_SANDBOX = "sandbox"
_DISTRICTS = (("demo", "湖滨商圈"), (_SANDBOX, "沙盒"))


class PortBusy(ConfigError):
    """Somebody else listens on the port of the HTTP door."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"端口 {port} 已被占用。请停止占用它的程序（lsof -i :{port}），"
            f"或换一个端口：PLAZA_PORT={port + 1} make run / "
            f"Port {port} on {host} is busy. Stop the program that holds it (lsof -i :{port}), "
            f"or take another: PLAZA_PORT={port + 1} make run"
        )
        self.port = port


class AlreadyUp(ConfigError):
    """Another supervisor runs in this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"Plaza 已在 {folder} 运行；请先在其终端按 Ctrl-C。 / "
            f"Plaza already runs in {folder}; press Ctrl-C in its terminal first."
        )
        self.folder = folder


@click.command()
@click.option("--with-parent", is_flag=True, help="随父进程停止 / stop when the parent ends.")
@pass_command
def up(command: Command, *, with_parent: bool) -> None:
    """启动全部服务，Ctrl-C 停止 / start everything; Ctrl-C stops it."""
    if with_parent:
        die_with_parent(signal.SIGTERM)
    with ExitStack() as stack:
        _Supervisor(command, stack).run()


class _Supervisor:
    def __init__(self, command: Command, stack: ExitStack) -> None:
        self._command = command
        self._stack = stack
        self._began = time.monotonic()
        self._children: Sequence[Child] = ()
        self._servers: Sequence[Running] = ()

    def run(self) -> None:
        """Start all parts, watch over them, and stop them in order when told to."""
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, _stop)
        try:
            self._become_the_only_one()
            settings, environ = self._start_servers()
            self._prepare_districts(settings)
            self._start_children(environ)
            self._await_ready(settings.web)
            while True:
                self._watch()
                time.sleep(0.2)
        except _Stop:
            _say("\n正在停止… / stopping…")
        finally:
            for child in self._children:
                child.tell_to_stop()
            for child in self._children:
                child.stop()
            self._stack.close()
        _say("✔ 已停止 / stopped")

    def _become_the_only_one(self) -> None:
        handle = self._stack.enter_context((self._command.home / "up.lock").open("w"))

        def taken() -> bool:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            return False

        if taken():
            return
        _say("等待上一个 Plaza 退出… / waiting for the Plaza that runs here to end…")
        if not wait_until(taken, seconds=_PATIENCE_SECONDS):
            raise AlreadyUp(self._command.folder)

    def _start_servers(self) -> tuple[Settings, Mapping[str, str]]:
        keys = ensure_keys(self._command.folder, self._command.home, given=self._command.named)
        named = {**self._command.named, **keys}
        placeholder = {
            "PLAZA_DATABASE_URL": "postgresql://embedded",
            "PLAZA_OWNER_DATABASE_URL": "postgresql://embedded",
            "PLAZA_REDIS_URL": "redis://embedded",
        }
        given = {name: named.get(name) or value for name, value in placeholder.items()}
        # All but the addresses of servers that are still to come is checked before they start.
        early = Settings.from_environ({**named, **given})
        _check_port(early)
        check_room(
            self._command.home, server=".plaza", needed_bytes=early.min_free_mb * 1024 * 1024
        )
        addresses, self._servers = join_servers(
            named,
            self._command.home,
            self._stack,
            tell=lambda server: self._tell(f"正在启动 {server} / starting {server}"),
        )
        environ = {**named, **addresses}
        return Settings.from_environ(environ), environ

    def _prepare_districts(self, settings: Settings) -> None:
        owner_url = settings.database.owner_url
        self._tell("正在迁移数据库 / migrating the database")
        known = run.migrate(owner_url)
        for district, name in _DISTRICTS:
            if district not in known:
                self._tell(f"正在新建商圈 {district} / opening district {district}")
                run.create_district(owner_url, district, name=name, sandbox=district == _SANDBOX)
        services = build(settings, pool_size=1, statement_timeout_seconds=60)
        try:
            for district, _ in _DISTRICTS:
                # At every start: a first one that was killed before this left the district empty.
                if seed.seed(services.database, district).orders:
                    self._tell(f"✔ 已填充示例数据 {district} / {district} has some life")
            seed.open_practice(services.database, _SANDBOX)
        finally:
            services.close()

    def _start_children(self, environ: Mapping[str, str]) -> None:
        self._tell("正在启动网页、后台任务与时钟 / starting web, worker and clock")
        home = self._command.home
        metrics = home / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        for folder in (metrics, home / "log"):
            folder.mkdir(exist_ok=True)
        parts = {
            "web": (["gunicorn", "-c", "config/gunicorn.py", "wsgi:app"], signal.SIGINT),
            "worker": (["app.tasks", "worker"], signal.SIGKILL),
            "clock": (["app.tasks", "beat"], signal.SIGKILL),
        }
        self._children = [
            Child(
                name=name,
                arguments=[sys.executable, "-m", *arguments],
                environ={**environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
                death_signal=death_signal,
                log=home / "log" / f"{name}.log",
            )
            for name, (arguments, death_signal) in parts.items()
        ]
        *needed_to_be_ready, _clock = self._children
        for child in needed_to_be_ready:
            child.start()

    def _watch(self) -> None:
        for child in self._children:
            child.watch(_say)
        if not all(server.alive() for server in self._servers):
            _say("✘ 内置服务器已退出，正在重启 / an embedded server ended; starting it again")
            _, self._servers = join_servers(self._command.named, self._command.home, self._stack)

    def _await_ready(self, web: WebSettings) -> None:
        end = time.monotonic() + _READY_SECONDS
        missing = ["web"]
        while missing and time.monotonic() < end:
            self._watch()
            time.sleep(0.1)
            missing = _missing(web)
        if missing:
            names = ", ".join(missing)
            self._tell(f"✘ 尚未就绪 / not ready yet: {names}; {self._command.home / 'log'}")
        else:
            self._tell("✔ 就绪 / ready")
        self._children[-1].start()  # The clock last: no request waits for it.
        address = f"http://{web.host}:{web.port}"
        logins = ", ".join(f"{login} ({role})" for login, _, role in seed.STAFF)
        phone = seed.phone_of(0)
        _say(
            f"\n  网页 / web      {address}\n"
            f"  文档 / docs     {address}/docs\n"
            f"  健康 / health   {address}/readyz   {address}/metrics\n"
            f"  数据 / data     {self._command.home}   （日志 / logs: log/）\n"
            f"  密钥 / keys     {self._command.folder / '.env'}\n"
            "  商圈 / districts  demo, sandbox\n"
            f"  沙盒密钥 / sandbox key  {keys.published_key_id(_SANDBOX)}   （/docs）\n"
            f"  员工 / staff    {logins}   （用 --as / with --as）\n\n"
            f"  试一试 / try    .venv/bin/plaza sell --store longjing-1 --member {phone}"
            " --line 36x2:drinks:龙井 --as lin\n"
            f"                  .venv/bin/plaza member statement {phone}\n"
            "  停止 / stop     Ctrl-C\n"
        )

    def _tell(self, text: str) -> None:
        _say(f"[{time.monotonic() - self._began:5.1f} s] {text}")


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def _check_port(settings: Settings) -> None:
    """Refuse a port on which somebody listens; wait a moment for one of ours that is just going.

    Raises:
        PortBusy: says how to find who it is, and how to take another.
    """

    def free() -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((settings.web.host, settings.web.port))
                return True
        return False

    if not wait_until(free, seconds=2):
        raise PortBusy(settings.web.host, settings.web.port)


def _missing(web: WebSettings) -> list[str]:
    """Return what `/readyz` misses; `web` when it does not answer."""
    connection = http.client.HTTPConnection(web.host, web.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        body = json.load(connection.getresponse())
    except (OSError, ValueError, http.client.HTTPException):
        return ["web"]
    finally:
        connection.close()
    return [str(each["what"]) for each in body["missing"]]


class _Stop(BaseException):
    """Somebody told the supervisor to stop."""


def _stop(*_: object) -> None:
    raise _Stop
