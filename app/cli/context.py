"""What a command works with: its district, the settings, and servers for as long as it runs.

Servers named in the environment or in `.env` are used; else those of a running `plaza up`; else the
embedded ones are started for the command's own time (they stop with their last user).
"""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import click

from app.wiring import Services, build
from config import servers
from config.dotenv import ensure_keys, read_dotenv
from config.settings import Settings, folder_from

T = TypeVar("T")

_STATEMENT_SECONDS = 300  # a report or an import by hand may take its time


class Command:
    """One run of the `plaza` command; closes what it opened when the command ends."""

    def __init__(self, *, district: str, environ: Mapping[str, str] | None = None) -> None:
        self.district = district
        given = dict(os.environ if environ is None else environ)
        self.folder = folder_from(given)
        self.named = {**read_dotenv(self.folder), **given}
        self._stack = ExitStack()
        self._environ: dict[str, str] = {}
        self._settings: Settings | None = None
        self._services: Services | None = None

    @property
    def home(self) -> Path:
        """The data folder of this installation."""
        return servers.home_of(self.folder)

    def settings(self) -> Settings:
        """Return the settings, with servers started where none are named.

        Raises:
            BadSettings: names all that is missing, malformed or unknown.
            ServerRefused: an embedded server cannot start; says what to do.
        """
        if self._settings is None:
            keys = ensure_keys(self.folder, self.home, given=self.named)
            named = {**self.named, **keys}
            addresses, _ = join_servers(named, self.home, self._stack)
            self._environ = {**named, **addresses}
            self._settings = Settings.from_environ(self._environ)
        return self._settings

    def environ(self) -> Mapping[str, str]:
        """Return the environment in which another process has the same settings and servers.

        Raises:
            As `settings`.
        """
        self.settings()
        return self._environ

    def services(self) -> Services:
        """Return the services, connected to the servers of `settings`."""
        if self._services is None:
            self._services = build(
                self.settings(), pool_size=4, statement_timeout_seconds=_STATEMENT_SECONDS
            )
            self._stack.callback(self._services.close)
        return self._services

    def close(self) -> None:
        """Let go of connections and servers."""
        self._stack.close()


pass_command = click.make_pass_decorator(Command)


def join_servers(
    named: Mapping[str, str],
    home: Path,
    stack: ExitStack,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> tuple[Mapping[str, str], list[servers.Running]]:
    """Use an embedded server for each that the settings do not name.

    Returns the settings that name them, and the servers, which `stack` lets go of. `tell` hears of
    each before it starts.
    """
    addresses: dict[str, str] = {}
    used = []
    database = ("PLAZA_DATABASE_URL", "PLAZA_OWNER_DATABASE_URL")
    if not any(named.get(name) for name in database):
        tell("PostgreSQL")
        used.append(stack.enter_context(servers.attach_postgres(home / "postgres")))
        addresses |= dict(
            zip(
                database, (used[-1].addresses[key] for key in ("app_url", "owner_url")), strict=True
            )
        )
    if not named.get("PLAZA_REDIS_URL"):
        tell("Valkey")
        used.append(stack.enter_context(servers.attach_valkey(home / "valkey")))
        addresses["PLAZA_REDIS_URL"] = used[-1].addresses["url"] + "/0"
    return addresses, used
