"""What one coupon takes off each line, to the fen (C1, C11; semantics 18-24)."""

import random
from dataclasses import replace

import pytest

from coupons.benefits import (
    AmountOff,
    Delivery,
    EveryOff,
    Kind,
    PercentOff,
    Pick,
    Rounding,
    StoredValue,
    Units,
)
from coupons.bounds import most_fen
from coupons.conditions import Basket
from coupons.discounts import Left, fit, take
from coupons.offers import Base, Chosen, Offer, PercentOf, Scope, Threshold
from tests.coupons.wallets import basket, item, offer, random_basket, random_offer, stacked


def _shares(made: Offer, sale: Basket, **rest: int) -> list[int] | None:
    taken = take(fit(made, sale, **rest), Left.of(sale))
    return None if taken is None else taken[0]


def test_a_percentage_is_rounded_once_and_shared_by_largest_remainder() -> None:
    """semantics 18, 19: 15 % of ¥100.01 is 1,500.15 fen; the rest of a fen goes to line 1."""
    sale = basket(item(1, 3_334), item(2, 3_334), item(3, 3_333))

    assert _shares(offer(PercentOff(off_bps=1_500)), sale) == [500, 500, 500]
    assert _shares(offer(PercentOff(off_bps=1_500, rounding=Rounding.UP)), sale) == [501, 500, 500]


@pytest.mark.parametrize(
    ("rounding", "fen"), [(Rounding.HALF_UP, 13), (Rounding.DOWN, 12), (Rounding.UP, 13)]
)
def test_half_a_fen_goes_by_the_coupons_own_rounding(rounding: Rounding, fen: int) -> None:
    half = offer(PercentOff(off_bps=5_000, rounding=rounding))

    assert _shares(half, basket(item(1, 25))) == [fen]


def test_a_ceiling_holds_for_the_sum_and_is_shared_then() -> None:
    """semantics 19"""
    sale = basket(item(1, 30_000), item(2, 10_000, merchant="m2"))

    assert _shares(offer(PercentOff(off_bps=2_000, ceiling_fen=5_000)), sale) == [3_750, 1_250]


def test_so_much_comes_off_for_every_so_much_at_most_so_many_times() -> None:
    """C1: 每满100减20, at most three times; by the price, or by what other coupons left."""
    every = EveryOff(every_fen=10_000, fen=2_000, times=3)
    sale = basket(item(1, 20_000), item(2, 9_999))
    after = Threshold(min_fen=10_000, base=Base.AFTER)

    assert _shares(offer(every), sale) == [2_667, 1_333]
    assert _shares(offer(every), basket(item(1, 99_000))) == [6_000]
    assert _shares(offer(replace(every, times=None)), basket(item(1, 99_000))) == [18_000]
    assert _shares(offer(every), basket(item(1, 9_999))) is None
    for threshold, fen in ((Threshold(), 6_000), (after, 4_000)):
        fitted = fit(offer(every, threshold=threshold), basket(item(1, 30_000)))
        taken = take(fitted, Left([29_999], [1], [0]))
        assert taken is not None
        assert taken[0] == [fen]


def test_a_face_above_the_goods_is_cut_and_a_stored_value_keeps_the_rest() -> None:
    """semantics 21"""
    sale = basket(item(1, 700), item(2, 300))

    assert _shares(offer(AmountOff(fen=5_000)), sale) == [700, 300]
    assert _shares(offer(StoredValue(fen=5_000)), sale) == [700, 300]
    assert _shares(offer(StoredValue(fen=5_000)), sale, left_fen=10) == [7, 3]


def test_the_cheapest_units_are_free_unless_the_dearest_are_said() -> None:
    sale = basket(item(1, 9_000, 2), item(2, 2_000, 1))
    gift = Units(kind=Kind.BUY_GET, group=3)

    assert _shares(offer(gift), sale) == [0, 2_000]
    assert _shares(offer(replace(gift, pick=Pick.DEAREST)), sale) == [4_500, 0]


def test_units_are_worth_what_the_line_deals_them() -> None:
    """semantics 24: three for ¥100 are 33.34, 33.33, 33.33; the cheapest goes."""
    one, two = [offer(Units(kind=Kind.EXCHANGE, most=n)) for n in (1, 2)]
    sale = basket(item(1, 10_000, 3))

    assert _shares(one, sale) == [3_333]
    assert _shares(two, sale) == [6_666]
    dearest = offer(Units(kind=Kind.EXCHANGE, most=1, pick=Pick.DEAREST))
    assert _shares(dearest, sale) == [3_334]


