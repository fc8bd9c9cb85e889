"""News of coupons: what became of each, for whoever sends messages or keeps a wallet elsewhere.

Written in the transaction of the effect. A coupon's news has its own order, for its row is locked.
"""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy.orm import Session

from app import outbox
from app.outbox import News
from coupons.issuing import Along, Issued, Recall
from coupons.redemptions import RolledBack


class Topic(StrEnum):
    """What others are told of a coupon."""

    CLAIMED = "coupon.claimed"
    GRANTED = "coupon.granted"
    TRANSFERRED = "coupon.transferred"
    REDEEMED = "coupon.redeemed"
    RETURNED = "coupon.returned"
    EXPIRING = "coupon.expiring"
    VOIDED = "coupon.voided"


def tell_claimed(session: Session, got: Sequence[Issued], *, holder: str | None) -> None:
    """Tell of coupons that their holder took, but for those that he had before."""
    outbox.add_many(session, [_claimed(each, holder) for each in got if not each.repeated])


def along_claims(session: Session, got: Sequence[Issued], *, holder: str) -> Along:
    """Return what tells of a claim in the claim's own round trip, but for what he had before."""
    statement, parameters = outbox.add_along(
        session,
        [_claimed(each, holder) for each in got],
        of="SELECT got.coupon FROM got WHERE got.verdict = 'issued'",
    )
    return Along(statement=statement, parameters=parameters)


def granted(coupon: str, *, batch: str, holder: str, by: str) -> News:
    """Return the news of a coupon that a member was given; `by` is the grant, order or taking."""
    payload = {"coupon": coupon, "batch": batch, "member": holder, "by": by}
    return News(topic=Topic.GRANTED, aggregate=coupon, payload=payload)


def redeemed(coupon: str, *, order: str, member: str | None, fen: int) -> News:
    """Return the news of a coupon that took so many fen off an order."""
    payload = {"coupon": coupon, "order": order, "member": member, "discount_fen": fen}
    return News(topic=Topic.REDEEMED, aggregate=coupon, payload=payload)


def tell_transferred(session: Session, coupon: str, *, giver: str, taker: str) -> None:
    """Tell of a coupon that went from one member to another."""
    outbox.add(
        session,
        topic=Topic.TRANSFERRED,
        aggregate=coupon,
        payload={"coupon": coupon, "giver": giver, "taker": taker},
    )


def tell_returned(
    session: Session, backs: Sequence[RolledBack], *, order: str, refund: str
) -> None:
    """Tell of coupons that came back by a refund, themselves or as a smaller one."""
    outbox.add_many(
        session,
        [
            News(
                topic=Topic.RETURNED,
                aggregate=each.coupon,
                payload={
                    "coupon": each.coupon,
                    "order": order,
                    "refund": refund,
                    "reissued": each.reissued,
                    "valid_until": each.valid_until.isoformat(),
                },
            )
            for each in backs
            if not each.repeated and (each.returned or each.reissued)
        ],
    )


def tell_voided(session: Session, done: Recall) -> None:
    """Tell of coupons that were called back."""
    outbox.add_many(
        session,
        [
            News(topic=Topic.VOIDED, aggregate=coupon, payload={"coupon": coupon})
            for coupon in done.coupons
        ],
    )


def _claimed(got: Issued, holder: str | None) -> News:
    return News(
        topic=Topic.CLAIMED,
        aggregate=got.coupon,
        payload={
            "coupon": got.coupon,
            "batch": got.batch,
            "member": holder,
            "valid_until": got.valid_until.isoformat(),
        },
    )
