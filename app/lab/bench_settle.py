"""Closing a month, beside one plain aggregate over the same rows.

A sandbox district of its own: members with lots of many issuers, and a month of earns and burns
that is loaded as rows, as the owner. A close is measured whole, its postings in fen included, and
rolled back, so that it can be measured again.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import LiteralString

import psycopg

from app.errors import StateConflict
from app.lab.bench_sale import merchant
from app.members import enrolment
from app.members.arrivals import NewMember
from app.members.identification import KnownMember
from app.members.models import Source
from app.merchants import registration
from app.merchants.directory import get_directory
from app.points import lots
from app.points.lots import Meaning, NewLot
from app.settlement import periods
from app.settlement.spans import Span
from config.database import Database, schema_of
from config.settings import Settings
from ledger import upkeep
from migrations import run

DISTRICT = "bench-settle"
MONTH = Span.parse("2017-03")
DEMANDS = {"close": "≤ 4"}
OPENED = datetime(2017, 3, 1, 4, tzinfo=UTC)
CLOSED = datetime(2017, 4, 2, 4, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What is settled: so many transfers over so many merchants and members' lots."""

    transfers: int = 1_000_000
    merchants: int = 500
    members: int = 2_000
    lots_each: int = 25


SHORT = Size(transfers=5_000, merchants=20, members=40, lots_each=5)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Seconds of a close with the marks made before, of the marks, and of the plain aggregate.

    `close` is the median of the rounds' ratios of the first to the last; `close_and_marks` of both.
    """

    close: float
    close_and_marks: float
    close_seconds: float
    aggregate_seconds: float


def measure(settings: Settings, size: Size, *, rounds: int, tell: Callable[[str], None]) -> Found:
    """Fill the district, measure closes, each between two aggregates, and drop it.

    Raises:
        StateConflict: the loaded books are unsound, or a close does not sum to zero.
    """
    tell(f"{size.transfers:,} transfers …")
    _open(settings, size)
    _load(settings, size)
    database = Database(settings.database.url, pool_size=1, statement_timeout_seconds=600)
    try:
        _prove(database)
        with database.transaction(DISTRICT, at=CLOSED) as session:
            periods.close_days(session, MONTH)
        marks = _timed(lambda: _mark(database))
        alone, ratios = [], []
        closes = []
        for _ in range(rounds):
            before = _timed(lambda: _aggregate(settings))
            closes.append(_timed(lambda: _close(database)))
            alone += [before, _timed(lambda: _aggregate(settings))]
            ratios.append(closes[-1] / statistics.mean(alone[-2:]))
            tell(f"close {closes[-1]:.2f} s  aggregate {alone[-1]:.2f} s  {ratios[-1]:.2f}")
    finally:
        database.dispose()
        run.drop_district(settings.database.owner_url, DISTRICT)
    return Found(
        close=statistics.median(ratios),
        close_and_marks=statistics.median(ratios) + marks / statistics.median(alone),
        close_seconds=statistics.median(closes),
        aggregate_seconds=statistics.median(alone),
    )


def _open(settings: Settings, size: Size) -> None:
    owner_url = settings.database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="结账测量", sandbox=True)
    database = Database(
        settings.database.url, pool_size=1, info={"key_ring": settings.key_ring},
        statement_timeout_seconds=600,
    )  # fmt: skip
    with database.transaction(DISTRICT, at=OPENED) as session:
        upkeep.open_books(session, start=MONTH.starts_on, through=date(2017, 5, 1))
        registration.register_many(
            session, [merchant(number) for number in range(size.merchants)], by="system:bench"
        )
        cards = [
            NewMember(source=Source.IMPORT, card_number=f"9{number:07}")
            for number in range(size.members)
        ]
        members = [enrolled.member for enrolled in enrolment.enrol_many(session, cards)]
    with database.transaction(DISTRICT, at=OPENED) as session:
        issuers = sorted(get_directory(session).merchants)
        lots.open_many(session, _wanted(members, issuers, size))
    database.dispose()


def _wanted(members: list[KnownMember], issuers: list[int], size: Size) -> list[NewLot]:
    return [
        NewLot(
            member=member,
            meaning=Meaning(
                issuer_id=issuers[(number * 7 + step) % len(issuers)],
                cost=Fraction(1),
                redemption=Fraction(9, 10),
                expires_on=date(2018, 3, 31),
            ),
            earned_at=OPENED,
        )
        for number, member in enumerate(members)
        for step in range(size.lots_each)
    ]


def _load(settings: Settings, size: Size) -> None:
    """Write the month: every lot earns 10 and gives 5 to some merchant, in turns."""
    given = {"count": size.transfers, "start": MONTH.starts_on}
    with _owner(settings) as connection:
        for statement in (_ACCOUNTS, _JOURNALS, _TRANSFERS, _BALANCES, _ROLLED):
            connection.execute(statement, given)
    with psycopg.connect(settings.database.owner_url, autocommit=True) as connection:
        for table in ("journal", "transfer", "account", "account_balance", "lot"):
            connection.execute(f"VACUUM ANALYZE {_schema()}.{table}".encode())


def _prove(database: Database) -> None:
    with database.transaction(DISTRICT, repeatable_read=True, at=CLOSED) as session:
        broken = upkeep.audit_all(session)
    if broken:
        raise StateConflict("bench", DISTRICT, "broken", f"账目有误 {broken}", f"books: {broken}")


def _mark(database: Database) -> None:
    with database.transaction(DISTRICT, at=CLOSED) as session:
        upkeep.mark_balances(session, through=MONTH.ends_on)


def _close(database: Database) -> None:
    with database.transaction(DISTRICT, at=CLOSED) as session:
        period = periods.close(session, MONTH, by="system:bench")
        if period.sum_fen or period.sum_points or not period.transfers:
            raise StateConflict("bench", DISTRICT, "broken", "合计不为零", "sums are not zero")
        session.rollback()


def _aggregate(settings: Settings) -> None:
    with _owner(settings) as connection:
        connection.execute(_PLAIN, {"start": MONTH.starts_on, "end": MONTH.ends_on})


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def _owner(settings: Settings) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database.owner_url) as connection:
        connection.execute(f"SET search_path = {_schema()}, pg_temp".encode())
        yield connection


def _schema() -> str:
    return schema_of(DISTRICT)


_ACCOUNTS: LiteralString = """
CREATE TEMP TABLE loaded ON COMMIT DROP AS
WITH lots AS (
    SELECT l.account_id, m.issued_account_id, row_number() OVER (ORDER BY l.account_id) - 1 AS n,
           count(*) OVER () AS all_lots
    FROM lot l JOIN merchant m ON m.id = l.issuer_id
), takers AS (
    SELECT redeemed_account_id, row_number() OVER (ORDER BY id) - 1 AS n,
           count(*) OVER () AS all_takers
    FROM merchant
)
SELECT g AS id, %(start)s::date + (g * 31 / %(count)s)::int AS day,
       CASE WHEN g / l.all_lots %% 2 = 0 THEN l.issued_account_id ELSE l.account_id END AS debit_id,
       CASE WHEN g / l.all_lots %% 2 = 0 THEN l.account_id
            ELSE t.redeemed_account_id END AS credit_id,
       CASE WHEN g / l.all_lots %% 2 = 0 THEN 10 ELSE 5 END AS amount
