"""What a coupon takes off: the ten kinds of benefit, and how a document writes them (C1).

Amounts are whole fen, rates basis points. Every switch of policy has its default here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from coupons import reading
from coupons.errors import BadTemplate

WHOLE_BPS = 10_000
"""Basis points of the whole: 1,500 off is 15 % off (八五折)."""

MOST_UNITS = 10_000


class Rounding(StrEnum):
    """How a fraction of a fen is made whole, once for each coupon."""

    HALF_UP = "half_up"
    DOWN = "down"
    UP = "up"


class Pick(StrEnum):
    """Which units a coupon for units takes: the cheapest or the dearest; ties by line."""

    CHEAPEST = "cheapest"
    DEAREST = "dearest"


class Kind(StrEnum):
    """Kinds of benefit."""

    AMOUNT_OFF = "amount_off"
    EVERY_OFF = "every_off"
    PERCENT_OFF = "percent_off"
    FIXED_PRICE = "fixed_price"
    NTH_ITEM = "nth_item"
    BUY_GET = "buy_get"
    EXCHANGE = "exchange"
    PARKING = "parking"
    DELIVERY = "delivery"
    STORED_VALUE = "stored_value"


@dataclass(frozen=True, kw_only=True, slots=True)
class AmountOff:
    """So many fen off the eligible goods; what is above them is forfeited (semantics 21)."""

    fen: int

    kind = Kind.AMOUNT_OFF


@dataclass(frozen=True, kw_only=True, slots=True)
class EveryOff:
    """So many fen off for every so many fen of eligible goods, at most so many times (每满减).

    Which fen count is the threshold's base: the price of the goods, or what other coupons left.
    """

    every_fen: int
    fen: int
    times: int | None = None

    kind = Kind.EVERY_OFF

    def off_fen(self, goods_fen: int) -> int:
        """Return what goods of so many fen get; never less of more goods."""
        steps = goods_fen // self.every_fen
        return self.fen * (steps if self.times is None else min(steps, self.times))


@dataclass(frozen=True, kw_only=True, slots=True)
class PercentOff:
    """A part of the eligible goods off, up to a ceiling on the sum (semantics 19)."""

    off_bps: int
    ceiling_fen: int | None = None
    rounding: Rounding = Rounding.HALF_UP

    kind = Kind.PERCENT_OFF


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """What is done to units: a fixed price, every n-th cheaper, gifts, exchange, free parking.

    Of every `group` units of eligible lines `given` get cheaper: to `pay_fen` each, or by `off_bps`
    where that is given. A last, unfinished group gives what it has beyond the units that must be
    bought. At most `most` units in all (None: no limit). A price is never raised.
    """

    kind: Kind
    group: int = 1
    given: int = 1
    most: int | None = None
    pay_fen: int = 0
    off_bps: int | None = None
    pick: Pick = Pick.CHEAPEST
    rounding: Rounding = Rounding.HALF_UP

    def count(self, units: int) -> int:
        """Return how many of so many units get cheaper; never fewer of more units."""
        whole, rest = divmod(units, self.group)
        found = whole * self.given + max(rest - (self.group - self.given), 0)
        return found if self.most is None else min(found, self.most)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """Delivery lines free, or up to so many fen of them."""

    ceiling_fen: int | None = None

    kind = Kind.DELIVERY


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredValue:
    """Money that was put on the coupon; what a sale does not take stays on it."""

    fen: int

    kind = Kind.STORED_VALUE


Benefit = AmountOff | EveryOff | PercentOff | Units | Delivery | StoredValue

_WORDS: Mapping[Kind, frozenset[str]] = {
    Kind.AMOUNT_OFF: frozenset({"fen"}),
    Kind.EVERY_OFF: frozenset({"every_fen", "fen", "times"}),
    Kind.PERCENT_OFF: frozenset({"off_bps", "ceiling_fen", "rounding"}),
    Kind.FIXED_PRICE: frozenset({"pay_fen", "units", "pick"}),
    Kind.NTH_ITEM: frozenset({"nth", "off_bps", "times", "pick", "rounding"}),
    Kind.BUY_GET: frozenset({"buy", "get", "times", "pick"}),
    Kind.EXCHANGE: frozenset({"units", "pay_fen", "pick"}),
    Kind.PARKING: frozenset({"units", "pick"}),
    Kind.DELIVERY: frozenset({"ceiling_fen"}),
    Kind.STORED_VALUE: frozenset({"fen"}),
}


def load(document: object, *, path: str) -> Benefit:
    """Return the benefit that a document writes.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense.
    """
    if not isinstance(document, Mapping) or "kind" not in document:
        raise BadTemplate(f"{path}.kind", "缺少", "missing")
    kind = reading.choose(Kind, document["kind"], path=f"{path}.kind")
    given = reading.fields(document, path=path, known=_WORDS[kind] | {"kind"})
    match kind:
        case Kind.AMOUNT_OFF:
            return AmountOff(fen=reading.integer(given, "fen", path=path))
        case Kind.EVERY_OFF:
            return _load_every(given, path=path)
        case Kind.PERCENT_OFF:
            return PercentOff(
                off_bps=_bps(given, path=path),
                ceiling_fen=reading.optional_integer(given, "ceiling_fen", path=path),
                rounding=_rounding(given, path=path),
            )
        case Kind.DELIVERY:
            ceiling = reading.optional_integer(given, "ceiling_fen", path=path)
            return Delivery(ceiling_fen=ceiling)
        case Kind.STORED_VALUE:
            return StoredValue(fen=reading.integer(given, "fen", path=path))
        case _:
            return _load_units(kind, given, path=path)


def dump(benefit: Benefit) -> dict[str, object]:
    """Return the benefit as JSON fields; switches are written out, what is not set is left out."""
    fields: dict[str, object]
    match benefit:
        case AmountOff() | StoredValue():
            fields = {"fen": benefit.fen}
        case EveryOff():
            fields = {
                "every_fen": benefit.every_fen,
                "fen": benefit.fen,
                "times": benefit.times,
            }
        case PercentOff():
            fields = {
                "off_bps": benefit.off_bps,
                "ceiling_fen": benefit.ceiling_fen,
                "rounding": benefit.rounding.value,
            }
        case Delivery():
            fields = {"ceiling_fen": benefit.ceiling_fen}
        case Units():
            fields = _dump_units(benefit)
        case _:
            assert_never(benefit)
    given = {name: value for name, value in fields.items() if value is not None}
    return {"kind": benefit.kind.value, **given}


def _load_every(given: Mapping[str, object], *, path: str) -> EveryOff:
    every = reading.integer(given, "every_fen", path=path)
    fen = reading.integer(given, "fen", path=path)
    if fen > every:
        raise BadTemplate(
            f"{path}.fen",
            "优惠不能多于每满的金额",
            "no more comes off than has to be bought for it",
        )
    return EveryOff(every_fen=every, fen=fen, times=_units(given, "times", path=path))


def _load_units(kind: Kind, given: Mapping[str, object], *, path: str) -> Units:
    pick = reading.choice(Pick, given, "pick", path=path, default=Pick.CHEAPEST)
    if kind is Kind.NTH_ITEM:
        return Units(
            kind=kind,
            group=reading.integer(given, "nth", path=path, least=2, most=MOST_UNITS),
            most=_units(given, "times", path=path),
            off_bps=_bps(given, path=path),
            pick=pick,
            rounding=_rounding(given, path=path),
        )
    if kind is Kind.BUY_GET:
        gifts = reading.integer(given, "get", path=path, most=MOST_UNITS)
        times = _units(given, "times", path=path)
        return Units(
            kind=kind,
            group=reading.integer(given, "buy", path=path, most=MOST_UNITS) + gifts,
            given=gifts,
            most=None if times is None else times * gifts,
            pick=pick,
        )
    # A fixed price is for every unit unless it says for how many; the others are for one.
    most = _units(given, "units", path=path)
    if kind is Kind.FIXED_PRICE:
        pay = reading.integer(given, "pay_fen", path=path)
        return Units(kind=kind, most=most, pay_fen=pay, pick=pick)
    pay = reading.optional_integer(given, "pay_fen", path=path, least=0) or 0
    return Units(kind=kind, most=most or 1, pay_fen=pay, pick=pick)


def _dump_units(units: Units) -> dict[str, object]:
    pick = units.pick.value
    if units.kind is Kind.NTH_ITEM:
        return {
            "nth": units.group,
            "off_bps": units.off_bps,
            "times": units.most,
            "pick": pick,
            "rounding": units.rounding.value,
        }
    if units.kind is Kind.BUY_GET:
        times = None if units.most is None else units.most // units.given
        buy = units.group - units.given
        return {"buy": buy, "get": units.given, "times": times, "pick": pick}
    pay = None if units.kind is Kind.PARKING else units.pay_fen
    return {"units": units.most, "pay_fen": pay, "pick": pick}


def _units(given: Mapping[str, object], name: str, *, path: str) -> int | None:
    return reading.optional_integer(given, name, path=path, most=MOST_UNITS)


def _bps(given: Mapping[str, object], *, path: str) -> int:
    return reading.integer(given, "off_bps", path=path, most=WHOLE_BPS)


def _rounding(given: Mapping[str, object], *, path: str) -> Rounding:
    return reading.choice(Rounding, given, "rounding", path=path, default=Rounding.HALF_UP)
