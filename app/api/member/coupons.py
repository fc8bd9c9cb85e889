"""The member's coupons: the wallet, codes to show or to exchange, coupons to share (C7, C17)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api import guessing, limits
from app.api.auth import Role, SignedIn, requires
from app.api.edge import Refused, reads, writes
from app.api.fields import Code, DoorSchema, Fen, Instant, Items, Part, Phone, PublicId, Text, Whole
from app.api.member import member
from app.api.member.coupon_terms import CouponTermsSchema, terms_view
from app.campaigns import coupons
from app.clock import server_now
from app.errors import NotFound
from app.members.errors import UnknownMember
from app.members.identification import find_by_phone, same_person
from app.members.models import Member
from app.members.sealing import coupon_keys
from app.merchants.directory import get_directory
from coupons import codes, wallets
from coupons.errors import NoSuchCoupon
from coupons.wallets import MOST, Held


class MadeOutSchema(DoorSchema):
    """Where a coupon is made out for, to be taken there without the network until `ends_at`."""

    store_id = Code(required=True)
    store = Text(most=60, required=True)
    ends_at = Instant(required=True)


class OwnCouponSchema(DoorSchema):
    """`uses_left` null: as long as the money on it, `value_fen`, lasts."""

    coupon_id = PublicId("cpn", required=True)
    batch = Text(most=40, required=True)
    template = Text(most=40, required=True)
    zh = Text(most=60, required=True)
    en = Text(most=60, required=True)
    standing = Text(most=20, required=True)
    valid_from = Instant(required=True)
    valid_until = Instant(required=True)
    uses_left = Whole(required=True, allow_none=True)
    value_fen = Fen(required=True, allow_none=True)
    transfers_left = Whole(required=True)
    locked_until = Instant(required=True, allow_none=True)
    offline = Part(MadeOutSchema, required=True, allow_none=True)
    terms = Part(CouponTermsSchema, required=True)


class WalletSchema(DoorSchema):
    coupons = Items(Part(OwnCouponSchema), most=MOST, required=True)


class CouponCodeSchema(DoorSchema):
    code = Text(most=64, required=True)


@dataclass(frozen=True, kw_only=True)
class AskedCode:
    """What `ExchangeCodeSchema` loads."""

    code: str


class ExchangeCodeSchema(DoorSchema):
    makes = AskedCode
    code = Text(most=64, required=True)


class GotCouponSchema(DoorSchema):
    coupon_id = PublicId("cpn", required=True)
    batch = Text(most=40, required=True)
    valid_from = Instant(required=True)
    valid_until = Instant(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedTransfer:
    """What `ShareCouponSchema` loads."""

    phone: str


class ShareCouponSchema(DoorSchema):
    makes = AskedTransfer
    phone = Phone(required=True)


class SharedCouponSchema(DoorSchema):
    coupon_id = PublicId("cpn", required=True)
    valid_until = Instant(required=True)


@member.get("/coupons")
@requires(Role.MEMBER)
@reads(WalletSchema)
def list_own_coupons(session: Session, caller: SignedIn) -> Mapping[str, Any]:
    """Return the member's coupons, usable ones first, with the terms of each."""
    held = wallets.wallet(session, holders=names_of(session, caller.member.id))
    return {"coupons": [_own_view(session, each) for each in held]}


@member.get("/coupons/<public_id:coupon_id>")
@requires(Role.MEMBER)
@reads(OwnCouponSchema)
def get_own_coupon(session: Session, caller: SignedIn, coupon_id: str) -> Mapping[str, Any]:
    """Return a coupon of the member; somebody else's is as good as none."""
    held = _own(session, coupon_id, names_of(session, caller.member.id))
    return _own_view(session, held)


