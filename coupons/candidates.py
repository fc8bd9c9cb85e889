"""A wallet made ready for the search: which coupons may be used at all, and in what order.

Coupons of one template and version with as much left on them are *interchangeable*: they are one
candidate, of which the first copies are used first. The order of application is declared, so that
a set of coupons has exactly one price: place, then template, version and what is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from coupons.benefits import StoredValue
from coupons.bounds import most_fen
from coupons.conditions import Basket, Unmet, unmet
from coupons.discounts import Fitted, Left, fit
from coupons.offers import Offer

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A coupon of a wallet. `left_fen` is what is left of a stored value (None: all of it), or what
    a smaller one takes off that was re-issued.

    Coupons with the same template and version, and as much left, have equal offers.
    """

    id: str
    template: str
    offer: Offer
    version: int = 1
    expires_at: datetime | None = None
    left_fen: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Points:
    """What points may pay: a pure function of what is left of the order and of its burnable lines.

    Both in fen, and so is the answer, which is at most the second. When one or both grow, it falls
    by no more than `slip_fen`: a share of the order that points may not step over costs up to a
    point's worth. `counted`: points and stored value count as saving, like a discount.
    """

    pays: Callable[[int, int], int]
    counted: bool = False
    slip_fen: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Interchangeable coupons, the first to be used first, and what choosing each one costs.

    `own`: it is the member's own money. `copies` may be used in one order, `at_most` of its group.
    """

    held: tuple[Held, ...]
    fitted: Fitted
    costs: tuple[int, ...]
    own: bool
    copies: int
    group: str
    at_most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """All that decides which set is best.

    A set's score is `scale` times its value, less the costs of its coupons: costs only decide
    between sets of equal value, and no two sets have the same. Value is `discount_weight` times
    the discounts, plus stored value, plus points that are counted. `enemies[i]` are the candidates,
    as bits, that cannot be used with candidate `i`.
    """

    candidates: tuple[Candidate, ...]
    start: Left
    enemies: tuple[int, ...]
    at_most: int
    discount_weight: int
    scale: int
    burnable: tuple[int, ...]
    points: Points | None
    refused: dict[str, tuple[Unmet, ...]]
    """Why coupons that are no candidates fail; nothing: they would give nothing."""

    def points_fen(self, left: Left) -> int:
        """Return what points may pay of what is left."""
        if self.points is None:
            return 0
        burnable = sum([left.fen[line] for line in self.burnable])
        return self.points.pays(sum(left.fen), burnable)

    def counted_fen(self, left: Left) -> int:
        """Return what points pay where that counts as saving; elsewhere 0."""
        return self.points_fen(left) if self.points is not None and self.points.counted else 0

    def score(self, *, discount_fen: int, own_fen: int, left: Left, cost: int) -> int:
        """Return how good a set is; more is better, and no two sets are as good."""
        value = self.discount_weight * discount_fen + own_fen + self.counted_fen(left)
        return value * self.scale - cost


def prepare(
    held: Sequence[Held],
    basket: Basket,
    *,
    at_most: int | None = None,
    points: Points | None = None,
) -> Problem:
    """Fit a wallet to a basket; at most so many coupons in one order (None: no limit).

    Raises:
        ValueError: an id twice, or one template and version with two offers; an amount below zero
            or a quantity below one.
    """
    _check(held, basket)
    start = Left.of(basket)
    costs = _costs(held)
    kinds: dict[tuple[int, str, int, int], list[Held]] = {}
    refused: dict[str, tuple[Unmet, ...]] = {}
    for coupon in held:
        why = tuple(unmet(coupon.offer, basket))
        fitted = fit(coupon.offer, basket, left_fen=coupon.left_fen)
        if why or not most_fen(fitted, start):
            refused[coupon.id] = why
        else:
            kinds.setdefault(_place(coupon), []).append(coupon)
    candidates = tuple(
        [_candidate(sorted(kinds[place], key=_soonest), basket, costs) for place in sorted(kinds)]
    )
    counted = points is not None and points.counted
    return Problem(
        candidates=candidates,
        start=start,
        enemies=_enemies(candidates),
        at_most=len(held) if at_most is None else at_most,
        discount_weight=1 if counted else sum(start.fen) + 1,
        scale=(len(held) + 2) << len(held),
        burnable=tuple([i for i, item in enumerate(basket.items) if item.burnable]),
        points=points,
        refused=refused,
    )


def _check(held: Sequence[Held], basket: Basket) -> None:
    if len({coupon.id for coupon in held}) < len(held):
        raise ValueError("a coupon is in the wallet twice")
    offers: dict[tuple[str, int, int | None], Offer] = {}
    for coupon in held:
        kind = coupon.template, coupon.version, coupon.left_fen
        if offers.setdefault(kind, coupon.offer) != coupon.offer:
            raise ValueError(f"{coupon.template} {coupon.version} makes two offers")
    for item in basket.items:
        if item.quantity < 1 or item.amount_fen < 0:
            raise ValueError(f"line {item.number}: quantity below one or negative amount")


def _costs(held: Sequence[Held]) -> dict[str, int]:
    """Return what using each coupon costs: fewest first, then those that expire soonest, then ids.

    Powers of two make sets compare by their last coupon in that order, then the last but one: of
    two equal sets, the one wins whose latest expiry is sooner.
    """
    count = 1 << len(held)
    ranked = sorted(held, key=_soonest)
    return {coupon.id: count + (1 << rank) for rank, coupon in enumerate(ranked)}


def _candidate(coupons: list[Held], basket: Basket, costs: dict[str, int]) -> Candidate:
    first = coupons[0]
    stacking = first.offer.stacking
    most = 1 if stacking.exclusive else stacking.at_most
    return Candidate(
        held=tuple(coupons),
        fitted=fit(first.offer, basket, left_fen=first.left_fen),
        costs=tuple([costs[coupon.id] for coupon in coupons]),
        own=isinstance(first.offer.benefit, StoredValue),
        copies=min(len(coupons), most),
        at_most=stacking.at_most,
        group=f"group {stacking.group}" if stacking.group else f"template {first.template}",
    )


def _enemies(candidates: Sequence[Candidate]) -> tuple[int, ...]:
    stackings = [candidate.fitted.offer.stacking for candidate in candidates]
    return tuple(
        [
            sum(
                1 << j
                for j, other in enumerate(stackings)
                if i != j and not stacking.combines_with(other)
            )
            for i, stacking in enumerate(stackings)
        ]
    )


def _place(coupon: Held) -> tuple[int, str, int, int]:
    left = coupon.left_fen
    if left is None:
        left = coupon.offer.benefit.fen if isinstance(coupon.offer.benefit, StoredValue) else 0
    return coupon.offer.stacking.place, coupon.template, coupon.version, left


def _soonest(coupon: Held) -> tuple[datetime, str]:
    return coupon.expires_at or _NEVER, coupon.id
