"""What one coupon takes off what is left of each line, to the fen (C11; semantics 18-24).

A coupon that is fitted to a basket knows its lines; `take` applies it to a state of the sale. A sum
is rounded once for the coupon, capped, cut to what is left of its lines, and then shared to them by
largest remainder: shares add up, no line falls below zero. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from coupons.benefits import (
    WHOLE_BPS,
    AmountOff,
    Delivery,
    EveryOff,
    PercentOff,
    Rounding,
    StoredValue,
    Units,
)
from coupons.conditions import Basket, eligible, short_fen
from coupons.offers import Base, Offer, PercentOf
from coupons.rules import spread


@dataclass(frozen=True, slots=True)
class Left:
    """A sale between two coupons, by line: the fen left, the units no coupon has made cheaper yet,
    and the fen that lie on the others. Never changed in place.
    """

    fen: list[int]
    units: list[int]
    spent: list[int]

    @classmethod
    def of(cls, basket: Basket) -> "Left":
        """Return the state before any coupon."""
        return cls(
            [item.amount_fen for item in basket.items],
            [item.quantity for item in basket.items],
            [0] * len(basket.items),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """An offer on the lines of one basket, by position.

    `cap_fen` is the most that it gives in all: face, ceiling, what is left of a stored value.
    `initial` are its lines' prices before any coupon.
    """

    offer: Offer
    lines: tuple[int, ...]
    cap_fen: int
    initial: tuple[int, ...]


def fit(offer: Offer, basket: Basket, *, left_fen: int | None = None) -> Fitted:
    """Fit an offer to a basket; `left_fen` is what is left of a stored value (None: all of it)."""
    lines = eligible(offer, basket)
    initial = tuple([basket.items[line].amount_fen for line in lines])
    goods = sum(initial)
    match offer.benefit:
        case AmountOff(fen=fen):
            cap = fen
        case EveryOff():
            cap = offer.benefit.off_fen(goods)
        case StoredValue(fen=fen):
            cap = fen if left_fen is None else left_fen
        case PercentOff(ceiling_fen=ceiling) | Delivery(ceiling_fen=ceiling):
            cap = goods if ceiling is None else ceiling
        case Units():
            cap = goods
        case _:
            assert_never(offer.benefit)
    return Fitted(offer=offer, lines=lines, cap_fen=min(cap, goods), initial=initial)


def take(fitted: Fitted, left: Left) -> tuple[list[int], Left] | None:
    """Apply a coupon: its share on each of its own lines, and what is then left of the sale.

    None: it gives nothing here, or what is left of its lines is below a threshold that asks for
    what other coupons leave. A threshold is tested once, at the coupon's place (semantics 23).
    """
    offer, lines = fitted.offer, fitted.lines
    rest = [left.fen[line] for line in lines]
    if offer.threshold.base is Base.AFTER and short_fen(offer, rest):
        return None
    if isinstance(offer.benefit, Units):
        return _take_units(offer.benefit, lines, left)
    if isinstance(offer.benefit, PercentOff):
        shares = _percent(fitted, offer.benefit, rest)
    else:
        shares = spread(amount_fen(fitted, sum(rest)), rest)
    if not any(shares):
        return None
    return shares, _after(left, lines, shares)


def amount_fen(fitted: Fitted, goods_fen: int) -> int:
    """Return what a sum of money takes of so much that is left of its lines."""
    benefit, most = fitted.offer.benefit, min(fitted.cap_fen, goods_fen)
    if isinstance(benefit, EveryOff) and fitted.offer.threshold.base is Base.AFTER:
        return min(benefit.off_fen(goods_fen), most)
    return most


def whole_fen(part: int, rounding: Rounding) -> int:
    """Make whole fen of ten-thousandths of a fen, by the coupon's own rounding."""
    match rounding:
        case Rounding.HALF_UP:
            return (2 * part + WHOLE_BPS) // (2 * WHOLE_BPS)
        case Rounding.DOWN:
            return part // WHOLE_BPS
        case Rounding.UP:
            return -(-part // WHOLE_BPS)
    assert_never(rounding)


def percent_fen(fitted: Fitted, benefit: PercentOff, goods_fen: int) -> int:
    """Return what a percentage of an amount gives, up to its ceiling."""
    return min(whole_fen(goods_fen * benefit.off_bps, benefit.rounding), fitted.cap_fen)


def _percent(fitted: Fitted, benefit: PercentOff, rest: Sequence[int]) -> list[int]:
    if fitted.offer.stacking.percent_of is PercentOf.REMAINING:
        return spread(percent_fen(fitted, benefit, sum(rest)), rest)
    wanted = percent_fen(fitted, benefit, sum(fitted.initial))
    shares = spread(wanted, fitted.initial)
    return [min(share, fen) for share, fen in zip(shares, rest, strict=True)]


def _after(left: Left, lines: Sequence[int], shares: Sequence[int]) -> Left:
    fen, spent = left.fen.copy(), left.spent
    for line, share in zip(lines, shares, strict=True):
        if spent[line] and share:
            # Units that are cheaper already bear their part of it, rounded in their favour.
            if spent is left.spent:
                spent = spent.copy()
            spent[line] = spent[line] * (fen[line] - share) // fen[line]
        fen[line] -= share
    return Left(fen, left.units, spent)


def _take_units(benefit: Units, lines: Sequence[int], left: Left) -> tuple[list[int], Left] | None:
    """Make units cheaper. A unit is worth what is left of its line, dealt out as ADR 0004 does.

    A unit that one coupon made cheaper is neither given nor counted by another.
    """
    wanted = benefit.count(sum([left.units[line] for line in lines]))
    picked = _pick(benefit, lines, left, wanted)
    taken, worth = [0] * len(lines), [0] * len(lines)
    for value, position, count in picked:
        taken[position] += count
        worth[position] += value * count
    if benefit.off_bps is None:
        shares = [sums - count * benefit.pay_fen for sums, count in zip(worth, taken, strict=True)]
    else:
        shares = spread(whole_fen(sum(worth) * benefit.off_bps, benefit.rounding), worth)
    if not any(shares):
        return None
    fen, units, spent = left.fen.copy(), left.units.copy(), left.spent.copy()
    for position, line in enumerate(lines):
        fen[line] -= shares[position]
        units[line] -= taken[position]
        spent[line] += worth[position] - shares[position]
    return shares, Left(fen, units, spent)


def _pick(
    benefit: Units, lines: Sequence[int], left: Left, wanted: int
) -> list[tuple[int, int, int]]:
    """Return (value, position, count) of the units that get cheaper, in the order of picking."""
    runs: list[tuple[int, int, int]] = []
    for position, line in enumerate(lines):
        count = left.units[line]
        if count:
            price, dearer = divmod(left.fen[line] - left.spent[line], count)
            runs += [(price, position, count - dearer), (price + 1, position, dearer)]
    sign = 1 if benefit.pick.value == "cheapest" else -1
    picked = []
    for value, position, count in sorted(runs, key=lambda run: (sign * run[0], run[1])):
        if value > benefit.pay_fen and count:
            taken = min(count, wanted)
            wanted -= taken
            if taken:
                picked.append((value, position, taken))
    return picked
