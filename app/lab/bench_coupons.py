"""Coupons: the search in CPU time, printed codes to a raw COPY, claims on one batch to many.

A sandbox district of its own. The search is pure, and its work limit counts nodes, so that the
answer is the same on a slow machine. Codes are made and written as the job does it, ten thousand
in a transaction; the yardstick copies the same rows, ready as they are, into a table alike.
"""

import random
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg

from app.lab.bench_service import crew_context
from app.members.sealing import coupon_keys
from app.wiring import build
from config.database import Database, new_id, now_of, schema_of
from config.settings import Settings
from coupons import batches, issuing, presets, runs, stacking
from coupons.benefits import AmountOff, Benefit, PercentOff
from coupons.candidates import Held
from coupons.conditions import Basket, Item, Shopper
from coupons.offers import PLACES, Chosen, Offer, Scope, Stacking, Threshold
from coupons.templates import Template
from coupons.terms import Limits, Terms, Validity
from migrations import run

DISTRICT = "bench-coupons"
DEMANDS = {
    "quote_median_ms": "≤ 50",
    "quote_p99_ms": "≤ 250",
    "codes": "≥ 0.2",
    "hot_batch": "≥ 0.5",
}
COUPONS = 30
LINES = 20

_BY = "system:bench"
_MANY = 64
_SKUS = 12
_HOT = "hot"
_CODES = "codes"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured: quotes, codes, and claims for so many seconds by so many processes."""

    quotes: int = 500
    codes: int = 1_000_000
    seconds: float = 6
    processes: int = 2


SHORT = Size(quotes=10, codes=20_000, seconds=1)


@dataclass(frozen=True, kw_only=True)
class Found:
    """CPU of a quote in milliseconds, ratios of codes and claims, and what memory grew by."""

    quote_median_ms: float
    quote_p99_ms: float
    codes: float
    codes_grown_mb: float
    hot_batch: float


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What one process claims: from these batches in turns, for so long."""

    settings: Settings
    names: Sequence[str]
    seconds: float


