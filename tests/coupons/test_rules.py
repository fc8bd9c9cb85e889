"""Splitting money and points: every unit is given, no line is overfilled (semantics 18)."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from coupons.rules import spread

AMOUNTS = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=40)


@given(amounts=AMOUNTS, data=st.data())
def test_spread_gives_every_fen_and_overfills_no_line(amounts: list[int], data: DataObject) -> None:
    """semantics 18"""
    discount = data.draw(st.integers(0, sum(amounts)))

    shares = spread(discount, amounts)

    assert sum(shares) == discount
    assert all(0 <= share <= amount for share, amount in zip(shares, amounts, strict=True))


@given(weights=AMOUNTS.filter(any), total=st.integers(0, 2**53))
def test_each_share_is_within_one_of_its_exact_part(weights: list[int], total: int) -> None:
    shares = spread(total, weights)

    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    assert sum(shares) == total
    assert all(abs(share - part) < 1 for share, part in zip(shares, exact, strict=True))


@given(weights=AMOUNTS.filter(any), total=st.integers(0, 2**53))
def test_a_line_of_zero_gets_nothing_and_a_heavier_line_never_less(
    weights: list[int], total: int
) -> None:
    shares = spread(total, weights)

    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)
    by_weight = sorted(zip(weights, shares, strict=True))
    assert all(light[1] <= heavy[1] for light, heavy in pairwise(by_weight) if light[0] < heavy[0])


def test_equal_remainders_go_by_position() -> None:
    """semantics 18: ties by line number."""
    assert spread(10_000, [1, 1, 1]) == [3334, 3333, 3333]
    assert spread(2, [5, 5, 5]) == [1, 1, 0]


def test_the_largest_remainder_wins_over_an_earlier_line() -> None:
    assert spread(10, [1, 2, 4]) == [1, 3, 6]


def test_what_needs_no_arithmetic_is_given_as_it_is() -> None:
    assert spread(7, [3, 0, 4]) == [3, 0, 4]
    assert spread(0, [3, 4]) == [0, 0]
    assert spread(0, []) == []
    assert spread(9, [2]) == [9]


@pytest.mark.parametrize(
    ("total", "weights"),
    [(-1, [1]), (1, []), (1, [0, 0]), (1, [2, -1]), (3, [-1, 2]), (0, [-1, 1])],
)
def test_nonsense_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot spread"):
        spread(total, weights)
