"""`orders`: sold in one step or placed, paid, cancelled, and looked up (P2, P3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from marshmallow import ValidationError, validates_schema
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, Paged, reads, writes
from app.api.fields import (
    DoorSchema,
    Fen,
    Instant,
    Items,
    Part,
    Points,
    PublicId,
    Text,
    Whole,
    YesNo,
)
from app.api.pos import pos
from app.api.pos.asking import (
    LIMIT_TENDERS,
    AskedBasket,
    AskedTill,
    BasketSchema,
    TenderSchema,
    TillSchema,
    Wanted,
    basket,
    own_order,
    terminal_of,
)
from app.api.pos.changes import AskedChanges, ChangesQuerySchema, OrdersSchema, list_orders
from app.api.pos.coupons import CouponUseSchema, refuse_coupons, require_patience
from app.api.pos.quotes import SilentSchema
from app.api.pos.receipts import ReceiptSchema, receipt
from app.api.pos.tapping import ask_member
from app.checkout import discounts, gifts, orders, payments, quotes, reasons
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_LINES, LIMIT_QUANTITY, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import CouponNotUsable, QuoteExpired, TapNeeded
from app.checkout.gifts import Gift
from app.checkout.models import Order, OrderLine
from app.checkout.orders import find_by_number
from app.checkout.settling import load_silent
from app.errors import NotFound
from app.members.identification import KnownMember, get_by_id
from app.merchants.directory import ListedStore, get_directory

_MOST_GIFTS = 100


@dataclass(frozen=True, kw_only=True)
class AskedOrder(AskedBasket):
    """What `PlaceOrderSchema` loads; with `tenders` it is sold in one step."""

    number: str
    quote_id: str | None
    tenders: Sequence[Tender] | None


class PlaceOrderSchema(BasketSchema):
    makes = AskedOrder
    number = Text(most=64, required=True)
    quote_id = PublicId("quo", load_default=None)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedPayment:
    """What `PayOrderSchema` loads."""

    terminal_id: str
    cashier_id: str
    tenders: Sequence[Tender]


class PayOrderSchema(TillSchema):
    makes = AskedPayment
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)


class WaitingOrderSchema(TillSchema):
    makes = AskedTill


@dataclass(frozen=True, kw_only=True)
class AskedOrders(AskedChanges):
    """What `FindOrdersSchema` loads: with `number` one order, else a page of them."""

    number: str | None


class FindOrdersSchema(ChangesQuerySchema):
    makes = AskedOrders
    number = Text(most=64, load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse a number of no terminal, and a page of one order."""
        if data["number"] is None:
            return
        if data["terminal_id"] is None:
            raise ValidationError("required", "terminal_id")
        if data["updated_since"] is not None or data["cursor"] is not None:
            raise ValidationError("needs-number-alone", "number")


