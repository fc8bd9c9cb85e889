"""The `plaza` command on this worker's own district."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from config.settings import KEY_NAMES
from tests.factories import make_staff


@dataclass(frozen=True, kw_only=True)
class Plaza:
    """Runs commands as a person at a terminal would."""

    environ: dict[str, str]
    district: str

    def __call__(self, *words: str) -> str:
        """Run a command that has to succeed and return what it printed."""
        status, printed = self.run(*words)
        assert status == 0, printed
        return printed

    def refused(self, *words: str) -> str:
        """Run a command that has to be refused, without a traceback, and return why."""
        status, printed = self.run(*words)
        assert status in (1, 2), printed
        return printed

    def json(self, *words: str) -> Any:
        """Run a command with --json and return what it printed last."""
        return json.loads(self(*words, "--json").splitlines()[-1])

    def typed(self, typed: str, *words: str) -> str:
        """Run a command that has to succeed while somebody types; return what it printed."""
        status, printed = self.run(*words, typed=typed)
        assert status == 0, printed
        return printed

    def run(self, *words: str, typed: str | None = None) -> tuple[int, str]:
        """Run a command and return its exit status and what it printed."""
        asked = ["--district", self.district, *words]
        result = CliRunner().invoke(main, asked, env=self.environ, input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output


@pytest.fixture
def plaza(owner_url: str, app_url: str, redis_url: str, district: str) -> Plaza:
    """The command, with the servers of the tests named in its environment."""
    keys = {
        name: base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
        for name in KEY_NAMES
    }
    environ = {
        "PLAZA_DATABASE_URL": app_url,
        "PLAZA_OWNER_DATABASE_URL": owner_url,
        "PLAZA_REDIS_URL": redis_url,
        **keys,
    }
    return Plaza(environ=environ, district=district)


@pytest.fixture
def hire(database: Database, district: str) -> Callable[..., Staff]:
    """Adds a staff member with the roles named and returns him."""

    def add(*roles: Role) -> Staff:
        with database.transaction(district) as session:
            return make_staff(session, roles=roles or (Role.ADMIN,))

    return add
