"""What an earning rule says: rate, rounding, what it counts, and the conditions it runs under.

A definition is a value: exact fractions, sets of codes, windows of the week. It is written as
canonical JSON, and its hash is what a second person approves (E1, E5, E10, E12).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

from app.errors import Invalid
from app.points.policy import LIMIT

E = TypeVar("E", bound=StrEnum)

STORED_VALUE = "stored-value"
"""The tender that no rule counts unless it names it: its points were given at the top-up."""

NEVER_EARN = frozenset({"gift-card", "stored-value", "delivery"})
"""Categories on which no points are earned unless a rule says otherwise (E12)."""

LONGEST_PENDING_DAYS = 366

_CODE = re.compile(r"[^\s,]{1,60}")
_EVENT = re.compile(r"[a-z][a-z0-9_]{0,29}([.][a-z0-9_]{1,30})?")
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY_MINUTES = 24 * 60


class Kind(StrEnum):
    """A base rule gives points for money; a multiplier multiplies what base rules give."""

    BASE = "base"
    MULTIPLIER = "multiplier"


class Rounding(StrEnum):
    """How points are made whole: down, or to the nearest with halves up."""

    FLOOR = "floor"
    HALF_UP = "half_up"


class Scope(StrEnum):
    """What is rounded: the order's points of the rule, or each line's."""

    ORDER = "order"
    LINE = "line"


class Birthday(StrEnum):
    """The member's birthday (29 February is kept on the 28th of other years), or its month."""

    DAY = "day"
    MONTH = "month"


