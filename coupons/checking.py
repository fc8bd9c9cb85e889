"""Checks an answer of `stacking` and its proof, by code of its own (C10).

Only what offers say is shared with the search: their values and conditions. Prices come from
`repricing`; the rules of combination and the sum of the bounds are written once more here. It walks
the sets that the search expanded, and works out one bound for each cut instead of one for each
step. What it accepts is proved: it trusts no number of the certificate.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from coupons.benefits import AmountOff, EveryOff, PercentOff, Rounding
from coupons.candidates import Held, Points
from coupons.conditions import Basket, eligible, unmet
from coupons.offers import Base, PercentOf
from coupons.repricing import Kind, Sale, alone_fen, applied, opened
from coupons.searching import Certificate
from coupons.stacking import Answer, Stack

Path = tuple[int, ...]

_FINE = 1 << 20
_SLIPS = {Rounding.HALF_UP: _FINE // 2, Rounding.DOWN: 0, Rounding.UP: _FINE}


@dataclass(frozen=True, kw_only=True)
class _Case:
    """The wallet, the basket and the claim. `costs` decide between sets of equal value."""

    kinds: tuple[Kind, ...]
    basket: Basket
    at_most: int
    points: Points | None
    costs: dict[str, int]
    scale: int

    @property
    def counted(self) -> bool:
        """Whether points and stored value are a saving."""
        return self.points is not None and self.points.counted

    @property
    def weight(self) -> int:
        """What a fen of discount is worth in fen of stored value."""
        return 1 if self.counted else sum([item.amount_fen for item in self.basket.items]) + 1

    def points_fen(self, sale: Sale) -> int:
        """Return what points pay of what is left."""
        if self.points is None:
            return 0
        items = self.basket.items
        burnable = [fen for fen, item in zip(sale.rests, items, strict=True) if item.burnable]
        return self.points.pays(sum(sale.rests), sum(burnable))

    def cost(self, path: Path) -> int:
        """Return what the coupons of a set cost."""
        return sum(
            [
                self.costs[self.kinds[number].held[path[:index].count(number)].id]
                for index, number in enumerate(path)
            ]
        )


def faults(
    answer: Answer,
    held: Sequence[Held],
    basket: Basket,
    *,
    at_most: int | None = None,
    points: Points | None = None,
) -> list[str]:
    """Return what is wrong with an answer, in Chinese and English; nothing: it holds.

    The claim is that no set of coupons is better than the best, and none but it better than the
    runner-up; or, where the search was cut short, that none saves more by more than the gap.
    """
    case = _case(held, basket, at_most, points)
    scores: dict[Path, int] = {}
    for stack in (answer.best, answer.runner_up):
        if stack is not None:
            path = _path(case, stack)
            sale = None if path is None else _priced(case, path)
            if path is None or sale is None or not _same(case, stack, path, sale):
                return ["价格或组合规则不符 / price or rules of combination do not hold"]
            scores[path] = _score(case, path, sale)
    claims = _claims(case, answer, list(scores.values()))
    if not _well_grouped(case, answer.certificate):
        return [*claims, "界的分组不成立 / the groups of the bounds do not hold"]
    return [*claims, *_walk(case, answer.certificate, scores, (), opened(basket))]


def _case(
    held: Sequence[Held], basket: Basket, at_most: int | None, points: Points | None
) -> _Case:
    ranked = sorted(held, key=_soonest)
    kinds: dict[tuple[int, str, int, int], Kind] = {}
    for coupon in ranked:
        lines = eligible(coupon.offer, basket)
        initial = tuple([basket.items[line].amount_fen for line in lines])
        kind = Kind(held=(coupon,), lines=lines, initial=initial)
        if not unmet(coupon.offer, basket) and alone_fen(kind, opened(basket)):
            left = (kind.face_fen or 0) if kind.own else coupon.left_fen or 0
            place = (coupon.offer.stacking.place, coupon.template, coupon.version, left)
            same = (*kinds[place].held, coupon) if place in kinds else (coupon,)
            kinds[place] = Kind(held=same, lines=lines, initial=initial)
    first = 1 << len(held)
    return _Case(
        kinds=tuple([kinds[place] for place in sorted(kinds)]),
        basket=basket,
        at_most=len(held) if at_most is None else at_most,
        points=points,
        costs={coupon.id: first + (1 << rank) for rank, coupon in enumerate(ranked)},
        scale=(len(held) + 2) * first,
    )


def _soonest(coupon: Held) -> tuple[datetime, str]:
    return coupon.expires_at or datetime.max.replace(tzinfo=UTC), coupon.id


def _path(case: _Case, stack: Stack) -> Path | None:
    """Return the kinds of a stack's coupons; None: the rules forbid it, or the order is wrong."""
    path: Path = ()
    for use in stack.uses:
        for number, kind in enumerate(case.kinds):
            copies = path.count(number)
            if copies < len(kind.held) and kind.held[copies].id == use.coupon:
                path = (*path, number)
                break
        else:
            return None
    return path if list(path) == sorted(path) and _allowed(case, path) else None


