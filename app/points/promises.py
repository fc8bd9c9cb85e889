"""What a member's activity promises: that points last until a day at least (semantics 34).

A promise is written with the activity that makes it and never changed. A refund of the whole of its
source is written beside it, and from then on it stands no more. What comes of promises is in
lasting.sql (ADR 0021).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, insert, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.clock import GRACE, business_date
from app.members.identification import KnownMember
from app.points.policy import Activity
from app.points.programme import programme_at
from config.database import Base, now_of


class PointsPromise(Base):
    """That all of a member's points last `until` a day, made on `day` by `source`; never changed.

    `source` is the public id of an order or a check-in. A row whose `activity` is `refund` has no
    `until`: from its day on what its source had promised stands no more.
    """

    __tablename__ = "points_promise"
    __table_args__ = (
        UniqueConstraint("source", "activity", "member_id"),
        Index(None, "member_id", "until"),
        Index(None, "until", "member_id"),
        CheckConstraint("activity IN ('purchase', 'check_in', 'burn', 'refund')", name="activity"),
        CheckConstraint("(activity = 'refund') = (until IS NULL)", name="refund"),
        CheckConstraint("until >= day", name="days"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    source: Mapped[str]
    activity: Mapped[str]
    day: Mapped[date]
    until: Mapped[date | None]
    recorded_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A promise about to be written."""

    member_id: int
    source: str
    activity: Activity
    day: date
    until: date

    def row(self) -> dict[str, object]:
        """Return the promise as JSON fields, for the statement that writes its source."""
        return {
            "member_id": self.member_id,
            "source": self.source,
            "activity": self.activity.value,
            "day": self.day.isoformat(),
            "until": self.until.isoformat(),
        }


def promise(
    session: Session,
    member: KnownMember | None,
    activities: Collection[Activity],
    *,
    source: str,
    at: datetime,
) -> Promise | None:
    """Return what a member's activity at a business time promises, or None; no SQL once warm.

    By the policy of that time. Of several listed activities the first one names it.
    """
    programme = programme_at(session, at)
    until = programme.extends_until(activities, on=business_date(at))
    day = heard_on(session, at)
    if member is None or until is None or until < day:
        return None
    return Promise(
        member_id=member.id,
        source=source,
        activity=next(each for each in activities if each in programme.extended_by),
        day=day,
        until=until,
    )


def write(session: Session, made: Promise | None) -> None:
    """Write a promise, if there is one, whose source is written in the same transaction."""
    if made is not None:
        row = {**vars(made), "activity": made.activity.value, "recorded_at": now_of(session)}
        session.execute(insert(PointsPromise), [row])


def heard_on(session: Session, at: datetime) -> date:
    """Return the business date on which something that happened at an instant counts.

    Its own, if it is told before that day closes at 06:00; else the day on which it is told. What
    had ended by then has ended, whether or not a job has booked it (semantics 27).
    """
    return max(business_date(at), business_date(now_of(session) - GRACE))


def pass_on(session: Session, *, loser: KnownMember, survivor: KnownMember) -> None:
    """Let what stands promised to a merged member stand for the survivor too, from today on."""
    now = now_of(session)
    session.execute(
        _PASS_ON,
        {
            "loser": loser.id,
            "survivor": survivor.id,
            "day": business_date(now),
            "now": now,
        },
    )


_PASS_ON = text(
    """
    INSERT INTO points_promise (member_id, source, activity, day, until, recorded_at)
    SELECT :survivor, p.source, p.activity, :day, p.until, :now
    FROM points_promise p
    WHERE p.member_id = :loser AND p.until > :day AND NOT EXISTS (
        SELECT FROM points_promise r WHERE r.source = p.source AND r.activity = 'refund')
    ON CONFLICT DO NOTHING
    """
)
