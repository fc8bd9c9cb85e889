"""`refunds` and `void`: what was sold goes back, in parts or as a whole (semantics 1-5, 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.api.auth import Role, requires
from app.api.edge import Again, writes
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
    TenderSchema,
    TillSchema,
    business_time,
    own_order,
    terminal_of,
)
from app.api.pos.orders import member_of
from app.api.pos.receipts import ReceiptSchema, receipt
from app.checkout import refunds
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_LINES, LIMIT_QUANTITY
from app.checkout.errors import NotRefundable
from app.checkout.models import Order, OrderLine
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.clock import business_date
from app.errors import StateConflict
from app.merchants.directory import ListedStore
from config.database import new_id, now_of
from coupons.models import Coupon, Redemption, RollBack


@dataclass(frozen=True, kw_only=True)
class AskedPart:
    """What `RefundPartSchema` loads."""

    line: int | None
    quantity: int | None
    amount_fen: int | None

    def request(self) -> Request:
        """Return what checkout is asked."""
        if self.quantity is not None and self.line is not None:
            return RefundQuantity(line=self.line, quantity=self.quantity)
        if self.amount_fen is not None:
            return RefundAmount(fen=self.amount_fen, line=self.line)
        return RefundWhole(line=self.line)


class RefundPartSchema(DoorSchema):
    """Units of a line, an amount of a line or of the order, or all that is left of a line."""

    makes = AskedPart
    also: ClassVar[Mapping[str, Any]] = {
        "oneOf": [
            {
                "required": ["line", "quantity"],
                "properties": {
                    "line": {"type": "integer"},
                    "quantity": {"type": "integer"},
                    "amount_fen": {"type": "null"},
                },
            },
            {
                "required": ["amount_fen"],
                "properties": {"amount_fen": {"type": "integer"}, "quantity": {"type": "null"}},
            },
            {
                "required": ["line"],
                "properties": {
                    "line": {"type": "integer"},
                    "quantity": {"type": "null"},
                    "amount_fen": {"type": "null"},
                },
            },
        ]
    }
    line = Whole(least=1, most=LIMIT_LINES, load_default=None)
    quantity = Whole(least=1, most=LIMIT_QUANTITY, load_default=None)
    amount_fen = Fen(least=1, load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, int | None], **_: Any) -> None:
        """Refuse a part that says two things, or units of no line."""
        if data["quantity"] is not None and (data["line"] is None or data["amount_fen"]):
            raise ValidationError("needs-line-alone", "quantity")
        if all(value is None for value in data.values()):
            raise ValidationError("empty")


@dataclass(frozen=True, kw_only=True)
class AskedRefund:
    """What `RefundOrderSchema` loads; without parts all that is left goes back."""

    terminal_id: str
    cashier_id: str
    number: str
    occurred_at: datetime | None
    parts: Sequence[AskedPart] | None


class RefundOrderSchema(TillSchema):
    makes = AskedRefund
    number = Text(most=64, required=True)
    occurred_at = Instant(load_default=None)
    parts = Items(Part(RefundPartSchema), least=1, most=LIMIT_LINES, load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedVoid:
    """What `VoidOrderSchema` loads."""

    terminal_id: str
    cashier_id: str
    number: str


class VoidOrderSchema(TillSchema):
    makes = AskedVoid
    number = Text(most=64, required=True)


class CouponBackSchema(DoorSchema):
    """A coupon of the order: what went back of its discount, and whether it may be used again."""

    coupon_id = Text(most=64, required=True)
    fen = Fen(required=True)
    returned = YesNo(required=True)
    reissued_id = Text(most=64, required=True, allow_none=True)


class RefundSchema(DoorSchema):
    refund_id = PublicId("ref", required=True)
    order_id = PublicId("ord", required=True)
    number = Text(most=64, required=True)
    fen = Fen(required=True)
    points_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    unearned_fen = Fen(required=True)
    coupons = Items(Part(CouponBackSchema), most=LIMIT_COUPONS, required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)
    restored_points = Points(required=True)
    clawed_points = Points(required=True)
    debt_points = Points(required=True)
    written_off_points = Points(required=True)
    receipt = Part(ReceiptSchema, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedTry:
    """What a try loads of a refund or a roll back; without parts all that is left."""

    terminal_id: str
    cashier_id: str
    parts: Sequence[AskedPart] | None


class TryRefundSchema(TillSchema):
    makes = AskedTry
    parts = Items(Part(RefundPartSchema), least=1, most=LIMIT_LINES, load_default=None)


class TriedRefundSchema(DoorSchema):
    """What a refund would give, to be shown before it is confirmed."""

    order_id = PublicId("ord", required=True)
    fen = Fen(required=True)
    points_fen = Fen(required=True)
    discount_fen = Fen(required=True)
    unearned_fen = Fen(required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)
    restored_points = Points(required=True)
    clawed_points = Points(required=True)
    debt_points = Points(required=True)
    written_off_points = Points(required=True)


@pos.post("/orders/<public_id:order_id>/refunds")
@requires(Role.STORE)
@writes(RefundOrderSchema, RefundSchema, again=True)
def refund_order(session: Session, store: ListedStore, asked: AskedRefund, order_id: str) -> object:
    """Give back lines, units, an amount or all that is left; points go the way they came."""
    order = own_order(session, store, order_id)
    at, untimely = business_time(session, asked.occurred_at)
    request = RefundRequest(
        order=order_id,
        terminal=terminal_of(session, store, asked.terminal_id),
        number=asked.number,
        occurred_at=at,
        parts=asked_parts(asked.parts),
        cashier=asked.cashier_id,
    )
    if untimely is not None and refunds.find_known(session, request) is None:
        raise untimely
    return _told(session, order, refunds.give(session, request))


@pos.post("/orders/<public_id:order_id>/refunds/try")
@requires(Role.STORE)
@writes(TryRefundSchema, TriedRefundSchema, status=HTTPStatus.OK, keyed=False)
def try_refund(session: Session, store: ListedStore, asked: AskedTry, order_id: str) -> object:
    """Say what a refund would give back; refused as it would be, and nothing is written."""
    own_order(session, store, order_id)
    request = RefundRequest(
        order=order_id,
        terminal=terminal_of(session, store, asked.terminal_id),
        number=new_id("try"),
        occurred_at=now_of(session),
        parts=asked_parts(asked.parts),
        cashier=asked.cashier_id,
    )
    tried = refunds.attempt(session, request)
    return {**vars(tried), "order_id": tried.order, "tenders": _tenders(tried)}


@pos.post("/orders/<public_id:order_id>/void")
@requires(Role.STORE)
@writes(VoidOrderSchema, RefundSchema, again=True)
def void_order(session: Session, store: ListedStore, asked: AskedVoid, order_id: str) -> object:
    """Undo a sale of this very business day as a whole."""
    order = own_order(session, store, order_id)
    request = RefundRequest(
        order=order_id,
        terminal=terminal_of(session, store, asked.terminal_id),
        number=asked.number,
        occurred_at=now_of(session),
        parts=[RefundWhole()],
        cashier=asked.cashier_id,
    )
    if refunds.find_known(session, request) is None:
        _require_voidable(session, order)
    return _told(session, order, refunds.give(session, request))


def _require_voidable(session: Session, order: Order) -> None:
    if order.business_date != business_date(now_of(session)):
        raise StateConflict(
            "order", order.public_id, "past-its-day",
            "已过销售当日，不能撤销，请办理退款", "it is of another day: refund it",
        )  # fmt: skip
    if order.refunds:
        raise StateConflict(
            "order", order.public_id, "refunded",
            "已有退款，不能撤销，请退余下部分", "part of it went back: refund the rest",
        )  # fmt: skip
    kept = session.scalar(
        select(OrderLine.number)
        .where(OrderLine.order_id == order.id, OrderLine.refundable.is_(False))
        .order_by(OrderLine.number)
        .limit(1)
    )
    if kept is not None:
        raise NotRefundable(kept)


def refund_view(session: Session, order: Order, refunded: Refunded) -> dict[str, Any]:
    """Return a refund as its till hears of it."""
    return {
        **vars(refunded),
        "refund_id": refunded.public_id,
        "order_id": refunded.order,
        "coupons": _coupons_back(session, refunded),
        "tenders": _tenders(refunded),
        "receipt": receipt(
            session,
            member_of(session, order),
            earned=-refunded.clawed_points,
            burned=-refunded.restored_points,
        ),
    }


def asked_parts(parts: Sequence[AskedPart] | None) -> list[Request]:
    """Return what checkout is asked: the parts, or all that is left."""
    return [part.request() for part in parts] if parts else [RefundWhole()]


def _tenders(refunded: Refunded) -> list[dict[str, object]]:
    return [{"name": name, "fen": fen} for name, fen in refunded.money_fen.items()]


def _coupons_back(session: Session, refunded: Refunded) -> list[dict[str, object]]:
    """Return what became of the order's coupons; one round trip more where there were some."""
    if not refunded.discount_fen:
        return []
    again = aliased(Coupon)
    rows = session.execute(
        select(Coupon.public_id, RollBack.fen, RollBack.returned, again.public_id)
        .join(Redemption, Redemption.id == RollBack.redemption_id)
        .join(Coupon, Coupon.id == Redemption.coupon_id)
        .outerjoin(again, again.id == RollBack.reissued_id)
        .where(Redemption.order_ref == refunded.order, RollBack.key == refunded.public_id)
        .order_by(Coupon.id)
    )
    return [
        {"coupon_id": coupon, "fen": fen, "returned": returned, "reissued_id": reissued}
        for coupon, fen, returned, reissued in rows
    ]


def _told(session: Session, order: Order, refunded: Refunded) -> object:
    told = refund_view(session, order, refunded)
    return Again(value=told) if refunded.replayed else told
