"""A coupon that the member makes out for one store, to be used there without the network (C18)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.api import limits
from app.api.auth import Role, SignedIn, requires
from app.api.edge import Again, writes
from app.api.fields import Code, DoorSchema, Fen, Instant, PublicId, Text
from app.api.member import member
from app.checkout import offline
from app.merchants.directory import get_directory
from coupons.tokens import LONGEST


@dataclass(frozen=True, kw_only=True)
class AskedMakingOut:
    """What `MakeOutCouponSchema` loads."""

    store_id: str


class MakeOutCouponSchema(DoorSchema):
    makes = AskedMakingOut
    store_id = Code(required=True)


class OfflineCouponSchema(DoorSchema):
    """The token to show at the store's till, as text or QR code."""

    coupon_id = PublicId("cpn", required=True)
    store_id = Code(required=True)
    fen = Fen(required=True)
    token = Text(most=LONGEST, required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(required=True)
    locked_until = Instant(required=True)


@member.post("/coupons/<public_id:coupon_id>/offline")
@requires(Role.MEMBER, limit=limits.CLAIMS)
@writes(MakeOutCouponSchema, OfflineCouponSchema, again=True)
def make_out_coupon(
    session: Session, caller: SignedIn, asked: AskedMakingOut, coupon_id: str
) -> object:
    """Make a coupon out for one store for a day; asked for again, it is the same token."""
    caller.member.require_active()
    store = get_directory(session).get_store(asked.store_id)
    made = offline.make_out(session, member=caller.member, coupon=coupon_id, store=store)
    told: Mapping[str, Any] = {
        "coupon_id": made.coupon,
        "store_id": store.code,
        "fen": made.fen,
        "token": made.token,
        "starts_at": made.starts_at,
        "ends_at": made.ends_at,
        "locked_until": made.until,
    }
    return Again(value=told) if made.repeated else told
