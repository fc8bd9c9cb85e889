"""The best combination of a wallet's coupons for a sale, with its proof and its reasons (C9, C10).

Best is: the most fen of discounts; then the most of the member's own stored value, which pays like
money and is no saving; then the fewest coupons; then those that expire soonest (of two sets the one
whose latest expiry is sooner); then the smallest ids. Points come after the coupons: they pay
for what is left, and do not change the choice. Where the caller says that points are `counted`,
discounts, stored value and what points pay are added up, and the most in all is best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from coupons.candidates import Held, Points, Problem, prepare
from coupons.conditions import Basket, Unmet, yuan
from coupons.discounts import take
from coupons.searching import NODE_LIMIT, Certificate, search
from coupons.tree import Node, child, copies_open, plant, root


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """A coupon that is used, and its share on every line of the sale; the shares are its fen."""

    coupon: str
    template: str
    version: int
    fen: int
    own: bool
    shares: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """Coupons in the order in which they are applied, and what they and points pay.

    `discount_fen` is saved; `own_fen` is stored value; `points_fen` is what points may pay of the
    rest (0 where the caller named none).
    """

    uses: tuple[Use, ...]
    discount_fen: int
    own_fen: int
    points_fen: int


class Why(StrEnum):
    """Why a coupon is not used."""

    CONDITIONS = "conditions"
    GIVES_NOTHING = "gives-nothing"
    NOT_TOGETHER = "not-together"
    GROUP_FULL = "group-full"
    ORDER_FULL = "order-full"
    SAVES_LESS = "saves-less"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A coupon that is not used, and why: a code for machines, a sentence for people.

    `unmet` are all conditions that fail, `by` the used coupons that keep it out, `less_fen` what
    would be saved less with it beside them (0: just as much, with one coupon more).
    """

    coupon: str
    why: Why
    zh: str
    en: str
    unmet: tuple[Unmet, ...] = ()
    by: tuple[str, ...] = ()
    less_fen: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The best stack, the best that uses other coupons, why each coupon is left out, the proof."""

    best: Stack
    runner_up: Stack | None
    left_out: tuple[LeftOut, ...]
    certificate: Certificate


@dataclass(frozen=True, kw_only=True, slots=True)
class Priced:
    """What chosen coupons give, and why some of them are not used."""

    stack: Stack
    left_out: tuple[LeftOut, ...]


def best(
    held: Sequence[Held],
    basket: Basket,
    *,
    at_most: int | None = None,
    points: Points | None = None,
    node_limit: int = NODE_LIMIT,
) -> Answer:
    """Return the best combination of a wallet for a basket; at most so many coupons an order.

    Works without a clock and without chance: the same wallet and basket give the same answer. The
    work is limited by nodes; the certificate says whether the answer is proved.

    Raises:
        ValueError: an id twice, or one template and version with two offers; an amount below zero
            or a quantity below one.
    """
    problem = prepare(held, basket, at_most=at_most, points=points)
    found = search(plant(problem), node_limit=node_limit)
    return Answer(
        best=_stack(problem, found.best),
        runner_up=None if found.second is None else _stack(problem, found.second),
        left_out=tuple(_left_out(held, problem, found.best)),
        certificate=found.certificate,
    )


def price(
    held: Sequence[Held],
    basket: Basket,
    *,
    at_most: int | None = None,
    points: Points | None = None,
) -> Priced:
    """Return what exactly these coupons give together, without a search.

    They are applied in their declared order. One that fails a condition, may not be used with those
    before it, or gives nothing at its place is left out, with the reason.

    Raises:
        ValueError: as `best` does.
    """
    problem = prepare(held, basket, at_most=at_most, points=points)
    node = root(problem)
    left_out = [
        _refused(coupon.id, problem.refused[coupon.id])
        for coupon in held
        if coupon.id in problem.refused
    ]
    for number, candidate in enumerate(problem.candidates):
        for coupon in candidate.held:
            added = child(problem, node, number)
            if added is None:
                left_out.append(_unused(coupon.id, number, problem, node))
            else:
                node = added
    return Priced(stack=_stack(problem, node), left_out=tuple(left_out))


def _stack(problem: Problem, node: Node) -> Stack:
    return Stack(
        uses=tuple([_use(problem, node, index) for index in range(len(node.path))]),
        discount_fen=node.discount_fen,
        own_fen=node.own_fen,
        points_fen=problem.points_fen(node.left),
    )


def _use(problem: Problem, node: Node, index: int) -> Use:
    candidate = problem.candidates[node.path[index]]
    coupon = candidate.held[node.path[:index].count(node.path[index])]
    shares = [0] * len(node.left.fen)
    for line, share in zip(candidate.fitted.lines, node.shares[index], strict=True):
        shares[line] = share
    return Use(
        coupon=coupon.id,
        template=coupon.template,
        version=coupon.version,
        fen=sum(shares),
        own=candidate.own,
        shares=tuple(shares),
    )


def _left_out(held: Sequence[Held], problem: Problem, node: Node) -> list[LeftOut]:
    used = {use.coupon for use in _stack(problem, node).uses}
    numbers = {
        coupon.id: number
        for number, candidate in enumerate(problem.candidates)
        for coupon in candidate.held
    }
    return [
        _refused(coupon.id, problem.refused[coupon.id])
        if coupon.id in problem.refused
        else _unused(coupon.id, numbers[coupon.id], problem, node)
        for coupon in held
        if coupon.id not in used
    ]


def _refused(coupon: str, conditions: tuple[Unmet, ...]) -> LeftOut:
    if not conditions:
        return _gives_nothing(coupon)
    return LeftOut(
        coupon=coupon,
        why=Why.CONDITIONS,
        zh="；".join([each.zh for each in conditions]),
        en="; ".join([each.en for each in conditions]),
        unmet=conditions,
    )


def _gives_nothing(coupon: str) -> LeftOut:
    return LeftOut(
        coupon=coupon, why=Why.GIVES_NOTHING, zh="在此单中不产生优惠", en="gives nothing here"
    )


def _unused(coupon: str, number: int, problem: Problem, node: Node) -> LeftOut:
    candidate = problem.candidates[number]
    uses = _stack(problem, node).uses
    enemies = [
        use.coupon
        for use, chosen in zip(uses, node.path, strict=True)
        if problem.enemies[number] >> chosen & 1
        or (chosen == number and candidate.fitted.offer.stacking.exclusive)
    ]
    if enemies:
        names = ", ".join(enemies)
        return LeftOut(
            coupon=coupon,
            why=Why.NOT_TOGETHER,
            zh=f"不能与 {names} 同时使用",
            en=f"not to be used with {names}",
            by=tuple(enemies),
        )
    if not copies_open(problem, node, number):
        mates = [
            use.coupon
            for use, chosen in zip(uses, node.path, strict=True)
            if problem.candidates[chosen].group == candidate.group
        ]
        return LeftOut(
            coupon=coupon,
            why=Why.GROUP_FULL,
            zh=f"同组券已用满：{', '.join(mates)}",
            en=f"its group is used up by {', '.join(mates)}",
            by=tuple(mates),
        )
    if len(node.path) >= problem.at_most:
        return LeftOut(
            coupon=coupon,
            why=Why.ORDER_FULL,
            zh=f"每单最多用 {problem.at_most} 张券",
            en=f"an order takes {problem.at_most} coupons at most",
            by=tuple([use.coupon for use in uses]),
        )
    return _saves_less(coupon, number, problem, node)


def _saves_less(coupon: str, number: int, problem: Problem, node: Node) -> LeftOut:
    """Say what adding a coupon would do. Another that then gives nothing is not used."""
    left, saved, gave = problem.start, 0, 0
    for chosen in sorted([*node.path, number]):
        candidate = problem.candidates[chosen]
        taken = take(candidate.fitted, left)
        if taken is None:
            continue
        shares, left = taken
        gave += sum(shares) if chosen == number else 0
        saved += sum(shares) if problem.discount_weight == 1 or not candidate.own else 0
    if not gave:
        return _gives_nothing(coupon)
    counted = problem.discount_weight == 1
    before = node.discount_fen + (node.own_fen + problem.counted_fen(node.left) if counted else 0)
    less = max(before - saved - problem.counted_fen(left), 0)
    return LeftOut(
        coupon=coupon,
        why=Why.SAVES_LESS,
        zh=f"加用后少省 {yuan(less)}" if less else "加用后不会多省",
        en=f"with it {yuan(less)} less is saved" if less else "with it no more is saved",
        less_fen=less,
    )