def _allowed(case: _Case, path: Path) -> bool:
    """Whether one order may use these: pair by pair, group by group, and in number."""
    kinds = [case.kinds[number] for number in path]
    groups = [kind.group for kind in kinds]
    return (
        len(path) <= case.at_most
        and all(path.count(number) <= len(case.kinds[number].held) for number in path)
        and all(
            kind.offer.stacking.combines_with(other.offer.stacking)
            for index, kind in enumerate(kinds)
            for other in kinds[:index]
        )
        and all(groups.count(kind.group) <= kind.offer.stacking.at_most for kind in kinds)
    )


def _priced(case: _Case, path: Path) -> Sale | None:
    sale: Sale | None = opened(case.basket)
    for number in path:
        sale = None if sale is None else applied(case.kinds[number], sale)
    return sale


def _given(case: _Case, path: Path, sale: Sale) -> tuple[int, int]:
    """Return the discounts and the stored value of a set."""
    fen = [(sum(gave), case.kinds[n].own) for n, gave in zip(path, sale.gave, strict=True)]
    return sum([each for each, own in fen if not own]), sum([each for each, own in fen if own])


def _same(case: _Case, stack: Stack, path: Path, sale: Sale) -> bool:
    return (
        [use.shares for use in stack.uses] == list(sale.gave)
        and [use.fen for use in stack.uses] == [sum(gave) for gave in sale.gave]
        and (stack.discount_fen, stack.own_fen) == _given(case, path, sale)
        and stack.points_fen == case.points_fen(sale)
        and min(sale.rests, default=0) >= 0
    )


def _score(case: _Case, path: Path, sale: Sale) -> int:
    discount, own = _given(case, path, sale)
    value = case.weight * discount + own + (case.points_fen(sale) if case.counted else 0)
    return value * case.scale - case.cost(path)


