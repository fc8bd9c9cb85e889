"""Growth (成长值): what a member's paid orders bring and refunds take back (M6). Nobody spends it.

Who writes an order or a refund writes its movement in the same statement (`rows`); here is what a
movement is worth, and what all of them come to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.clock import business_date
from app.members.identification import KnownMember, same_person
from app.members.models import Growth, GrowthKind
from app.members.tiers import TIERS
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A movement of growth about to be written: below zero for a refund.

    `kept_under` is the key of the member whose order it was: of one who was merged since, his own,
    so that an undo parts the growth of both as it was (semantics 46).
    """

    member: KnownMember
    kept_under: int
    kind: GrowthKind
    source: str
    amount: int
    at: datetime

    def row(self) -> dict[str, object]:
        """Return the movement as JSON fields, for the statement that writes it."""
        return {
            "member_id": self.kept_under,
            "kind": self.kind.value,
            "source": self.source,
            "amount": self.amount,
            "occurred_at": self.at.isoformat(),
            "business_date": business_date(self.at).isoformat(),
        }


def gain_of_order(
    session: Session,
    member: KnownMember | None,
    *,
    order: str,
    paid_fen: int,
    at: datetime,
    kept_under: int | None = None,
) -> Gain | None:
    """Return the growth of an order on which so much money was paid, or None if it brings none.

    Points pay no growth: only money counts. `kept_under` is the key that the order is kept under,
    where that is not its member's.
    """
    amount = TIERS.at(session, at).growth_of(paid_fen)
    if member is None or not amount:
        return None
    return Gain(
        member=member,
        kept_under=member.id if kept_under is None else kept_under,
        kind=GrowthKind.ORDER,
        source=order,
        amount=amount,
        at=at,
    )


def gain_of_refund(
    session: Session,
    member: KnownMember | None,
    *,
    kept_under: int | None,
    refund: str,
    kept_fen: tuple[int, int],
    ordered_at: datetime,
    at: datetime,
) -> Gain | None:
    """Return the growth that a refund takes, by the scheme of the order's own time.

    `kept_fen` is the money that the order kept before it and keeps after it, so that any sequence
    of refunds takes what one would (semantics 2). `kept_under`: as `Gain` says of the order.
    """
    scheme = TIERS.at(session, ordered_at)
    before, after = kept_fen
    amount = scheme.growth_of(after) - scheme.growth_of(before)
    if member is None or kept_under is None or not amount:
        return None
    return Gain(
        member=member,
        kept_under=kept_under,
        kind=GrowthKind.REFUND,
        source=refund,
        amount=amount,
        at=at,
    )


def total(session: Session, member: KnownMember, *, start: date, end: date) -> int:
    """Return what moved a member's growth on business days from `start` through `end`.

    What was bought before a merge by who was merged into him counts too (semantics 46).
    """
    found = session.scalar(
        select(func.sum(Growth.amount)).where(
            Growth.member_id.in_(same_person(member.id)),
            Growth.business_date.between(start, end),
        )
    )
    return int(found or 0)


def watched_from(session: Session, members: Sequence[KnownMember]) -> date | None:
    """Return the first day whose growth may lift one of these members today; None: nothing can.

    The statement that writes their orders then tells what they had gathered from that day on.
    """
    now = now_of(session)
    scheme = TIERS.at(session, now)
    if not any(scheme.find_next(member.tier) for member in members):
        return None
    return scheme.counts_from(business_date(now))
