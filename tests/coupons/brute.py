"""The slow truth: tries every subset of a wallet, with prices written a second time.

It shares with the engine what offers say and nothing of how they are priced or searched. Every unit
of a line is a box of its own where units matter; shares are exact fractions made whole here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

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
from coupons.candidates import Held, Points
from coupons.conditions import Basket, eligible, unmet
from coupons.offers import Base, PercentOf


@dataclass
class Lines:
    """A sale while coupons are applied to it."""

    fen: list[int]
    fresh: list[int]
    on_used: list[int]


@dataclass(frozen=True, order=True)
class Truth:
    """A set as it compares: less is better. `ids` are in the order of application."""

    value: int
    count: int
    expiries: tuple[tuple[float, str], ...]
    ids: tuple[str, ...]
    shares: tuple[tuple[int, ...], ...]
    discount_fen: int


def two_best(
    wallet: Sequence[Held],
    sale: Basket,
    *,
    at_most: int | None = None,
    points: Points | None = None,
) -> list[Truth]:
    """Return the best set and the best one of other templates or more copies, if there is one."""
    per_kind: dict[tuple[object, ...], Truth] = {}
    for chosen in _subsets(wallet, len(wallet) if at_most is None else at_most):
        truth = _priced(chosen, sale, points)
        if truth is not None:
            kinds = tuple([_kind(coupon) for coupon in chosen])
            per_kind[kinds] = min(truth, per_kind.get(kinds, truth))
    return sorted(per_kind.values())[:2]


def _kind(coupon: Held) -> tuple[int, str, int, int]:
    benefit, left = coupon.offer.benefit, coupon.left_fen
    if left is None:
        left = benefit.fen if isinstance(benefit, StoredValue) else 0
    return coupon.offer.stacking.place, coupon.template, coupon.version, left


def _expiry(coupon: Held) -> tuple[float, str]:
    expires = coupon.expires_at
    return (math.inf if expires is None else expires.timestamp()), coupon.id


def _subsets(wallet: Sequence[Held], most: int) -> Iterator[list[Held]]:
    ordered = sorted(wallet, key=lambda coupon: (_kind(coupon), _expiry(coupon)))
    for size in range(min(most, len(ordered)) + 1):
        for chosen in combinations(ordered, size):
            if _may_meet(chosen):
                yield list(chosen)


def _may_meet(chosen: Sequence[Held]) -> bool:
    for one, two in combinations(chosen, 2):
        a, b = one.offer.stacking, two.offer.stacking
        if a.exclusive or b.exclusive:
            return False
        accepted = [
            "*" in x.accepts or any(tag in x.accepts for tag in y.carries)
            for x, y in ((a, b), (b, a))
        ]
        if a.owner != b.owner and not all(accepted):
            return False
    names = [c.offer.stacking.group or ("own", c.template) for c in chosen]
    return all(
        names.count(name) <= coupon.offer.stacking.at_most
        for name, coupon in zip(names, chosen, strict=True)
    )


def _priced(chosen: Sequence[Held], sale: Basket, points: Points | None) -> Truth | None:
    lines = Lines(
        [item.amount_fen for item in sale.items],
        [item.quantity for item in sale.items],
        [0] * len(sale.items),
    )
    shares = []
    for coupon in chosen:
        if unmet(coupon.offer, sale):
            return None
        gave = _apply(coupon, eligible(coupon.offer, sale), lines, sale)
        if not any(gave):
            return None
        shares.append(tuple(gave))
    own = sum(
        sum(gave)
        for gave, coupon in zip(shares, chosen, strict=True)
        if isinstance(coupon.offer.benefit, StoredValue)
    )
    discount = sum(map(sum, shares)) - own
    value = discount * (sum(item.amount_fen for item in sale.items) + 1) + own
    if points is not None and points.counted:
        open_fen = sum(f for f, i in zip(lines.fen, sale.items, strict=True) if i.burnable)
        value = discount + own + points.pays(sum(lines.fen), open_fen)
    return Truth(
        -value,
        len(chosen),
        tuple(sorted(map(_expiry, chosen), reverse=True)),
        tuple([coupon.id for coupon in chosen]),
        tuple(shares),
        discount,
    )


def _apply(coupon: Held, scope: Sequence[int], lines: Lines, sale: Basket) -> list[int]:
    offer, benefit = coupon.offer, coupon.offer.benefit
    gave = [0] * len(lines.fen)
    goods = sum(lines.fen[n] for n in scope)
    if offer.threshold.base is Base.AFTER and goods < offer.threshold.min_fen:
        return gave
    if isinstance(benefit, Units):
        return _apply_units(benefit, scope, lines)
    weights = {n: lines.fen[n] for n in scope}
    if isinstance(benefit, PercentOff) and offer.stacking.percent_of is PercentOf.INITIAL:
        weights = {n: sale.items[n].amount_fen for n in scope}
    counted = sum(weights.values())
    if isinstance(benefit, EveryOff) and offer.threshold.base is Base.BEFORE:
        counted = sum(sale.items[n].amount_fen for n in scope)
    wanted = _wanted(coupon, counted)
    for n, share in _share(min(wanted, sum(weights.values())), weights).items():
        gave[n] = min(share, lines.fen[n])
    for n in scope:
        if gave[n]:
            kept = Fraction(lines.fen[n] - gave[n], lines.fen[n])
            lines.on_used[n] = math.floor(lines.on_used[n] * kept)
            lines.fen[n] -= gave[n]
    return gave


def _wanted(coupon: Held, goods: int) -> int:
    match coupon.offer.benefit:
        case AmountOff(fen=fen):
            return fen
        case EveryOff(every_fen=every, fen=fen, times=times):
            found = 0
            while (found + 1) * every <= goods and found != times:
                found += 1
            return found * fen
        case StoredValue(fen=fen):
            return fen if coupon.left_fen is None else coupon.left_fen
        case Delivery(ceiling_fen=ceiling):
            return goods if ceiling is None else ceiling
        case PercentOff() as percent:
            part = _whole(Fraction(percent.off_bps, 10_000) * goods, percent)
            return part if percent.ceiling_fen is None else min(part, percent.ceiling_fen)
        case Units():
            raise AssertionError


def _apply_units(benefit: Units, scope: Sequence[int], lines: Lines) -> list[int]:
    boxes: list[tuple[int, int]] = []
    for n in scope:
        own = lines.fen[n] - lines.on_used[n]
        prices = _share(own, dict.fromkeys(range(lines.fresh[n]), 1))
        boxes += [(price, n) for price in prices.values()]
    turn = 1 if benefit.pick is Pick.CHEAPEST else -1
    wanted = _cheaper(benefit, len(boxes))
    useful = [box for box in boxes if box[0] > benefit.pay_fen]
    taken = sorted(useful, key=lambda box: (turn * box[0], box[1]))[:wanted]
    gave = [0] * len(lines.fen)
    worth = {n: sum(price for price, m in taken if m == n) for n in scope}
    if benefit.off_bps is None:
        for price, n in taken:
            gave[n] += price - benefit.pay_fen
    elif taken:
        part = Fraction(benefit.off_bps, 10_000) * sum(worth.values())
        for n, share in _share(_whole(part, benefit), worth).items():
            gave[n] = share
    for n in scope if any(gave) else ():
        lines.fen[n] -= gave[n]
        lines.fresh[n] -= sum(1 for _, m in taken if m == n)
        lines.on_used[n] += worth[n] - gave[n]
    return gave


def _cheaper(benefit: Units, boxes: int) -> int:
    bought = benefit.group - benefit.given
    wanted = sum(place % benefit.group >= bought for place in range(boxes))
    return wanted if benefit.most is None else min(wanted, benefit.most)


def _whole(exact: Fraction, benefit: PercentOff | Units) -> int:
    match benefit.rounding:
        case Rounding.DOWN:
            return math.floor(exact)
        case Rounding.UP:
            return math.ceil(exact)
        case Rounding.HALF_UP:
            return math.floor(exact + Fraction(1, 2))


def _share(total: int, weights: dict[int, int]) -> dict[int, int]:
    whole = sum(weights.values()) or 1
    shares = {n: total * weight // whole for n, weight in weights.items()}
    rank = sorted(weights, key=lambda n: (-(total * weights[n] % whole), n))
    for n in rank[: total - sum(shares.values())]:
        shares[n] += 1
    return shares
