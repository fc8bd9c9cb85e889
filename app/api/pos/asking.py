"""What a till sends of a sale, and the basket that is made of it: who, where, when, what.

A till's own number comes first: it is looked up before an identification, a quote or a business
time is judged, so a sale that is sent again after they ended is still found (decision 21).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.orm import Session

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
    Whole,
    YesNo,
)
from app.checkout.baskets import (
    BEST,
    LIMIT_COUPONS,
    LIMIT_LINES,
    LIMIT_QUANTITY,
    Basket,
    BasketLine,
    Tap,
    Tender,
)
from app.checkout.models import Order
from app.checkout.stacks import PUBLIC
from app.errors import AppError, Invalid, NotFound
from app.members import confirming, presence
from app.members.errors import EarnOnly, IdentificationOver
from app.members.presence import Mode, Present
from app.merchants.directory import ListedStore, ListedTerminal, get_directory
from config.database import district_of, now_of

OFFLINE_HOURS = 72
ONLINE_MINUTES = 10
LIMIT_TENDERS = 10


class TillSchema(DoorSchema):
    """What every call of a till names: itself and who stands at it."""

    terminal_id = Code(required=True)
    cashier_id = Code(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedTill:
    """What a `TillSchema` loads that names nothing else."""

    terminal_id: str
    cashier_id: str


class LineSchema(DoorSchema):
    makes = BasketLine
    sku = Text(most=64, required=True)
    name = Text(most=120, required=True)
    category = Text(most=40, load_default="general")
    amount_fen = Fen(required=True)
    quantity = Whole(least=1, most=LIMIT_QUANTITY, load_default=1)
    merchant = Text(most=40, data_key="merchant_id", load_default=None)
    refundable = YesNo(load_default=True)


class TenderSchema(DoorSchema):
    makes = Tender
    name = Text(most=32, required=True)
    fen = Fen(required=True)


_NAMED = [
    {"required": [name], "properties": {name: {"type": "string"}}}
    for name in ("identification_id", "burn_confirmation")
]
_NOT_BEST = {"properties": {"best_coupons": {"const": False}}}


class BasketSchema(TillSchema):
    """A sale as a till asks for it, to be priced or placed; who burns points is named."""

    also: ClassVar[Mapping[str, Any]] = {
        "allOf": [
            {"anyOf": [{"properties": {"burn_points": {"maximum": 0}}}, *_NAMED]},
            {"anyOf": [_NOT_BEST, *_NAMED]},
            {"anyOf": [_NOT_BEST, {"properties": {"coupons": {"maxItems": 0}}}]},
        ]
    }

    lines = Items(Part(LineSchema), least=1, most=LIMIT_LINES, required=True)
    identification_id = PublicId("idn", load_default=None)
    burn_points = Points(load_default=0)
    burn_confirmation = PublicId("brn", load_default=None)
    coupons = Items(Text(most=64), most=LIMIT_COUPONS, load_default=list)
    best_coupons = YesNo(load_default=False)
    occurred_at = Instant(load_default=None)


@dataclass(frozen=True, kw_only=True)
class AskedBasket:
    """What `BasketSchema` loads."""

    terminal_id: str
    cashier_id: str
    lines: Sequence[BasketLine]
    identification_id: str | None
    burn_points: int
    burn_confirmation: str | None
    coupons: Sequence[str]
    best_coupons: bool
    occurred_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A basket, and why it may not be sold now, if so; a known sale is answered all the same."""

    basket: Basket
    present: Present | None
    refusal: AppError | None


def basket(session: Session, store: ListedStore, asked: AskedBasket, *, number: str) -> Wanted:
    """Return the basket that a till asks for; one round trip if there is a member.

    Raises:
        NotFound: the store has no such terminal.
        IdentificationOver: nobody is known so at this terminal.
    """
    terminal = get_directory(session).get_terminal(store, asked.terminal_id)
    present, tap = who(
        session,
        terminal,
        identification=asked.identification_id,
        confirmation=asked.burn_confirmation,
    )
    at, untimely = business_time(session, asked.occurred_at, spends=_spends(asked))
    return Wanted(
        basket=Basket(
            terminal=terminal,
            number=number,
            occurred_at=at,
            lines=asked.lines,
            member=present.member if present else None,
            burn_points=asked.burn_points,
            coupons=_coupons(asked),
            cashier=asked.cashier_id,
            tap=tap,
        ),
        present=present,
        refusal=untimely or over(present, asked.burn_points or _opens_wallet(asked)),
    )


