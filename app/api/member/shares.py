"""Coupons shared by a link: a token that a friend turns into the coupon (C7; semantics 45)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy.orm import Session

from app.api import guessing, limits
from app.api.auth import Role, SignedIn, requires
from app.api.edge import Refused, writes
from app.api.fields import DoorSchema, Instant, PublicId, Text, YesNo
from app.api.member import member
from app.api.member.coupons import GotCouponSchema, get_own_held
from app.api.member.sessions import NothingSchema
from app.campaigns import coupons
from app.clock import server_now
from app.members.sealing import coupon_keys
from config.database import now_of
from coupons import shares
from coupons.errors import NoSuchCoupon

LIFETIME = timedelta(hours=72)


class ShareLinkSchema(DoorSchema):
    """`token` is told this once and is stored nowhere."""

    coupon_id = PublicId("cpn", required=True)
    token = Text(most=64, required=True)
    until = Instant(required=True)


class EndedShareSchema(DoorSchema):
    """`ended` is false where no link was open."""

    coupon_id = PublicId("cpn", required=True)
    ended = YesNo(required=True)


@dataclass(frozen=True, kw_only=True)
class AskedToken:
    """What `AcceptShareSchema` loads."""

    token: str


class AcceptShareSchema(DoorSchema):
    makes = AskedToken
    token = Text(most=64, required=True)


@member.post("/coupons/<public_id:coupon_id>/shares")
@requires(Role.MEMBER)
@writes(NothingSchema, ShareLinkSchema, status=HTTPStatus.OK, keyed=False)
def make_share(session: Session, caller: SignedIn, _: object, coupon_id: str) -> Mapping[str, Any]:
    """Return a token for a link by which one friend may take the coupon; an older one ends."""
    caller.member.require_active()
    held = get_own_held(session, caller.member.id, coupon_id)
    made = shares.share(
        session,
        coupon=coupon_id,
        giver=held.holder or "",
        until=now_of(session) + LIFETIME,
        keys=coupon_keys(session),
    )
    return {"coupon_id": coupon_id, "token": made.token, "until": made.until}


@member.post("/coupons/<public_id:coupon_id>/shares/revocation")
@requires(Role.MEMBER)
@writes(NothingSchema, EndedShareSchema, status=HTTPStatus.OK)
def end_share(session: Session, caller: SignedIn, _: object, coupon_id: str) -> Mapping[str, Any]:
    """End the link of a coupon that nobody has taken yet."""
    held = get_own_held(session, caller.member.id, coupon_id)
    ended = shares.revoke(session, coupon=coupon_id, giver=held.holder or "")
    return {"coupon_id": coupon_id, "ended": ended}


@member.post("/coupons/shares/acceptances")
@requires(Role.MEMBER, limit=limits.COUPON_CODES)
@writes(AcceptShareSchema, GotCouponSchema, status=HTTPStatus.OK, keyed=False)
def accept_share(session: Session, caller: SignedIn, asked: AskedToken) -> object:
    """Take the coupon of a link, once; sent again it is told again."""
    caller.member.require_active()
    who, now = caller.member.public_id, server_now(session)
    address = guessing.address_of(session)
    guessing.require_patience(session, who, now=now, address=address)
    try:
        got = coupons.accept(session, token=asked.token, taker=who)
    except NoSuchCoupon as unknown:
        guessing.count_miss(session, who, now=now, address=address)
        return Refused(error=unknown)
    return {**vars(got), "coupon_id": got.coupon}
