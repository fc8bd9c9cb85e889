"""Coupons that are made out for one store, to be taken there without the network (C18).

Used twice offline cannot be seen, so it is fenced (reliability 10): one store, a day, 20 yuan,
three at a time for a member. A coupon that is made out is locked until the store has had its time
to upload; a lock by date, which frees itself. The database says yes or no (offline.sql).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy.orm import Session

from config.database import fetch, new_id, now_of
from coupons import codes, redemptions, tokens
from coupons.benefits import AmountOff
from coupons.codes import CodeKeys
from coupons.errors import MadeOut, NotOffline, OfflineLimit
from coupons.redemptions import Use
from coupons.terms import day_of
from coupons.tokens import Token
from coupons.wallets import Held

LASTS = timedelta(hours=24)
GRACE = timedelta(hours=72)
SKEW = timedelta(minutes=10)
"""How far a till's clock may be off, flagged (semantics 40)."""


class Wrong(StrEnum):
    """Why a token that a till took is not honoured."""

    WRONG_STORE = "wrong_store"
    USED_TWICE = "used_twice"
    REVOKED = "revoked"
    OUT_OF_TIME = "out_of_time"
    LATE = "late"
    UNMET = "unmet"


@dataclass(frozen=True, kw_only=True)
class MadeOutCoupon:
    """A coupon as it is made out: the till takes it until `ends_at`, it is locked to `until`."""

    coupon: str
    store: str
    fen: int
    token: str
    starts_at: datetime
    ends_at: datetime
    until: datetime
    repeated: bool


