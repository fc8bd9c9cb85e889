"""Check-ins (签到): once a day in Shanghai, more points the longer the streak (E6, semantics 54).

A streak is counted from the days themselves, so one that is told late joins those around it. What
a day gave stays as it was given.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

import ledger
from app import outbox
from app.books import Kind, rates
from app.clock import business_date, month_end
from app.errors import Invalid, StateConflict
from app.members.identification import KnownMember, same_person
from app.points import lots, promises
from app.points.accruals import Given, accrue
from app.points.lots import Wallet
from app.points.policy import Activity
from app.points.programme import programme_at
from app.points.rewards import REWARDS, Rewards, issuer_of
from config.database import Base, new_id, now_of
from config.errors import Collision
from ledger import Journal


class CheckIn(Base):
    """That a member checked in on a business day, once, and what it gave."""

    __tablename__ = "check_in"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("member_id", "business_date"),
        CheckConstraint("points >= 0 AND streak > 0", name="sense"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    business_date: Mapped[date]
    streak: Mapped[int]
    points: Mapped[int]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class CheckedIn:
    """A day on which a member checked in: the how-manieth of its streak, and its points."""

    business_date: date
    streak: int
    points: int


@dataclass(frozen=True, kw_only=True)
class Streak:
    """Where a member stands: days in a row up to now, and what the next check-in would give.

    `cycle` are the points of each day. `today` is what today's gave, None before it.
    """

    days: int
    today: CheckedIn | None
    next_points: int
    cycle: tuple[int, ...]


def check_in(session: Session, member: KnownMember, *, occurred_at: datetime) -> CheckedIn:
    """Check a member in on the Shanghai day of an instant; the same day again returns the first.

    Locks the wallet, so of many at once one gives. Points are those of the policy's issuer, a
    prepaid one whose points have run out gives none.

    Raises:
        Invalid: the instant lies ahead, or longer ago than a check-in may be told late.
        StateConflict: the district offers no check-ins.
        MemberNotActive: frozen, parked or closed.
        Collision: the same day is being written elsewhere; run the transaction again.
    """
    now, day = now_of(session), business_date(occurred_at)
    rewards = REWARDS.at(session, occurred_at)
    late = timedelta(minutes=rewards.check_in_late_minutes)
    if occurred_at > now or (day != business_date(now) and occurred_at < now - late):
        raise Invalid("occurred_at", "不是现在，也不在补报时限内", "neither now nor late in time")
    if not rewards.check_in_points:
        raise StateConflict(
            "check_in", "", "off", "本商圈未开放签到", "there are no check-ins here"
        )
    wallet = lots.lock(session, member, day=business_date(now))
    wallet.member.require_active()
    known = _find(session, member, day)
    if known is not None:
        return known
    streak = _streak(session, member, day - timedelta(days=1), rewards, on=day) + 1
    public_id = new_id("chk")
    points = _give(session, wallet, rewards, public_id, day=day, streak=streak, at=occurred_at)
    made = session.scalar(
        insert(CheckIn)
        .values(
            public_id=public_id,
            member_id=member.id,
            business_date=day,
            streak=streak,
            points=points,
            occurred_at=occurred_at,
            recorded_at=now,
        )
        .on_conflict_do_nothing(index_elements=["member_id", "business_date"])
        .returning(CheckIn.id)
    )
    if made is None:
        raise Collision("check_in", member.public_id)
    kept = promises.promise(session, member, [Activity.CHECK_IN], source=public_id, at=occurred_at)
    promises.write(session, kept)
    outbox.add(
        session,
        topic="member.checked_in",
        aggregate=public_id,
        payload={"member": member.public_id, "day": day.isoformat(), "points": points},
    )
    return CheckedIn(business_date=day, streak=streak, points=points)


def streak(session: Session, member: KnownMember) -> Streak:
    """Return how a member stands today; a streak that a missed day has broken counts no days."""
    now = now_of(session)
    today, rewards = business_date(now), REWARDS.at(session, now)
    done = _find(session, member, today)
    days = _streak(session, member, today, rewards, on=today)
    left = rewards.check_in_month_points - _given_in_month(session, member, today)
    return Streak(
        days=days,
        today=done,
        next_points=min(rewards.points_of(days + 1), max(left, 0)),
        cycle=rewards.check_in_points,
    )


def list_check_ins(session: Session, member: KnownMember) -> list[CheckedIn]:
    """Return every day on which a member checked in, newest first."""
    rows = session.execute(
        select(CheckIn.business_date, CheckIn.streak, CheckIn.points)
        .where(CheckIn.member_id.in_(same_person(member.id)))
        .order_by(CheckIn.business_date.desc(), CheckIn.id.desc())
    )
    return [CheckedIn(**row._mapping) for row in rows]


def _give(
    session: Session,
    wallet: Wallet,
    rewards: Rewards,
    public_id: str,
    *,
    day: date,
    streak: int,
    at: datetime,
) -> int:
    """Post what a day of a streak gives within the month's cap; return the points."""
    merchant = issuer_of(session, rewards)
    left = rewards.check_in_month_points - _given_in_month(session, wallet.member, day)
    points = min(rewards.points_of(streak), max(left, 0))
    if merchant is None or not points:
        return 0
    postings = accrue(
        session,
        wallet,
        [Given(merchant=merchant, points=points)],
        programme=programme_at(session, at),
        occurred_at=at,
    ).postings
    details = {"check_in": public_id, "streak": streak, **rates(postings)}
    journal = Journal(
        key=f"{public_id}:check-in",
        kind=Kind.CHECK_IN,
        occurred_at=at,
        postings=postings,
        details=details,
    )
    try:
        ledger.post(session, [journal])
    except ledger.InsufficientBalance:
        return 0  # Bought ahead and used up: nothing was posted (L6).
    return points


def _find(session: Session, member: KnownMember, day: date) -> CheckedIn | None:
    row = session.execute(
        select(CheckIn.business_date, CheckIn.streak, CheckIn.points)
        .where(CheckIn.member_id.in_(same_person(member.id)), CheckIn.business_date == day)
        .order_by(CheckIn.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else CheckedIn(**row._mapping)


def _streak(
    session: Session, member: KnownMember, through: date, rewards: Rewards, *, on: date
) -> int:
    """Return the days in a row, up to one, that a check-in on a day goes on from."""
    found = session.scalar(
        _DAYS,
        {
            "member": member.id,
            "through": through,
            "on": on,
            "apart": rewards.check_in_missed_days + 1,
        },
    )
    return int(found or 0)


def _given_in_month(session: Session, member: KnownMember, day: date) -> int:
    found = session.scalar(
        select(func.sum(CheckIn.points)).where(
            CheckIn.member_id.in_(same_person(member.id)),
            CheckIn.business_date.between(day.replace(day=1), month_end(day)),
        )
    )
    return int(found or 0)


# The days after the last gap. Who was merged may have checked in twice on a day: it is one.
_DAYS = text(
    """
    WITH days AS (
        SELECT DISTINCT c.business_date AS day FROM check_in c
        WHERE c.business_date <= :through AND c.member_id IN (
            SELECT p.id FROM member p WHERE p.id = :member OR p.merged_into_id = :member)
    ), gaps AS (
        SELECT day, day - lag(day) OVER (ORDER BY day) AS apart FROM days
    )
    SELECT count(*) FROM gaps
    WHERE (SELECT max(day) FROM days) >= CAST(:on AS date) - :apart
        AND day >= (SELECT max(day) FROM gaps WHERE apart IS NULL OR apart > :apart)
    """
)
