"""Referrals: the member's code, and what friends who joined by it have brought (E6)."""

from collections.abc import Mapping
from http import HTTPStatus

from sqlalchemy.orm import Session

from app.api.auth import Role, SignedIn, requires
from app.api.edge import reads, writes
from app.api.fields import Day, DoorSchema, Instant, Items, Part, Points, Text, Whole, YesNo
from app.api.member import member
from app.api.member.sessions import NothingSchema
from app.checkout import referrals
from app.members import referring
from app.points.rewards import REWARDS
from config.database import now_of

_SHOWN = 100


class ReferralCodeSchema(DoorSchema):
    referral_code = Text(most=20, required=True)


class ReferredSchema(DoorSchema):
    """A friend, who is not named; `points` is null until the first order has been paid."""

    joined_at = Instant(required=True)
    points = Points(required=True, allow_none=True)
    active_on = Day(required=True, allow_none=True)
    taken_back = YesNo(required=True)


class ReferralsSchema(DoorSchema):
    """`friends` are the newest hundred; more than `most_a_month` of a month bring nothing."""

    referral_code = Text(most=20, required=True, allow_none=True)
    referrer_points = Points(required=True)
    friend_points = Points(required=True)
    return_days = Whole(required=True)
    this_month = Whole(required=True)
    most_a_month = Whole(required=True)
    friends = Items(Part(ReferredSchema), most=_SHOWN, required=True)


@member.post("/referral-code")
@requires(Role.MEMBER)
@writes(NothingSchema, ReferralCodeSchema, status=HTTPStatus.OK)
def make_referral_code(session: Session, caller: SignedIn, _: object) -> Mapping[str, object]:
    """Return the code by which friends join, making it when it is first asked for."""
    return {"referral_code": referring.code_of(session, caller.member)}


@member.get("/referrals")
@requires(Role.MEMBER)
@reads(ReferralsSchema)
def list_referrals(session: Session, caller: SignedIn) -> Mapping[str, object]:
    """Return what a referral brings today, and what friends have brought."""
    found = referring.friends_of(session, caller.member)
    rewards = REWARDS.at(session, now_of(session))
    return {
        "referral_code": found.code,
        "referrer_points": rewards.referrer_points,
        "friend_points": rewards.friend_points,
        "return_days": rewards.referral_return_days,
        "this_month": found.this_month,
        "most_a_month": rewards.referral_month_friends,
        "friends": referrals.list_referred(session, caller.member, limit=_SHOWN),
    }