class CapPeriod(StrEnum):
    """How long a cap counts: a business day, a week from Monday, a month, or a whole campaign."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    CAMPAIGN = "campaign"


class CapMode(StrEnum):
    """What a cap does to points above it: cut them, or reject all that the rule would give."""

    CUT = "cut"
    REJECT = "reject"


@dataclass(frozen=True, kw_only=True, order=True)
class Cap:
    """The most points that a rule gives a member in a period, by business days in Shanghai (E4).

    That of a campaign counts all rules which name it, for as long as it runs.
    """

    period: CapPeriod
    points: int
    mode: CapMode = CapMode.CUT

    def __post_init__(self) -> None:
        if not 1 <= self.points <= LIMIT:
            raise Invalid("caps", "上限至少 1 积分", "a cap is at least a point")

    @classmethod
    def parse(cls, written: str) -> "Cap":
        """Return the cap written `day:100` or `month:500:reject`; without a mode it cuts."""
        period, _, rest = written.partition(":")
        points, _, mode = rest.partition(":")
        if not (points.isascii() and points.isdigit()) or len(points) > 16:
            raise Invalid(
                "caps", f"格式如 day:100:cut，收到 {written}", f"like day:100:cut, got {written}"
            )
        return cls(
            period=_choice(CapPeriod, "caps", period),
            points=int(points),
            mode=_choice(CapMode, "caps", mode or CapMode.CUT),
        )

    def __str__(self) -> str:
        return f"{self.period}:{self.points}:{self.mode}"


@dataclass(frozen=True, kw_only=True, order=True)
class Hours:
    """A window of the Shanghai day in minutes from midnight, half-open.

    It may pass midnight: 22:00-02:00 is the day's last two hours and its first two. Weekdays are
    those of the sale's own calendar day.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not (0 <= self.start < _DAY_MINUTES and 0 < self.end <= _DAY_MINUTES):
            raise Invalid("hours", "须在 00:00 到 24:00 之间", "from 00:00 to 24:00")
        if self.start == self.end:
            raise Invalid("hours", "起止时间不能相同", "start and end are the same")

    @classmethod
    def parse(cls, written: str) -> "Hours":
        """Return the window written `HH:MM-HH:MM`, up to 24:00."""
        match = _WINDOW.fullmatch(written)
        if match is None or int(match[2]) > 59 or int(match[4]) > 59:
            raise Invalid(
                "hours", f"格式如 18:00-21:00，收到 {written}", f"like 18:00-21:00, got {written}"
            )
        start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        return cls(start=start, end=end or _DAY_MINUTES)

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day lies in the window."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """When a rule runs, and on which money. An empty set asks for nothing.

    `merchants` are public ids, `trades` and `categories` codes: they choose lines. `tenders`
    choose the money on them. `weekdays` are 1 (Monday) to 7 in Shanghai, like the hours.
    """

    merchants: frozenset[str] = frozenset()
    trades: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    tenders: frozenset[str] = frozenset()
    weekdays: frozenset[int] = frozenset()
    hours: tuple[Hours, ...] = ()
    tiers: frozenset[str] = frozenset()
    birthday: Birthday | None = None

    def __post_init__(self) -> None:
        if not self.weekdays <= frozenset(range(1, 8)):
            raise Invalid("weekdays", "须为 1（周一）到 7", "from 1 (Monday) to 7")
        for name in ("merchants", "trades", "categories", "tenders", "tiers"):
            _check_codes(name, getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        """Return the conditions that ask for something, in canonical order."""
        fields: dict[str, Any] = {
            "merchants": sorted(self.merchants),
            "trades": sorted(self.trades),
            "categories": sorted(self.categories),
            "tenders": sorted(self.tenders),
            "weekdays": sorted(self.weekdays),
            "hours": [str(window) for window in sorted(self.hours)],
            "tiers": sorted(self.tiers),
            "birthday": self.birthday and self.birthday.value,
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Conditions":
        """Return the conditions that `to_json` wrote; an unknown field is refused."""
        known = dict(fields)
        birthday = known.pop("birthday", None)
        hours = known.pop("hours", ())
        unknown = set(known) - {
            "merchants", "trades", "categories", "tenders", "weekdays", "tiers",
        }  # fmt: skip
        if unknown:
            names = ", ".join(sorted(unknown))
            raise Invalid("conditions", f"未知条件 {names}", f"unknown {names}")
        return cls(
            hours=tuple([Hours.parse(window) for window in hours]),
            birthday=None if birthday is None else _choice(Birthday, "birthday", birthday),
            **{name: frozenset(values) for name, values in known.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Pending:
    """When points that a rule gives become the member's to spend: one of three (E3).

    `days` after the business day of the sale; `on` a day; or at an `event` of the order, by name.
    """

    days: int | None = None
    on: date | None = None
    event: str | None = None

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.days, self.on, self.event)) != 1:
            raise Invalid("pending", "须为天数、日期或事件之一", "either days, a day or an event")
        if self.days is not None and not 1 <= self.days <= LONGEST_PENDING_DAYS:
            raise Invalid(
                "pending", f"须在 1 到 {LONGEST_PENDING_DAYS} 天之间",
                f"from 1 to {LONGEST_PENDING_DAYS} days",
            )  # fmt: skip
        if self.event is not None and not _EVENT.fullmatch(self.event):
            raise Invalid(
                "pending", f"事件名如 order.collected，收到 {self.event}",
                f"an event is named like order.collected, got {self.event}",
            )  # fmt: skip

    def over(self, day: date) -> bool:
        """Whether points of a sale's day are not pending at all: the day that is named has come."""
        return self.on is not None and self.on <= day

    def activates_on(self, day: date) -> date | None:
        """Return the first day on which points of a sale's day may be spent, where that is known.

        None: only an event will say, or they may be spent at once.
        """
        if self.days is not None:
            return day + timedelta(days=self.days)
        return self.on if self.on is not None and self.on > day else None

    def to_json(self) -> dict[str, Any]:
        """Return the one field that is given."""
        given = {"days": self.days, "on": self.on and self.on.isoformat(), "event": self.event}
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Pending":
        """Return what `to_json` wrote; an unknown field is refused."""
        unknown = ", ".join(sorted(set(fields) - {"days", "on", "event"}))
        if unknown:
            raise Invalid("pending", f"未知字段 {unknown}", f"unknown {unknown}")
        on = fields.get("on")
        return cls(
            days=fields.get("days"),
            on=None if on is None else date.fromisoformat(on),
            event=fields.get("event"),
        )


