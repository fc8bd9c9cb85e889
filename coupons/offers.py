"""What a coupon gives, on which goods, to whom and when, and what it may be combined with.

An offer is one half of a template's frozen document (C1, C2, C9; semantics 18-24). Merchants,
stores and segments are opaque codes here. Amounts are whole fen, rates basis points.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from coupons import benefits, reading
from coupons.benefits import Benefit, EveryOff, Kind
from coupons.errors import BadTemplate

DISTRICT = "district"
"""The owner of a coupon that no merchant issues."""

ANY_TAG = "*"
"""Accepted tags that name this accept every coupon."""

PARKING = "parking"
DELIVERY = "delivery"
NOT_GOODS = frozenset({DELIVERY, "gift-card", PARKING, "stored-value"})
"""Categories that no offer counts as goods unless it names them."""

PLACES: Mapping[Kind, int] = {
    Kind.EXCHANGE: 10,
    Kind.FIXED_PRICE: 10,
    Kind.NTH_ITEM: 10,
    Kind.BUY_GET: 10,
    Kind.PERCENT_OFF: 20,
    Kind.AMOUNT_OFF: 30,
    Kind.EVERY_OFF: 30,
    Kind.PARKING: 40,
    Kind.DELIVERY: 40,
    Kind.STORED_VALUE: 50,
}
"""Where a coupon is applied unless it says so itself: units, percent, amounts, stored value."""

_DAY_MINUTES = 24 * 60
_WINDOW = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Base(StrEnum):
    """What a threshold is tested on: eligible goods before other coupons, or what is left."""

    BEFORE = "before"
    AFTER = "after"


class PercentOf(StrEnum):
    """What a percentage applies to: what other coupons left, or the initial price."""

    REMAINING = "remaining"
    INITIAL = "initial"


class FirstPurchase(StrEnum):
    """The member's first purchase in the district, or at the merchant of the line."""

    DISTRICT = "district"
    MERCHANT = "merchant"