def _coupons(asked: AskedBasket) -> Sequence[str]:
    """Return the coupons that a till names, or the wish for those that save most.

    Raises:
        Invalid: both, or the wish without a member whose coupons they could be.
    """
    if not asked.best_coupons:
        return asked.coupons
    if asked.coupons:
        raise Invalid("best_coupons", "与 coupons 只能二选一", "not together with coupons")
    if asked.identification_id is None and asked.burn_confirmation is None:
        raise Invalid("best_coupons", "须先识别会员", "there is no member whose they could be")
    return BEST


def _opens_wallet(asked: AskedBasket) -> bool:
    """Whether coupons are taken out of the member's wallet; a code that is shown needs no more."""
    return asked.best_coupons or any(name.startswith(PUBLIC) for name in asked.coupons)


def _spends(asked: AskedBasket) -> Invalid | None:
    """Return why a basket cannot have been sold without the line, if it takes points or coupons.

    A coupon is judged by the business time: a later day could else have the offer of an earlier
    one. Offline tokens come by the upload, which has rules of its own.
    """
    if asked.burn_points > 0:
        return Invalid("burn_points", "离线的单不能抵扣积分", "none are burned offline")
    if asked.best_coupons or asked.coupons:
        field = "best_coupons" if asked.best_coupons else "coupons"
        return Invalid(field, "离线的单只能用离线券", "offline none is used but by its token")
    return None


def business_time(
    session: Session, given: datetime | None, *, spends: Invalid | None = None
) -> tuple[datetime, AppError | None]:
    """Return when it happened, now unless the till says so, and why that cannot be, if so.

    Up to 72 hours late is an order that was captured offline; `spends` is why that cannot be one
    later than ten minutes: points are never burned offline, nor coupons used but by a token
    (reliability §10). A sandbox takes any instant of the past.
    """
    now = now_of(session)
    if given is None:
        return now, None
    if given > now + timedelta(minutes=ONLINE_MINUTES):
        return given, Invalid("occurred_at", "晚于服务器时间", "lies in the future")
    if district_of(session).sandbox:
        return given, None
    if given < now - timedelta(hours=OFFLINE_HOURS):
        return given, Invalid("occurred_at", "早于 72 小时前", "is more than 72 hours ago")
    late = given < now - timedelta(minutes=ONLINE_MINUTES)
    return given, spends if late else None


def terminal_of(session: Session, store: ListedStore, code: str) -> ListedTerminal:
    """Return a terminal of the store that calls.

    Raises:
        NotFound: the store has no such terminal.
    """
    return get_directory(session).get_terminal(store, code)


def own_order(session: Session, store: ListedStore, public_id: str) -> Order:
    """Return an order of the store that calls; another store's is as good as none.

    Raises:
        NotFound: no such order here.
    """
    found = session.scalar(
        select(Order).where(Order.public_id == public_id, Order.store_id == store.id)
    )
    if found is None:
        raise NotFound("order", public_id)
    return found


def who(
    session: Session,
    terminal: ListedTerminal,
    *,
    identification: str | None,
    confirmation: str | None,
) -> tuple[Present | None, Tap]:
    """Return whom a terminal knows, be it over, and how he is asked; one round trip, rarely two.

    A confirmation that the terminal asked for names him too, in place of an identification that
    may be over meanwhile. Where both are sent they name the same member.

    Raises:
        IdentificationOver: nobody is known so at this terminal.
    """
    present, tap = None, Tap(at=now_of(session))
    if identification is not None:
        present = presence.find(session, identification, terminal_id=terminal.id)
        if present is None:
            raise IdentificationOver
    if confirmation is not None:
        asking = confirming.find(session, confirmation, terminal_id=terminal.id)
        if asking is None or (present and present.member.id != asking.present.member.id):
            raise IdentificationOver
        present, tap = asking.present, Tap(at=asking.at, confirmation=confirmation)
    return present, tap


def over(present: Present | None, spends: int | bool) -> AppError | None:
    """Return why somebody may not buy now, or spend: the identification is over, or earns alone."""
    if present is None:
        return None
    if not present.alive:
        return IdentificationOver()
    if spends and present.mode is not Mode.SPEND:
        return EarnOnly()
    return None
