"""Whole orders per second: in an empty district beside pgbench, and after a year of sales.

An order has nine lines, a known member, one tender, earns, and stores its slices; it is sold as a
door does it: find the member, sell, commit, in `Database.run`. Processes share nothing but the
database, and sell to members of their own: fifty each, who shop at four stores, as the median
member of the public data set does. First visits lie in the warm-up.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.checkout import orders, refunds
from app.checkout.baskets import Basket, BasketLine, Tender
from app.checkout.drafts import Sale
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundWhole
from app.lab.bench_service import crew_context
from app.members import enrolment
from app.members.arrivals import NewMember
from app.members.identification import get_by_public_id
from app.members.models import Member, Source
from app.merchants import registration
from app.merchants.directory import get_directory
from app.merchants.models import Funding, MayBurn
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.terms import Terms
from app.points import rules
from app.points.definitions import Definition, Kind
from app.points.rules import Names
from app.wiring import build
from config.database import new_id
from config.settings import Settings
from ledger import upkeep
from migrations import run

AT = datetime(2018, 1, 5, 4, tzinfo=UTC)
LINES = 9
MEMBERS = 50
STORES = 4
ENDS = 2  # BEGIN with its first statement, and COMMIT: they go to libpq itself.
EMPTY = "bench-empty"


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One process's share of a measurement."""

    settings: Settings
    district: str
    seconds: float
    part: int
    parts: int
    warm_up: int


def measure(
    settings: Settings,
    *,
    tpcb_tps: Callable[[], float],
    year: str | None,
    rounds: int,
    seconds: float,
    merchants: int,
    members: int,
    processes: int,
    warm_up: int,
) -> dict[str, float]:
    """Return the ratios of whole orders; `tpcb_tps` runs pgbench beside each round.

    `year` names a sandbox district that has seen a year of sales; without one, `after_year` is
    left out.
    """
    open_empty(settings, merchants=merchants, members=members)
    sell = partial(
        sell_side_by_side, settings, seconds=seconds, processes=processes, warm_up=warm_up
    )
    in_process = []
    after_year = []
    for _ in range(rounds):
        before = tpcb_tps()
        empty = sell(EMPTY)
        if year is not None:
            after_year.append(sell(year) / empty)
        in_process.append(empty / statistics.mean([before, tpcb_tps()]))
    found = {
        "in_process": statistics.median(in_process),
        "round_trips": float(round_trips(settings)),
    }
    if after_year:
        found["after_year"] = statistics.median(after_year)
    return found


def open_empty(settings: Settings, *, merchants: int, members: int) -> None:
    """Make the empty district anew: merchants, members and one rule, but no sale."""
    known = set(run.migrate(settings.database.owner_url))
    if EMPTY in known:
        run.drop_district(settings.database.owner_url, EMPTY)
    run.create_district(settings.database.owner_url, EMPTY, name="空商圈", sandbox=True)
    services = build(settings, pool_size=1, statement_timeout_seconds=60)
    with services.database.transaction(EMPTY, at=AT) as session:
        upkeep.open_books(session, start=AT.date(), through=AT.date())
        registration.register_many(session, [merchant(n) for n in range(merchants)], by="bench")
        enrolment.enrol_many(
            session,
            [NewMember(source=Source.IMPORT, card_number=f"C{n}") for n in range(members)],
        )
        add_rule(session)
    services.close()


def add_rule(session: Session) -> None:
    """Let every sale earn a point a yuan."""
    request = rules.propose(
        session,
        code="yuan",
        definition=Definition(kind=Kind.BASE, rate=Fraction(1, 100)),
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=datetime(2016, 1, 1, tzinfo=UTC),
        by="mei",
        reason="bench",
    )
    rules.approve(session, request.public_id, by="li")


def sell_side_by_side(
    settings: Settings, district: str, *, seconds: float, processes: int, warm_up: int
) -> float:
    """Return orders per second of several processes that sell at once."""
    shifts = [
        Shift(
            settings=settings,
            district=district,
            seconds=seconds,
            part=n,
            parts=processes,
            warm_up=warm_up,
        )
        for n in range(processes)
    ]
    with ProcessPoolExecutor(processes, mp_context=crew_context()) as pool:
        return sum(pool.map(work, shifts))


