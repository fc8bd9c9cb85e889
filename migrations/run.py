"""Migrate districts: the registry, each schema's revisions, its rights, its functions.

Run as the owner role. A district is migrated in one transaction, so a failure leaves it as it was.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from config.database import lock_of, schema_of
from config.errors import ConfigError, NotASandbox, UnknownDistrict

ROOT = Path(__file__).resolve().parent.parent

#: Functions, triggers and rights, re-applied by hash after the revisions, in this order.
REPEATABLES = (
    "ledger/accounts.sql",
    "ledger/post.sql",
    "ledger/holds.sql",
    "ledger/sweep.sql",
    "ledger/balances.sql",
    "ledger/invariants.sql",
    "ledger/proofs.sql",
    "coupons/tallies.sql",
    "coupons/aliases.sql",
    "coupons/issuing.sql",
    "coupons/shares.sql",
    "coupons/redemptions.sql",
    "coupons/renewing.sql",
    "app/points/lasting.sql",
    "coupons/offline.sql",
    "app/points/lots.sql",
    "app/points/expiry.sql",
    "app/checkout/mall.sql",
    "app/settlement/close.sql",
    "migrations/guards.sql",
)

_GRANTS = """
GRANT USAGE ON SCHEMA {schema} TO plaza_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT ON TABLES TO plaza_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE UPDATE, DELETE ON TABLES FROM plaza_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO plaza_app;
"""


_OPEN_BOOKS = text(
    "SELECT ledger_open_books(date_trunc('month', today)::date, "
    "(today + interval '2 months')::date) "
    "FROM (SELECT (now() AT TIME ZONE zone)::date AS today FROM book) book"
)


class DistrictExists(ConfigError):
    """A district of this id is there already."""

    def __init__(self, district: str) -> None:
        super().__init__(f"商圈已存在：{district} / District exists already: {district}")


def create_district(
    owner_url: str,
    district: str,
    *,
    name: str,
    sandbox: bool,
    pace: int = 1,
    fill: Callable[[Connection], None] | None = None,
) -> None:
    """Register a district and migrate its schema; `fill` works on it in the same transaction.

    Its books are open from the first day of the running month on. Stores of a sandbox may send
    `pace` times as many requests as others.

    Raises:
        DistrictExists: the id is taken.
    """
    with _engine(owner_url) as engine:
        _prepare_registry(engine)
        with engine.begin() as connection:
            taken = connection.scalar(
                text(
                    "INSERT INTO public.district (id, schema, name, sandbox, pace) "
                    "VALUES (:id, :schema, :name, :sandbox, :pace) "
                    "ON CONFLICT DO NOTHING RETURNING id"
                ),
                {
                    "id": district,
                    "schema": schema_of(district),
                    "name": name,
                    "sandbox": sandbox,
                    "pace": pace,
                },
            )
            if taken is None:
                raise DistrictExists(district)
            connection.execute(text(f"CREATE SCHEMA {schema_of(district)}"))
            _migrate_schema(connection, schema_of(district))
            connection.execute(_OPEN_BOOKS)
            if fill is not None:
                fill(connection)


def drop_district(owner_url: str, district: str) -> None:
    """Destroy a sandbox district and its books, once no job is at it; a real one is refused.

    Raises:
        UnknownDistrict: there is no district of this id.
        NotASandbox: it is a real one.
    """
    with _engine(owner_url) as engine, engine.begin() as connection:
        # A job locks inside the schema in an order of its own: a drop beside it could deadlock.
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
            {"name": lock_of(district)},
        )
        found = connection.execute(
            text("DELETE FROM public.district WHERE id = :id RETURNING schema, sandbox"),
            {"id": district},
        ).one_or_none()
        if found is None:
            raise UnknownDistrict(district)
        if not found.sandbox:
            raise NotASandbox(district)  # The transaction is rolled back, the row stays.
        connection.execute(text(f"DROP SCHEMA {found.schema} CASCADE"))


def migrate(owner_url: str, districts: Iterable[str] | None = None) -> list[str]:
    """Bring the registry and the named districts (all by default) to this code's shape.

    Returns the ids of the districts. A district already there is left untouched but for functions
    whose text changed. Partitions of the running and the next two months are made.
    """
    with _engine(owner_url) as engine:
        _prepare_registry(engine)
        with engine.begin() as connection:
            rows = connection.execute(text("SELECT id, schema FROM public.district ORDER BY id"))
            known = {row.id: row.schema for row in rows}
        for district in known if districts is None else districts:
            if district not in known:
                raise UnknownDistrict(district)
            with engine.begin() as connection:
                _migrate_schema(connection, known[district])
        return sorted(known if districts is None else districts)


def check(owner_url: str, district: str) -> None:
    """Compare the models with the district's tables.

    Raises:
        alembic.util.exc.AutogenerateDiffsDetected: they differ.
    """
    with _engine(owner_url) as engine, engine.begin() as connection:
        _enter(connection, schema_of(district))
        command.check(_config(connection))


def head_revision() -> str:
    """Return the revision that this code expects."""
    head = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
    assert head is not None
    return head


def _migrate_schema(connection: Connection, schema: str) -> None:
    _enter(connection, schema)
    connection.execute(text(_GRANTS.format(schema=schema)))
    command.upgrade(_config(connection), "head")
    _enter(connection, schema)
    for name in REPEATABLES:
        source = (ROOT / name).read_text(encoding="utf-8")
        digest = hashlib.sha256(source.encode()).hexdigest()
        applied = connection.scalar(
            text("SELECT sha256 FROM repeatable WHERE name = :name"), {"name": name}
        )
        if applied != digest:
            _run_script(connection, source)
            connection.execute(
                text(
                    "INSERT INTO repeatable (name, sha256) VALUES (:name, :digest) "
                    "ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256"
                ),
                {"name": name, "digest": digest},
            )
    connection.execute(
        text(
            "SELECT ledger_make_partitions(today, (today + interval '2 months')::date) "
            "FROM (SELECT (now() AT TIME ZONE zone)::date AS today FROM book) book"
        )
    )


def _enter(connection: Connection, schema: str) -> None:
    connection.execute(
        text(
            "SELECT set_config('search_path', :path, true), "
            "set_config('lock_timeout', '1s', true), set_config('statement_timeout', '5min', true)"
        ),
        {"path": f"{schema}, pg_temp"},
    )
    connection.dialect.default_schema_name = schema


def _run_script(connection: Connection, source: str) -> None:
    """Send the text as it stands: its per cent signs are PL/pgSQL's, no placeholders."""
    raw = cast("psycopg.Connection[object]", connection.connection.driver_connection)
    raw.execute(source.encode())


def _prepare_registry(engine: Engine) -> None:
    with engine.begin() as connection:
        _run_script(connection, (ROOT / "migrations/registry.sql").read_text(encoding="utf-8"))


def _config(connection: Connection) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _engine(owner_url: str) -> Iterator[Engine]:
    engine = create_engine(owner_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        yield engine
    finally:
        engine.dispose()
