"""Check-ins (签到) of the member, and the streak that they make (E6, semantics 54)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import Day, DoorSchema, Instant, Items, Part, Points, Whole, YesNo
from app.api.member import member
from app.points import check_ins
from app.points.rewards import LONGEST_CYCLE
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class AskedCheckIn:
    """What `CheckInSchema` loads; without an instant it is now."""

    occurred_at: datetime | None


class CheckInSchema(DoorSchema):
    makes = AskedCheckIn
    occurred_at = Instant(load_default=None)


class CheckedInSchema(DoorSchema):
    """`streak`: the how-manieth day in a row it is; `points`: what it gave."""

    business_date = Day(required=True)
    streak = Whole(required=True)
    points = Points(required=True)


class StreakSchema(DoorSchema):
    """`today` is null until the member has checked in; `cycle` are the points of each day."""

    offered = YesNo(required=True)
    days = Whole(required=True)
    today = Part(CheckedInSchema, required=True, allow_none=True)
    next_points = Points(required=True)
    cycle = Items(Points(), most=LONGEST_CYCLE, required=True)


@member.post("/check-ins")
@requires(Role.MEMBER)
@writes(CheckInSchema, CheckedInSchema, status=HTTPStatus.OK)
def check_in(session: Session, caller: SignedIn, asked: AskedCheckIn) -> object:
    """Check in for a day in Shanghai; again on that day the first answer is told."""
    at = asked.occurred_at or now_of(session)
    return check_ins.check_in(session, caller.member, occurred_at=at)


@member.get("/check-ins")
@requires(Role.MEMBER)
@reads(StreakSchema)
def get_streak(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return the streak, whether today is done, and what the next check-in would give."""
    found = check_ins.streak(session, caller.member)
    return {**vars(found), "offered": bool(found.cycle)}
