"""Expiry measured: alone beside pgbench, and beside tills that sell meanwhile.

A district of its own with a million lots, four of each member: half of them are over in one month
and booked alone, half in the next and booked while tills sell. Tills sell as in `bench_sale`, to
members whose lots are being booked too. The books are proved afterwards.
"""

import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import select

from app import day_change
from app.errors import StateConflict
from app.lab import bench_sale
from app.lab.bench_pgbench import Pgbench
from app.lab.bench_sale import AT, Shift
from app.lab.bench_service import crew_context
from app.members.models import Member
from app.merchants import registration
from app.wiring import build
from config.database import Database, schema_of
from config.settings import Settings
from ledger import statements, upkeep
from migrations import run

DISTRICT = "bench-expiry"
DEMANDS = {"alone": "≥ 2", "sales_beside": "≥ 0.7", "longest_sale_ms": "≤ 200 + alone"}
NOVEMBER_OVER, DECEMBER_OVER = date(2017, 12, 1), date(2018, 1, 1)

_MERCHANTS = 100
_LOTS_A_MEMBER = 4
_TABLES = ("wallet", "member", "account", "account_balance", "lot", "journal", "transfer")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured: ratios, and the longest sale in milliseconds with and without expiry."""

    tpcb_like_tps: float
    lots_per_second: float
    alone: float
    sales_per_second: float
    sales_beside: float
    longest_sale_alone_ms: float
    longest_sale_ms: float
    lots_beside_per_second: float


@dataclass(frozen=True, kw_only=True)
class Sold:
    """What tills did: sales a second of all, and the longest sale of any in milliseconds."""

    per_second: float
    longest_ms: float


def _open_district(settings: Settings, *, lots: int) -> None:
    """Make the district anew with that many lots."""
    _drop_district(settings)
    run.create_district(settings.database.owner_url, DISTRICT, name="到期测量", sandbox=True)
    services = build(settings, pool_size=1, statement_timeout_seconds=600)
    with services.database.transaction(DISTRICT, at=AT) as session:
        upkeep.open_books(session, start=AT.date(), through=AT.date())
        merchants = [bench_sale.merchant(n) for n in range(_MERCHANTS)]
        registration.register_many(session, merchants, by="bench")
        bench_sale.add_rule(session)
    fill(settings, DISTRICT, members=max(lots // _LOTS_A_MEMBER, 1))
    services.database.run(DISTRICT, upkeep.roll_up)
    services.close()


def _drop_district(settings: Settings) -> None:
    """Destroy the district, if it is there."""
    if DISTRICT in run.migrate(settings.database.owner_url):
        run.drop_district(settings.database.owner_url, DISTRICT)


def fill(settings: Settings, district: str, *, members: int) -> None:
    """Give a district that many members more, with four expired lots each, by statements."""
    with psycopg.connect(settings.database.owner_url) as owner:
        owner.execute(f"SET search_path = {schema_of(district)}, pg_temp".encode())
        owner.execute("SELECT set_config('bench.members', %s, true)", (str(members),))
        owner.execute(Path(__file__).with_suffix(".sql").read_bytes())
    with psycopg.connect(settings.database.owner_url, autocommit=True) as owner:
        for table in _TABLES:
            owner.execute(f"VACUUM ANALYZE {schema_of(district)}.{table}".encode())


def measure(
    settings: Settings,
    pgbench: Pgbench,
    *,
    lots: int,
    seconds: float,
    processes: int,
    tell: Callable[[str], None],
) -> Found:
    """Measure expiry of that many lots, in a district made for it. pgbench's tables are there."""
    _open_district(settings, lots=lots)
    try:
        return _measure(settings, pgbench, seconds=seconds, processes=processes, tell=tell)
    finally:
        _drop_district(settings)


