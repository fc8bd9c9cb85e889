"""The district's policy for points that move without a sale: adjustments by hand, and gifts (G1).

Proposed by one person and approved by another, in force from an instant on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from app.errors import Invalid
from app.points.policy import LIMIT
from app.policies import Policy


@dataclass(frozen=True, kw_only=True)
class Perks:
    """Limits in points and in days. Defaults are those of a new district.

    `adjust_limit_points`: what one person may adjust of a member within 24 hours. `gift_day_points`
    and `gift_month_points`: what a member may give to others. `gift_cooling_days`: how long points
    that were given stay where they are. `gift_new_member_days`: how long a new member gives none.
    """

    adjust_limit_points: int = 1_000
    gift_day_points: int = 1_000
    gift_month_points: int = 5_000
    gift_cooling_days: int = 7
    gift_new_member_days: int = 30

    def __post_init__(self) -> None:
        for each in fields(self):
            most = 3_660 if each.name.endswith("_days") else LIMIT
            if not 0 <= getattr(self, each.name) <= most:
                raise Invalid(each.name, f"须在 0 到 {most} 之间", f"from 0 to {most}")

    def to_json(self) -> dict[str, Any]:
        """Return the policy as JSON fields."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Perks":
        """Return the policy that `to_json` wrote."""
        return cls(**written)


PERKS = Policy(kind="points.perks", default=Perks(), read=Perks.from_json)
