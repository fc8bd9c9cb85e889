"""A use of a coupon: set aside for an order, redeemed, given back (C12-C16; semantics 5-7, 35-37).

Each is one call of a function in the database (redemptions.sql) for all coupons of an order, all or
none. Coupons are locked by id, then the counters of their batches: call these after the order's
own row is locked and before any wallet. A dead lock is free by its instant, without a job.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from config.database import fetch, new_id, now_of
from coupons.batches import read_template
from coupons.errors import (
    AlreadyUsed,
    BudgetExhausted,
    CouponError,
    Locked,
    LockExpired,
    NoSuchCoupon,
    NotTheHolder,
    NotYet,
    OtherContent,
    Over,
    RollBackExceeds,
    TooLittleLeft,
    Voided,
)
from coupons.terms import day_of

MOST = 30
"""Coupons of one order."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a coupon takes off an order, and the goods that it counts on, in fen.

    `seen` is whose it was when the order read it, where it did: handed on since, it is refused.
    """

    coupon: str
    discount_fen: int
    order_fen: int
    seen: str | None = None

    def __post_init__(self) -> None:
        if self.discount_fen < 0 or self.order_fen < 0:
            raise ValueError(f"{self.coupon}: below zero")


@dataclass(frozen=True, kw_only=True)
class Redeemed:
    """A use that is redeemed, now or (`repeated`) by the same call before."""

    coupon: str
    redemption: str
    use_number: int
    repeated: bool


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """A part of a redemption that went back.

    `returned`: the coupon's use came back. `reissued` is the smaller coupon that was given instead.
    `valid_until` is the last instant of whichever came back.
    """

    coupon: str
    remaining_fen: int
    returned: bool
    reissued: str | None
    valid_until: datetime
    repeated: bool


def lock(
    session: Session,
    *,
    order: str,
    uses: Sequence[Use],
    until: datetime,
    holders: Sequence[str] = (),
    store: str | None = None,
    at: datetime | None = None,
) -> None:
    """Set uses of coupons aside for an order until an instant, with their budgets: all or none.

    `holders` are the names of the member who buys; a coupon that is not personal may be anybody's.
    They have to be good at the instant `at` (None: now), when they were promised. An order that
    asks again replaces what it has set aside of these coupons. Locks the coupons.

    Raises:
        NoSuchCoupon, NotTheHolder, Voided, AlreadyUsed, NotYet, Over: as the coupon stands.
        Locked: another order has it.
        TooLittleLeft: there is less money on it.
        BudgetExhausted: the batch's budget does not cover it.
        OtherContent: the order has redeemed the coupon already.
    """
    _take(session, order=order, uses=uses, until=until, holders=holders, store=store, at=at)


def redeem(
    session: Session,
    *,
    order: str,
    uses: Sequence[Use] | None = None,
    holders: Sequence[str] = (),
    store: str | None = None,
    at: datetime | None = None,
) -> list[Redeemed]:
    """Redeem coupons for an order, all or none: what it has set aside, or exactly `uses`.

    A live lock is enough, whatever the date. A dead one, or none, is looked at anew: what is free
    is taken, budgets too. `uses` may so lock and redeem at once; `at` is as for `lock`. The same
    again answers the same. Locks the coupons.

    Raises:
        LockExpired: the order's lock is dead and the coupon is not to be had any more.
        As `lock`, where there was none; `Voided` always.
    """
    if uses is not None:
        rows = _take(
            session, order=order, uses=uses, until=None, holders=holders, store=store, at=at
        )
    else:
        now = now_of(session)
        rows = fetch(
            session,
            "SELECT * FROM coupon_redeem_locked(%(now)s, %(day)s, %(order)s, %(store)s, "
            "%(holders)s::text[], %(ids)s::text[])",
            {
                "now": now,
                "day": day_of(now),
                "order": order,
                "store": store,
                "holders": list(holders),
                "ids": [new_id("crd") for _ in range(MOST)],
            },
        )
        _refuse(order, rows)
    return [
        Redeemed(
            coupon=row.coupon,
            redemption=row.redemption,
            use_number=row.use_number,
            repeated=row.verdict == "repeat",
        )
        for row in rows
    ]


def release(session: Session, *, order: str) -> int:
    """Give back what an order has set aside, and its budgets; return how many coupons. Again: 0."""
    rows = fetch(
        session,
        "SELECT coupon_release(%(now)s, %(order)s) AS freed",
        {"now": now_of(session), "order": order},
    )
    freed: int = rows[0].freed
    return freed


def extend(session: Session, *, order: str, until: datetime) -> int:
    """Let an order's locks live until a later instant; return how many coupons that are.

    Raises:
        LockExpired: one of them is dead already; none is changed. Lock the coupons anew.
    """
    row = fetch(
        session,
        "SELECT * FROM coupon_extend(%(now)s, %(order)s, %(until)s)",
        {"now": now_of(session), "order": order, "until": until},
    )[0]
    if row.dead:
        raise LockExpired(order)
    live: int = row.live
    return live


def roll_back(
    session: Session,
    *,
    redemption: str,
    key: str,
    fen: int,
    order_fen: int = 0,
    whole_order: bool = False,
) -> RolledBack:
    """Give back a part of what one coupon took off an order, any number of times up to all of it.

    `key` names the refund: the same again answers the same. `order_fen` is the part of the goods'
    value that goes back. Whether the coupon comes back its template says (semantics 6): never; with
    the `whole_order`, as the same coupon with the same last instant; or in part, as a smaller one.
    One that is over gets the template's courtesy days, or stays over. Money that was stored on a
    coupon goes back onto it. Budgets are freed. Locks the coupon.

    Raises:
        NoSuchCoupon: there is no such redemption.
        RollBackExceeds: more than remains; says what remains.
        OtherContent: the key has given back something else.
    """
    now = now_of(session)
    known = fetch(session, _TERMS, {"redemption": redemption})
    if not known:
        raise NoSuchCoupon("coupon-redemption", redemption)
    returns = read_template(known[0].document).terms.returns
    row = fetch(
        session,
        "SELECT * FROM coupon_give_back(%(now)s, %(redemption)s, %(key)s, %(fen)s, "
        "%(order_fen)s, %(whole)s, %(policy)s, %(courtesy)s, %(id)s)",
        {
            "now": now,
            "redemption": redemption,
            "key": key,
            "fen": fen,
            "order_fen": order_fen,
            "whole": whole_order,
            "policy": returns.policy.value,
            "courtesy": returns.courtesy(now),
            "id": new_id("cpn"),
        },
    )[0]
    return _rolled_back(row, redemption, key, coupon=known[0].coupon)


def roll_back_order(
    session: Session,
    *,
    order: str,
    key: str,
    parts: Sequence[Use],
    whole_order: bool = False,
    undone: Collection[str] = (),
) -> list[RolledBack]:
    """Give back parts of what coupons took off an order, as `roll_back` does, in two round trips.

    `undone` are coupons that may come back as with the whole order, once all they gave is back: the
    rest of the order does without them.

    Raises:
        As `roll_back`.
    """
    if not parts:
        return []
    now = now_of(session)
    known = {row.coupon: row for row in fetch(session, _REDEEMED, {"order": order})}
    missing = [part.coupon for part in parts if part.coupon not in known]
    if missing:
        raise NoSuchCoupon("coupon-redemption", missing[0])
    returns = [read_template(known[part.coupon].document).terms.returns for part in parts]
    rows = fetch(
        session,
        _GIVE_BACK_ALL,
        {
            "now": now,
            "key": key,
            "whole": [whole_order or part.coupon in undone for part in parts],
            "redemptions": [known[part.coupon].redemption for part in parts],
            "fen": [part.discount_fen for part in parts],
            "order_fen": [part.order_fen for part in parts],
            "policies": [each.policy.value for each in returns],
            "courtesies": [each.courtesy(now) for each in returns],
            "ids": [new_id("cpn") for _ in parts],
        },
    )
    coupons = {row.redemption: row.coupon for row in known.values()}
    return [_rolled_back(row, row.redemption, key, coupon=coupons[row.redemption]) for row in rows]


def find_rolled_back(session: Session, *, order: str, key: str) -> list[RolledBack]:
    """Return what a key gave back of an order's coupons, as it was told then."""
    return [
        RolledBack(
            coupon=row.coupon,
            remaining_fen=row.remaining_fen,
            returned=row.returned,
            reissued=row.reissued,
            valid_until=row.valid_until,
            repeated=True,
        )
        for row in fetch(session, _GIVEN_BACK, {"order": order, "key": key})
    ]


