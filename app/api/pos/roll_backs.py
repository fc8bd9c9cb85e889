"""`roll-backs`: one coupon of an order is taken back alone, and paid instead (C14; semantics 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, writes
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, PublicId, Text, YesNo
from app.api.pos import pos
from app.api.pos.asking import (
    LIMIT_TENDERS,
    TenderSchema,
    TillSchema,
    business_time,
    own_order,
    terminal_of,
)
from app.api.pos.refunds import AskedPart, AskedTry, RefundPartSchema, asked_parts
from app.checkout import roll_backs
from app.checkout.baskets import LIMIT_LINES, Tender
from app.checkout.orders import get_locked
from app.checkout.roll_backs import RollBackRequest
from app.merchants.directory import ListedStore


@dataclass(frozen=True, kw_only=True)
class AskedRollBack:
    """What `RollBackCouponSchema` loads; without parts all that the coupon still gives."""

    terminal_id: str
    cashier_id: str
    number: str
    occurred_at: datetime | None
    parts: Sequence[AskedPart] | None
    tenders: Sequence[Tender]


class RollBackCouponSchema(TillSchema):
    makes = AskedRollBack
    number = Text(most=64, required=True)
    occurred_at = Instant(load_default=None)
    parts = Items(Part(RefundPartSchema), least=1, most=LIMIT_LINES, load_default=None)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)


class RolledBackSchema(DoorSchema):
    roll_back_id = PublicId("ord", required=True)
    order_id = PublicId("ord", required=True)
    coupon_id = PublicId("cpn", required=True)
    number = Text(most=64, required=True)
    fen = Fen(required=True)
    remaining_fen = Fen(required=True)
    returned = YesNo(required=True)
    reissued_id = Text(most=64, required=True, allow_none=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)


class TryRollBackSchema(TillSchema):
    makes = AskedTry
    parts = Items(Part(RefundPartSchema), least=1, most=LIMIT_LINES, load_default=None)


class TriedRollBackSchema(DoorSchema):
    """What would have to be paid, and what the coupon would still give."""

    order_id = PublicId("ord", required=True)
    coupon_id = PublicId("cpn", required=True)
    fen = Fen(required=True)
    remaining_fen = Fen(required=True)


@pos.post("/orders/<public_id:order_id>/coupons/<public_id:coupon_id>/roll-backs")
@requires(Role.STORE)
@writes(RollBackCouponSchema, RolledBackSchema, again=True)
def roll_back_coupon(
    session: Session, store: ListedStore, asked: AskedRollBack, order_id: str, coupon_id: str
) -> object:
    """Take one coupon of an order back, whole or in parts; its customer pays what it had given."""
    own_order(session, store, order_id)
    at, untimely = business_time(session, asked.occurred_at)
    request = RollBackRequest(
        order=order_id,
        coupon=coupon_id,
        terminal=terminal_of(session, store, asked.terminal_id),
        number=asked.number,
        occurred_at=at,
        parts=asked_parts(asked.parts),
        tenders=asked.tenders,
        cashier=asked.cashier_id,
    )
    if untimely is not None and roll_backs.find_known(session, request) is None:
        raise untimely
    rolled = roll_backs.give(session, request)
    told = {
        "roll_back_id": rolled.public_id,
        "order_id": rolled.order,
        "coupon_id": rolled.coupon,
        "number": rolled.number,
        "fen": rolled.fen,
        "remaining_fen": rolled.remaining_fen,
        "returned": rolled.returned,
        "reissued_id": rolled.reissued,
        "tenders": [{"name": name, "fen": fen} for name, fen in rolled.money_fen.items()],
    }
    return Again(value=told) if rolled.replayed else told


@pos.post("/orders/<public_id:order_id>/coupons/<public_id:coupon_id>/roll-backs/try")
@requires(Role.STORE)
@writes(TryRollBackSchema, TriedRollBackSchema, status=HTTPStatus.OK, keyed=False)
def try_roll_back(
    session: Session, store: ListedStore, asked: AskedTry, order_id: str, coupon_id: str
) -> object:
    """Say what a roll back would cost the customer; refused as it would be, nothing is written."""
    terminal_of(session, store, asked.terminal_id)
    own_order(session, store, order_id)
    planned = roll_backs.plan(
        session, get_locked(session, order_id), coupon=coupon_id, parts=asked_parts(asked.parts)
    )
    return {
        "order_id": order_id,
        "coupon_id": coupon_id,
        "fen": planned.fen,
        "remaining_fen": planned.remaining_fen,
    }
