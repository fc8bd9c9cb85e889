"""The district's scheme of tiers: what growth is worth, what each tier takes, how long it holds.

Growth (成长值) is apart from points: nobody spends it. A scheme is proposed by one person and
approved by another, and growth is earned by the scheme of its business time (M5, M6, G1).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, assert_never

from sqlalchemy.orm import Session

from app.approvals import ChangeRequest
from app.errors import Invalid
from app.policies import Policy
from config.database import now_of

MOST = 2**53

_CODE = re.compile(r"[a-z][a-z0-9_]{0,29}", re.ASCII)


class Period(StrEnum):
    """What growth decides: that of the last twelve months, or that of the calendar year."""

    ROLLING = "rolling"
    CALENDAR = "calendar"


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A tier and the growth that it takes."""

    code: str
    threshold: int
    name_zh: str
    name_en: str

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise Invalid(
                "tier", f"不是等级代码：{self.code!r}", f"not a tier's code: {self.code!r}"
            )
        if not 0 <= self.threshold <= MOST:
            raise Invalid("threshold", "须为 0 到 2^53 的整数", "a whole number from 0 to 2^53")
        if not (self.name_zh.strip() and self.name_en.strip()):
            raise Invalid("names", "等级须有中英文名称", "a tier has a Chinese and an English name")


BASIC = Tier(code="basic", threshold=0, name_zh="普通会员", name_en="Basic")


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """All tiers of the district, lowest first. Defaults are those of a new district.

    `growth_per_yuan` is exact; an order's growth is made whole once, downwards. `grace_days` are
    what a member has after the end of a cycle to make up for what is missing.
    """

    growth_per_yuan: Fraction = Fraction(1)
    period: Period = Period.ROLLING
    grace_days: int = 30
    tiers: tuple[Tier, ...] = (BASIC,)

    def __post_init__(self) -> None:
        rate = self.growth_per_yuan
        if rate < 0 or max(rate.numerator, rate.denominator) > MOST:
            raise Invalid("growth_per_yuan", "须为不小于 0 的分数", "a fraction from 0 on")
        if not 0 <= self.grace_days <= 366:
            raise Invalid("grace_days", "须在 0 到 366 之间", "from 0 to 366")
        thresholds = [tier.threshold for tier in self.tiers]
        if not thresholds or thresholds[0] or sorted(set(thresholds)) != thresholds:
            raise Invalid(
                "tiers",
                "门槛须从 0 起逐级升高",
                "thresholds begin at 0 and rise from tier to tier",
            )
        if len({tier.code for tier in self.tiers}) < len(self.tiers):
            raise Invalid("tiers", "等级代码重复", "a tier's code stands twice")

    def growth_of(self, fen: int) -> int:
        """Return the growth that so much money brings, downwards."""
        return fen * self.growth_per_yuan.numerator // (100 * self.growth_per_yuan.denominator)

    def place(self, code: str) -> int:
        """Return how high a tier stands, from 0; one that is not known stands lowest."""
        return next((n for n, tier in enumerate(self.tiers) if tier.code == code), 0)

    def find_reached(self, growth: int, *, above: str) -> Tier | None:
        """Return the highest tier that so much growth reaches above another, if there is one."""
        higher = self.tiers[self.place(above) + 1 :]
        return next((tier for tier in reversed(higher) if tier.threshold <= growth), None)

    def find_next(self, code: str) -> Tier | None:
        """Return the tier above another; None: it is the highest."""
        return next(iter(self.tiers[self.place(code) + 1 :]), None)

    def below(self, code: str) -> Tier:
        """Return the tier one step down; the lowest has none below it."""
        return self.tiers[max(self.place(code) - 1, 0)]

    def counts_from(self, day: date) -> date:
        """Return the first business day whose growth counts on a day."""
        match self.period:
            case Period.ROLLING:
                return _years_later(day, -1) + timedelta(days=1)
            case Period.CALENDAR:
                return day.replace(month=1, day=1)
        assert_never(self.period)

    def cycle_end(self, begins: date) -> date:
        """Return the last day of a cycle that begins on a business day."""
        match self.period:
            case Period.ROLLING:
                return _years_later(begins, 1) - timedelta(days=1)
            case Period.CALENDAR:
                return begins.replace(month=12, day=31)
        assert_never(self.period)

    def to_json(self) -> dict[str, Any]:
        """Return the scheme as JSON fields, the rate written `3/2`."""
        return {
            "growth_per_yuan": str(self.growth_per_yuan),
            "period": self.period.value,
            "grace_days": self.grace_days,
            "tiers": [vars(tier) for tier in self.tiers],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Scheme":
        """Return the scheme that `to_json` wrote."""
        return cls(
            growth_per_yuan=Fraction(fields["growth_per_yuan"]),
            period=Period(fields["period"]),
            grace_days=fields["grace_days"],
            tiers=tuple([Tier(**tier) for tier in fields["tiers"]]),
        )


#: Who stands in a tier stays there to the end of the cycle, whatever it takes from now on.
TIERS = Policy(kind="members.tiers", default=Scheme(), read=Scheme.from_json)


def propose(
    session: Session, scheme: Scheme, *, begins: datetime | None, by: str, reason: str
) -> ChangeRequest:
    """Ask for a new scheme; it waits for a second person.

    Raises:
        Invalid: a tier that there is would be gone: members stand in it for ever (semantics 60).
    """
    known = TIERS.at(session, now_of(session))
    codes = {tier.code for tier in scheme.tiers}
    for tier in known.tiers:
        if tier.code not in codes:
            raise Invalid("tiers", f"不能取消等级 {tier.code}", f"{tier.code} cannot be taken away")
    return TIERS.propose(session, scheme, begins=begins, by=by, reason=reason)


def _years_later(day: date, years: int) -> date:
    """Return the same day of another year; 29 February becomes the 28th (semantics 30)."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