FROM generate_series(0, %(count)s::bigint - 1) g
JOIN lots l ON l.n = g %% (SELECT max(all_lots) FROM lots)
JOIN takers t ON t.n = g * 7919 %% (SELECT max(all_takers) FROM takers)
"""
_JOURNALS: LiteralString = """
INSERT INTO journal (id, key, kind, digest, occurred_at, recorded_at, booked_on)
OVERRIDING SYSTEM VALUE
SELECT id + 1, 'load:' || id, CASE amount WHEN 10 THEN 'earn' ELSE 'burn' END,
       decode(repeat('00112233445566778899aabbccddeeff', 2), 'hex'),
       day + time '12:00', day + time '12:00', day
FROM loaded
"""
_TRANSFERS: LiteralString = """
INSERT INTO transfer (journal_id, line, booked_on, debit_id, credit_id, amount)
SELECT id + 1, 1, day, debit_id, credit_id, amount FROM loaded
"""
_BALANCES: LiteralString = """
UPDATE account_balance b SET posted = b.posted + s.amount, version = b.version + s.times
FROM (
    SELECT side.account_id, sum(side.amount) AS amount, count(*) AS times
    FROM loaded l, LATERAL (VALUES (l.debit_id, -l.amount), (l.credit_id, l.amount))
        AS side (account_id, amount)
    GROUP BY side.account_id) s
WHERE b.account_id = s.account_id AND b.account_id & 8 = 8
"""
_ROLLED: LiteralString = (
    "SELECT setval(pg_get_serial_sequence('journal', 'id'), %(count)s + 1), %(start)s::date"
)
_PLAIN: LiteralString = """
SELECT count(*) FROM (
    SELECT debit_id, credit_id, sum(amount), count(*) FROM transfer
    WHERE booked_on BETWEEN %(start)s AND %(end)s GROUP BY 1, 2) sums
"""