@dataclass(frozen=True, kw_only=True)
class Definition:
    """All that a version of a rule says.

    `rate` of a base rule is points per fen (1/100: one point a yuan); of a multiplier, its factor.
    `excluded_categories` and `counted_tenders` (None: all but stored value) belong to base rules:
    a multiplier works on the money that they count. So does `pending` (what is multiplied waits
    with its base), and so do `caps`, one a period, and the `campaign` whose cap a rule shares with
    others.
    """

    kind: Kind
    rate: Fraction
    rounding: Rounding = Rounding.FLOOR
    scope: Scope = Scope.ORDER
    conditions: Conditions = field(default_factory=Conditions)
    excluded_categories: frozenset[str] = NEVER_EARN
    counted_tenders: frozenset[str] | None = None
    pending: Pending | None = None
    caps: tuple[Cap, ...] = ()
    campaign: str | None = None

    def __post_init__(self) -> None:
        if self.pending is not None and self.kind is Kind.MULTIPLIER:
            raise Invalid("pending", "倍数规则不能待生效", "a multiplier gives no points itself")
        if self.rate <= 0 or max(self.rate.numerator, self.rate.denominator) > LIMIT:
            raise Invalid("rate", "须为大于 0 的分数", "a fraction above 0")
        _check_codes("excluded_categories", self.excluded_categories)
        _check_codes("counted_tenders", self.counted_tenders or ())
        _check_codes("campaign", () if self.campaign is None else (self.campaign,))
        _check_caps(self)

    def to_json(self) -> dict[str, Any]:
        """Return the definition as canonical JSON fields: sets sorted, the rate written `1/100`.

        Pending, caps and campaign stand there only if there are any: older definitions keep their
        hash.
        """
        waits = {} if self.pending is None else {"pending": self.pending.to_json()}
        capped: dict[str, Any] = {
            "caps": [str(cap) for cap in sorted(self.caps)],
            "campaign": self.campaign,
        }
        return {
            "kind": self.kind.value,
            "rate": str(self.rate),
            "rounding": self.rounding.value,
            "scope": self.scope.value,
            "conditions": self.conditions.to_json(),
            "excluded_categories": sorted(self.excluded_categories),
            "counted_tenders": (
                None if self.counted_tenders is None else sorted(self.counted_tenders)
            ),
            **waits,
            **{name: value for name, value in capped.items() if value},
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Definition":
        """Return the definition that `to_json` wrote; an unknown field is refused.

        Raises:
            Invalid: a field that is unknown, missing or of no sense.
        """
        names = {
            "kind", "rate", "rounding", "scope", "conditions", "excluded_categories",
            "counted_tenders", "pending", "caps", "campaign",
        }  # fmt: skip
        unknown = ", ".join(sorted(set(fields) - names))
        if unknown:
            raise Invalid("definition", f"未知字段 {unknown}", f"unknown {unknown}")
        if "rate" not in fields:
            raise Invalid("rate", "缺少", "missing")
        counted, pending = fields.get("counted_tenders"), fields.get("pending")
        return cls(
            kind=_choice(Kind, "kind", fields.get("kind", Kind.BASE)),
            rate=parse_rate("rate", fields["rate"]),
            rounding=_choice(Rounding, "rounding", fields.get("rounding", Rounding.FLOOR)),
            scope=_choice(Scope, "scope", fields.get("scope", Scope.ORDER)),
            conditions=Conditions.from_json(fields.get("conditions", {})),
            excluded_categories=frozenset(fields.get("excluded_categories", NEVER_EARN)),
            counted_tenders=None if counted is None else frozenset(counted),
            pending=None if pending is None else Pending.from_json(pending),
            caps=tuple([Cap.parse(cap) for cap in fields.get("caps", ())]),
            campaign=fields.get("campaign"),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON, in hex: what was approved, and nothing else."""
        canonical = json.dumps(
            self.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_rate(name: str, written: str) -> Fraction:
    """Return the exact fraction written `1/100`, `3` or `0.015`.

    Raises:
        Invalid: it is not one.
    """
    try:
        return Fraction(str(written))
    except (ValueError, ZeroDivisionError):
        raise Invalid(name, f"不是分数：{written}", f"not a fraction: {written}") from None


def _choice(kind: type[E], name: str, written: str) -> E:
    try:
        return kind(written)
    except ValueError:
        choices = ", ".join(kind)
        raise Invalid(name, f"须为 {choices} 之一", f"one of {choices}") from None


def _check_codes(name: str, codes: Iterable[str]) -> None:
    for code in codes:
        if not _CODE.fullmatch(code):
            raise Invalid(name, f"不是编号：{code!r}", f"not a code: {code!r}")


def _check_caps(definition: Definition) -> None:
    periods = [cap.period for cap in definition.caps]
    if len(set(periods)) < len(periods):
        raise Invalid("caps", "同一周期只能有一个上限", "one cap a period")
    if definition.kind is Kind.MULTIPLIER and (definition.caps or definition.campaign):
        raise Invalid(
            "caps", "上限只能设在基础规则上", "a multiplier gives no points itself: cap base rules"
        )
    if (CapPeriod.CAMPAIGN in periods) != (definition.campaign is not None):
        raise Invalid(
            "campaign", "活动上限与活动编号须同时给出", "the cap of a campaign goes with its code"
        )
