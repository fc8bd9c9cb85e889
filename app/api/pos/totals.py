"""`totals`: what a terminal took and gave on a business day, by cashier and tender (an X report).

Nothing is closed by it; it may be asked as often as one likes. Tenders are read from the slices,
the one place that says who paid for what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import reads
from app.api.fields import Code, Day, DoorSchema, Items, Part, Sum, Text, Whole
from app.api.pos import pos
from app.api.pos.asking import terminal_of
from app.checkout.models import Order, OrderState, Refund
from app.checkout.returns import difference, sold
from app.checkout.slices import load
from app.clock import business_date, day_start
from app.merchants.directory import ListedStore, ListedTerminal
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class AskedTotals:
    """What `TotalsQuerySchema` loads; today unless a day is named."""

    terminal_id: str
    day: date | None


class TotalsQuerySchema(DoorSchema):
    makes = AskedTotals
    terminal_id = Code(required=True)
    day = Day(load_default=None)


@dataclass(kw_only=True)
class Sums:
    """What one cashier did; `taken` and `given` are fen by tender."""

    orders: int = 0
    refunds: int = 0
    sold_fen: int = 0
    refunded_fen: int = 0
    burned_points: int = 0
    earned_points: int = 0
    restored_points: int = 0
    clawed_points: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)


class TenderTotalSchema(DoorSchema):
    name = Text(most=32, required=True)
    taken_fen = Sum(required=True)
    given_fen = Sum(required=True)


class CashierTotalSchema(DoorSchema):
    cashier_id = Text(most=40, required=True, allow_none=True)
    orders = Whole(required=True)
    refunds = Whole(required=True)
    sold_fen = Sum(required=True)
    refunded_fen = Sum(required=True)
    burned_points = Sum(required=True)
    earned_points = Sum(required=True)
    restored_points = Sum(required=True)
    clawed_points = Sum(required=True)
    tenders = Items(Part(TenderTotalSchema), most=100, required=True)


class TotalsSchema(DoorSchema):
    terminal_id = Text(most=40, required=True)
    day = Day(required=True)
    cashiers = Items(Part(CashierTotalSchema), most=1000, required=True)


@pos.get("/totals")
@requires(Role.STORE)
@reads(TotalsSchema, query=TotalsQuerySchema)
def read_totals(session: Session, store: ListedStore, asked: AskedTotals) -> Mapping[str, Any]:
    """Return what a terminal took and gave on a business day, by cashier and tender."""
    terminal = terminal_of(session, store, asked.terminal_id)
    day = asked.day or business_date(now_of(session))
    sums: dict[str | None, Sums] = {}
    _add_orders(session, terminal, day, sums)
    _add_refunds(session, terminal, day, sums)
    return {
        "terminal_id": terminal.code,
        "day": day,
        "cashiers": [
            {**vars(each), "cashier_id": cashier, "tenders": _tenders(each)}
            for cashier, each in sorted(sums.items(), key=lambda item: item[0] or "")
        ],
    }


def _add_orders(
    session: Session, terminal: ListedTerminal, day: date, sums: dict[str | None, Sums]
) -> None:
    rows = session.execute(
        select(
            Order.cashier, Order.total_fen, Order.burned_points, Order.earned_points, Order.slices
        ).where(
            Order.store_id == terminal.store.id,
            Order.terminal_id == terminal.id,
            Order.business_date == day,
            Order.state == OrderState.PAID,
        )
    )
    for row in rows:
        each = sums.setdefault(row.cashier, Sums())
        each.orders += 1
        each.sold_fen += row.total_fen
        each.burned_points += row.burned_points
        each.earned_points += row.earned_points
        allocation = load(row.slices)
        for name, fen in difference(allocation, {}, sold(allocation)).money_fen.items():
            each.taken[name] = each.taken.get(name, 0) + fen


def _add_refunds(
    session: Session, terminal: ListedTerminal, day: date, sums: dict[str | None, Sums]
) -> None:
    rows = session.execute(
        select(
            Refund.cashier, Refund.fen, Refund.restored_points, Refund.clawed_points, Refund.money
        ).where(
            Refund.store_id == terminal.store.id,
            Refund.terminal_id == terminal.id,
            Refund.occurred_at >= day_start(day),
            Refund.occurred_at < day_start(day + timedelta(days=1)),
        )
    )
    for row in rows:
        each = sums.setdefault(row.cashier, Sums())
        each.refunds += 1
        each.refunded_fen += row.fen
        each.restored_points += row.restored_points
        each.clawed_points += row.clawed_points
        for name, fen in row.money.items():
            each.given[name] = each.given.get(name, 0) + fen


def _tenders(sums: Sums) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "taken_fen": sums.taken.get(name, 0),
            "given_fen": sums.given.get(name, 0),
        }
        for name in sorted({*sums.taken, *sums.given})
    ]
