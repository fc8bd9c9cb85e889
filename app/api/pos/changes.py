"""Pages of a store's own orders and refunds by their last change, for an ERP to follow (P6).

A page ends where the oldest transaction that is at work may still write: a change that was begun
before another and committed after it would otherwise be passed over. Whoever goes on from the last
cursor misses nothing and hears of an order again when it has changed again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Row, Select, select, text, tuple_
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import reads
from app.api.fields import (
    Code,
    DoorSchema,
    Fen,
    Instant,
    Items,
    Part,
    Points,
    PublicId,
    Text,
    YesNo,
)
from app.api.member.paging import LIMIT, PageSchema, read_cursor, write_cursor
from app.api.pos import pos
from app.api.pos.asking import LIMIT_TENDERS, TenderSchema, terminal_of
from app.checkout.models import Order, Refund
from app.merchants.directory import ListedStore, get_directory

_REFUNDS: tuple[Any, ...] = (Refund, Order.public_id.label("order"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class AskedChanges:
    """What `ChangesQuerySchema` loads; all that ever changed unless there is an instant."""

    terminal_id: str | None
    updated_since: datetime | None
    cursor: str | None
    limit: int


class ChangesQuerySchema(PageSchema):
    makes: ClassVar[type[Any] | None] = AskedChanges
    terminal_id = Code(load_default=None)
    updated_since = Instant(load_default=None)


class ListedOrderSchema(DoorSchema):
    order_id = PublicId("ord", required=True)
    terminal_id = Text(most=40, required=True)
    number = Text(most=64, required=True)
    kind = Text(most=20, required=True)
    state = Text(most=20, required=True)
    cashier_id = Text(most=40, required=True, allow_none=True)
    occurred_at = Instant(required=True)
    updated_at = Instant(required=True)
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    burned_points = Points(required=True)
    burned_fen = Fen(required=True)
    due_fen = Fen(required=True)
    earned_points = Points(required=True)
    refunded_fen = Fen(required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)


class ListedRefundSchema(DoorSchema):
    refund_id = PublicId("ref", required=True)
    order_id = PublicId("ord", required=True)
    terminal_id = Text(most=40, required=True)
    number = Text(most=64, required=True)
    cashier_id = Text(most=40, required=True, allow_none=True)
    occurred_at = Instant(required=True)
    updated_at = Instant(required=True)
    fen = Fen(required=True)
    points_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    restored_points = Points(required=True)
    clawed_points = Points(required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)


class OrdersSchema(DoorSchema):
    """`next_cursor` goes on from here, today or later; null where nothing has come yet."""

    orders = Items(Part(ListedOrderSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)
    has_more = YesNo(required=True)


class RefundsSchema(DoorSchema):
    refunds = Items(Part(ListedRefundSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)
    has_more = YesNo(required=True)


@dataclass(frozen=True, kw_only=True)
class _Page:
    """Rows in the order of their change, where they end, and whether more are there already."""

    rows: Sequence[Row[Any]]
    next_cursor: str | None
    has_more: bool


@pos.get("/refunds")
@requires(Role.STORE)
@reads(RefundsSchema, query=ChangesQuerySchema)
def list_refunds(session: Session, store: ListedStore, asked: AskedChanges) -> Mapping[str, Any]:
    """Return the store's refunds, oldest first."""
    query = select(*_REFUNDS).join(Order, Order.id == Refund.order_id)
    page = _page(session, store, asked, query, Refund)
    codes = _codes(session)
    return {
        "refunds": [_refund_view(row.Refund, row.order, codes) for row in page.rows],
        "next_cursor": page.next_cursor,
        "has_more": page.has_more,
    }


def list_orders(session: Session, store: ListedStore, asked: AskedChanges) -> Mapping[str, Any]:
    """Return a page of the store's orders, those first that changed longest ago."""
    page = _page(session, store, asked, select(Order), Order)
    codes = _codes(session)
    return {
        "orders": [_order_view(row.Order, codes) for row in page.rows],
        "next_cursor": page.next_cursor,
        "has_more": page.has_more,
    }


def _page(
    session: Session,
    store: ListedStore,
    asked: AskedChanges,
    query: Select[Any],
    table: type[Order | Refund],
) -> _Page:
    of = table.__tablename__
    query = query.where(table.store_id == store.id, *_where(session, store, asked, table))
    after = read_cursor(session, store, asked.cursor, of=of)
    if after is not None:
        seen = _EPOCH + after[0] * _MICROSECOND
        query = query.where(tuple_(table.updated_at, table.id) > tuple_(seen, after[1]))
    rows = session.execute(query.order_by(table.updated_at, table.id).limit(asked.limit + 1)).all()
    shown = rows[: asked.limit]
    cursor = asked.cursor
    if shown:
        last = shown[-1][0]
        at = ((last.updated_at - _EPOCH) // _MICROSECOND, last.id)
        cursor = write_cursor(session, store, of=of, at=at)
    return _Page(rows=shown, next_cursor=cursor, has_more=len(rows) > len(shown))


def _where(
    session: Session, store: ListedStore, asked: AskedChanges, table: type[Order | Refund]
) -> list[ColumnElement[bool]]:
    # Read before the rows: what is not among them then was written no earlier than this.
    where: list[ColumnElement[bool]] = [table.updated_at < session.scalar(_SETTLED)]
    if asked.updated_since is not None:
        where.append(table.updated_at >= asked.updated_since)
    if asked.terminal_id is not None:
        where.append(table.terminal_id == terminal_of(session, store, asked.terminal_id).id)
    return where


def _codes(session: Session) -> Mapping[int, str]:
    return {till.id: till.code for till in get_directory(session).terminals.values()}


def _order_view(order: Order, codes: Mapping[int, str]) -> dict[str, Any]:
    return {
        **vars(order),
        "order_id": order.public_id,
        "terminal_id": codes[order.terminal_id],
        "cashier_id": order.cashier,
        "tenders": _tenders(order.money),
    }


def _refund_view(refund: Refund, order: str, codes: Mapping[int, str]) -> dict[str, Any]:
    return {
        **vars(refund),
        "refund_id": refund.public_id,
        "order_id": order,
        "terminal_id": codes[refund.terminal_id],
        "cashier_id": refund.cashier,
        "tenders": _tenders(refund.money),
    }


def _tenders(money: Mapping[str, int] | None) -> list[dict[str, object]]:
    return [{"name": name, "fen": fen} for name, fen in (money or {}).items()]


# A row's instant is taken when it is written, after its transaction began. Who has written has a
# transaction id; the two seconds are for one that was about to write when this was asked.
_SETTLED = text(
    """
    SELECT least(clock_timestamp() - interval '2 seconds', min(xact_start))
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
    """
)