def _rolled_back(row: Any, redemption: str, key: str, *, coupon: str) -> RolledBack:
    if row.verdict == "exceeds":
        raise RollBackExceeds(redemption, row.remaining_fen)
    if row.verdict == "other-content":
        raise OtherContent("coupon-roll-back", key)
    return RolledBack(
        coupon=coupon,
        remaining_fen=row.remaining_fen,
        returned=row.returned,
        reissued=row.reissued,
        valid_until=row.valid_until,
        repeated=row.verdict == "repeat",
    )


def _take(
    session: Session,
    *,
    order: str,
    uses: Sequence[Use],
    until: datetime | None,
    holders: Sequence[str],
    store: str | None,
    at: datetime | None,
) -> list[Any]:
    if len({use.coupon for use in uses}) < len(uses) or len(uses) > MOST:
        raise ValueError(f"{order}: a coupon is used once in an order, and at most {MOST} are")
    if not uses:
        return []
    now = now_of(session)
    rows = fetch(
        session,
        "SELECT * FROM coupon_take(%(now)s, %(day)s, %(order)s, %(store)s, %(holders)s::text[], "
        "%(until)s, %(coupons)s::text[], %(discounts)s::bigint[], %(orders)s::bigint[], "
        "%(ids)s::text[], %(at)s, %(seen)s::text[])",
        {
            "now": now,
            "day": day_of(now),
            "order": order,
            "store": store,
            "holders": list(holders),
            "until": until,
            "at": at,
            "seen": [use.seen for use in uses],
            "coupons": [use.coupon for use in uses],
            "discounts": [use.discount_fen for use in uses],
            "orders": [use.order_fen for use in uses],
            "ids": [new_id("crd") for _ in uses],
        },
    )
    _refuse(order, rows)
    return rows


