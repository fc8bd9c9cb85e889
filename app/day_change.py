"""The change of day: what a district owes to the calendar, in one documented order (semantics 32).

Pending points become active, kept ones are moved, expired ones booked, tiers judged, then members
reminded: each step reads what the one before has left. A day is changed over once the day before
has closed. What was missed is caught up day by day; what is done is noted, so a repeat does
nothing. A step goes in portions, each in a transaction of its own in which a member's part is
whole, and makes room for the tills.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.campaigns import reminders
from app.clock import GRACE, business_date, day_start
from app.errors import Invalid, StateConflict
from app.members import standing
from app.points import expiry, lasting, notices
from config.database import Base, district_of, now_of
from ledger import upkeep

T = TypeVar("T")

_MOST, _FEWEST = 2_000, 50
_ALONE_SECONDS, _BESIDE_SECONDS = 0.15, 0.03
_REST = 3

Counts = Mapping[str, int]
Tell = Callable[[date, str, Counts], None]


class Run(Protocol):
    """Runs work in a transaction of its own in the district: `Database.run`, the district given."""

    def __call__(self, work: Callable[[Session], T], /, *, at: datetime | None = None) -> T: ...


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a change of day does.

    `some` gets the day, the place to go on from (None: the beginning) and about how many rows to
    do; it returns the place for the next portion (None: all is done) and what it did, by name.
    """

    name: str
    some: Callable[[Session, date, Any, int], tuple[Any, Counts]]


class DayStep(Base):
    """A step of a day's change that is done; rows are only added."""

    __tablename__ = "day_step"

    day: Mapped[date] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]


def _expire_recent(
    session: Session, day: date, place: Any, most: int
) -> tuple[expiry.Place | None, Counts]:
    return _expire(session, day, place or expiry.start(day), most)


def _expire(
    session: Session, day: date, place: Any, most: int
) -> tuple[expiry.Place | None, Counts]:
    found = expiry.expire_some(session, day=day, place=place or expiry.Place(), most=most)
    counts = {"lots": found.lots, "points": found.points, "netted_points": found.netted_points}
    return found.place, counts


def _keep(session: Session, day: date, place: Any, most: int) -> tuple[Any, Counts]:
    start = expiry.start(day)
    found = lasting.keep_some(session, day=day, place=place or (start.day, start.member), most=most)
    return found.place, {"lots": found.lots, "points": found.points}


def _tell_active(session: Session, day: date, place: Any, most: int) -> tuple[Any, Counts]:
    told = notices.tell_some_active(session, day=day, after=place or 0, most=most)
    return told.after, {"members": told.members}


def _judge(session: Session, _day: date, _place: Any, most: int) -> tuple[Any, Counts]:
    """Judge the tiers whose cycle has ended, up to today: who is judged is due no more."""
    judged = standing.judge_some(session, most=most)
    return judged or None, {"members": judged}


def _remind(session: Session, day: date, place: Any, most: int) -> tuple[Any, Counts]:
    lead, after = place or (0, 0)
    told = notices.remind_some(session, day=day, lead=notices.LEADS[lead], after=after, most=most)
    rest = None if lead + 1 == len(notices.LEADS) else (lead + 1, 0)
    return rest if told.after is None else (lead, told.after), {"members": told.members}


def _remind_of_coupons(session: Session, day: date, place: Any, most: int) -> tuple[Any, Counts]:
    lead, after = place or (0, 0)
    told = reminders.remind_some(
        session, day=day, lead=reminders.LEADS[lead], after=after, most=most
    )
    rest = None if lead + 1 == len(reminders.LEADS) else (lead + 1, 0)
    return rest if told.after is None else (lead, told.after), {"coupons": told.coupons}


STEPS: Sequence[Step] = (
    Step(name="activate", some=_tell_active),
    Step(name="extend", some=_keep),
    Step(name="expire", some=_expire_recent),
    Step(name="tiers", some=_judge),
    Step(name="remind", some=_remind),
    Step(name="remind_of_coupons", some=_remind_of_coupons),
)
"""In the order of semantics 32: activate, expire, tiers, reminders; what activity has kept moves
before anything is booked as expired (34)."""

