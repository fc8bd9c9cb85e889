"""The district's points policy as values: what the programme promises, how points may be burned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any

from app.clock import month_end
from app.errors import Invalid

LIMIT = 2**53
"""No amount, rate or count is larger: JSON carries integers exactly up to here."""


class Combine(StrEnum):
    """What several multipliers on the same money make of each other (E5).

    The largest one; one plus the sum of what each adds (two doubles make a triple); or the product.
    """

    MAX = "max"
    SUM = "sum"
    PRODUCT = "product"


class NegativePolicy(StrEnum):
    """What a refund does when the points it takes back are spent already (semantics 1).

    Refuse the refund; let the issuing merchant bear it; or write it down as the member's debt.
    """

    REFUSE = "refuse"
    WRITE_OFF = "write_off"
    DEBT = "debt"


class ReturnFirst(StrEnum):
    """Which part of a unit's price a refund of an amount eats first (semantics 4)."""

    MONEY = "money_first"
    POINTS = "points_first"


class BestBy(StrEnum):
    """Which of several stacks of coupons is the best for an order (C10).

    The one that saves most, for points and stored value are the member's own; or the one that
    leaves least to pay, points that are asked for and stored value counted in.
    """

    DISCOUNT = "discount"
    DUE = "due"


class Activity(StrEnum):
    """What a member does that may let points last longer (semantics 34)."""

    PURCHASE = "purchase"
    CHECK_IN = "check_in"
    BURN = "burn"


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The district's points policy from an instant on. Defaults are those of a new district.

    `point_value_fen` is what a burned point pays for. `debt_floor_points` (not above 0) is how
    deep a member's debt to all issuers together may go; None: without limit. `courtesy_days` is how
    long points stay that come back after their expiry (B5). `breakage_share` of what expired points
    had cost goes back to their issuers at the close of a period; the district keeps the rest. Each
    of `extended_by` lets all points of the member last to the end of the month `extend_months`
    after it at least; without months nothing does. `best_by` says which coupons are the best for
    an order, which takes `coupons_at_most` of them; None: any number.
    """

    effective_from: datetime
    expiry_months: int | None = 12
    point_value_fen: Fraction = Fraction(1)
    combine: Combine = Combine.MAX
    negative_policy: NegativePolicy = NegativePolicy.DEBT
    debt_floor_points: int | None = None
    courtesy_days: int = 7
    return_first: ReturnFirst = ReturnFirst.MONEY
    hold_minutes: int = 15
    quote_minutes: int = 5
    breakage_share: Fraction = Fraction(1)
    extend_months: int | None = None
    extended_by: frozenset[Activity] = frozenset()
    best_by: BestBy = BestBy.DISCOUNT
    coupons_at_most: int | None = None

    def __post_init__(self) -> None:
        _check_rate("point_value_fen", self.point_value_fen)
        for name, least in (("courtesy_days", 0), ("hold_minutes", 1), ("quote_minutes", 1)):
            if not least <= getattr(self, name) <= 100_000:
                raise Invalid(name, f"须在 {least} 到 100000 之间", f"from {least} to 100000")
        if not 0 <= self.breakage_share <= 1 or self.breakage_share.denominator > LIMIT:
            raise Invalid("breakage_share", "须在 0 到 1 之间", "from 0 to 1")
        if self.expiry_months is not None and not 1 <= self.expiry_months <= 1200:
            raise Invalid("expiry_months", "须在 1 到 1200 之间", "from 1 to 1200")
        if self.debt_floor_points is not None and not -LIMIT <= self.debt_floor_points <= 0:
            raise Invalid("debt_floor_points", "不能大于 0", "not above 0")
        if self.coupons_at_most is not None and not 1 <= self.coupons_at_most <= 30:
            raise Invalid("coupons_at_most", "须在 1 到 30 之间", "from 1 to 30")
        _check_extension(self)

    def to_json(self) -> dict[str, Any]:
        """Return the policy as JSON fields, rates written `3/2`.

        What extends points, and what is told of coupons, stands there only where it is not the
        default: older proposals keep their text.
        """
        extension: dict[str, Any] = {
            "extend_months": self.extend_months,
            "extended_by": sorted(self.extended_by),
        }
        return {
            "effective_from": self.effective_from.isoformat(),
            "expiry_months": self.expiry_months,
            "point_value_fen": str(self.point_value_fen),
            "combine": self.combine.value,
            "negative_policy": self.negative_policy.value,
            "debt_floor_points": self.debt_floor_points,
            "courtesy_days": self.courtesy_days,
            "return_first": self.return_first.value,
            "hold_minutes": self.hold_minutes,
            "quote_minutes": self.quote_minutes,
            "breakage_share": str(self.breakage_share),
            **(extension if self.extend_months is not None else {}),
            **({"best_by": self.best_by.value} if self.best_by is not BestBy.DISCOUNT else {}),
            **({"coupons_at_most": self.coupons_at_most} if self.coupons_at_most else {}),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Programme":
        """Return the policy that `to_json` wrote."""
        read = {
            "effective_from": datetime.fromisoformat(fields["effective_from"]),
            "point_value_fen": Fraction(fields["point_value_fen"]),
            "combine": Combine(fields["combine"]),
            "negative_policy": NegativePolicy(fields["negative_policy"]),
            "return_first": ReturnFirst(fields["return_first"]),
            "breakage_share": Fraction(fields.get("breakage_share", 1)),
            "extended_by": frozenset(map(Activity, fields.get("extended_by") or ())),
            "best_by": BestBy(fields.get("best_by", BestBy.DISCOUNT)),
        }
        return cls(**{**fields, **read})

    def expires_on(self, earned_on: date) -> date | None:
        """Return the last day on which points earned on a business date can be spent.

        The end of the month that lies `expiry_months` after it (semantics 26 and 30).
        """
        if self.expiry_months is None:
            return None
        return month_end(earned_on, months_ahead=self.expiry_months)

    def extends_until(self, activities: Iterable[Activity], *, on: date) -> date | None:
        """Return the day until which points last at least for what a member did on a business date.

        None: none of these activities is listed (semantics 34).
        """
        if self.extend_months is None or self.extended_by.isdisjoint(activities):
            return None
        return month_end(on, months_ahead=self.extend_months)


@dataclass(frozen=True, kw_only=True)
class BurnTerms:
    """How points may be burned from an instant on: at one merchant or any, for one tier or any.

    `min_unit_points`: burned in multiples of it. `max_share`: of the order's worth.
    `daily_limit_points`: for a member, a business date; None: without limit.
    """

    effective_from: datetime
    merchant: str | None = None
    tier: str | None = None
    min_unit_points: int = 1
    max_share: Fraction = Fraction(1)
    daily_limit_points: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_unit_points <= LIMIT:
            raise Invalid("min_unit_points", "至少为 1", "at least 1")
        if not 0 <= self.max_share <= 1 or self.max_share.denominator > LIMIT:
            raise Invalid("max_share", "须在 0 到 1 之间", "from 0 to 1")
        if self.daily_limit_points is not None and not 0 <= self.daily_limit_points <= LIMIT:
            raise Invalid("daily_limit_points", "不能小于 0", "at least 0")

    def to_json(self) -> dict[str, Any]:
        """Return the terms as JSON fields, the share written `1/2`."""
        return {
            "effective_from": self.effective_from.isoformat(),
            "merchant": self.merchant,
            "tier": self.tier,
            "min_unit_points": self.min_unit_points,
            "max_share": str(self.max_share),
            "daily_limit_points": self.daily_limit_points,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "BurnTerms":
        """Return the terms that `to_json` wrote."""
        read = {
            "effective_from": datetime.fromisoformat(fields["effective_from"]),
            "max_share": Fraction(fields["max_share"]),
        }
        return cls(**{**fields, **read})


def _check_extension(programme: Programme) -> None:
    months, listed = programme.extend_months, programme.extended_by
    if months is None and not listed:
        return
    if months is None or not 1 <= months <= 1200:
        raise Invalid("extend_months", "须在 1 到 1200 之间", "from 1 to 1200")
    if not listed:
        raise Invalid("extended_by", "须列出使积分延期的活动", "names what lets points last longer")
    if programme.expiry_months is None:
        raise Invalid("extend_months", "积分本就永久有效", "points last for ever as it is")


def _check_rate(name: str, rate: Fraction) -> None:
    if rate <= 0 or max(rate.numerator, rate.denominator) > LIMIT:
        raise Invalid(name, "须为大于 0 的分数", "a fraction above 0")