class Birthday(StrEnum):
    """The member's birthday (29 February is kept on the 28th of other years), or its month."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Lines by their codes; an empty set names none."""

    merchants: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    trades: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    skus: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Which lines count. Every set of `include` that names something must name the line's code.

    A line that any set of `exclude` names does not count. Nor do delivery, parking, gift cards and
    stored value, unless `include` names the category or the benefit is for it.
    """

    include: Chosen = Chosen()
    exclude: Chosen = Chosen()


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Hours:
    """A window of the Shanghai day in minutes from midnight, half-open; it may pass midnight."""

    start: int
    end: int

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day lies in the window."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def __str__(self) -> str:
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


@dataclass(frozen=True, kw_only=True, slots=True)
class When:
    """The days and hours of use, by the sale's own calendar day in Shanghai; empty: always.

    `weekdays` are 1 (Monday) to 7, `month_days` 1 to 31; a day must be in both.
    """

    weekdays: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    hours: tuple[Hours, ...] = ()
    blackout: frozenset[date] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Who:
    """Who may use it; an empty set asks for nothing, any one of several is enough."""

    tiers: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    first_purchase: FirstPurchase | None = None
    birthday: Birthday | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """What must be bought of eligible goods: fen, units, or both (semantics 23).

    `base` says which fen count. Units always count as they were bought.
    """

    min_fen: int = 0
    min_quantity: int = 0
    base: Base = Base.BEFORE


@dataclass(frozen=True, kw_only=True, slots=True)
class Stacking:
    """What the coupon may be combined with, and when it is applied (C9, semantics 22).

    At most `at_most` coupons of a group are used in one order; without a group, a template is its
    own. Coupons of different owners are combined only if each accepts a tag that the other
    carries. Lower places are applied first.
    """

    place: int
    owner: str = DISTRICT
    group: str | None = None
    at_most: int = 1
    exclusive: bool = False
    carries: frozenset[str] = frozenset()
    accepts: frozenset[str] = frozenset()
    percent_of: PercentOf = PercentOf.REMAINING

    def combines_with(self, other: "Stacking") -> bool:
        """Whether one order may use both, groups aside."""
        if self.exclusive or other.exclusive:
            return False
        return self.owner == other.owner or (self._accepts(other) and other._accepts(self))

    def _accepts(self, other: "Stacking") -> bool:
        return ANY_TAG in self.accepts or not self.accepts.isdisjoint(other.carries)


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """All that a template says about what its coupons give. Empty `tenders` ask for none."""

    benefit: Benefit
    stacking: Stacking
    scope: Scope = Scope()
    when: When = When()
    who: Who = Who()
    tenders: frozenset[str] = frozenset()
    threshold: Threshold = Threshold()


def load(document: object, path: str = "offer") -> Offer:
    """Return the offer that a document writes; what it leaves out has the default.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense, with its path.
    """
    known = {"benefit", "scope", "when", "who", "tenders", "threshold", "stacking"}
    given = reading.fields(document, path=path, known=known)
    if "benefit" not in given:
        raise BadTemplate(f"{path}.benefit", "缺少", "missing")
    benefit = benefits.load(given["benefit"], path=f"{path}.benefit")
    threshold = _threshold(given.get("threshold", {}), f"{path}.threshold")
    if isinstance(benefit, EveryOff):
        threshold = replace(threshold, min_fen=max(threshold.min_fen, benefit.every_fen))
    return Offer(
        benefit=benefit,
        scope=_scope(given.get("scope", {}), f"{path}.scope"),
        when=_when(given.get("when", {}), f"{path}.when"),
        who=_who(given.get("who", {}), f"{path}.who"),
        tenders=reading.codes(given, "tenders", path=path),
        threshold=threshold,
        stacking=_stacking(given.get("stacking", {}), f"{path}.stacking", benefit.kind),
    )


def dump(offer: Offer) -> dict[str, object]:
    """Return the offer as canonical JSON fields, which `load` reads back to an equal offer.

    Switches of policy are written out, so that a later default does not change what was frozen;
    conditions that ask for nothing are left out.
    """
    when, who, stacking = offer.when, offer.who, offer.stacking
    written: dict[str, object] = {
        "benefit": benefits.dump(offer.benefit),
        "scope": _set(include=_codes(offer.scope.include), exclude=_codes(offer.scope.exclude)),
        "when": _set(
            weekdays=sorted(when.weekdays),
            month_days=sorted(when.month_days),
            hours=[str(window) for window in when.hours],
            blackout=[day.isoformat() for day in sorted(when.blackout)],
        ),
        "who": _set(
            tiers=sorted(who.tiers),
            segments=sorted(who.segments),
            first_purchase=who.first_purchase and who.first_purchase.value,
            birthday=who.birthday and who.birthday.value,
        ),
        "tenders": sorted(offer.tenders),
        "threshold": {
            **_set(min_fen=offer.threshold.min_fen, min_quantity=offer.threshold.min_quantity),
            "base": offer.threshold.base.value,
        },
        "stacking": {
            "place": stacking.place,
            "owner": stacking.owner,
            "at_most": stacking.at_most,
            "exclusive": stacking.exclusive,
            "percent_of": stacking.percent_of.value,
            **_set(
                group=stacking.group,
                carries=sorted(stacking.carries),
                accepts=sorted(stacking.accepts),
            ),
        },
    }
    return _set(**written)


def _set(**written: object) -> dict[str, object]:
    return {name: value for name, value in written.items() if value}


def _codes(chosen: Chosen) -> dict[str, object]:
    return _set(
        merchants=sorted(chosen.merchants),
        stores=sorted(chosen.stores),
        trades=sorted(chosen.trades),
        categories=sorted(chosen.categories),
        skus=sorted(chosen.skus),
    )


def _scope(document: object, path: str) -> Scope:
    given = reading.fields(document, path=path, known={"include", "exclude"})
    return Scope(
        include=_chosen(given.get("include", {}), f"{path}.include"),
        exclude=_chosen(given.get("exclude", {}), f"{path}.exclude"),
    )


def _chosen(document: object, path: str) -> Chosen:
    names = ("merchants", "stores", "trades", "categories", "skus")
    given = reading.fields(document, path=path, known=names)
    return Chosen(**{name: reading.codes(given, name, path=path) for name in names})


def _when(document: object, path: str) -> When:
    known = {"weekdays", "month_days", "hours", "blackout"}
    given = reading.fields(document, path=path, known=known)
    return When(
        weekdays=_days(given, "weekdays", path=path, most=7),
        month_days=_days(given, "month_days", path=path, most=31),
        hours=tuple(sorted([_hours(*each) for each in reading.items(given, "hours", path=path)])),
        blackout=frozenset([_date(*each) for each in reading.items(given, "blackout", path=path)]),
    )


def _days(given: Mapping[str, object], name: str, *, path: str, most: int) -> frozenset[int]:
    found = reading.items(given, name, path=path)
    return frozenset(
        [reading.whole_number(day, path=where, least=1, most=most) for where, day in found]
    )


def _hours(path: str, written: object) -> Hours:
    match = _WINDOW.fullmatch(written) if isinstance(written, str) else None
    if match is not None:
        start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        end = end or _DAY_MINUTES
        if start < _DAY_MINUTES and end <= _DAY_MINUTES and start != end:
            return Hours(start=start, end=end)
    raise BadTemplate(path, "格式如 18:00-21:00", "written like 18:00-21:00")


def _date(path: str, written: object) -> date:
    if isinstance(written, str) and _DATE.fullmatch(written):
        try:
            return date.fromisoformat(written)
        except ValueError:
            pass
    raise BadTemplate(path, "须为日期，如 2026-10-01", "a date like 2026-10-01 is wanted")


def _who(document: object, path: str) -> Who:
    known = {"tiers", "segments", "first_purchase", "birthday"}
    given = reading.fields(document, path=path, known=known)
    first, birthday = given.get("first_purchase"), given.get("birthday")
    return Who(
        tiers=reading.codes(given, "tiers", path=path),
        segments=reading.codes(given, "segments", path=path),
        first_purchase=None
        if first is None
        else reading.choose(FirstPurchase, first, path=f"{path}.first_purchase"),
        birthday=None
        if birthday is None
        else reading.choose(Birthday, birthday, path=f"{path}.birthday"),
    )


def _threshold(document: object, path: str) -> Threshold:
    given = reading.fields(document, path=path, known={"min_fen", "min_quantity", "base"})
    return Threshold(
        min_fen=reading.optional_integer(given, "min_fen", path=path) or 0,
        min_quantity=reading.optional_integer(given, "min_quantity", path=path) or 0,
        base=reading.choice(Base, given, "base", path=path, default=Base.BEFORE),
    )


def _stacking(document: object, path: str, kind: Kind) -> Stacking:
    known = {
        "place", "owner", "group", "at_most", "exclusive", "carries", "accepts", "percent_of",
    }  # fmt: skip
    given = reading.fields(document, path=path, known=known)
    place = reading.optional_integer(given, "place", path=path, least=0, most=1_000)
    at_most = reading.optional_integer(given, "at_most", path=path, most=100)
    return Stacking(
        place=PLACES[kind] if place is None else place,
        owner=reading.code(given, "owner", path=path) or DISTRICT,
        group=reading.code(given, "group", path=path),
        at_most=1 if at_most is None else at_most,
        exclusive=reading.flag(given, "exclusive", path=path, default=False),
        carries=reading.codes(given, "carries", path=path),
        accepts=reading.codes(given, "accepts", path=path),
        percent_of=reading.choice(
            PercentOf, given, "percent_of", path=path, default=PercentOf.REMAINING
        ),
    )
