"""Who bears what a merchant that left cannot pay, declared before it left (semantics 50).

The order is fixed: its deposit, the district's fund up to a limit, and then those that took its
points, in proportion to what they were paid for them. The policy says how far the last two go.
Proposed by one person and approved by another, in force from an instant on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Invalid
from app.policies import Policy

_MOST_FEN = 10**13
_MOST_MONTHS = 60


@dataclass(frozen=True, kw_only=True)
class LossPolicy:
    """How far the district and the redeemers answer for one merchant that leaves.

    `fund_limit_fen` is the most that the district's fund bears. `redeemer_months` is how many
    months back a redeemer shares in the rest, by the periods that are closed and began in them; 0:
    redeemers bear nothing. A new district
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


#: What was declared when an exit began holds for it; later terms change none that has begun.
LOSSES = Policy(kind="settlement.losses", default=LossPolicy(), read=LossPolicy.from_json)
