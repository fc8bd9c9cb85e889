"""The tree of all sets of coupons that one order may use, and how good a subtree can be.

A node is a set, priced. Its children add one more coupon that is applied after all of it, so every
set is one node. Sets in which a coupon gives nothing are not in the tree: they save no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from coupons.bounds import Cascade, cascades, is_percentage, most_fen
from coupons.candidates import Candidate, Problem
from coupons.discounts import Fitted, Left, take

Path = tuple[int, ...]
"""A set: the numbers of its candidates in the order of application, a number for each copy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A problem with what its bounds need, worked out once.

    Of the groups in one cluster, an order may use one alone. `numbers` are the groups whose
    coupons stand in the cascade, with their place in it.
    """

    problem: Problem
    clusters: tuple[tuple[Path, ...], ...]
    cascade: Cascade
    numbers: dict[Path, int]


@dataclass(slots=True)
class Node:
    """A set and what it makes of the sale: what is left, and what may still be added."""

    path: Path
    left: Left
    discount_fen: int
    own_fen: int
    cost: int
    live: int
    used: dict[str, int]
    limits: dict[str, int]
    score: int
    shares: tuple[tuple[int, ...], ...] = ()
    alone: dict[int, int] = field(default_factory=dict)
    gains: dict[Path, list[int]] = field(default_factory=dict)
    ceiling: int | None = None


def plant(problem: Problem) -> Tree:
    """Return the tree of a problem."""
    candidates = problem.candidates
    groups: dict[str, list[int]] = {}
    for number, candidate in enumerate(candidates):
        groups.setdefault(candidate.group, []).append(number)
    clusters: list[list[Path]] = []
    for members in [tuple(each) for each in groups.values()]:
        home = [each for each in clusters if all(_apart(problem, members, m) for m in each)]
        if home:
            home[0].append(members)
        else:
            clusters.append([members])
    alone = [cluster[0] for cluster in clusters if len(cluster) == 1]
    row = _in_a_row([group for group in alone if _one_choice(candidates, group)])
    while row and not is_percentage(candidates[row[-1][0]].fitted):
        row.pop()
    return Tree(
        problem=problem,
        clusters=tuple([tuple(cluster) for cluster in clusters]),
        cascade=Cascade.of([candidates[group[0]].fitted.lines for group in row]),
        numbers={group: number for number, group in enumerate(row)},
    )


def root(problem: Problem) -> Node:
    """Return the empty set."""
    return Node(
        path=(),
        left=problem.start,
        discount_fen=0,
        own_fen=0,
        cost=0,
        live=(1 << len(problem.candidates)) - 1,
        used={},
        limits={},
        score=problem.score(discount_fen=0, own_fen=0, left=problem.start, cost=0),
    )


def copies_open(problem: Problem, node: Node, number: int) -> int:
    """Return how many copies of a candidate may still be added to a set, groups considered."""
    if not node.live >> number & 1:
        return 0
    candidate = problem.candidates[number]
    return max(min(_room(node, candidate), candidate.copies - node.path.count(number)), 0)


def child(problem: Problem, node: Node, number: int) -> Node | None:
    """Add a copy of a candidate that comes last; None: the rules forbid it or it gives nothing."""
    if len(node.path) >= problem.at_most or not copies_open(problem, node, number):
        return None
    candidate = problem.candidates[number]
    taken = take(candidate.fitted, node.left)
    if taken is None:
        return None
    shares, left = taken
    fen = sum(shares)
    discount, own = node.discount_fen, node.own_fen
    if candidate.own:
        own += fen
    else:
        discount += fen
    cost = node.cost + candidate.costs[node.path.count(number)]
    return Node(
        path=(*node.path, number),
        left=left,
        discount_fen=discount,
        own_fen=own,
        cost=cost,
        live=node.live & ~problem.enemies[number],
        used={**node.used, candidate.group: node.used.get(candidate.group, 0) + 1},
        limits={**node.limits, candidate.group: _limit(node, candidate)},
        score=problem.score(discount_fen=discount, own_fen=own, left=left, cost=cost),
        shares=(*node.shares, tuple(shares)),
    )


def bound(tree: Tree, node: Node, first: int) -> int:
    """Return a score that no set below a node reaches beyond, if it adds from `first` on.

    See `bounds` for why. Points that count pay for no more once more coupons are used, but for
    their slip.
    """
    problem = tree.problem
    steps = _steps(tree, node, first)
    stepping = {number for number, _ in steps} if len(steps) > 1 else set()
    total, picks = 0, list[int]()
    for cluster in tree.clusters:
        best = 0
        for group in cluster:
            gains = _gains(problem, node, group, first)
            if not gains:
                continue
            picks += gains
            if tree.numbers.get(group) not in stepping:
                best = max(best, sum(gains))
        total += best
    worth = problem.discount_weight * problem.scale
    if stepping:
        total += worth * tree.cascade.most_fen(node.left, steps)
    slots = problem.at_most - len(node.path)
    if slots < len(picks):
        total = min(total, sum(nlargest(slots, picks)))
    if problem.points is not None and problem.points.counted:
        total += problem.points.slip_fen * problem.scale
    return min(node.score + total, _ceiling(problem, node))


def alone_fen(problem: Problem, node: Node, number: int) -> int:
    """Return the most that a candidate can give after a set."""
    known = node.alone.get(number)
    if known is None:
        known = node.alone[number] = most_fen(problem.candidates[number].fitted, node.left)
    return known


def _gains(problem: Problem, node: Node, group: Path, first: int) -> list[int]:
    """Return what the best coupons of a group can add to the score, as many as it allows."""
    if group[-1] < first:
        return []
    if group[0] < first:
        return _gains_of(problem, node, [number for number in group if number >= first])
    known = node.gains.get(group)
    if known is None:
        known = node.gains[group] = _gains_of(problem, node, group)
    return known


def _gains_of(problem: Problem, node: Node, members: Sequence[int]) -> list[int]:
    gains: list[int] = []
    room = 0
    for number in members:
        copies = copies_open(problem, node, number)
        fen = alone_fen(problem, node, number) if copies else 0
        if fen:
            candidate = problem.candidates[number]
            worth = (fen if candidate.own else fen * problem.discount_weight) * problem.scale
            used = node.path.count(number)
            gains += [worth - cost for cost in candidate.costs[used : used + copies]]
            room = max(room, _room(node, candidate))
    return nlargest(room, gains) if room < len(gains) else gains


def _room(node: Node, candidate: Candidate) -> int:
    return _limit(node, candidate) - node.used.get(candidate.group, 0)


def _limit(node: Node, candidate: Candidate) -> int:
    return min(node.limits.get(candidate.group, candidate.at_most), candidate.at_most)


def _steps(tree: Tree, node: Node, first: int) -> list[tuple[int, Sequence[Fitted]]]:
    """Return the coupons of the cascade that may still be added, a step for each copy."""
    problem = tree.problem
    steps: list[tuple[int, Sequence[Fitted]]] = []
    for group, place in tree.numbers.items():
        copies = 0
        choices: list[Fitted] = []
        for number in group:
            more = copies_open(problem, node, number) if number >= first else 0
            if more and alone_fen(problem, node, number):
                copies = max(copies, more)
                choices.append(problem.candidates[number].fitted)
        steps += [(place, choices)] * copies
    return steps


def _ceiling(problem: Problem, node: Node) -> int:
    """Return the score if all that is left of the lines in reach were saved."""
    if node.ceiling is not None:
        return node.ceiling
    value = problem.discount_weight * node.discount_fen + node.own_fen
    if problem.points is not None and problem.points.counted:
        value += sum(node.left.fen)
    else:
        first = node.path[-1] if node.path else 0
        live = [
            candidate
            for number, candidate in enumerate(problem.candidates)
            if number >= first and node.live >> number & 1
        ]
        lines = {line for candidate in live for line in candidate.fitted.lines}
        own = any(candidate.own for candidate in live)
        reach = sum([node.left.fen[line] for line in lines])
        value += reach * (problem.discount_weight + own)
    node.ceiling = value * problem.scale - node.cost
    return node.ceiling


def _apart(problem: Problem, group: Path, other: Path) -> bool:
    """Whether no coupon of a group can be used with any of another."""
    return all(problem.enemies[a] >> b & 1 for a in group for b in other)


def _one_choice(candidates: Sequence[Candidate], group: Path) -> bool:
    """Whether one order uses one coupon of a group that cascades, whichever on the same lines."""
    first = candidates[group[0]].fitted
    return all(
        cascades(candidates[number].fitted) and candidates[number].fitted.lines == first.lines
        for number in group
    ) and (len(group) == 1 or max([candidates[number].at_most for number in group]) == 1)


def _in_a_row(groups: Sequence[Path]) -> list[Path]:
    """Return groups of which each is applied as a whole before the next."""
    row: list[Path] = []
    for group in sorted(groups, key=max):
        if not row or group[0] > row[-1][-1]:
            row.append(group)
    return row
