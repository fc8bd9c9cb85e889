"""`exchange`: what comes back and what is taken instead, in one (semantics 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import Again, writes
from app.api.fields import DoorSchema, Items, Part, Points, PublicId, Text
from app.api.pos import pos
from app.api.pos.asking import (
    LIMIT_TENDERS,
    LineSchema,
    TenderSchema,
    TillSchema,
    own_order,
    terminal_of,
    who,
)
from app.api.pos.orders import OrderSchema, member_of, order_view
from app.api.pos.receipts import SignedPoints
from app.api.pos.refunds import AskedPart, RefundPartSchema, RefundSchema, refund_view
from app.api.pos.tapping import ask_member
from app.checkout import refunds
from app.checkout.baskets import LIMIT_LINES, Basket, BasketLine, Tap, Tender
from app.checkout.errors import TapNeeded
from app.checkout.exchanges import exchange
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundWhole
from app.members.errors import EarnOnly, IdentificationOver
from app.members.identification import KnownMember
from app.members.presence import Mode
from app.merchants.directory import ListedStore, ListedTerminal
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class AskedExchange:
    """What `ExchangeOrderSchema` loads; the two numbers are the till's own."""

    terminal_id: str
    cashier_id: str
    refund_number: str
    parts: Sequence[AskedPart] | None
    number: str
    lines: Sequence[BasketLine]
    tenders: Sequence[Tender]
    identification_id: str | None
    burn_points: int
    burn_confirmation: str | None


class ExchangeOrderSchema(TillSchema):
    makes = AskedExchange
    refund_number = Text(most=64, required=True)
    parts = Items(Part(RefundPartSchema), least=1, most=LIMIT_LINES, load_default=None)
    number = Text(most=64, required=True)
    lines = Items(Part(LineSchema), least=1, most=LIMIT_LINES, required=True)
    tenders = Items(Part(TenderSchema), most=LIMIT_TENDERS, required=True)
    identification_id = PublicId("idn", load_default=None)
    burn_points = Points(load_default=0)
    burn_confirmation = PublicId("brn", load_default=None)


class ExchangeSchema(DoorSchema):
    refund = Part(RefundSchema, required=True)
    order = Part(OrderSchema, required=True)
    to_pay_fen = SignedPoints(required=True)


@pos.post("/orders/<public_id:order_id>/exchange")
@requires(Role.STORE)
@writes(ExchangeOrderSchema, ExchangeSchema, again=True)
def exchange_order(
    session: Session, store: ListedStore, asked: AskedExchange, order_id: str
) -> object:
    """Refund parts of an order and sell its member a new one by the rules of the first sale."""
    first = own_order(session, store, order_id)
    terminal = terminal_of(session, store, asked.terminal_id)
    member = member_of(session, first)
    request = RefundRequest(
        order=order_id,
        terminal=terminal,
        number=asked.refund_number,
        occurred_at=now_of(session),
        parts=[part.request() for part in asked.parts] if asked.parts else [RefundWhole()],
        cashier=asked.cashier_id,
    )
    tap = None
    if asked.burn_points and refunds.find_known(session, request) is None:
        tap = _require_spender(session, member, asked, terminal)
    basket = Basket(
        terminal=terminal,
        number=asked.number,
        occurred_at=first.occurred_at,
        lines=asked.lines,
        member=member,
        burn_points=asked.burn_points,
        cashier=asked.cashier_id,
        tap=tap,
    )
    try:
        done = exchange(session, request=request, basket=basket, tenders=asked.tenders)
    except TapNeeded as needed:
        return ask_member(session, needed)
    told: dict[str, Any] = {
        "refund": refund_view(session, first, done.refund),
        "order": order_view(session, done.order, member),
        "to_pay_fen": done.to_pay_fen,
    }
    return Again(value=told) if done.order.replayed else told


def _require_spender(
    session: Session, member: KnownMember | None, asked: AskedExchange, terminal: ListedTerminal
) -> Tap:
    """Refuse to burn for anybody but the order's member, who is here and may spend."""
    present, tap = who(
        session,
        terminal,
        identification=asked.identification_id,
        confirmation=asked.burn_confirmation,
    )
    if present is None:
        raise EarnOnly
    if not present.alive or member is None or present.member.id != member.id:
        raise IdentificationOver
    if present.mode is not Mode.SPEND:
        raise EarnOnly
    return tap