class OrderGiftSchema(DoorSchema):
    """A coupon that the order's payment gave; without one `why` says what was in the way."""

    batch = Text(most=40, required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    coupon_id = PublicId("cpn", required=True, allow_none=True)
    why = Text(most=40, required=True, allow_none=True)


class OrderSchema(DoorSchema):
    order_id = PublicId("ord", required=True)
    number = Text(most=64, required=True)
    state = Text(most=20, required=True)
    total_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    coupons = Items(Part(CouponUseSchema), most=LIMIT_COUPONS, required=True)
    gifts = Items(Part(OrderGiftSchema), most=_MOST_GIFTS, required=True)
    burned_points = Points(required=True)
    burned_fen = Fen(required=True)
    due_fen = Fen(required=True)
    earned_points = Points(required=True)
    until = Instant(required=True, allow_none=True)
    silent = Items(Part(SilentSchema), most=1000, required=True)
    receipt = Part(ReceiptSchema, required=True)


class OrderLineSchema(DoorSchema):
    number = Whole(required=True)
    sku = Text(most=64, required=True)
    name = Text(most=120, required=True)
    amount_fen = Fen(required=True)
    quantity = Whole(most=LIMIT_QUANTITY, required=True)
    discount_fen = Fen(required=True)
    burned_fen = Fen(required=True)
    earned_points = Points(required=True)
    refunded_fen = Fen(required=True)
    refunded_quantity = Whole(most=LIMIT_QUANTITY, required=True)
    refundable = YesNo(required=True)


class OrderDetailSchema(OrderSchema):
    terminal_id = Text(most=40, required=True)
    cashier_id = Text(most=40, required=True, allow_none=True)
    occurred_at = Instant(required=True)
    refunded_fen = Fen(required=True)
    rolled_back_fen = Fen(required=True)
    lines = Items(Part(OrderLineSchema), most=LIMIT_LINES, required=True)


@pos.post("/orders")
@requires(Role.STORE)
@writes(PlaceOrderSchema, OrderSchema, again=True)
def place_order(session: Session, store: ListedStore, asked: AskedOrder) -> object:
    """Sell in one step if `tenders` are given, else hold the points and wait for payment."""
    require_patience(session, terminal_of(session, store, asked.terminal_id), asked.coupons)
    wanted = basket(session, store, asked, number=asked.number)
    try:
        sale = _sale(session, wanted, asked)
    except TapNeeded as needed:
        return ask_member(session, needed)
    except CouponNotUsable as refused:
        return refuse_coupons(session, wanted.basket.terminal, refused)
    told = order_view(session, sale, wanted.basket.member)
    return Again(value=told) if sale.replayed else told


@pos.post("/orders/<public_id:order_id>/payment")
@requires(Role.STORE)
@writes(PayOrderSchema, OrderSchema, status=HTTPStatus.OK, again=True)
def pay_order(session: Session, store: ListedStore, asked: AskedPayment, order_id: str) -> object:
    """Turn a placed order into a paid one; an order that is paid already is told again."""
    terminal_of(session, store, asked.terminal_id)
    order = own_order(session, store, order_id)
    sale = payments.pay(session, order=order_id, tenders=asked.tenders)
    told = order_view(session, sale, member_of(session, order))
    return Again(value=told) if sale.replayed else told


@pos.post("/orders/<public_id:order_id>/extension")
@requires(Role.STORE)
@writes(WaitingOrderSchema, OrderSchema, status=HTTPStatus.OK)
def extend_order(session: Session, store: ListedStore, asked: AskedTill, order_id: str) -> object:
    """Give an order that waits for payment more time; it keeps its coupons and points as long."""
    terminal_of(session, store, asked.terminal_id)
    order = own_order(session, store, order_id)
    orders.extend(session, order=order_id)
    return _told(session, order)


@pos.post("/orders/<public_id:order_id>/cancellation")
@requires(Role.STORE)
@writes(WaitingOrderSchema, OrderSchema, status=HTTPStatus.OK)
def cancel_order(session: Session, store: ListedStore, asked: AskedTill, order_id: str) -> object:
    """Give up an order before payment; what it held is free at once."""
    terminal_of(session, store, asked.terminal_id)
    order = own_order(session, store, order_id)
    orders.cancel(session, order=order_id)
    return _told(session, order)


@pos.get("/orders/<public_id:order_id>")
@requires(Role.STORE)
@reads(OrderDetailSchema)
def get_order(session: Session, store: ListedStore, order_id: str) -> Mapping[str, Any]:
    """Return an order with its lines and what of them has gone back."""
    return _detail(session, own_order(session, store, order_id))


@pos.get("/orders")
@requires(Role.STORE)
@reads(OrderDetailSchema, query=FindOrdersSchema, pages=OrdersSchema)
def find_order(session: Session, store: ListedStore, asked: AskedOrders) -> object:
    """Return the sale of a terminal's own number, or a page of the store's orders by change."""
    if asked.number is None or asked.terminal_id is None:
        return Paged(value=list_orders(session, store, asked))
    terminal = terminal_of(session, store, asked.terminal_id)
    found = find_by_number(session, terminal=terminal, number=asked.number)
    if found is None:
        raise NotFound("order", asked.number)
    return _detail(session, found)


def order_view(session: Session, sale: Sale, member: KnownMember | None) -> Mapping[str, Any]:
    """Return a sale as its till hears of it."""
    printed = receipt(
        session,
        member,
        earned=sale.earned_points,
        burned=sale.burned_points,
        stack=sale.stack,
        gifts=sale.gifts,
    )
    return {
        **vars(sale),
        "order_id": sale.public_id,
        "coupons": reasons.used(sale.stack),
        "gifts": gifts_view(sale.gifts),
        "receipt": printed,
    }


def gifts_view(given: Sequence[Gift]) -> list[dict[str, object]]:
    """Return what an order gave."""
    return [{**vars(each), "coupon_id": each.coupon} for each in given]


def member_of(session: Session, order: Order) -> KnownMember | None:
    """Return the member of an order, if it has one."""
    return None if order.member_id is None else get_by_id(session, order.member_id)


def _sale(session: Session, wanted: Wanted, asked: AskedOrder) -> Sale:
    wish, refusal, quote_id = wanted.basket, wanted.refusal, None
    if refusal is None and asked.quote_id is not None:
        try:
            wish, quote_id = quotes.redeem(session, wish, quote=asked.quote_id)
        except QuoteExpired as expired:
            refusal = expired
    if refusal is not None:
        known = orders.find_known(session, wish, asked.tenders)
        if known is None:
            raise refusal
        return known
    if asked.tenders is None:
        return orders.place(session, wish, quote_id=quote_id)
    return orders.sell(session, wish, asked.tenders, quote_id=quote_id)


def _detail(session: Session, order: Order) -> Mapping[str, Any]:
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.number)
    ).all()
    return {
        **_told(session, order),
        "terminal_id": _terminal(session, order),
        "cashier_id": order.cashier,
        "occurred_at": order.occurred_at,
        "refunded_fen": order.refunded_fen,
        "rolled_back_fen": order.rolled_back_fen,
        "lines": lines,
    }


def _told(session: Session, order: Order) -> dict[str, Any]:
    given, stack = gifts.of_order(session, order.id), discounts.load(order.coupons)
    return {
        "order_id": order.public_id,
        "number": order.number,
        "state": order.state,
        "total_fen": order.total_fen,
        "discount_fen": order.discount_fen,
        "coupons": reasons.used(stack),
        "gifts": gifts_view(given),
        "burned_points": order.burned_points,
        "burned_fen": order.burned_fen,
        "due_fen": order.due_fen,
        "earned_points": order.earned_points,
        "until": order.until,
        "silent": load_silent(order.earnings),
        "receipt": receipt(
            session,
            member_of(session, order),
            earned=order.earned_points,
            burned=order.burned_points,
            stack=stack,
            gifts=given,
        ),
    }


def _terminal(session: Session, order: Order) -> str:
    terminals = get_directory(session).terminals.values()
    return next(each.code for each in terminals if each.id == order.terminal_id)
