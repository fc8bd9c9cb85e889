"""The district's policy for points that members get without buying: check-ins, referrals (E6).

One document, proposed by one person and approved by another, in force from an instant on. Its
points are those of one merchant, for which the district registers itself as one or asks a sponsor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.approvals import ChangeRequest
from app.errors import Invalid
from app.merchants.directory import ListedMerchant, get_directory
from app.points.policy import LIMIT
from app.policies import Policy

LONGEST_CYCLE = 366

_LIMITS: Mapping[str, tuple[int, int]] = {
    "check_in_missed_days": (0, 30),
    "check_in_late_minutes": (0, 1_440),
    "check_in_month_points": (0, LIMIT),
    "referrer_points": (0, LIMIT),
    "friend_points": (0, LIMIT),
    "referral_return_days": (0, 366),
    "referral_month_friends": (0, 1_000),
    "claim_days": (0, 366),
    "claim_tries_a_day": (1, 1_000),
}


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """What members get without buying. Defaults are those of a new district: nothing.

    `issuer` (a merchant's public id) bears the points. `check_in_points` are those of the first
    day, the second and so on; after the last day the cycle begins anew. Up to
    `check_in_missed_days` between two check-ins break no streak, a check-in is told up to
    `check_in_late_minutes` late, and a member gets `check_in_month_points` a month at most.

    `referrer_points` and `friend_points` may be spent `referral_return_days` after the friend's
    first order; `referral_month_friends` of a member count a month. A member claims an order that
    he paid unknown within `claim_days`, and errs `claim_tries_a_day` times.
    """

    issuer: str | None = None
    check_in_points: tuple[int, ...] = ()
    check_in_missed_days: int = 0
    check_in_late_minutes: int = 10
    check_in_month_points: int = 1_000
    referrer_points: int = 0
    friend_points: int = 0
    referral_return_days: int = 7
    referral_month_friends: int = 10
    claim_days: int = 7
    claim_tries_a_day: int = 5

    def __post_init__(self) -> None:
        for name, (least, most) in _LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise Invalid(name, f"须在 {least} 到 {most} 之间", f"from {least} to {most}")
        if len(self.check_in_points) > LONGEST_CYCLE:
            raise Invalid("check_in_points", "周期最长 366 天", "a cycle has 366 days at most")
        if not all(0 <= points <= LIMIT for points in self.check_in_points):
            raise Invalid("check_in_points", "须为不小于 0 的整数", "whole numbers from 0 on")
        gives = any((*self.check_in_points, self.referrer_points, self.friend_points))
        if gives and self.issuer is None:
            raise Invalid("issuer", "须指明由哪家商户承担", "say which merchant bears the points")

    def points_of(self, streak: int) -> int:
        """Return what the n-th day of a streak gives, from 1."""
        cycle = self.check_in_points
        return cycle[(streak - 1) % len(cycle)] if cycle else 0

    def to_json(self) -> dict[str, Any]:
        """Return the policy as JSON fields."""
        return {**vars(self), "check_in_points": list(self.check_in_points)}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Rewards":
        """Return the policy that `to_json` wrote."""
        return cls(**{**written, "check_in_points": tuple(written["check_in_points"])})


REWARDS = Policy(kind="points.rewards", default=Rewards(), read=Rewards.from_json)


def issuer_of(session: Session, rewards: Rewards) -> ListedMerchant | None:
    """Return the merchant that bears a policy's points; None: nobody does, or it issues no more."""
    if rewards.issuer is None:
        return None
    merchant = get_directory(session).get_merchant(rewards.issuer)
    return merchant if merchant.issues else None


def propose(
    session: Session, rewards: Rewards, *, begins: datetime | None, by: str, reason: str
) -> ChangeRequest:
    """Ask for a new policy, its issuer named by code or public id; it waits for a second person.

    Raises:
        NotFound: no such merchant.
    """
    if rewards.issuer is not None:
        merchant = get_directory(session).get_merchant(rewards.issuer)
        rewards = replace(rewards, issuer=merchant.public_id)
    return REWARDS.propose(session, rewards, begins=begins, by=by, reason=reason)
