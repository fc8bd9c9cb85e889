"""Coupons shared by a link: a token that a friend turns into the coupon, once (C7; semantics 45).

A token has 192 random bits and is known by its keyed hash alone. Whatever it is that keeps a token
from being good, who shows it hears the same: that there is none.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy.orm import Session

from config.database import fetch, now_of
from coupons.codes import CodeKeys
from coupons.errors import (
    AlreadyUsed,
    ClaimLimit,
    CouponError,
    Locked,
    NoSuchCoupon,
    NotTransferable,
    Over,
    Voided,
)

_TOKEN_BYTES = 24
_INDEX_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A link's token, which is told this once, and until when it is good, half-open."""

    token: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A coupon that came by a link, now or (`repeated`) by the same one before."""

    coupon: str
    batch: str
    giver: str
    valid_from: datetime
    valid_until: datetime
    repeated: bool


def share(session: Session, *, coupon: str, giver: str, until: datetime, keys: CodeKeys) -> Shared:
    """Make a token by which somebody may take a holder's coupon, until an instant or its last.

    The coupon stays its holder's until then, and may be used. A token that was made before is good
    no more. Locks the coupon.

    Raises:
        NoSuchCoupon: the giver has no such coupon.
        NotTransferable: it is personal, or was handed on as often as it may be.
        AlreadyUsed, Voided, Over: as it stands.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = fetch(
        session,
        "SELECT * FROM coupon_share(%(now)s, %(coupon)s, %(giver)s, %(index)s, %(until)s)",
        {
            "now": now_of(session),
            "coupon": coupon,
            "giver": giver,
            "index": _index_of(keys, token),
            "until": until,
        },
    )[0]
    if row.verdict != "done":
        raise _refusal(coupon, row.verdict)
    return Shared(token=token, until=row.until)


def revoke(session: Session, *, coupon: str, giver: str) -> bool:
    """End the token of a holder's coupon; tell whether one was open. Locks the coupon."""
    row = fetch(
        session,
        "SELECT coupon_share_revoke(%(now)s, %(coupon)s, %(giver)s) AS revoked",
        {"now": now_of(session), "coupon": coupon, "giver": giver},
    )[0]
    return bool(row.revoked)


def accept(session: Session, *, token: str, taker: str, keys: CodeKeys) -> Accepted:
    """Take the coupon of a token, once; it counts for the taker's limit, and still for the giver's.

    The same taker again gets the same answer. Locks the coupon.

    Raises:
        NoSuchCoupon: the token is unknown, used, revoked or over, or its coupon is not to be had.
        NotTransferable: the taker shared it himself.
        ClaimLimit: the taker has as many as anybody may.
        Locked: an order of the giver has it set aside.
    """
    row = fetch(
        session,
        "SELECT * FROM coupon_share_accept(%(now)s, %(index)s, %(taker)s)",
        {"now": now_of(session), "index": _index_of(keys, token), "taker": taker},
    )[0]
    match row.verdict:
        case "done" | "repeat":
            return Accepted(
                coupon=row.coupon,
                batch=row.batch,
                giver=row.giver,
                valid_from=row.valid_from,
                valid_until=row.valid_until,
                repeated=row.verdict == "repeat",
            )
        case "own":
            raise NotTransferable(row.coupon)
        case "claim-limit":
            raise ClaimLimit(row.batch)
        case "locked":
            raise Locked(row.coupon, None)
        case _:
            raise NoSuchCoupon("coupon-share", "…")


def _index_of(keys: CodeKeys, token: str) -> bytes:
    return hmac.digest(keys.index, b"coupon-share:v1:" + token.encode(), sha256)[:_INDEX_BYTES]


def _refusal(coupon: str, verdict: str) -> CouponError:
    refusals: dict[str, CouponError] = {
        "unknown": NoSuchCoupon("coupon", coupon),
        "opened": NoSuchCoupon("coupon", coupon),
        "used": AlreadyUsed(coupon),
        "void": Voided(coupon),
        "expired": Over(coupon),
        "not-transferable": NotTransferable(coupon),
    }
    return refusals[verdict]