@member.get("/coupons/<public_id:coupon_id>/code")
@requires(Role.MEMBER)
@reads(CouponCodeSchema, read_only=False)
def show_coupon_code(session: Session, caller: SignedIn, coupon_id: str) -> Mapping[str, str]:
    """Return the code to show at a till; it is made when it is first asked for."""
    holders = tuple(names_of(session, caller.member.id))
    keys = coupon_keys(session)
    try:
        return {"code": codes.show(session, coupon=coupon_id, holders=holders, keys=keys)}
    except NoSuchCoupon:
        raise NotFound("coupon", coupon_id) from None


@member.post("/coupons/exchanges")
@requires(Role.MEMBER, limit=limits.COUPON_CODES)
@writes(ExchangeCodeSchema, GotCouponSchema, keyed=False)
def exchange_code(session: Session, caller: SignedIn, asked: AskedCode) -> object:
    """Turn a printed code into a coupon of one's own; sent again it is told again."""
    caller.member.require_active()
    who, now = caller.member.public_id, server_now(session)
    address = guessing.address_of(session)
    guessing.require_patience(session, who, now=now, address=address)
    index = codes.index_of(coupon_keys(session), codes.normal(asked.code))
    try:
        got = coupons.exchange(session, index=index, holder=who)
    except NoSuchCoupon as unknown:
        guessing.count_miss(session, who, now=now, address=address)
        return Refused(error=unknown)
    return {**vars(got), "coupon_id": got.coupon}


@member.post("/coupons/<public_id:coupon_id>/transfers")
@requires(Role.MEMBER)
@writes(ShareCouponSchema, SharedCouponSchema, status=HTTPStatus.OK)
def share_coupon(
    session: Session, caller: SignedIn, asked: AskedTransfer, coupon_id: str
) -> Mapping[str, Any]:
    """Hand a coupon on to another member; its last day stays (semantics 45)."""
    caller.member.require_active()
    taker = find_by_phone(session, asked.phone)
    if taker is None or taker.id == caller.member.id:
        raise UnknownMember
    taker.require_active()
    held = _own(session, coupon_id, [*names_of(session, caller.member.id), taker.public_id])
    giver = held.holder if held.holder not in (None, taker.public_id) else caller.member.public_id
    until = coupons.hand_on(session, coupon=coupon_id, giver=giver or "", taker=taker.public_id)
    return {"coupon_id": coupon_id, "valid_until": until}


def coupon_view(held: Held) -> Mapping[str, Any]:
    """Return a coupon as its holder sees it."""
    return {
        **{name: getattr(held, name) for name in _SHOWN},
        "coupon_id": held.coupon,
        "template": held.template.code,
        "zh": held.template.title_zh,
        "en": held.template.title_en,
        "locked_until": held.until,
        "terms": terms_view(held.template, held.offer),
    }


def _own_view(session: Session, held: Held) -> Mapping[str, Any]:
    """Return a coupon with the store that it is made out for, by the code that people use."""
    stores = get_directory(session).stores.values() if held.made_out_for else ()
    store = next((each for each in stores if each.public_id == held.made_out_for), None)
    made_out = store and {
        "store_id": store.code,
        "store": store.name,
        "ends_at": held.made_out_until,
    }
    return {**coupon_view(held), "offline": made_out}


def get_own_held(session: Session, member_id: int, coupon: str) -> Held:
    """Return a coupon of a member, under whatever name it is kept.

    Raises:
        NotFound: it is nobody's, or somebody else's.
    """
    return _own(session, coupon, names_of(session, member_id))


def names_of(session: Session, member_id: int) -> list[str]:
    """Return the names under which a member's coupons are kept, those of merged members too."""
    mine = select(Member.public_id).where(Member.id.in_(same_person(member_id)))
    return list(session.scalars(mine.order_by(Member.id)))


def _own(session: Session, coupon: str, holders: Sequence[str]) -> Held:
    found = [each for each in wallets.find(session, coupons=[coupon]) if each.holder in holders]
    if not found:
        raise NotFound("coupon", coupon)
    return found[0]


_SHOWN = (
    "batch",
    "standing",
    "valid_from",
    "valid_until",
    "uses_left",
    "value_fen",
    "transfers_left",
)
