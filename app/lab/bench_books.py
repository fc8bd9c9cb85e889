"""The books that the ledger is measured on: a sandbox district of its own, filled by statements.

Rows that are not posted but loaded are written as the owner, with balances to match, and the
auditor proves them like all others: a bench whose books do not sum to zero has measured nothing.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from typing import Self

import psycopg

from app.errors import StateConflict
from config.database import Database, schema_of
from config.settings import Settings
from ledger import statements, upkeep
from migrations import run

BENCH = "bench"
_HERE = Path(__file__).parent
_LOADERS = 2
_MONTHS = 12


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many there are: savers with a lot each, burners with twenty, guarded merchants."""

    savers: int = 20_000
    burners: int = 10_000
    merchants: int = 10_000

    def part(self, of: int) -> Self:
        """Return one in so many of each, at least one."""
        return replace(self, **{name: max(n // of, 1) for name, n in asdict(self).items()})


def open_books(settings: Settings, size: Size) -> None:
    """Make the district anew, with wallets, lots, merchants and what the burners own."""
    drop_books(settings)
    run.create_district(settings.database.owner_url, BENCH, name="性能测量", sandbox=True)
    with _owner(settings) as connection:
        for name, count in asdict(size).items():
            connection.execute("SELECT set_config(%s, %s, true)", (f"bench.{name}", str(count)))
        connection.execute((_HERE / "bench_books.sql").read_bytes())
    _settle(settings)


def drop_books(settings: Settings) -> None:
    """Destroy the district, if it is there."""
    if BENCH in run.migrate(settings.database.owner_url):
        run.drop_district(settings.database.owner_url, BENCH)


def load(settings: Settings, size: Size, *, transfers: int) -> None:
    """Write that many transfers over the last twelve months, between the accounts of `post`."""
    today = date.today()  # noqa: DTZ011 - the months only have to be the last twelve.
    bounds = [today - timedelta(days=30 * n) for n in range(_MONTHS, -1, -1)]
    with _owner(settings) as connection:
        connection.execute("SELECT ledger_make_partitions(%s, %s)", (bounds[0], today))
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM journal").fetchone()
    assert first is not None
    each = transfers // _MONTHS
    months = [(first[0] + n * each, start) for n, (start, _) in enumerate(pairwise(bounds))]
    with ThreadPoolExecutor(_LOADERS) as pool:
        list(pool.map(partial(_load_days, settings, size, each, days=30), months))
    _count_on(settings)


def load_day(settings: Settings, size: Size, day: date, *, transfers: int) -> None:
    """Write that many transfers on one day, between the accounts of `post`."""
    with _owner(settings) as connection:
        connection.execute("SELECT ledger_make_partitions(%s, %s)", (day, day))
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM journal").fetchone()
    assert first is not None
    _load_days(settings, size, transfers, (first[0], day), days=1)
    _count_on(settings)


def prove(settings: Settings) -> None:
    """Prove every invariant of the measured books.

    Raises:
        StateConflict: one is broken; the figures are worth nothing.
    """
    database = Database(settings.database.url, pool_size=1, statement_timeout_seconds=1800)
    with database.transaction(BENCH, repeatable_read=True) as session:
        broken = [str(each) for each in upkeep.audit_all(session)]
        broken += [
            f"{u}: {total}" for u, total in statements.trial_balance(session).items() if total
        ]
    database.dispose()
    if broken:
        raise StateConflict("bench", BENCH, "broken", f"账目有误 {broken}", f"books: {broken}")


@contextmanager
def rolled_up(settings: Settings) -> Iterator[None]:
    """Roll up each second meanwhile, as the clock does: what is deferred is not free."""
    database = Database(settings.database.url, pool_size=1, statement_timeout_seconds=600)
    ended = Event()

    def work() -> None:
        while not ended.wait(1):
            database.run(BENCH, upkeep.roll_up)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        database.dispose()


def _load_days(
    settings: Settings, size: Size, count: int, begin: tuple[int, date], *, days: int
) -> None:
    """Write so many days whole, balances included: the clock's auditor may look in between."""
    first, start = begin
    given = {"first": first, "count": count, "start": start, "days": days, **asdict(size)}
    with _owner(settings) as connection:
        for statement in (_JOURNALS, _TRANSFERS):
            connection.execute(statement, given)
        # One at a time from here on: each touches the same accounts.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('bench_books'))")
        connection.execute(_BALANCES, given)


def _count_on(settings: Settings) -> None:
    """Let the journals' numbers go on after what was loaded, and settle."""
    with _owner(settings) as connection:
        connection.execute("SELECT setval(pg_get_serial_sequence('journal', 'id'), max(id)) "
                           "FROM journal")  # fmt: skip
    _settle(settings)


def _settle(settings: Settings) -> None:
    """Roll up, then vacuum: what a quiet night would have done."""
    database = Database(settings.database.url, pool_size=1, statement_timeout_seconds=600)
    database.run(BENCH, upkeep.roll_up)
    database.dispose()
    with psycopg.connect(settings.database.owner_url, autocommit=True) as connection:
        for table in ("journal", "transfer", "account", "account_balance", "wallet"):
            connection.execute(f"VACUUM ANALYZE {schema_of(BENCH)}.{table}".encode())


@contextmanager
def _owner(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database.owner_url) as connection:
        connection.execute(f"SET search_path = {schema_of(BENCH)}, pg_temp".encode())
        yield connection


_LOADED = """
    SELECT g AS id,
           %(start)s::date + ((g - %(first)s::bigint) * %(days)s / %(count)s::bigint)::int AS day,
           (1::bigint << 60) | ((2000001 + g * 7919 %% %(merchants)s::bigint) << 4) | 8 AS debit_id,
           ((1 + g * 7907 %% %(savers)s::bigint) << 4) | 8 AS credit_id
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s::bigint - 1) g
"""
_JOURNALS = f"""
INSERT INTO journal (id, key, kind, digest, occurred_at, recorded_at, booked_on)
OVERRIDING SYSTEM VALUE
SELECT id, 'sto_' || id * 7919 %% 400 || ':load:' || id || '-earn', 'earn',
       decode(repeat('00112233445566778899aabbccddeeff', 2), 'hex'),
       day + time '12:00', day + time '12:00', day
FROM ({_LOADED}) loaded
"""  # noqa: S608 - two constants of this module
_TRANSFERS = f"""
INSERT INTO transfer (journal_id, line, booked_on, debit_id, credit_id, amount)
SELECT id, 1, day, debit_id, credit_id, 10 FROM ({_LOADED}) loaded
"""  # noqa: S608 - two constants of this module
_BALANCES = """
UPDATE account_balance b SET posted = b.posted + s.amount, version = b.version + s.times
FROM (
    SELECT side.account_id, sum(side.amount) AS amount, count(*) AS times
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s::bigint - 1) g,
    LATERAL (VALUES
        ((1::bigint << 60) | ((2000001 + g * 7919 %% %(merchants)s::bigint) << 4) | 8, -10),
        (((1 + g * 7907 %% %(savers)s::bigint) << 4) | 8, 10)) side (account_id, amount)
    GROUP BY side.account_id) s
WHERE b.account_id = s.account_id
"""
