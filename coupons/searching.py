"""Branch and bound over all sets of coupons: the best, the second best, and the proof (C10).

The proof is a list of cuts. Walked in the order of the tree, a set has children up to the number
where it was cut, and a bound says what those beyond could reach. Whoever walks the tree again finds
that every set is either one of the two, or scored below them, or beyond a cut whose bound is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coupons.tree import (
    Node,
    Path,
    Tree,
    alone_fen,
    bound,
    child,
    copies_open,
    root,
)

NODE_LIMIT = 3_000
"""Bounds that a search computes before it stops to look further."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was proved, so that `checking` can follow it.

    `clusters` and `row` are the groups of candidates that the bounds take together (see `Tree`).
    `cuts` gives, for every set whose children were not all visited, the number of the first
    candidate that was not, and the bound of those from there on. `reach` is the score that no set
    but the best goes beyond: the runner-up's, if `proved`. Otherwise the limit of `nodes` was hit,
    and the best discounts may be up to `gap_fen` more (0: only the choice of equals is open).
    """

    clusters: tuple[tuple[Path, ...], ...]
    row: tuple[Path, ...]
    cuts: Mapping[Path, tuple[int, int]]
    reach: int
    nodes: int
    proved: bool
    gap_fen: int

    @property
    def zh(self) -> str:
        """The claim in Chinese."""
        if self.proved:
            return "已证明最优"
        return f"与最优相差不超过 {self.gap_fen} 分"

    @property
    def en(self) -> str:
        """The claim in English."""
        return "optimal" if self.proved else f"within {self.gap_fen} fen of the optimum"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The two best sets, and the proof. A wallet of nothing has no second."""

    best: Node
    second: Node | None
    certificate: Certificate


def search(tree: Tree, *, node_limit: int = NODE_LIMIT) -> Found:
    """Return the best set and the best different one; deterministic, whatever the order asked."""
    hunt = _Hunt(
        tree=tree, node_limit=node_limit, best=root(tree.problem), second=None, cuts={}, nodes=0
    )
    for node in _likely(tree):
        hunt.consider(node)
    hunt.expand(root(tree.problem))
    second = hunt.second
    threshold = hunt.threshold
    reach = max([threshold, *[most for _, most in hunt.cuts.values()]])
    return Found(
        best=hunt.best,
        second=second,
        certificate=Certificate(
            clusters=tree.clusters,
            row=tuple(tree.numbers),
            cuts=hunt.cuts,
            reach=reach,
            nodes=hunt.nodes,
            proved=reach <= threshold,
            gap_fen=gap_fen(tree, best=hunt.best, reach=reach),
        ),
    )


def gap_fen(tree: Tree, *, best: Node, reach: int) -> int:
    """Return how many fen more a set of a score could save in discounts; 0 if it is not better.

    Where stored value does not count as saving, a better discount may go with less of it.
    """
    problem = tree.problem
    more = -(-reach // problem.scale) - -(-best.score // problem.scale)
    slack = best.own_fen if problem.discount_weight > 1 else 0
    return (more + slack) // problem.discount_weight if reach > best.score else 0


@dataclass(slots=True, kw_only=True)
class _Hunt:
    """A search at work."""

    tree: Tree
    node_limit: int
    best: Node
    second: Node | None
    cuts: dict[Path, tuple[int, int]]
    nodes: int

    @property
    def threshold(self) -> int:
        """What a set must score to be one of the two."""
        return -1 if self.second is None else self.second.score

    def consider(self, node: Node) -> None:
        if node.score > self.best.score:
            self.best, self.second = node, self.best
        elif node.score > self.threshold and node.path != self.best.path:
            self.second = node

    def expand(self, node: Node) -> None:
        problem = self.tree.problem
        for number in range(node.path[-1] if node.path else 0, len(problem.candidates)):
            if not copies_open(problem, node, number) or not alone_fen(problem, node, number):
                continue
            self.nodes += 1
            most = bound(self.tree, node, number)
            if most <= self.threshold or self.nodes > self.node_limit:
                self.cuts[node.path] = (number, most)
                return
            added = child(problem, node, number)
            if added is not None:
                self.consider(added)
                self.expand(added)


def _likely(tree: Tree) -> Iterator[Node]:
    """Give sets that are likely to be good, so that bounds cut early: greedy, then exchanges."""
    problem = tree.problem
    start = root(tree.problem)
    ranked = sorted(
        range(len(problem.candidates)),
        key=lambda number: (-alone_fen(problem, start, number), problem.candidates[number].costs),
    )
    best = start
    for number in [n for n in ranked for _ in range(problem.candidates[n].copies)]:
        better = _priced(tree, (*best.path, number))
        if better is not None:
            yield better
            best = max(best, better, key=_score)
    for number in ranked:
        kept = [each for each in ranked if each in best.path and _together(tree, each, number)]
        exchanged = _priced(tree, (*kept[: problem.at_most - 1], number))
        if exchanged is not None:
            yield exchanged
    for dropped in range(len(best.path)):
        fewer = _priced(tree, best.path[:dropped] + best.path[dropped + 1 :])
        if fewer is not None:
            yield fewer


def _score(node: Node) -> int:
    return node.score


def _together(tree: Tree, chosen: int, other: int) -> bool:
    problem = tree.problem
    return not problem.enemies[chosen] >> other & 1 and (
        problem.candidates[chosen].group != problem.candidates[other].group
    )


def _priced(tree: Tree, numbers: Path) -> Node | None:
    """Return a set with its price; None where the rules forbid it or a coupon gives nothing."""
    node: Node | None = root(tree.problem)
    for number in sorted(numbers):
        if node is None:
            return None
        node = child(tree.problem, node, number)
    return node