@pytest.mark.parametrize(
    ("quantity", "free"), [(1, 0), (3, 0), (4, 1), (5, 2), (8, 2), (9, 3), (10, 4), (11, 4)]
)
def test_an_unfinished_group_gives_what_it_has_beyond_the_bought(quantity: int, free: int) -> None:
    """Buy 3, get 2."""
    made = offer(Units(kind=Kind.BUY_GET, group=5, given=2))

    shares = _shares(made, basket(item(1, 100 * quantity, quantity)))

    assert (shares or [0]) == [100 * free]


def test_every_second_item_is_half_price_and_rounded_once() -> None:
    second = offer(Units(kind=Kind.NTH_ITEM, group=2, off_bps=5_000))

    assert _shares(second, basket(item(1, 303, 3), item(2, 99, 1))) == [51, 49]


def test_a_fixed_price_is_for_each_unit_above_it() -> None:
    made = offer(Units(kind=Kind.FIXED_PRICE, pay_fen=990))

    assert _shares(made, basket(item(1, 3_000, 3), item(2, 500), item(3, 1_500))) == [30, 0, 510]


def test_a_unit_is_given_once_and_not_counted_by_another_gift() -> None:
    """Two exchanges for two teas of ¥30 give ¥60, not ¥45; a third finds nothing."""
    exchange = offer(Units(kind=Kind.EXCHANGE, most=1))
    sale = basket(item(1, 6_000, 2))
    fitted = fit(exchange, sale)

    first = take(fitted, Left.of(sale))
    assert first is not None
    second = take(fitted, first[1])
    assert second is not None

    assert (first[0], second[0]) == ([3_000], [3_000])
    assert take(fitted, second[1]) is None


def test_what_lies_on_a_cheaper_unit_is_not_dealt_to_the_others() -> None:
    """¥20 for one of two teas of ¥30; the other is still worth ¥30, and ¥15 after 50 % off all."""
    sale = basket(item(1, 6_000, 2))
    paid = take(fit(offer(Units(kind=Kind.EXCHANGE, most=1, pay_fen=2_000)), sale), Left.of(sale))
    assert paid is not None
    half = take(fit(offer(PercentOff(off_bps=5_000)), sale), paid[1])
    assert half is not None
    free = fit(offer(Units(kind=Kind.EXCHANGE, most=1)), sale)

    assert (take(free, paid[1]) or [None])[0] == [3_000]
    assert (take(free, half[1]) or [None])[0] == [1_500]


def test_delivery_and_parking_are_free_on_their_own_lines() -> None:
    """C1: two units of a parking line of five."""
    sale = basket(item(1), item(2, 800, category="delivery"), item(3, 2_500, 5, category="parking"))

    assert _shares(offer(Delivery()), sale) == [800]
    assert _shares(offer(Delivery(ceiling_fen=500)), sale) == [500]
    assert _shares(offer(Units(kind=Kind.PARKING, most=2)), sale) == [1_000]


def test_percent_of_the_initial_price_is_cut_to_what_is_left() -> None:
    """semantics 22"""
    made = stacked(offer(PercentOff(off_bps=5_000)), percent_of=PercentOf.INITIAL)
    sale = basket(item(1, 1_000), item(2, 1_000))

    taken = take(fit(made, sale), Left([200, 1_000], [1, 1], [0, 0]))

    assert taken is not None
    assert taken[0] == [200, 500]


def test_a_threshold_after_others_looks_at_its_own_lines() -> None:
    """semantics 23"""
    tea = Scope(include=Chosen(categories=frozenset({"tea"})))
    made = offer(AmountOff(fen=100), scope=tea, threshold=Threshold(min_fen=1_000, base=Base.AFTER))
    sale = basket(item(1, 1_000), item(2, 9_000, category="cake"))

    assert take(fit(made, sale), Left([1_000, 0], [1, 1], [0, 0])) is not None
    assert take(fit(made, sale), Left([999, 9_000], [1, 1], [0, 0])) is None


@pytest.mark.parametrize("seed", range(30))
def test_no_coupon_gives_more_later_than_it_could_before(seed: int) -> None:
    """C11; what the bounds of the search rest on."""
    chance = random.Random(seed)
    for _ in range(20):
        sale = random_basket(chance, lines=5)
        fitted = [fit(random_offer(chance), sale) for _ in range(6)]
        left = Left.of(sale)
        most = [most_fen(each, left) for each in fitted]
        for each in fitted:
            taken = take(each, left)
            if taken is not None:
                shares, after = taken
                assert 0 < sum(shares) <= most_fen(each, left)
                assert min(shares) >= 0
                assert sum(left.fen) - sum(after.fen) == sum(shares)
                assert all(0 <= s <= f for s, f in zip(after.spent, after.fen, strict=True))
                left = after
            now = [most_fen(other, left) for other in fitted]
            assert all(later <= before for later, before in zip(now, most, strict=True))
            most = now