def _measure(
    settings: Settings,
    pgbench: Pgbench,
    *,
    seconds: float,
    processes: int,
    tell: Callable[[str], None],
) -> Found:
    database = Database(settings.database.url, pool_size=1, statement_timeout_seconds=60)
    before = pgbench.tpcb_tps(seconds=seconds)
    booked, took = _expire(database, NOVEMBER_OVER)
    tpcb = statistics.mean([before, pgbench.tpcb_tps(seconds=seconds)])
    tell(f"alone / 单独 {booked / took:,.0f} lots/s, tpcb-like {tpcb:,.0f}/s")
    with ProcessPoolExecutor(processes, mp_context=crew_context()) as pool:
        sell = partial(_sell, pool, settings, seconds=seconds, processes=processes)
        sell()  # First visits and warm processes.
        first = sell()
        selling = [pool.submit(work, shift) for shift in _shifts(settings, seconds, processes)]
        beside, beside_took = _expire(database, DECEMBER_OVER, seconds=seconds)
        meanwhile = _added([each.result() for each in selling])
        last = sell()
    _expire(database, DECEMBER_OVER)
    _prove(database)
    database.dispose()
    quiet = statistics.mean([first.per_second, last.per_second])
    tell(f"sales / 订单 {quiet:,.0f}/s, beside expiry / 同时到期入账 {meanwhile.per_second:,.0f}/s")
    return Found(
        tpcb_like_tps=tpcb,
        lots_per_second=booked / took,
        alone=booked / took / tpcb,
        sales_per_second=quiet,
        sales_beside=meanwhile.per_second / quiet,
        longest_sale_alone_ms=max(first.longest_ms, last.longest_ms),
        longest_sale_ms=meanwhile.longest_ms,
        lots_beside_per_second=beside / beside_took,
    )


def work(shift: Shift) -> Sold:
    """Sell for a while to members of one's own; every sale is timed."""
    services = build(shift.settings, pool_size=1)
    try:
        with services.database.transaction(shift.district) as session:
            everybody = session.scalars(
                select(Member.public_id).order_by(Member.id).limit(bench_sale.MEMBERS * shift.parts)
            ).all()
        mine = everybody[shift.part :: shift.parts]
        dice = random.Random(shift.part)
        sold, longest, began = 0, 0.0, time.perf_counter()
        while (now := time.perf_counter()) - began < shift.seconds:
            services.database.run(shift.district, bench_sale.order(mine, dice), at=AT)
            longest = max(longest, time.perf_counter() - now)
            sold += 1
        return Sold(per_second=sold / (now - began), longest_ms=longest * 1_000)
    finally:
        services.close()


def _sell(pool: ProcessPoolExecutor, settings: Settings, *, seconds: float, processes: int) -> Sold:
    return _added(list(pool.map(work, _shifts(settings, seconds, processes))))


def _shifts(settings: Settings, seconds: float, processes: int) -> list[Shift]:
    return [
        Shift(
            settings=settings, district=DISTRICT, seconds=seconds, part=n, parts=processes,
            warm_up=0,
        )
        for n in range(processes)
    ]  # fmt: skip


def _added(parts: list[Sold]) -> Sold:
    return Sold(
        per_second=sum(each.per_second for each in parts),
        longest_ms=max(each.longest_ms for each in parts),
    )


class _TimeIsUp(Exception):
    """The measurement has lasted long enough."""


def _expire(database: Database, day: date, *, seconds: float | None = None) -> tuple[int, float]:
    """Book what expired before a day; return lots and seconds. `seconds` ends it earlier."""
    began, lots = time.perf_counter(), 0

    def count(_: date, __: str, counts: day_change.Counts) -> None:
        nonlocal lots
        lots = counts["lots"]
        if seconds is not None and time.perf_counter() - began > seconds:
            raise _TimeIsUp

    with suppress(_TimeIsUp):
        day_change.walk(
            partial(database.run, DISTRICT), day_change.EXPIRE, day=day, at=AT, tell=count
        )
    return lots, time.perf_counter() - began


def _prove(database: Database) -> None:
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        session.connection().exec_driver_sql("SET LOCAL statement_timeout = '30min'")
        broken = [str(each) for each in upkeep.audit_all(session)]
        totals = statements.trial_balance(session)
    if broken or any(totals.values()):
        raise StateConflict(
            "bench", DISTRICT, "broken", f"账目有误 {broken} {totals}", f"books: {broken} {totals}"
        )
