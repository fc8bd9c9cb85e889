"""What a terminal took and gave, by cashier: since its last Z report, or on a business day (P6).

A Z report closes what a terminal did since the one before. Which orders and refunds stand in it is
written down and not worked out from instants: a sale that began before a report may be committed
after it, and then stands in the next, once, as does one that was captured offline and comes late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Identity,
    Row,
    UniqueConstraint,
    exists,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.checkout.baskets import sound
from app.checkout.models import Order, OrderKind, OrderState, Refund
from app.clock import day_start
from app.merchants.directory import ListedTerminal
from app.merchants.models import Terminal
from config.database import Base, new_id, now_of

#: Longer than any transaction of a till lives: what the last report could not see yet was written
#: no earlier than this before it.
_LONGEST = timedelta(hours=1)


class ZReport(Base):
    """What a terminal took and gave since its report before: numbered, and never changed (P6).

    `began_at` and `closed_at` are those of the reports; `first_at` and `last_at` the business
    instants of what is in this one. `written_at` is by the real clock.
    """

    __tablename__ = "z_report"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("terminal_id", "ordinal"),
        UniqueConstraint("terminal_id", "number"),
        CheckConstraint("ordinal > 0", name="ordinal"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    ordinal: Mapped[int]
    number: Mapped[str]
    cashier: Mapped[str]
    began_at: Mapped[datetime | None]
    closed_at: Mapped[datetime]
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    totals: Mapped[list[Any]]
    written_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class ZEntry(Base):
    """An order or a refund that stands in a terminal's Z report: in one alone, for ever."""

    __tablename__ = "z_entry"
    __table_args__ = (
        UniqueConstraint("order_id"),
        UniqueConstraint("refund_id"),
        CheckConstraint("num_nonnulls(order_id, refund_id) = 1", name="one"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    z_id: Mapped[int] = mapped_column(ForeignKey("z_report.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refund.id"))


@dataclass(kw_only=True)
class Sums:
    """What one cashier did; `taken` and `given` are fen by tender. Burns are not among orders.

    Nor are roll backs of coupons, but what was paid for them was sold.
    """

    orders: int = 0
    refunds: int = 0
    burns: int = 0
    sold_fen: int = 0
    refunded_fen: int = 0
    discount_fen: int = 0
    burned_points: int = 0
    burned_fen: int = 0
    earned_points: int = 0
    restored_points: int = 0
    clawed_points: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    given: dict[str, int] = field(default_factory=dict)

    def to_json(self, cashier: str | None) -> dict[str, Any]:
        """Return the sums as JSON fields, the money by tender as a list."""
        figures = {name: each for name, each in vars(self).items() if isinstance(each, int)}
        tenders = [
            {
                "name": name,
                "taken_fen": self.taken.get(name, 0),
                "given_fen": self.given.get(name, 0),
            }
            for name in sorted({*self.taken, *self.given})
        ]
        return {"cashier_id": cashier, **figures, "tenders": tenders}


@dataclass(frozen=True, kw_only=True)
class Done:
    """Paid orders and refunds of a terminal, to be summed."""

    orders: Sequence[Row[Any]]
    refunds: Sequence[Row[Any]]

    def by_cashier(self) -> list[dict[str, Any]]:
        """Return the sums of each cashier as JSON fields, in the order of their codes."""
        sums: dict[str | None, Sums] = {}
        for row in self.orders:
            _add_order(sums.setdefault(row.cashier, Sums()), row)
        for row in self.refunds:
            _add_refund(sums.setdefault(row.cashier, Sums()), row)
        return [
            each.to_json(cashier)
            for cashier, each in sorted(sums.items(), key=lambda item: item[0] or "")
        ]

    def instants(self) -> list[datetime]:
        """Return when all this happened, unsorted."""
        return [row.occurred_at for row in (*self.orders, *self.refunds)]


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A Z report as its till hears of it."""

    report: ZReport
    replayed: bool = False


def on_day(session: Session, terminal: ListedTerminal, day: date) -> Done:
    """Return what a terminal did on a business day, closed or not."""
    return _done(
        session,
        terminal,
        orders=[Order.business_date == day],
        refunds=[
            Refund.occurred_at >= day_start(day),
            Refund.occurred_at < day_start(day + timedelta(days=1)),
        ],
    )


def since_last(session: Session, terminal: ListedTerminal, last: ZReport | None) -> Done:
    """Return what a terminal did that stands in no Z report yet."""
    orders = [~exists().where(ZEntry.order_id == Order.id)]
    refunds = [~exists().where(ZEntry.refund_id == Refund.id)]
    if last is not None:
        orders.append(Order.updated_at >= last.written_at - _LONGEST)
        refunds.append(Refund.updated_at >= last.written_at - _LONGEST)
    return _done(session, terminal, orders=orders, refunds=refunds)


def find_last(session: Session, terminal: ListedTerminal) -> ZReport | None:
    """Return the last Z report of a terminal, or None."""
    return session.scalar(
        select(ZReport)
        .where(ZReport.terminal_id == terminal.id)
        .order_by(ZReport.ordinal.desc())
        .limit(1)
    )


def close(session: Session, *, terminal: ListedTerminal, number: str, cashier: str) -> Closed:
    """Write the Z report of a terminal: all that stands in none before it.

    Reports of one terminal queue; its sales go on meanwhile. The till's number again returns the
    first report and closes nothing.
    """
    sound("number", number)
    session.execute(
        select(Terminal.id).where(Terminal.id == terminal.id).with_for_update(key_share=True)
    )
    known = session.scalar(
        select(ZReport).where(ZReport.terminal_id == terminal.id, ZReport.number == number)
    )
    if known is not None:
        return Closed(report=known, replayed=True)
    last = find_last(session, terminal)
    done = since_last(session, terminal, last)
    instants = done.instants()
    report = ZReport(
        public_id=new_id("zrp"),
        store_id=terminal.store.id,
        terminal_id=terminal.id,
        ordinal=1 if last is None else last.ordinal + 1,
        number=number,
        cashier=cashier,
        began_at=None if last is None else last.closed_at,
        closed_at=now_of(session),
        first_at=min(instants, default=None),
        last_at=max(instants, default=None),
        totals=done.by_cashier(),
    )
    session.add(report)
    session.flush()
    entries = [{"z_id": report.id, "order_id": row.id, "refund_id": None} for row in done.orders]
    entries += [{"z_id": report.id, "order_id": None, "refund_id": row.id} for row in done.refunds]
    if entries:
        session.execute(insert(ZEntry), entries)
    return Closed(report=report)


def _done(
    session: Session,
    terminal: ListedTerminal,
    *,
    orders: Iterable[ColumnElement[bool]],
    refunds: Iterable[ColumnElement[bool]],
) -> Done:
    return Done(
        orders=session.execute(
            select(
                Order.id,
                Order.cashier,
                Order.kind,
                Order.occurred_at,
                Order.total_fen,
                Order.discount_fen,
                Order.burned_points,
                Order.burned_fen,
                Order.earned_points,
                Order.money,
            ).where(
                Order.store_id == terminal.store.id,
                Order.terminal_id == terminal.id,
                Order.state == OrderState.PAID,
                *orders,
            )
        ).all(),
        refunds=session.execute(
            select(
                Refund.id,
                Refund.cashier,
                Refund.occurred_at,
                Refund.fen,
                Refund.restored_points,
                Refund.clawed_points,
                Refund.money,
            ).where(
                Refund.store_id == terminal.store.id,
                Refund.terminal_id == terminal.id,
                *refunds,
            )
        ).all(),
    )


def _add_order(sums: Sums, row: Row[Any]) -> None:
    if row.kind == OrderKind.BURN:
        sums.burns += 1
    else:
        sums.orders += row.kind != OrderKind.ROLL_BACK
        sums.sold_fen += row.total_fen
    sums.discount_fen += row.discount_fen
    sums.burned_points += row.burned_points
    sums.burned_fen += row.burned_fen
    sums.earned_points += row.earned_points
    _add_money(sums.taken, row.money)


def _add_refund(sums: Sums, row: Row[Any]) -> None:
    sums.refunds += 1
    sums.refunded_fen += row.fen
    sums.restored_points += row.restored_points
    sums.clawed_points += row.clawed_points
    _add_money(sums.given, row.money)


def _add_money(sums: dict[str, int], money: dict[str, int] | None) -> None:
    for name, fen in (money or {}).items():
        sums[name] = sums.get(name, 0) + fen
