"""How much coupons can still save, at most: what lets the search leave sets out, and be right.

A bound must never be below what any further set saves, though what coupons save is not monotone: a
coupon takes from what the next one is a percentage of, and may bring it below a threshold. It is
sound because every part of it only falls while coupons are applied:

- *Alone* (`most_fen`). What is left of a line never grows, nor does the number of units that no
  coupon made cheaper, nor the worth of the dearest of them. So no coupon ever gives more than here
  and now; and one whose threshold what is left does not reach will never reach it. Of a group the
  best few count, of candidates that cannot meet the best one; then all is added up.
- *One after the other* (`Cascade`). Percentages of what remains give less after each other, and
  adding up would say too much. Let V(x) be what they take of the lines' rests x in exact
  arithmetic, all applied in their order, each in proportion to the rests. A percentage with a
  ceiling takes D(E) of the sum E of its lines; D never falls, D(E)/E never grows and D never grows
  faster than E. So a larger rest of any line leaves no line a smaller one, V never falls as rests
  grow, and grows by no more than they do. Hence (1) leaving a percentage out never raises V: what
  it would have taken is no less than what V loses by it; (2) what other coupons take meanwhile only
  lowers V. (3) The real one rounds: its sum by less than a fen, and its shares by moving at most a
  quarter of a fen for each line between lines that later ones tell apart. These slips are added.
  Amounts that are taken before a percentage stand there too, for they are such a D: what they take
  is missing to the percentage. Those after the last one give the same alone.
- What is left of all lines that any of them counts is never exceeded.

So: alone for those that are not in the sequence, plus the sequence, capped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coupons.benefits import WHOLE_BPS, AmountOff, EveryOff, PercentOff, Rounding, Units
from coupons.conditions import short_fen
from coupons.discounts import Fitted, Left, amount_fen, percent_fen, whole_fen
from coupons.offers import Base, PercentOf

FINE = 1 << 12
"""The sequence counts in parts of a fen; rests are rounded down, which only raises the bound."""

_SLIPS = {Rounding.HALF_UP: FINE // 2, Rounding.DOWN: 0, Rounding.UP: FINE}


def most_fen(fitted: Fitted, left: Left) -> int:
    """Return the most that a coupon can give now or after any others; 0: nothing, ever."""
    offer = fitted.offer
    goods = sum([left.fen[line] for line in fitted.lines])
    if offer.threshold.base is Base.AFTER and short_fen(offer, (goods,)):
        return 0
    benefit = offer.benefit
    if isinstance(benefit, Units):
        return min(_most_of_units(benefit, fitted.lines, left), goods)
    if isinstance(benefit, PercentOff):
        base = goods
        if offer.stacking.percent_of is PercentOf.INITIAL:
            base = sum(fitted.initial)
        return min(percent_fen(fitted, benefit, base), goods)
    return amount_fen(fitted, goods)


def _most_of_units(benefit: Units, lines: Sequence[int], left: Left) -> int:
    """Return what the dearest units would save, each at its line's price rounded up."""
    worths = []
    for line in lines:
        count = left.units[line]
        if count:
            worth = -(-(left.fen[line] - left.spent[line]) // count)
            if worth > benefit.pay_fen:
                worths.append((worth, count))
    wanted = benefit.count(sum([left.units[line] for line in lines]))
    total = 0
    for worth, count in sorted(worths, reverse=True):
        taken = min(count, wanted)
        wanted -= taken
        total += taken * (worth - benefit.pay_fen)
    if benefit.off_bps is None:
        return total
    return whole_fen(total * benefit.off_bps, benefit.rounding)


def cascades(fitted: Fitted) -> bool:
    """Whether a coupon may stand in the cascade: a percentage of what remains, or an amount.

    What comes off for every so much of the goods' price is an amount; of what others left it is
    not, for that grows in steps.
    """
    benefit = fitted.offer.benefit
    if isinstance(benefit, EveryOff):
        return fitted.offer.threshold.base is Base.BEFORE
    return is_percentage(fitted) or isinstance(benefit, AmountOff)


def is_percentage(fitted: Fitted) -> bool:
    """Whether a coupon is a percentage of what remains: it gives less after others."""
    return (
        isinstance(fitted.offer.benefit, PercentOff)
        and fitted.offer.stacking.percent_of is PercentOf.REMAINING
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Cascade:
    """Percentages and amounts in their order, over lines that they cannot tell apart.

    `parcels` are such lines, by position; `touched[i]` the parcels of the i-th of them.
    """

    parcels: tuple[tuple[int, ...], ...]
    touched: tuple[tuple[int, ...], ...]
    lines: tuple[int, ...]

    @classmethod
    def of(cls, scopes: Sequence[tuple[int, ...]]) -> "Cascade":
        """Make parcels of the lines that the coupons count, given in their order."""
        owners: dict[int, list[int]] = {}
        for number, scope in enumerate(scopes):
            for line in scope:
                owners.setdefault(line, []).append(number)
        parcels: dict[tuple[int, ...], list[int]] = {}
        for line, numbers in owners.items():
            parcels.setdefault(tuple(numbers), []).append(line)
        touched: list[list[int]] = [[] for _ in scopes]
        for parcel, numbers_of in enumerate(parcels):
            for number in numbers_of:
                touched[number].append(parcel)
        return cls(
            parcels=tuple([tuple(lines) for lines in parcels.values()]),
            touched=tuple([tuple(each) for each in touched]),
            lines=tuple([len(scope) for scope in scopes]),
        )

    def most_fen(self, left: Left, steps: Sequence[tuple[int, Sequence[Fitted]]]) -> int:
        """Return the most that they take one after the other.

        Each step is a number in the order and those of which one may stand there.
        """
        rests = [FINE * sum([left.fen[line] for line in lines]) for lines in self.parcels]
        before, slips = sum(rests), 0
        last = len(steps) - 1
        for index, (number, choices) in enumerate(steps):
            touched = self.touched[number]
            goods = sum([rests[parcel] for parcel in touched])
            if not goods:
                continue
            taken, slip = _most_taken(choices, goods)
            for parcel in touched:
                rests[parcel] = rests[parcel] * (goods * WHOLE_BPS - taken) // (goods * WHOLE_BPS)
            slips += slip
            if index < last and len(touched) > 1:
                slips += self.lines[number] * FINE // 4
        return (before - sum(rests) + slips) // FINE


def _most_taken(choices: Sequence[Fitted], goods: int) -> tuple[int, int]:
    """Return the most that one of several takes, exactly, in ten-thousandths; and its slip."""
    taken = slip = 0
    for fitted in choices:
        benefit, most = fitted.offer.benefit, goods * WHOLE_BPS
        if isinstance(benefit, PercentOff):
            most = goods * benefit.off_bps
            slip = max(slip, _SLIPS[benefit.rounding])
        taken = max(taken, min(most, FINE * WHOLE_BPS * fitted.cap_fen))
    return taken, slip
