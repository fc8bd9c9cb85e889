"""`totals`: what a terminal took and gave, by cashier and tender (X and Z reports, P6).

An X report closes nothing and may be asked as often as one likes. A Z report closes what stands in
none before it; it is numbered and never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, reads, writes
from app.api.fields import (
    Code,
    Day,
    DoorSchema,
    Instant,
    Items,
    Part,
    PublicId,
    Sum,
    Text,
    Whole,
)
from app.api.member.paging import LIMIT, PageSchema, read_cursor, write_cursor
from app.api.pos import pos
from app.api.pos.asking import TillSchema, terminal_of
from app.checkout import totals
from app.checkout.totals import ZReport
from app.clock import business_date
from app.merchants.directory import ListedStore
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class AskedTotals:
    """What `TotalsQuerySchema` loads; without a day all since the last Z report."""

    terminal_id: str
    day: date | None


class TotalsQuerySchema(DoorSchema):
    makes = AskedTotals
    terminal_id = Code(required=True)
    day = Day(load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedZ:
    """What `CloseTotalsSchema` loads; `number` is the till's own."""

    terminal_id: str
    cashier_id: str
    number: str


class CloseTotalsSchema(TillSchema):
    makes = AskedZ
    number = Text(most=64, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedZs:
    """What `ZQuerySchema` loads."""

    terminal_id: str
    cursor: str | None
    limit: int


class ZQuerySchema(PageSchema):
    makes = AskedZs
    terminal_id = Code(required=True)


class TenderTotalSchema(DoorSchema):
    name = Text(most=32, required=True)
    taken_fen = Sum(required=True)
    given_fen = Sum(required=True)


class CashierTotalSchema(DoorSchema):
    cashier_id = Text(most=40, required=True, allow_none=True)
    orders = Whole(required=True)
    refunds = Whole(required=True)
    burns = Whole(required=True)
    sold_fen = Sum(required=True)
    refunded_fen = Sum(required=True)
    discount_fen = Sum(required=True)
    burned_points = Sum(required=True)
    burned_fen = Sum(required=True)
    earned_points = Sum(required=True)
    restored_points = Sum(required=True)
    clawed_points = Sum(required=True)
    tenders = Items(Part(TenderTotalSchema), most=100, required=True)


class TotalsSchema(DoorSchema):
    """`since` is the last Z report's instant; null with a `day`, or where there is none yet."""

    terminal_id = Text(most=40, required=True)
    day = Day(required=True, allow_none=True)
    since = Instant(required=True, allow_none=True)
    cashiers = Items(Part(CashierTotalSchema), most=1000, required=True)


class ZSchema(DoorSchema):
    z_id = PublicId("zrp", required=True)
    terminal_id = Text(most=40, required=True)
    ordinal = Whole(least=1, required=True)
    number = Text(most=64, required=True)
    cashier_id = Text(most=40, required=True)
    began_at = Instant(required=True, allow_none=True)
    closed_at = Instant(required=True)
    first_at = Instant(required=True, allow_none=True)
    last_at = Instant(required=True, allow_none=True)
    cashiers = Items(Part(CashierTotalSchema), most=1000, required=True)


class ZsSchema(DoorSchema):
    reports = Items(Part(ZSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


@pos.get("/totals")
@requires(Role.STORE)
@reads(TotalsSchema, query=TotalsQuerySchema)
def read_totals(session: Session, store: ListedStore, asked: AskedTotals) -> Mapping[str, Any]:
    """Return what a terminal took and gave since its last Z report, or on a business day."""
    terminal = terminal_of(session, store, asked.terminal_id)
    day, last = asked.day, None
    if day is None:
        last = totals.find_last(session, terminal)
    if last is None:
        day = day or business_date(now_of(session))
        done = totals.on_day(session, terminal, day)
    else:
        done = totals.since_last(session, terminal, last)
    return {
        "terminal_id": terminal.code,
        "day": day,
        "since": last and last.closed_at,
        "cashiers": done.by_cashier(),
    }


@pos.post("/totals/z")
@requires(Role.STORE)
@writes(CloseTotalsSchema, ZSchema, again=True)
def close_totals(session: Session, store: ListedStore, asked: AskedZ) -> object:
    """Close what a terminal took and gave since its last Z report, under the next number."""
    terminal = terminal_of(session, store, asked.terminal_id)
    closed = totals.close(session, terminal=terminal, number=asked.number, cashier=asked.cashier_id)
    told = _view(closed.report, terminal.code)
    return Again(value=told) if closed.replayed else told


@pos.get("/totals/z")
@requires(Role.STORE)
@reads(ZsSchema, query=ZQuerySchema)
def list_z_totals(session: Session, store: ListedStore, asked: AskedZs) -> Mapping[str, Any]:
    """Return the Z reports of a terminal, newest first."""
    terminal = terminal_of(session, store, asked.terminal_id)
    before = read_cursor(session, store, asked.cursor, of=f"z:{terminal.id}")
    query = select(ZReport).where(ZReport.terminal_id == terminal.id)
    if before is not None:
        query = query.where(ZReport.ordinal < before[0])
    rows = session.scalars(query.order_by(ZReport.ordinal.desc()).limit(asked.limit + 1)).all()
    shown = rows[: asked.limit]
    last = (shown[-1].ordinal,) if len(shown) < len(rows) else None
    return {
        "reports": [_view(row, terminal.code) for row in shown],
        "next_cursor": last and write_cursor(session, store, of=f"z:{terminal.id}", at=last),
    }


def _view(report: ZReport, terminal: str) -> Mapping[str, Any]:
    return {
        "z_id": report.public_id,
        "terminal_id": terminal,
        "ordinal": report.ordinal,
        "number": report.number,
        "cashier_id": report.cashier,
        "began_at": report.began_at,
        "closed_at": report.closed_at,
        "first_at": report.first_at,
        "last_at": report.last_at,
        # Reports of before there were coupons know nothing of them.
        "cashiers": [{"discount_fen": 0} | each for each in report.totals],
    }