def work(shift: Shift) -> float:
    """Sell for a while to every `parts`-th member; return orders per second."""
    services = build(shift.settings, pool_size=1)
    try:
        with services.database.transaction(shift.district) as session:
            everybody = session.scalars(select(Member.public_id).order_by(Member.id)).all()
        mine = everybody[shift.part :: shift.parts][:MEMBERS]
        dice = random.Random(shift.part)
        for _ in range(shift.warm_up):
            services.database.run(shift.district, order(mine, dice), at=AT)
        sold = 0
        began = time.perf_counter()
        while time.perf_counter() - began < shift.seconds:
            services.database.run(shift.district, order(mine, dice), at=AT)
            sold += 1
        return sold / (time.perf_counter() - began)
    finally:
        services.close()


class _Counting(psycopg.Cursor[Any]):
    """Counts every text that goes to the server; the first of a transaction carries BEGIN."""

    sent = 0

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        type(self).sent += 1
        return super().execute(query, *arguments, **options)


def round_trips(settings: Settings) -> int:
    """Return what the dearer of a sale and its refund costs, BEGIN and COMMIT included."""
    services = build(settings, pool_size=1)
    event.listen(services.database.engine, "connect", _count)
    dice = random.Random(1)
    with services.database.transaction(EMPTY) as session:
        everybody = session.scalars(select(Member.public_id).limit(MEMBERS)).all()
    counts: list[int] = []
    for _ in range(10):
        _Counting.sent = 0
        sale = services.database.run(EMPTY, order(everybody, dice), at=AT)
        counts.append(_Counting.sent + ENDS)
        _Counting.sent = 0
        services.database.run(EMPTY, partial(_refund, sale=sale), at=AT)
        counts.append(_Counting.sent + ENDS)
    services.close()
    return max(counts[2:])  # The first pair reads the directory.


def _count(connection: psycopg.Connection[Any], *_: object) -> None:
    connection.cursor_factory = _Counting


def order(members: Sequence[str], dice: random.Random) -> Callable[[Session], Sale]:
    """Return the sale of one drawn basket to one of some members, to be run in a transaction."""
    chosen = dice.randrange(len(members))
    store = chosen * STORES + dice.randrange(STORES)
    amounts = [dice.randrange(50, 3_000) for _ in range(LINES)]

    def sell(session: Session) -> Sale:
        tills = get_directory(session).terminals
        till = list(tills.values())[store % len(tills)]
        basket = Basket(
            terminal=till,
            number=new_id("b"),
            occurred_at=AT,
            lines=[
                BasketLine(sku=f"sku-{fen}", name="商品", category="food", amount_fen=fen)
                for fen in amounts
            ],
            member=get_by_public_id(session, members[chosen]),
        )
        return orders.sell(session, basket, [Tender(name="cash", fen=basket.total_fen)])

    return sell


def _refund(session: Session, *, sale: Sale) -> None:
    tills = get_directory(session).terminals
    refunds.give(
        session,
        RefundRequest(
            order=sale.public_id,
            terminal=next(iter(tills.values())),
            number=new_id("r"),
            occurred_at=AT,
            parts=[RefundWhole()],
        ),
    )


def merchant(number: int) -> NewMerchant:
    """Return a merchant with one store and one till, `S<number>` both, on account."""
    return NewMerchant(
        code=f"S{number}",
        name_zh=f"商户{number}",
        name_en=f"Merchant {number}",
        trade="dining",
        stores=[NewStore(code=f"S{number}", name="一店", terminals=("T1",))],
        terms=Terms(
            valid_from=date(2016, 1, 1),
            cost_fen_per_point=Fraction(1),
            redemption_fen_per_point=Fraction(9, 10),
            funding=Funding.POSTPAID,
            may_burn=MayBurn.ANY,
        ),
    )
