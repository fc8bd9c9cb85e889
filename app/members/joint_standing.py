"""The tier of two members who are one person: the higher one, with its own dates (semantics 46).

Their growth adds up by itself, for whoever counts it counts who was merged too. A merge lifts
nobody above the two: the next sale asks what the sum reaches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import outbox
from app.clock import business_date
from app.members import growth, standing
from app.members.identification import KnownMember
from app.members.models import Member, TierChange, TierStep
from app.members.tiers import TIERS, Scheme
from config.database import now_of

_OF_MERGES = (TierStep.MERGED, TierStep.PARTED)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A tier as it is held, through the last day of its cycle; the lowest tier has none."""

    tier: str
    until: date | None


def joint(session: Session, *, loser: KnownMember, survivor: KnownMember) -> Held:
    """Return the tier that two members hold as one: of one and the same, the longer."""
    return _best(
        TIERS.at(session, now_of(session)), [_held(session, survivor), _held(session, loser)]
    )


def unite(session: Session, *, loser: KnownMember, survivor: KnownMember) -> None:
    """Give a survivor the loser's tier where that is higher or longer. Both rows are locked."""
    began = session.scalar(
        select(TierChange.cycle_from)
        .where(TierChange.member_id == loser.id)
        .order_by(TierChange.at.desc(), TierChange.id.desc())
        .limit(1)
    )
    after = joint(session, loser=loser, survivor=survivor)
    _move(session, survivor, TierStep.MERGED, after, began=began)


def part(session: Session, *, survivor: KnownMember) -> None:
    """Give a survivor his own tier back after an undo, or that of who is still merged into him.

    His row is locked. A step since the merge, up or down, was decided anew: it is his own. A cycle
    that is over meanwhile is judged like any other.
    """
    others = session.scalars(
        select(Member).where(Member.merged_into_id == survivor.id).order_by(Member.id)
    )
    held = [_own(session, survivor)]
    held += [Held(tier=each.tier, until=each.tier_until) for each in others]
    after = _best(TIERS.at(session, now_of(session)), held)
    _move(session, survivor, TierStep.PARTED, after, began=None)


def _best(scheme: Scheme, held: Sequence[Held]) -> Held:
    return max(held, key=lambda each: (scheme.place(each.tier), each.until or date.min))


def _held(session: Session, member: KnownMember) -> Held:
    row = session.execute(
        select(Member.tier, Member.tier_until).where(Member.id == member.id)
    ).one()
    return Held(tier=row.tier, until=row.tier_until)


def _own(session: Session, member: KnownMember) -> Held:
    """Return what a member would hold without the merges since his own last step."""
    tier = _held(session, member)
    for change in standing.history(session, member):
        if change.step not in _OF_MERGES:
            return Held(tier=change.tier, until=change.cycle_to)
        tier = Held(tier=change.tier_before, until=None)
    return tier


def _move(
    session: Session, member: KnownMember, step: TierStep, after: Held, *, began: date | None
) -> None:
    before = _held(session, member)
    if after == before:
        return
    now = now_of(session)
    today = business_date(now)
    session.execute(
        update(Member).where(Member.id == member.id).values(tier=after.tier, tier_until=after.until)
    )
    counted_from = TIERS.at(session, now).counts_from(today)
    session.add(
        TierChange(
            member_id=member.id,
            step=step,
            tier_before=before.tier,
            tier=after.tier,
            growth=growth.total(session, member, start=counted_from, end=today),
            cycle_from=min(began or today, after.until or today),
            cycle_to=after.until,
            at=now,
        )
    )
    session.flush()
    outbox.add(
        session,
        topic=f"tier.{step}",
        aggregate=member.public_id,
        payload={"member": member.public_id, "tier_before": before.tier, "tier": after.tier},
    )
