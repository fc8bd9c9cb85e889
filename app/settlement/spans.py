"""Which days a district settles together: calendar months, half months or weeks (L5).

Two people agree which, from an instant on. A period is cut by what was agreed when it began, so a
change waits for the end of the one that is running. If that is no boundary of the new kind the next
period is short and lasts to the first one that is. So periods follow each other without a gap and
without an overlap, whatever is agreed and whenever.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Self, assert_never

from app.clock import GRACE, day_start, month_end
from app.errors import Invalid
from app.policies import Policy

_CODE = re.compile(r"(\d{4})-(?:(\d{1,2})(?:-H([12]))?|W(\d{1,2}))", re.ASCII)
_HALF = 15  # the last day of a month's first half


class Every(StrEnum):
    """How often a district closes."""

    MONTH = "month"
    HALF_MONTH = "half-month"
    WEEK = "week"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The days of a period in Shanghai. `code` is 2017-03, 2017-03-H1 or 2017-W09 (ISO 8601).

    A short one, after a change, has the code of the whole one: no other begins in it, so a code
    never comes twice.
    """

    code: str
    starts_on: date
    ends_on: date

    @classmethod
    def parse(cls, code: str) -> Self:
        """Return the whole period of a code.

        Raises:
            Invalid: neither a month, nor a half of one, nor a week.
        """
        found = _CODE.fullmatch(code)
        refusal = Invalid(
            "period", "应为 2017-03、2017-03-H1 或 2017-W09 这样的账期",
            "a period such as 2017-03, 2017-03-H1 or 2017-W09",
        )  # fmt: skip
        if found is None:
            raise refusal
        year, month, half, week = (int(each or 0) for each in found.groups())
        try:
            if found[2] is None:
                return cls.of(Every.WEEK, date.fromisocalendar(year, week, 1))
            every = Every.HALF_MONTH if half else Every.MONTH
            return cls.of(every, date(year, month, _HALF + 1 if half == 2 else 1))
        except ValueError:
            raise refusal from None

    @classmethod
    def of(cls, every: Every, day: date) -> Self:
        """Return the whole month, half month or week that a day lies in."""
        match every:
            case Every.MONTH:
                return cls(
                    code=f"{day:%Y-%m}", starts_on=day.replace(day=1), ends_on=month_end(day)
                )
            case Every.HALF_MONTH if day.day <= _HALF:
                first, half = day.replace(day=1), day.replace(day=_HALF)
                return cls(code=f"{day:%Y-%m}-H1", starts_on=first, ends_on=half)
            case Every.HALF_MONTH:
                second = day.replace(day=_HALF + 1)
                return cls(code=f"{day:%Y-%m}-H2", starts_on=second, ends_on=month_end(day))
            case Every.WEEK:
                year, week, weekday = day.isocalendar()
                monday = day - timedelta(days=weekday - 1)
                return cls(
                    code=f"{year:04}-W{week:02}",
                    starts_on=monday,
                    ends_on=monday + timedelta(days=6),
                )
        assert_never(every)

    @classmethod
    def beginning(cls, every: Every, day: date) -> Self:
        """Return the period that begins on a day: the rest of the whole one."""
        return replace(cls.of(every, day), starts_on=day)

    @property
    def closable_at(self) -> datetime:
        """The instant from which it may be closed: 06:00 of the day after it."""
        return day_start(self.ends_on + timedelta(days=1)) + GRACE


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often the district closes; a new one does so once a month."""

    every: Every = Every.MONTH

    def to_json(self) -> dict[str, Any]:
        """Return the setting as JSON fields."""
        return {"every": self.every.value}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> "Rhythm":
        """Return the setting that `to_json` wrote.

        Raises:
            Invalid: no such kind of period.
        """
        try:
            return cls(every=Every(written["every"]))
        except ValueError:
            known = ", ".join(Every)
            raise Invalid("every", f"须为其一：{known}", f"one of {known}") from None


RHYTHM = Policy(kind="settlement.periods", default=Rhythm(), read=Rhythm.from_json)