EXPIRE = Step(name="expire", some=_expire)
"""The whole of expiry, whenever it was missed; notes nothing."""


def change_days(run: Run, *, through: date | None = None, tell: Tell | None = None) -> list[date]:
    """Change every day over that is due, or in a sandbox through a day; return the days.

    Begins where the last change ended, in the middle of a day too. A district that never changed a
    day begins with the last one that is due.

    Raises:
        Invalid: a day that has not come.
        StateConflict: another process is at it.
    """
    days, sandbox = run(partial(_due, through=through))
    for day in days:
        at = day_start(day) + GRACE if sandbox else None
        done = run(partial(_begin, day=day), at=at)
        for step in STEPS:
            if step.name not in done:
                counts = walk(run, step, day=day, at=at, tell=tell)
                run(partial(_note, day=day, step=step.name, counts=counts), at=at)
    return days


def walk(
    run: Run,
    step: Step,
    *,
    day: date,
    at: datetime | None = None,
    tell: Tell | None = None,
) -> Counts:
    """Do all of a step for a day, portion by portion; return what it did.

    Alone it takes portions of some 150 ms. While anybody else is in a transaction they last some
    30 ms, with a rest of three times as long after each: tills keep most of the machine, and none
    waits longer than a portion for a wallet.
    """
    place: Any = None
    total: dict[str, int] = {}
    most = _FEWEST
    while True:
        began = time.monotonic()
        (place, counts), beside = run(
            partial(_portion, step=step, day=day, place=place, most=most), at=at
        )
        took = time.monotonic() - began
        for name, count in counts.items():
            total[name] = total.get(name, 0) + count
        if tell is not None:
            tell(day, step.name, total)
        if place is None:
            return total
        target = _BESIDE_SECONDS if beside else _ALONE_SECONDS
        most = round(min(max(most * min(target / took, 2), _FEWEST), _MOST))
        if beside:
            time.sleep(_REST * took)


def _portion(
    session: Session, *, step: Step, day: date, place: Any, most: int
) -> tuple[tuple[Any, Counts], bool]:
    district = district_of(session).id
    beside = session.execute(_ALONE, {"name": f"day_change:{district}"}).one()
    if not beside.ours:
        raise StateConflict(
            "day", day.isoformat(), "running", "另一进程正在处理", "another process is at it"
        )
    return step.some(session, day, place, most), bool(beside.others)


def _due(session: Session, *, through: date | None) -> tuple[list[date], bool]:
    """Return the days to change over, and whether the district has a clock of its own."""
    sandbox = district_of(session).sandbox
    latest = business_date(now_of(session) - GRACE)
    last = through or latest
    if last > latest and not sandbox:
        raise Invalid("through", f"最晚为 {latest}", f"{latest} at the latest")
    begun = session.scalar(select(DayStep.day).order_by(DayStep.day.desc()).limit(1))
    if begun is None:
        return [last], sandbox
    first = begun + timedelta(days=1) if _done(session, begun) >= _names() else begun
    return [first + timedelta(days=n) for n in range((last - first).days + 1)], sandbox


def _begin(session: Session, *, day: date) -> set[str]:
    """Return which steps of a day are done; in a sandbox, see that its month is there."""
    if district_of(session).sandbox:
        upkeep.make_partitions(session, start=day, through=day)
    return _done(session, day)


def _done(session: Session, day: date) -> set[str]:
    return set(session.scalars(select(DayStep.step).where(DayStep.day == day)))


def _names() -> set[str]:
    return {step.name for step in STEPS}


def _note(session: Session, *, day: date, step: str, counts: Counts) -> None:
    row = {"day": day, "step": step, "done_at": now_of(session), "counts": dict(counts)}
    session.execute(insert(DayStep).values(**row).on_conflict_do_nothing())


# Who else is in a transaction of this database, and whether we are the only ones to change days.
_ALONE = text(
    """
    SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0)) AS ours, (
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend'
            AND pid <> pg_backend_pid() AND state IN ('active', 'idle in transaction')) AS others
    """
)