@dataclass(frozen=True, kw_only=True)
class Revoked:
    """A token whose coupon was called back before its end."""

    jti: str
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A token as a sale finds it. `wrong` None: it may be used, and the coupon is locked for that.

    `skewed`: by the till's clock it was used a little before or after its time, or in the future.
    `owner` opened the coupon's batch: whose a break is first.
    """

    jti: str
    coupon: str
    holder: str
    fen: int
    skewed: bool
    owner: str
    wrong: Wrong | None


def make_out(
    session: Session,
    *,
    held: Held,
    holders: Sequence[str],
    store: str,
    key: Ed25519PrivateKey,
    code_keys: CodeKeys,
) -> MadeOutCoupon:
    """Make a holder's coupon out for a store, for a day at most; again, it is the same token.

    `holders` are all names of the member, who has three at most at a time. Locks the coupon and
    reserves its budgets. There is no way back before its end.

    Raises:
        NotOffline: the template does not allow it, or asks what a till cannot look at.
        OfflineLimit: three are made out already.
        MadeOut: it is made out for another store, or that store may still upload it.
        As `redemptions.lock`.
    """
    _require_offline(held)
    now = now_of(session)
    starts = now.replace(microsecond=0)
    ends = min(starts + LASTS, held.valid_until.replace(microsecond=0))
    token = Token(
        kid=tokens.key_id(key.public_key()),
        jti=new_id("oct"),
        template=held.template.code,
        store=store,
        fen=_face(held),
        starts_at=starts,
        ends_at=max(ends, starts + timedelta(seconds=1)),
    )
    written = tokens.write(token, key)
    row = fetch(
        session,
        _MAKE_OUT,
        {
            "now": now,
            "day": day_of(now),
            "coupon": held.coupon,
            "holders": list(holders),
            "store": store,
            "jti": token.jti,
            "kid": token.kid,
            "public": tokens.raw(key.public_key()),
            "fen": token.fen,
            "starts": token.starts_at,
            "ends": token.ends_at,
            "until": token.ends_at + GRACE,
            "sealed": codes.seal(code_keys, written.encode(), place=token.jti.encode()),
        },
    )[0]
    if row.verdict == "limit":
        raise OfflineLimit(row.at)
    if row.verdict == "made-out":
        raise MadeOut(held.coupon, row.store, row.until)
    if row.verdict not in ("taken", "repeat"):
        raise redemptions.refusal(token.jti, row)
    return MadeOutCoupon(
        coupon=held.coupon,
        store=row.store,
        fen=row.fen,
        token=codes.open_seal(code_keys, row.sealed, place=row.jti.encode()).decode(),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        until=row.until,
        repeated=row.verdict == "repeat",
    )


def public_keys(session: Session, current: Ed25519PublicKey) -> dict[str, Ed25519PublicKey]:
    """Return the key that signs now, and those before it until their last token is over."""
    rows = fetch(session, _LIVE_KEYS, {"now": now_of(session)})
    return _keys({row.kid: row.public_key for row in rows}, current)


def list_revoked(session: Session, *, store: str) -> list[Revoked]:
    """Return the tokens of a store whose coupons were called back, until their time is over."""
    rows = fetch(session, _REVOKED, {"now": now_of(session) - SKEW, "store": store})
    return [Revoked(jti=row.jti, ends_at=row.ends_at) for row in rows]


def read(session: Session, written: str, *, current: Ed25519PublicKey) -> Token:
    """Return what a token says that any key of ours has signed, be it long over.

    Raises:
        BadToken: it is none, was altered, or is of another key.
    """
    rows = fetch(session, _ALL_KEYS, {})
    return tokens.read(written, _keys({row.kid: row.public_key for row in rows}, current))


def judge(session: Session, *, jti: str, store: str, used_at: datetime) -> Judged | None:
    """Say whether a sale at a store may use a token at its business time, and lock the coupon.

    None: it was signed and never written, as when the database was put back to an older state.
    """
    rows = fetch(
        session,
        "SELECT * FROM coupon_judge_offline(%(now)s, %(jti)s, %(store)s, %(at)s, %(skew)s)",
        {"now": now_of(session), "jti": jti, "store": store, "at": used_at, "skew": SKEW},
    )
    if not rows:
        return None
    row = rows[0]
    return Judged(
        jti=jti,
        coupon=row.coupon,
        holder=row.holder,
        fen=row.fen,
        skewed=row.skewed,
        owner=row.owner,
        wrong=None if row.verdict == "free" else Wrong(row.verdict),
    )


def redeem(
    session: Session, *, jti: str, order: str, use: Use, used_at: datetime, skewed: bool
) -> None:
    """Redeem a token that was judged to be free, with an order: once for ever.

    The discount is at most what the token says; its budgets were reserved when it was made out.
    """
    rows = fetch(
        session,
        "SELECT * FROM coupon_redeem_offline(%(now)s, %(jti)s, %(order)s, %(at)s, %(skewed)s, "
        "%(discount)s, %(goods)s, %(id)s)",
        {
            "now": now_of(session),
            "jti": jti,
            "order": order,
            "at": used_at,
            "skewed": skewed,
            "discount": use.discount_fen,
            "goods": use.order_fen,
            "id": new_id("crd"),
        },
    )
    if rows[0].verdict != "taken":
        raise redemptions.refusal(order, rows[0])


def _require_offline(held: Held) -> None:
    terms = held.template.terms
    if not terms.offline_ok:
        raise NotOffline(held.coupon, "模板不允许", "its template does not allow it")
    unseen = held.template.unseen
    if unseen:
        names = ", ".join(unseen)
        raise NotOffline(
            held.coupon, f"断网时无法核对 {names}", f"a till cannot look at {names} then"
        )


def _face(held: Held) -> int:
    """Return what a coupon takes off, which its template promises to be a fixed amount."""
    benefit = held.offer.benefit
    assert isinstance(benefit, AmountOff), "only an amount off goes offline"
    return benefit.fen


def _keys(known: Mapping[str, bytes], current: Ed25519PublicKey) -> dict[str, Ed25519PublicKey]:
    found = {kid: Ed25519PublicKey.from_public_bytes(raw) for kid, raw in known.items()}
    return found | {tokens.key_id(current): current}


_MAKE_OUT = """
SELECT * FROM coupon_make_out(%(now)s, %(day)s, %(coupon)s, %(holders)s::text[], %(store)s, %(jti)s,
    %(kid)s, %(public)s, %(fen)s, %(starts)s, %(ends)s, %(until)s, %(sealed)s)
"""
_ALL_KEYS = "SELECT kid, public_key FROM coupon_offline_key"
_LIVE_KEYS = """
SELECT k.kid, k.public_key FROM coupon_offline_key k
WHERE EXISTS (SELECT FROM coupon_offline o WHERE o.kid = k.kid AND o.until > %(now)s)
"""
_REVOKED = """
SELECT o.jti, o.ends_at FROM coupon_offline o JOIN coupon c ON c.id = o.coupon_id
WHERE o.store = %(store)s AND o.ends_at > %(now)s AND c.state = 'void'
ORDER BY o.jti
"""