def _refuse(order: str, rows: Sequence[Any]) -> None:
    """Raise the first refusal; where none is, all were taken."""
    for row in rows:
        if row.verdict not in ("taken", "repeat", "free"):
            raise refusal(order, row)


def refusal(order: str, row: Any) -> CouponError:
    """Return what a verdict of the database says to an order that wanted a coupon."""
    refusals: dict[str, CouponError] = {
        "unknown": NoSuchCoupon("coupon", row.coupon),
        "opened": NoSuchCoupon("coupon", row.coupon),
        "not-holder": NotTheHolder(row.coupon),
        "void": Voided(row.coupon),
        "used": AlreadyUsed(row.coupon, row.at, row.store),
        "not-yet": NotYet(row.coupon),
        "expired": Over(row.coupon),
        "locked": Locked(row.coupon, row.at),
        "short": TooLittleLeft(row.coupon),
        "budget-exhausted": BudgetExhausted(row.coupon, row.what or ""),
        "lock-expired": LockExpired(row.coupon),
        "other-content": OtherContent("coupon-redemption", order),
    }
    return refusals[row.verdict]


_TERMS = """
SELECT c.public_id AS coupon, v.document::text AS document
FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
JOIN coupon_template_version v ON v.id = c.version_id WHERE r.public_id = %(redemption)s
"""
_REDEEMED = """
SELECT c.public_id AS coupon, r.public_id AS redemption, v.document::text AS document
FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
JOIN coupon_template_version v ON v.id = c.version_id WHERE r.order_ref = %(order)s
"""
_GIVEN_BACK = """
SELECT r.discount_fen - (
        SELECT sum(e.fen) FROM coupon_roll_back e
        WHERE e.redemption_id = r.id AND e.ordinal <= b.ordinal)::bigint AS remaining_fen,
    c.public_id AS coupon, b.returned, n.public_id AS reissued,
    coalesce(n.valid_until, c.valid_until) AS valid_until
FROM coupon_roll_back b JOIN coupon_redemption r ON r.id = b.redemption_id
JOIN coupon c ON c.id = r.coupon_id LEFT JOIN coupon n ON n.id = b.reissued_id
WHERE r.order_ref = %(order)s AND b.key = %(key)s ORDER BY c.id
"""
# In the order of the coupons, as they are locked everywhere.
_GIVE_BACK_ALL = """
SELECT w.redemption, g.*
FROM (
    SELECT u.* FROM unnest(%(redemptions)s::text[], %(fen)s::bigint[], %(order_fen)s::bigint[],
        %(whole)s::boolean[], %(policies)s::text[], %(courtesies)s::timestamptz[], %(ids)s::text[])
        AS u (redemption, fen, order_fen, whole, policy, courtesy, id)
    JOIN coupon_redemption r ON r.public_id = u.redemption ORDER BY r.coupon_id) w
CROSS JOIN LATERAL coupon_give_back(%(now)s, w.redemption, %(key)s, w.fen, w.order_fen, w.whole,
                                    w.policy, w.courtesy, w.id) g
"""
