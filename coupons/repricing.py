"""Prices coupons a second time, as plainly as can be, for `checking` (C10, C11).

Written apart from `discounts` on purpose: units are a list of their prices, sums are exact
fractions. Slow where a line has many pieces, and easy to read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import assert_never

from coupons.benefits import (
    AmountOff,
    Delivery,
    EveryOff,
    PercentOff,
    Pick,
    Rounding,
    StoredValue,
    Units,
)
from coupons.candidates import Held
from coupons.conditions import Basket
from coupons.offers import Base, Offer, PercentOf


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Interchangeable coupons, the first to be used first, and the lines that they count."""

    held: tuple[Held, ...]
    lines: tuple[int, ...]
    initial: tuple[int, ...]

    @property
    def offer(self) -> Offer:
        """What each gives."""
        return self.held[0].offer

    @property
    def own(self) -> bool:
        """Whether it is the member's own money."""
        return isinstance(self.offer.benefit, StoredValue)

    @property
    def group(self) -> tuple[str, str]:
        """Coupons of which one order uses only so many."""
        group = self.offer.stacking.group
        return ("group", group) if group else ("template", self.held[0].template)

    @property
    def face_fen(self) -> int | None:
        """The most that it gives in all; None: no limit."""
        match self.offer.benefit:
            case AmountOff(fen=fen):
                return fen
            case EveryOff() as every:
                return _every(every, sum(self.initial))
            case StoredValue(fen=fen):
                return fen if self.held[0].left_fen is None else self.held[0].left_fen
            case PercentOff(ceiling_fen=ceiling) | Delivery(ceiling_fen=ceiling):
                return ceiling
            case Units():
                return None


@dataclass(frozen=True, kw_only=True)
class Sale:
    """What is left of a sale after some coupons: fen, units at full price, fen on the others.

    `gave` is what each coupon gave on every line, in the order of application.
    """

    rests: tuple[int, ...]
    units: tuple[int, ...]
    spent: tuple[int, ...]
    gave: tuple[tuple[int, ...], ...] = ()


def opened(basket: Basket) -> Sale:
    """Return a sale before any coupon."""
    return Sale(
        rests=tuple([item.amount_fen for item in basket.items]),
        units=tuple([item.quantity for item in basket.items]),
        spent=(0,) * len(basket.items),
    )


def applied(kind: Kind, sale: Sale) -> Sale | None:
    """Return the sale after one more coupon; None: it gives nothing, or may not be used."""
    if _below(kind, sale):
        return None
    if isinstance(kind.offer.benefit, Units):
        return _units_applied(kind, kind.offer.benefit, sale)
    goods = [sale.rests[line] for line in kind.lines]
    weights, wanted = goods, _capped(kind, sum(goods))
    percent = isinstance(kind.offer.benefit, PercentOff)
    if percent and kind.offer.stacking.percent_of is PercentOf.INITIAL:
        weights, wanted = list(kind.initial), _capped(kind, sum(kind.initial))
    gave = [min(share, rest) for share, rest in zip(_shared(wanted, weights), goods, strict=True)]
    if not sum(gave):
        return None
    rests, spent = list(sale.rests), list(sale.spent)
    for line, share in zip(kind.lines, gave, strict=True):
        if rests[line]:
            spent[line] = floor(Fraction(spent[line] * (rests[line] - share), rests[line]))
        rests[line] -= share
    after = replace(sale, rests=tuple(rests), spent=tuple(spent))
    return _with_gift(kind, after, gave)


def alone_fen(kind: Kind, sale: Sale) -> int:
    """Return the most that a coupon can give now, or after any others."""
    if _below(kind, sale):
        return 0
    benefit, goods = kind.offer.benefit, sum([sale.rests[line] for line in kind.lines])
    if not isinstance(benefit, Units):
        initial = kind.offer.stacking.percent_of is PercentOf.INITIAL
        percent_of = sum(kind.initial) if initial and isinstance(benefit, PercentOff) else goods
        return min(_capped(kind, percent_of), goods)
    prices: list[int] = []
    for line in kind.lines:
        if sale.units[line]:
            dearest = ceil(Fraction(sale.rests[line] - sale.spent[line], sale.units[line]))
            prices += [dearest] * sale.units[line]
    best = sorted(prices, reverse=True)[: _count(benefit, len(prices))]
    saved = [price - benefit.pay_fen for price in best if price > benefit.pay_fen]
    return min(_part(sum(saved), benefit.off_bps, benefit.rounding), goods)


