"""`orders/batch`: sales that were captured while the line was down, or that an ERP uploads (P1).

Every sale has a verdict of its own: what was accepted stays accepted, whatever befalls the rest or
the request. Sent again, known numbers are told and nothing moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema
from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, requires
from app.api.edge import Again
from app.api.fields import DoorSchema, Fen, Instant, Items, Part, Points, PublicId, Text, Whole
from app.api.openapi import ProblemSchema
from app.api.parts import writes_each
from app.api.pos import pos
from app.api.pos.asking import (
    LIMIT_TENDERS,
    LineSchema,
    TenderSchema,
    TillSchema,
    business_time,
    terminal_of,
)
from app.api.pos.offline import UsedOfflineSchema, sell_with_coupon
from app.checkout import bulk, orders
from app.checkout.baskets import LIMIT_LINES, Basket, BasketLine, Tender
from app.checkout.bulk import Paid
from app.checkout.drafts import Sale
from app.clock import server_now
from app.errors import AppError
from app.members import seeds
from app.members.errors import BadMemberCode, MemberCodeUsed, UnknownMember
from app.members.identification import KnownMember, get_by_id, list_by_phones
from app.merchants.directory import ListedStore, ListedTerminal
from coupons.tokens import LONGEST

LIMIT_ORDERS = 500


@dataclass(frozen=True, kw_only=True)
class AskedUpload:
    """One sale as it was captured; a member is known by phone or identify code, to earn alone."""

    terminal_id: str
    cashier_id: str
    number: str
    occurred_at: datetime
    lines: Sequence[BasketLine]
    tenders: Sequence[Tender]
    phone: str | None
    member_code: str | None
    offline_coupon: str | None


class CapturedOrderSchema(TillSchema):
    makes = AskedUpload
    also: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"properties": {name: {"type": "null"}}} for name in ("phone", "member_code")]
    }
    number = Text(most=64, required=True)
    occurred_at = Instant(required=True)
    lines = Items(Part(LineSchema), least=1, most=LIMIT_LINES, required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)
    phone = Text(least=7, most=24, load_default=None)
    member_code = Text(most=64, load_default=None)
    offline_coupon = Text(most=LONGEST, load_default=None)

    @validates_schema
    def check(self, data: Mapping[str, Any], **_: Any) -> None:
        """Refuse a sale that names its member twice."""
        if data["phone"] is not None and data["member_code"] is not None:
            raise ValidationError("needs-phone-or-code", "member_code")


class UploadOrdersSchema(DoorSchema):
    orders = Items(Part(CapturedOrderSchema), least=1, most=LIMIT_ORDERS, required=True)


class UploadedOrderSchema(DoorSchema):
    order_id = PublicId("ord", required=True)
    number = Text(most=64, required=True)
    state = Text(most=20, required=True)
    total_fen = Fen(required=True)
    due_fen = Fen(required=True)
    earned_points = Points(required=True)
    discount_fen = Fen(required=True)
    offline_coupon = Part(UsedOfflineSchema, required=True, allow_none=True)


class VerdictSchema(DoorSchema):
    """What became of one sale, in the order of the request: an order, or a problem."""

    status = Whole(least=200, most=499, required=True)
    order = Part(UploadedOrderSchema)
    problem = Part(ProblemSchema)


class VerdictsSchema(DoorSchema):
    accepted = Whole(required=True)
    refused = Whole(required=True)
    verdicts = Items(Part(VerdictSchema), most=LIMIT_ORDERS, required=True)


@pos.post("/orders/batch")
@requires(Role.STORE, limit=limits.UPLOAD)
@writes_each(
    UploadOrdersSchema,
    VerdictsSchema,
    name="orders",
    each="order",
    alone=lambda asked: asked.offline_coupon is not None,
)
def upload_orders(
    session: Session, store: ListedStore, asked: Sequence[AskedUpload]
) -> Sequence[object]:
    """Sell what was captured offline, up to 72 hours late; each sale gets its own verdict."""
    phones = {each.phone for each in asked if each.phone is not None}
    members = list_by_phones(session, phones)
    captured = [_captured(session, store, each, members) for each in asked]
    if len(captured) > 1:
        for _, untimely in captured:
            if untimely is not None:
                raise untimely
        return [_told(sale) for sale in bulk.sell_many(session, [paid for paid, _ in captured])]
    token = asked[0].offline_coupon
    if token is not None:
        return [sell_with_coupon(session, *captured[0], token=token)]
    return [_told(_sell(session, *captured[0]))]


def _captured(
    session: Session, store: ListedStore, asked: AskedUpload, members: Mapping[str, KnownMember]
) -> tuple[Paid, AppError | None]:
    """Return a sale as it was captured, and why its time cannot be, if so."""
    at, untimely = business_time(session, asked.occurred_at)
    terminal = terminal_of(session, store, asked.terminal_id)
    if asked.phone is not None and asked.phone not in members:
        raise UnknownMember
    member = None if asked.phone is None else members[asked.phone]
    if asked.member_code is not None:
        member = _by_code(session, terminal, asked.number, asked.member_code, at=at)
    basket = Basket(
        terminal=terminal,
        number=asked.number,
        occurred_at=at,
        lines=asked.lines,
        member=member,
        cashier=asked.cashier_id,
    )
    return Paid(basket=basket, tenders=asked.tenders), untimely


def _sell(session: Session, paid: Paid, untimely: AppError | None) -> Sale:
    if untimely is None:
        return orders.sell(session, paid.basket, paid.tenders)
    known = orders.find_known(session, paid.basket, paid.tenders)
    if known is None:
        raise untimely
    return known


def _told(sale: Sale) -> object:
    told: Mapping[str, Any] = {
        **vars(sale),
        "order_id": sale.public_id,
        "offline_coupon": None,
    }
    return Again(value=told) if sale.replayed else told


def _by_code(
    session: Session, terminal: ListedTerminal, number: str, code: str, *, at: datetime
) -> KnownMember | None:
    """Return who showed a code at the time of a sale.

    A code is good once: a sale that is there already has used its own, so its number comes first.

    Raises:
        BadMemberCode, MemberCodeUsed: as they say, of this sale alone.
    """
    known = _member_of(session, terminal, number)
    if known is not None:
        return known
    try:
        member = seeds.redeem_captured(session, code, at=at, now=server_now(session))
    except MemberCodeUsed:
        known = _member_of(session, terminal, number)  # By its twin, a moment ago.
        if known is None:
            raise
        return known
    if member is None:
        raise BadMemberCode
    return member


def _member_of(session: Session, terminal: ListedTerminal, number: str) -> KnownMember | None:
    order = orders.find_by_number(session, terminal=terminal, number=number)
    if order is None or order.member_id is None:
        return None
    return get_by_id(session, order.member_id)
