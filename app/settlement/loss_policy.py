"""Who bears what a merchant that left cannot pay, declared before it left (semantics 50).

The order is fixed: its deposit, the district's fund up to a limit, and then those that took its
points, in proportion to what they were paid for them. The policy says how far the last two go.
Proposed by one person and approved by another, in force from an instant on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app import policies
from app.approvals import ChangeRequest
from app.errors import Invalid
from app.policies import Agreed
from config.database import now_of, remember

KIND = "settlement.losses"
_MOST_FEN = 10**13
_MOST_MONTHS = 60


@dataclass(frozen=True, kw_only=True)
class LossPolicy:
    """How far the district and the redeemers answer for one merchant that leaves.

    `fund_limit_fen` is the most that the district's fund bears. `redeemer_months` is how many
    closed periods back a redeemer shares in the rest; 0: redeemers bear nothing. A new district
    has declared neither.
    """

    fund_limit_fen: int = 0
    redeemer_months: int = 0

    def __post_init__(self) -> None:
        for name, most in (("fund_limit_fen", _MOST_FEN), ("redeemer_months", _MOST_MONTHS)):
            if not 0 <= getattr(self, name) <= most:
                raise Invalid(name, f"须在 0 到 {most} 之间", f"from 0 to {most}")

    def to_json(self) -> dict[str, Any]:
        """Return the policy as JSON fields."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "LossPolicy":
        """Return the policy that `to_json` wrote."""
        return cls(**written)


DEFAULT = LossPolicy()


def loss_policy_at(session: Session, at: datetime) -> LossPolicy:
    """Return the policy in force at an instant; no SQL once warm."""
    agreed = remember(session, KIND, history)
    return next((policy for policy, each in agreed if each.effective_from <= at), DEFAULT)


def propose(
    session: Session, policy: LossPolicy, *, begins: datetime | None, by: str, reason: str
) -> ChangeRequest:
    """Ask for a new policy; it waits for a second person, and changes no exit that has begun."""
    known = loss_policy_at(session, now_of(session)).to_json()
    return policies.propose(
        session,
        kind=KIND,
        terms=policy.to_json(),
        known=known,
        begins=begins,
        by=by,
        reason=reason,
    )


def approve(session: Session, request: str, *, by: str) -> datetime:
    """Put a proposed policy in force as the second person; return from when on.

    Raises:
        NotFound, SamePerson, StateConflict: as `policies.approve`.
    """
    known = loss_policy_at(session, now_of(session)).to_json()
    return policies.approve(session, request, kind=KIND, known=known, by=by)


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed policy down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `policies.reject`.
    """
    policies.reject(session, request, kind=KIND, by=by, reason=reason)


def history(session: Session) -> list[tuple[LossPolicy, Agreed]]:
    """Return every policy that was agreed to, newest first."""
    return [(LossPolicy.from_json(each.terms), each) for each in policies.history(session, KIND)]