def _below(kind: Kind, sale: Sale) -> bool:
    threshold = kind.offer.threshold
    goods = sum([sale.rests[line] for line in kind.lines])
    return threshold.base is Base.AFTER and goods < threshold.min_fen


def _capped(kind: Kind, goods: int) -> int:
    benefit = kind.offer.benefit
    fen = goods
    if isinstance(benefit, PercentOff):
        fen = _part(goods, benefit.off_bps, benefit.rounding)
    if isinstance(benefit, EveryOff) and kind.offer.threshold.base is Base.AFTER:
        fen = _every(benefit, goods)
    return fen if kind.face_fen is None else min(fen, kind.face_fen)


def _every(benefit: EveryOff, goods: int) -> int:
    """Count the steps one by one."""
    steps = len(range(benefit.every_fen, goods + 1, benefit.every_fen))
    return benefit.fen * (steps if benefit.times is None else min(steps, benefit.times))


def _part(fen: int, off_bps: int | None, rounding: Rounding) -> int:
    exact = Fraction(fen * (10_000 if off_bps is None else off_bps), 10_000)
    match rounding:
        case Rounding.HALF_UP:
            return floor(exact + Fraction(1, 2))
        case Rounding.DOWN:
            return floor(exact)
        case Rounding.UP:
            return ceil(exact)
    assert_never(rounding)


def _count(benefit: Units, units: int) -> int:
    """Count pieces one by one: in every group those come last that get cheaper."""
    bought = benefit.group - benefit.given
    cheaper = len([unit for unit in range(units) if unit % benefit.group >= bought])
    return cheaper if benefit.most is None else min(cheaper, benefit.most)


def _shared(total: int, weights: Sequence[int]) -> list[int]:
    """Share by largest remainder, ties by line."""
    whole = sum(weights)
    exact = [Fraction(total * weight, whole or 1) for weight in weights]
    shares = [floor(part) for part in exact]
    order = sorted(range(len(weights)), key=lambda i: (shares[i] - exact[i], i))
    for position in order[: total - sum(shares)]:
        shares[position] += 1
    return shares


def _units_applied(kind: Kind, benefit: Units, sale: Sale) -> Sale | None:
    pieces: list[tuple[int, int]] = []
    for position, line in enumerate(kind.lines):
        count = sale.units[line]
        prices = _shared(sale.rests[line] - sale.spent[line], [1] * count)
        pieces += [(price, position) for price in prices]
    sign = 1 if benefit.pick is Pick.CHEAPEST else -1
    useful = [piece for piece in pieces if piece[0] > benefit.pay_fen]
    useful.sort(key=lambda piece: (sign * piece[0], piece[1]))
    picked = useful[: _count(benefit, len(pieces))]
    worth, gave = [0] * len(kind.lines), [0] * len(kind.lines)
    for price, position in picked:
        worth[position] += price
        gave[position] += price - benefit.pay_fen
    if benefit.off_bps is not None:
        gave = _shared(_part(sum(worth), benefit.off_bps, benefit.rounding), worth)
    if not sum(gave):
        return None
    rests, units, spent = list(sale.rests), list(sale.units), list(sale.spent)
    for price, position in picked:
        units[kind.lines[position]] -= 1
        spent[kind.lines[position]] += price
    for line, share in zip(kind.lines, gave, strict=True):
        rests[line] -= share
        spent[line] -= share
    after = replace(sale, rests=tuple(rests), units=tuple(units), spent=tuple(spent))
    return _with_gift(kind, after, gave)


def _with_gift(kind: Kind, sale: Sale, gave: Sequence[int]) -> Sale:
    shares = [0] * len(sale.rests)
    for line, share in zip(kind.lines, gave, strict=True):
        shares[line] = share
    return replace(sale, gave=(*sale.gave, tuple(shares)))
