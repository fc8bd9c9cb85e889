"""No bound is below what the sets that it speaks of can score (C10)."""

import random
from collections.abc import Iterator

import pytest

from coupons.candidates import Points, prepare
from coupons.tree import Node, Tree, bound, child, plant, root
from tests.coupons.wallets import random_basket, random_wallet

POINTS = Points(pays=lambda order_fen, fen: min(order_fen // 2, fen, 900), counted=True)


def _below(tree: Tree, node: Node, first: int) -> Iterator[Node]:
    for number in range(first, len(tree.problem.candidates)):
        added = child(tree.problem, node, number)
        if added is not None:
            yield added
            yield from _below(tree, added, number)


def _reaches(tree: Tree, node: Node) -> None:
    """Compare the bound at every step of a node with all that lies below; then go down."""
    for number in range(node.path[-1] if node.path else 0, len(tree.problem.candidates)):
        most = bound(tree, node, number)
        assert all(below.score <= most for below in _below(tree, node, number))
        added = child(tree.problem, node, number)
        if added is not None:
            _reaches(tree, added)


@pytest.mark.parametrize("seed", range(25))
def test_no_set_below_a_node_scores_more_than_its_bound(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        wallet = random_wallet(chance, coupons=6)
        sale = random_basket(chance, lines=chance.randint(1, 7))
        at_most = chance.choice([None, 2, 3])
        points = chance.choice([None, POINTS])

        tree = plant(prepare(wallet, sale, at_most=at_most, points=points))

        _reaches(tree, root(tree.problem))
