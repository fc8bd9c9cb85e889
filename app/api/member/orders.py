"""The member's orders, of all merchants; somebody else's is as good as none (M9, S2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, Points, PublicId, Text, Whole
from app.api.member import member
from app.api.member.paging import LIMIT, Page, PageSchema, read_cursor, write_cursor
from app.api.member.points import PlaceSchema
from app.api.pos.coupons import CouponUseSchema
from app.checkout import discounts, reasons
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_LINES, LIMIT_QUANTITY
from app.checkout.models import Order, OrderLine, Refund
from app.errors import NotFound
from app.members.identification import same_person
from app.merchants.directory import get_directory


class OwnOrderSchema(DoorSchema):
    order_id = PublicId("ord", required=True)
    occurred_at = Instant(required=True)
    state = Text(most=20, required=True)
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    burned_points = Points(required=True)
    burned_fen = Fen(required=True)
    due_fen = Fen(required=True)
    earned_points = Points(required=True)
    refunded_fen = Fen(required=True)
    coupons = Items(Part(CouponUseSchema), most=LIMIT_COUPONS, required=True)
    at = Part(PlaceSchema, required=True)


class OwnOrdersSchema(DoorSchema):
    orders = Items(Part(OwnOrderSchema), most=LIMIT, required=True)
    next_cursor = Text(most=200, required=True, allow_none=True)


class OwnOrderLineSchema(DoorSchema):
    number = Whole(required=True)
    name = Text(most=120, required=True)
    merchant_zh = Text(most=120, required=True)
    merchant_en = Text(most=120, required=True)
    amount_fen = Fen(required=True)
    quantity = Whole(most=LIMIT_QUANTITY, required=True)
    discount_fen = Fen(required=True)
    burned_fen = Fen(required=True)
    earned_points = Points(required=True)
    refunded_fen = Fen(required=True)
    refunded_quantity = Whole(most=LIMIT_QUANTITY, required=True)


class OwnRefundSchema(DoorSchema):
    refund_id = PublicId("ref", required=True)
    occurred_at = Instant(required=True)
    fen = Fen(required=True)
    points_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    restored_points = Points(required=True)
    clawed_points = Points(required=True)


class OwnOrderDetailSchema(OwnOrderSchema):
    lines = Items(Part(OwnOrderLineSchema), most=LIMIT_LINES, required=True)
    refunds = Items(Part(OwnRefundSchema), most=10_000, required=True)


class OrdersQuerySchema(PageSchema):
    makes = Page


_SHOWN: tuple[Any, ...] = (
    Order.id,
    Order.public_id,
    Order.store_id,
    Order.occurred_at,
    Order.state,
    Order.total_fen,
    Order.discount_fen,
    Order.burned_points,
    Order.burned_fen,
    Order.due_fen,
    Order.earned_points,
    Order.refunded_fen,
    Order.coupons,
)


@member.get("/orders")
@requires(Role.MEMBER)
@reads(OwnOrdersSchema, query=OrdersQuerySchema)
def list_own_orders(session: Session, caller: SignedIn, asked: Page) -> Mapping[str, object]:
    """Return the member's orders, newest first."""
    before = read_cursor(session, caller, asked.cursor, of="orders")
    wanted = own_orders(caller.member.id).order_by(Order.id.desc()).limit(asked.limit + 1)
    rows = session.execute(wanted.where(Order.id < before[0]) if before else wanted).all()
    shown = rows[: asked.limit]
    last = (shown[-1].id,) if len(shown) < len(rows) else None
    return {
        "orders": [order_view(session, row) for row in shown],
        "next_cursor": last and write_cursor(session, caller, of="orders", at=last),
    }


@member.get("/orders/<public_id:order_id>")
@requires(Role.MEMBER)
@reads(OwnOrderDetailSchema)
def get_own_order(session: Session, caller: SignedIn, order_id: str) -> Mapping[str, object]:
    """Return an order with its lines and what went back."""
    row = session.execute(
        own_orders(caller.member.id).where(Order.public_id == order_id)
    ).one_or_none()
    if row is None:
        raise NotFound("order", order_id)
    return {
        **order_view(session, row),
        "lines": lines_of(session, [row.id]).get(row.id, []),
        "refunds": refunds_of(session, [row.id]).get(row.id, []),
    }


def own_orders(member_id: int) -> Select[Any]:
    """Return the query of a member's orders, with what he is shown of each."""
    return select(*_SHOWN).where(Order.member_id.in_(same_person(member_id)))


def order_view(session: Session, row: Row[Any]) -> dict[str, object]:
    """Return an order as its member sees it."""
    store = get_directory(session).stores[row.store_id]
    return {
        **row._asdict(),
        "order_id": row.public_id,
        "coupons": reasons.used(discounts.load(row.coupons)),
        "at": {
            "store": store.name,
            "merchant_zh": store.merchant.name_zh,
            "merchant_en": store.merchant.name_en,
        },
    }


def lines_of(session: Session, orders: Sequence[int]) -> Mapping[int, list[dict[str, object]]]:
    """Return the lines of orders (by key) as their member sees them, in one round trip."""
    merchants = get_directory(session).merchants
    lines: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
    for row in session.scalars(
        select(OrderLine)
        .where(OrderLine.order_id.in_(orders))
        .order_by(OrderLine.order_id, OrderLine.number)
    ):
        merchant = merchants[row.merchant_id]
        names = {"merchant_zh": merchant.name_zh, "merchant_en": merchant.name_en}
        lines[row.order_id].append({**vars(row), **names})
    return lines


def refunds_of(session: Session, orders: Sequence[int]) -> Mapping[int, list[dict[str, object]]]:
    """Return the refunds of orders (by key), in their order, in one round trip."""
    refunds: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
    for row in session.scalars(
        select(Refund).where(Refund.order_id.in_(orders)).order_by(Refund.order_id, Refund.ordinal)
    ):
        refunds[row.order_id].append({**vars(row), "refund_id": row.public_id})
    return refunds
