"""What every test may ask for: a real PostgreSQL of its own, and later a migrated district.

One embedded server is shared by all workers of a run (and by runs at the same time); each worker
has its own database. `PLAZA_TEST_PG=16` takes the other version of the wheel;
`PLAZA_TEST_DATABASE_URL` names a server of one's own instead, as its superuser: one for tests
alone, since the roles plaza_owner and plaza_app get a password there.
`PLAZA_TEST_PROFILE=thorough` draws 5,000 examples for every property that names no number itself.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck
from psycopg import sql
from sqlalchemy.orm import Session

from app import sealing
from app.lab import seed
from config import servers
from config.database import Database
from config.settings import KEY_NAMES, Settings
from migrations.run import create_district
from tests.counting import sent_by

PROJECT = Path(__file__).parent.parent

# How long an example takes says how busy the machine is, and nothing of the property. Fixtures are
# shared by the examples of a test on purpose: a till, or a transaction in which each makes its own.
hypothesis.settings.register_profile(
    "plaza",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    print_blob=True,
)
hypothesis.settings.register_profile(
    "thorough", parent=hypothesis.settings.get_profile("plaza"), max_examples=5_000
)
hypothesis.settings.load_profile(os.environ.get("PLAZA_TEST_PROFILE", "plaza"))

#: What tries whole servers and whole districts from outside; these take longest.
_OUTSIDE = [
    PROJECT / "tests" / each
    for each in (
        "fuzz", "cli", "app/lab", "app/cli/test_replay.py", "app/cli/test_race.py",
        "app/cli/test_bench.py",
    )
]  # fmt: skip
_ROLES = ("plaza_owner", "plaza_app")
_PASSWORD = "plaza-test"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a second version of the server be tested without testing everything else twice."""
    parser.addoption(
        "--on-postgres",
        action="store_true",
        help="only tests that meet the test server, from inside",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest, or one worker waits for another's last; leave out with an option.

    `--on-postgres` leaves out what no version of PostgreSQL could change: tests without a server,
    and those which try from outside what the other tests have tried inside.
    """
    outside = {item for item in items if any(item.path.is_relative_to(each) for each in _OUTSIDE)}
    items.sort(key=lambda item: item not in outside)
    if config.getoption("--on-postgres"):
        apart = [
            item
            for item in items
            if item in outside or "superuser_url" not in getattr(item, "fixturenames", ())
        ]
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if item not in set(apart)]


@pytest.fixture(scope="session")
def superuser_url() -> Iterator[str]:
    """A superuser's address of the test server, in the database `postgres`."""
    named = os.environ.get("PLAZA_TEST_DATABASE_URL")
    if named:
        yield named
        return
    version = int(os.environ.get("PLAZA_TEST_PG", "18"))
    folder = servers.home_of(PROJECT) / f"test-postgres-{version}"
    with servers.attach_postgres(folder, version=version, durable=False) as running:
        yield running.addresses["superuser_url"]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis-protocol server for tests, without a database number."""
    named = os.environ.get("PLAZA_TEST_REDIS_URL")
    if named:
        yield named
        return
    folder = servers.home_of(PROJECT) / "test-valkey"
    with servers.attach_valkey(folder, durable=False) as running:
        yield running.addresses["url"]


@pytest.fixture(scope="session")
def test_database(superuser_url: str) -> Iterator[str]:
    """The name of this worker's own empty database; it belongs to plaza_owner."""
    name = f"plaza_test_{os.getpid()}"
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('plaza test roles'))")
            _make_roles(connection)
        _drop_leftovers(connection)
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER plaza_owner TEMPLATE template0").format(
                sql.Identifier(name)
            )
        )
        yield name
        _drop(connection, name)


@pytest.fixture(scope="session")
def owner_url(superuser_url: str, test_database: str) -> str:
    """The address of this worker's database for the role that migrates."""
    return _address(superuser_url, role="plaza_owner", database=test_database)


@pytest.fixture(scope="session")
def app_url(superuser_url: str, test_database: str) -> str:
    """The address of this worker's database for the role that everything else uses."""
    return _address(superuser_url, role="plaza_app", database=test_database)


@pytest.fixture(scope="session")
def settings(owner_url: str, app_url: str, redis_url: str) -> Settings:
    """The settings of a process on this worker's own database, with keys of the tests."""
    keys = {name: base64.b64encode(_test_key(name)).decode() for name in KEY_NAMES}
    return Settings.from_environ(
        {
            "PLAZA_DATABASE_URL": app_url,
            "PLAZA_OWNER_DATABASE_URL": owner_url,
            "PLAZA_REDIS_URL": redis_url,
            **keys,
        }
    )


@pytest.fixture(scope="session")
def district(owner_url: str) -> str:
    """The id of this worker's migrated district."""
    create_district(owner_url, "test", name="测试商圈", sandbox=False)
    with psycopg.connect(owner_url) as owner:  # Tests sell on days that were named in November.
        owner.execute("SET search_path = d_test, pg_temp")
        owner.execute("SELECT ledger_open_books('2026-11-01', current_date + 62)")
    return "test"


@pytest.fixture(scope="session")
def database(settings: Settings, district: str) -> Iterator[Database]:
    """The database as the application meets it, with `district` in it."""
    info = {"key_ring": settings.key_ring, "proof_keys": sealing.keys_of(settings)}
    made = Database(settings.database.url, pool_size=20, info=info)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def sandbox(database: Database, owner_url: str) -> str:
    """The sandbox as `plaza up` opens it, with the store whose key everybody knows."""
    create_district(owner_url, "sandbox", name="沙盒", sandbox=True)
    seed.seed(database, "sandbox", baskets=0)
    seed.open_practice(database, "sandbox")
    return "sandbox"


@pytest.fixture
def session(database: Database, district: str) -> Iterator[Session]:
    """A transaction in the district that is rolled back after the test; savepoints work inside."""
    with database.transaction(district) as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def sent(session: Session) -> Iterator[list[object]]:
    """What the session sends to the server; clear it before the act that is counted."""
    with sent_by(session) as statements:
        yield statements


def _test_key(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _make_roles(connection: psycopg.Connection) -> None:
    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role in _ROLES:
        verb = sql.SQL("ALTER" if role in known else "CREATE")
        connection.execute(
            sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
                verb, sql.Identifier(role), sql.Literal(_PASSWORD)
            )
        )


def _drop_leftovers(connection: psycopg.Connection) -> None:
    """Drop the databases of test processes that were killed."""
    rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    for (name,) in rows:
        match = re.fullmatch(r"plaza_test_(\d+)", name)
        if match and not Path(f"/proc/{match[1]}").exists() and Path("/proc/self").exists():
            _drop(connection, name)


def _drop(connection: psycopg.Connection, name: str) -> None:
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


def _address(superuser_url: str, *, role: str, database: str) -> str:
    parts = urlsplit(superuser_url)
    place = f"{role}:{_PASSWORD}@{parts.hostname}:{parts.port or 5432}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{database}"))