def measure(settings: Settings, size: Size, *, tell: Callable[[str], None]) -> Found:
    """Measure the search, then codes and claims in a district that is made for it and dropped."""
    quotes = quote_ms(size.quotes)
    tell(f"{size.quotes} quotes, {COUPONS} coupons, {LINES} lines")
    _open(settings, size)
    try:
        ratio, grown = _codes(settings, size.codes, tell)
        claims = []
        for names in ([_HOT], [f"b{n}" for n in range(_MANY)], [_HOT]):
            claims.append(_claims(settings, names, size))
            tell(f"claims on {len(names):>2} batches {claims[-1]:8.0f}/s")
    finally:
        run.drop_district(settings.database.owner_url, DISTRICT)
    return Found(
        quote_median_ms=statistics.median(quotes),
        quote_p99_ms=quotes[-(len(quotes) // 100) - 1],
        codes=ratio,
        codes_grown_mb=grown,
        hot_batch=statistics.mean([claims[0], claims[2]]) / claims[1],
    )


def quote_ms(count: int) -> list[float]:
    """Return the milliseconds of CPU that so many drawn quotes took, shortest first."""
    took = []
    for number in range(count):
        dice = random.Random(number)
        held, basket = _wallet(dice), _basket(dice)
        began = time.process_time()
        stacking.best(held, basket)
        took.append((time.process_time() - began) * 1000)
    return sorted(took)


def claim(shift: Shift) -> float:
    """Claim for a while, each time for somebody new; return claims per second."""
    services = build(shift.settings, pool_size=1)
    try:
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < shift.seconds:
            name, holder = shift.names[done % len(shift.names)], new_id("mem")
            services.database.run(DISTRICT, partial(issuing.claim, batch=name, holder=holder))
            done += 1
        return done / (time.perf_counter() - began)
    finally:
        services.close()


def _wallet(dice: random.Random) -> list[Held]:
    """Return coupons of many kinds: whole wallets of one would be one choice."""
    held = []
    for number in range(COUPONS):
        benefit: Benefit = AmountOff(fen=dice.randrange(100, 3_000))
        if dice.random() < 0.4:
            benefit = PercentOff(off_bps=dice.randrange(500, 4_000), ceiling_fen=5_000)
        skus = dice.sample(range(_SKUS), dice.randint(1, _SKUS))
        held.append(
            Held(
                id=f"c{number:02}",
                template=f"t{number:02}",
                offer=Offer(
                    benefit=benefit,
                    stacking=Stacking(
                        place=PLACES[benefit.kind],
                        group=dice.choice((None, "a", "b", "c")),
                        exclusive=dice.random() < 0.1,
                    ),
                    scope=Scope(include=Chosen(skus=frozenset([f"s{each}" for each in skus]))),
                    threshold=Threshold(min_fen=dice.choice((0, 2_000, 10_000))),
                ),
            )
        )
    return held


def _basket(dice: random.Random) -> Basket:
    return Basket(
        items=tuple(
            [
                Item(
                    number=number,
                    merchant="m",
                    store="s",
                    trade="dining",
                    category="food",
                    sku=f"s{dice.randrange(_SKUS)}",
                    quantity=dice.randint(1, 3),
                    amount_fen=dice.randrange(100, 9_000),
                )
                for number in range(1, LINES + 1)
            ]
        ),
        shopper=Shopper(),
        at=datetime(2026, 11, 28, 4, tzinfo=UTC),
    )


def _open(settings: Settings, size: Size) -> None:
    owner_url = settings.database.owner_url
    if DISTRICT in run.migrate(owner_url):
        run.drop_district(owner_url, DISTRICT)
    run.create_district(owner_url, DISTRICT, name="券测量", sandbox=True)
    services = build(settings, pool_size=1)
    with services.database.transaction(DISTRICT) as session:
        now = now_of(session)
        for code in (_HOT, _CODES, *[f"b{n}" for n in range(_MANY)]):
            batches.add_template(
                session, _template(code, total=max(size.codes, 10_000_000)), by=_BY
            )
            batches.open_batch(
                session,
                code=code,
                template=code,
                starts_at=now - timedelta(days=1),
                ends_at=now + timedelta(days=30),
                by=_BY,
            )
    services.close()


def _template(code: str, *, total: int) -> Template:
    return Template(
        code=code,
        title_zh="测量券",
        title_en="bench coupon",
        offer=Offer(benefit=AmountOff(fen=100), stacking=Stacking(place=10)),
        terms=Terms(
            validity=Validity(days=30), funding=presets.DISTRICT_PAYS, limits=Limits(total=total)
        ),
    )


def _codes(settings: Settings, count: int, tell: Callable[[str], None]) -> tuple[float, float]:
    """Return the rate of printed codes to that of a raw COPY, and what the job's memory grew by."""
    services = build(settings, pool_size=1, statement_timeout_seconds=600)
    began = time.perf_counter()
    grown = _print(services.database, count)
    printing = time.perf_counter() - began
    services.close()
    copying = _copy(settings)
    tell(
        f"{count:,} codes {count / printing:,.0f}/s  COPY {count / copying:,.0f}/s  {grown:.1f} MB"
    )
    return copying / printing, grown


def _print(database: Database, count: int) -> float:
    with database.transaction(DISTRICT) as session:
        keys = coupon_keys(session)
        made = runs.open_run(session, batch=_CODES, name="bench", wanted=count, keys=keys, by=_BY)
    done, first = 0, 0.0
    while done < count:
        with database.transaction(DISTRICT) as session:
            done = runs.fill(session, made, keys=keys)
        first = first or _peak_mb()
    return _peak_mb() - first


def _copy(settings: Settings) -> float:
    """Return the seconds that the same rows take as one COPY, into a table indexed alike."""
    with psycopg.connect(settings.database.owner_url) as connection:
        connection.execute(f"SET search_path = {schema_of(DISTRICT)}, pg_temp".encode())
        with connection.cursor().copy(
            "COPY coupon_code (index, run_id, number) TO STDOUT (FORMAT BINARY)"
        ) as source:
            rows = [bytes(block) for block in source]
        connection.execute("CREATE TABLE raw (LIKE coupon_code INCLUDING ALL)")
    began = time.perf_counter()
    with psycopg.connect(settings.database.owner_url) as connection:
        connection.execute(f"SET search_path = {schema_of(DISTRICT)}, pg_temp".encode())
        with connection.cursor().copy(
            "COPY raw (index, run_id, number) FROM STDIN (FORMAT BINARY)"
        ) as target:
            for block in rows:
                target.write(block)
    return time.perf_counter() - began  # With its COMMIT, as the job has one for each part.


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _claims(settings: Settings, names: Sequence[str], size: Size) -> float:
    shifts = [
        Shift(settings=settings, names=names, seconds=size.seconds) for _ in range(size.processes)
    ]
    with ProcessPoolExecutor(size.processes, mp_context=crew_context()) as pool:
        return sum(pool.map(claim, shifts))