def _claims(case: _Case, answer: Answer, scores: Sequence[int]) -> Iterator[str]:
    """Compare what the certificate claims with what its numbers mean."""
    certificate, runner_up = answer.certificate, -1
    if answer.runner_up is not None:
        if len(scores) < 2 or scores[1] >= scores[0]:
            yield "次优不小于最优 / the runner-up is not below the best"
        runner_up = scores[-1]
    if certificate.proved != (certificate.reach == runner_up) or certificate.reach < runner_up:
        yield "证明与所称不符 / the proof is not what it claims to be"
    own = answer.best.own_fen if not case.counted else 0
    more = -(-certificate.reach // case.scale) - -(-scores[0] // case.scale)
    if certificate.reach > scores[0] and (more + own) // case.weight > certificate.gap_fen:
        yield "差距大于所称 / the gap is wider than claimed"


def _well_grouped(case: _Case, certificate: Certificate) -> bool:
    """Whether clusters and row are what a bound may take together (see `bounds`)."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number, kind in enumerate(case.kinds):
        groups.setdefault(kind.group, []).append(number)
    flat = [group for cluster in certificate.clusters for group in cluster]
    alone = [cluster[0] for cluster in certificate.clusters if len(cluster) == 1]
    return (
        sorted(flat) == sorted([tuple(members) for members in groups.values()])
        and all(_apart(case, cluster) for cluster in certificate.clusters)
        and all(group in alone and _one_choice(case, group) for group in certificate.row)
        and all(
            before[-1] < after[0]
            for before, after in zip(certificate.row, certificate.row[1:], strict=False)
        )
    )


def _apart(case: _Case, cluster: Sequence[Path]) -> bool:
    return not any(
        case.kinds[a].offer.stacking.combines_with(case.kinds[b].offer.stacking)
        for index, group in enumerate(cluster)
        for other in cluster[:index]
        for a in group
        for b in other
    )


def _one_choice(case: _Case, group: Path) -> bool:
    kinds = [case.kinds[number] for number in group]
    return all(
        _cascades(kind)
        and kind.lines == kinds[0].lines
        and (len(kinds) == 1 or kind.offer.stacking.at_most == 1)
        for kind in kinds
    )


def _cascades(kind: Kind) -> bool:
    if isinstance(kind.offer.benefit, PercentOff):
        return kind.offer.stacking.percent_of is PercentOf.REMAINING
    if isinstance(kind.offer.benefit, EveryOff):
        return kind.offer.threshold.base is Base.BEFORE
    return isinstance(kind.offer.benefit, AmountOff)


def _walk(
    case: _Case, certificate: Certificate, known: dict[Path, int], path: Path, sale: Sale
) -> Iterator[str]:
    """Visit every set that the cuts leave: it is known, or below all that are."""
    lowest = min(known.values()) if len(known) > 1 else -1
    cut = certificate.cuts.get(path, (len(case.kinds), 0))[0]
    for number in range(path[-1] if path else 0, len(case.kinds)):
        if number >= cut:
            if _bound(case, certificate, path, sale, cut) > certificate.reach:
                yield f"{path}：界高于所称 / {path}: the bound is above the claim"
            return
        more = (*path, number)
        after = applied(case.kinds[number], sale) if _allowed(case, more) else None
        if after is not None:
            if more not in known and _score(case, more, after) > lowest:
                yield f"{more}：更优 / {more} is better"
            yield from _walk(case, certificate, known, more, after)


def _bound(case: _Case, certificate: Certificate, path: Path, sale: Sale, first: int) -> int:
    """Return a score that no set reaches beyond which adds kinds from `first` on to a path."""
    worth = case.weight * case.scale
    open_kinds = {
        number: copies
        for number in range(first, len(case.kinds))
        if (copies := _copies(case, path, number)) and alone_fen(case.kinds[number], sale)
    }
    steps = [[n for n in group if n in open_kinds] for group in certificate.row]
    flat = [step for step in steps if step for _ in range(max([open_kinds[n] for n in step]))]
    total, gains = 0, list[int]()
    for cluster in certificate.clusters:
        best = 0
        for group in cluster:
            theirs = _gains(case, path, sale, {n: open_kinds[n] for n in group if n in open_kinds})
            gains += theirs
            if len(flat) < 2 or group not in certificate.row:
                best = max(best, sum(theirs))
        total += best
    if len(flat) >= 2:
        total += worth * _one_after_the_other(case, sale, flat)
    slots = case.at_most - len(path)
    total = min(total, sum(sorted(gains, reverse=True)[:slots]))
    slip = case.points.slip_fen * case.scale if case.points is not None and case.counted else 0
    return min(_score(case, path, sale) + total + slip, _ceiling(case, path, sale))


def _copies(case: _Case, path: Path, number: int) -> int:
    """Return how many copies of a kind could be added if no other were."""
    copies, more = 0, path
    while _allowed(case, more := (*more, number)):
        copies += 1
    return copies


def _gains(case: _Case, path: Path, sale: Sale, members: dict[int, int]) -> list[int]:
    gains: list[int] = []
    room = 0
    for number, copies in members.items():
        kind, used = case.kinds[number], path.count(number)
        fen = alone_fen(kind, sale) * (1 if kind.own else case.weight)
        costs = [case.costs[coupon.id] for coupon in kind.held[used : used + copies]]
        gains += [fen * case.scale - cost for cost in costs]
        room = max(room, _room(case, path, number))
    return sorted(gains, reverse=True)[:room]


def _room(case: _Case, path: Path, number: int) -> int:
    """Return how many coupons of a kind's group may still be added, if there are enough."""
    mates = [case.kinds[n] for n in path if case.kinds[n].group == case.kinds[number].group]
    limits = [kind.offer.stacking.at_most for kind in [*mates, case.kinds[number]]]
    return min(limits) - len(mates)


def _one_after_the_other(case: _Case, sale: Sale, steps: Sequence[Sequence[int]]) -> int:
    """Return the most that coupons take in their order (see `bounds`)."""
    scopes = [case.kinds[step[0]].lines for step in steps]
    parcels: dict[tuple[bool, ...], int] = {}
    for line, fen in enumerate(sale.rests):
        counted = tuple([line in scope for scope in scopes])
        if any(counted):
            parcels[counted] = parcels.get(counted, 0) + fen * _FINE
    before, slips = sum(parcels.values()), 0
    for index, step in enumerate(steps):
        kinds = [case.kinds[number] for number in step]
        touched = [counted for counted in parcels if counted[index]]
        goods = sum([parcels[counted] for counted in touched])
        if goods:
            taken = max([_taken(kind, goods) for kind in kinds])
            for counted in touched:
                parcels[counted] = parcels[counted] * (goods * 10_000 - taken) // (goods * 10_000)
            slips += max([_slip(kind) for kind in kinds])
            if index < len(steps) - 1 and len(touched) > 1:
                slips += len(scopes[index]) * _FINE // 4
    return (before - sum(parcels.values()) + slips) // _FINE


def _taken(kind: Kind, goods: int) -> int:
    """Return what a percentage or an amount takes of goods, exactly, in ten-thousandths."""
    benefit = kind.offer.benefit
    taken = goods * (benefit.off_bps if isinstance(benefit, PercentOff) else 10_000)
    ceiling = kind.face_fen
    return taken if ceiling is None else min(taken, ceiling * _FINE * 10_000)


def _slip(kind: Kind) -> int:
    benefit = kind.offer.benefit
    return _SLIPS[benefit.rounding] if isinstance(benefit, PercentOff) else 0


def _ceiling(case: _Case, path: Path, sale: Sale) -> int:
    """Return the score if all that is left of the lines in reach were saved."""
    discount, own = _given(case, path, sale)
    value = case.weight * discount + own
    if case.counted:
        return (value + sum(sale.rests)) * case.scale - case.cost(path)
    reachable = [
        kind
        for number, kind in enumerate(case.kinds)
        if number >= (path[-1] if path else 0) and _meets(case, path, kind)
    ]
    lines = {line for kind in reachable for line in kind.lines}
    reach = sum([sale.rests[line] for line in lines])
    some_own = any(kind.own for kind in reachable)
    return (value + reach * (case.weight + some_own)) * case.scale - case.cost(path)


def _meets(case: _Case, path: Path, kind: Kind) -> bool:
    """Whether a kind may be used with all of a path, groups and number aside."""
    stacking = kind.offer.stacking
    chosen = [case.kinds[number] for number in path]
    return all(each is kind or each.offer.stacking.combines_with(stacking) for each in chosen)
