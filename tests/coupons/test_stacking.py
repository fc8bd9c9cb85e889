"""The best combination against the slow truth, its rules, its reasons and its work (C9, C10)."""

import random
from dataclasses import replace
from datetime import timedelta
from statistics import median

import pytest

from coupons.benefits import AmountOff, Benefit, Kind, PercentOff, StoredValue, Units
from coupons.candidates import Points
from coupons.offers import Base, Chosen, Offer, PercentOf, Scope, Threshold
from coupons.stacking import Answer, Stack, Why, best, price
from tests.coupons.brute import Truth, two_best
from tests.coupons.wallets import (
    NOON,
    basket,
    district_basket,
    district_wallet,
    held,
    item,
    offer,
    random_basket,
    random_wallet,
    stacked,
)

SEEDS = range(40)


def pays(order_fen: int, burnable_fen: int) -> int:
    """Points that pay at most 30 % of an order, and ¥20."""
    return min(order_fen * 3 // 10, burnable_fen, 2_000)


def pays_in_steps(order_fen: int, burnable_fen: int) -> int:
    """Points of ¥7 each, which may cover all that is burnable but not step over 30 %."""
    share = order_fen * 3 // 10
    return burnable_fen if share >= burnable_fen else share // 700 * 700


@pytest.mark.parametrize("seed", SEEDS)
def test_random_wallets_get_the_true_best_and_runner_up(seed: int) -> None:
    """C10: 2,000 wallets of up to 7 coupons, against every subset."""
    chance = random.Random(seed)
    for _ in range(50):
        wallet = random_wallet(chance, coupons=chance.randint(0, 7))
        sale = random_basket(chance, lines=chance.randint(1, 6))
        at_most = chance.choice([None, None, 1, 2, 3])
        points = chance.choice(
            [
                None,
                Points(pays=pays),
                Points(pays=pays, counted=True),
                Points(pays=pays_in_steps, counted=True, slip_fen=700),
            ]
        )

        answer = best(wallet, sale, at_most=at_most, points=points)

        _is_true(answer, two_best(wallet, sale, at_most=at_most, points=points))


@pytest.mark.parametrize("seed", range(6))
def test_wallets_of_twelve_get_the_true_best_and_runner_up(seed: int) -> None:
    """C10"""
    chance = random.Random(1_000 + seed)
    wallet = random_wallet(chance, coupons=12)
    sale = random_basket(chance, lines=8)

    answer = best(wallet, sale)

    _is_true(answer, two_best(wallet, sale))


def _is_true(answer: Answer, truths: list[Truth]) -> None:
    assert answer.certificate.proved
    assert answer.certificate.gap_fen == 0
    assert _as_told(answer.best) == _as_known(truths[0])
    told = None if answer.runner_up is None else _as_told(answer.runner_up)
    assert told == (_as_known(truths[1]) if len(truths) > 1 else None)


def _as_told(stack: Stack) -> tuple[object, ...]:
    ids = tuple([use.coupon for use in stack.uses])
    return ids, tuple([use.shares for use in stack.uses]), stack.discount_fen


def _as_known(truth: Truth) -> tuple[object, ...]:
    return truth.ids, truth.shares, truth.discount_fen


@pytest.mark.parametrize("seed", range(20))
def test_shares_add_up_and_no_line_falls_below_zero(seed: int) -> None:
    """C11: also over many lines and coupons."""
    chance = random.Random(2_000 + seed)
    sale = random_basket(chance, lines=200)

    stack = best(random_wallet(chance, coupons=30), sale, node_limit=200).best

    rests = [item.amount_fen for item in sale.items]
    for use in stack.uses:
        rests = [rest - share for rest, share in zip(rests, use.shares, strict=True)]
        assert use.fen == sum(use.shares)
        assert min(use.shares) >= 0
    assert min(rests) >= 0
    assert stack.discount_fen + stack.own_fen == sum(use.fen for use in stack.uses)


def test_the_answer_does_not_depend_on_the_order_of_the_wallet() -> None:
    chance = random.Random(5)
    wallet = random_wallet(chance, coupons=10)
    sale = random_basket(chance, lines=5)

    answers = {best(chance.sample(wallet, 10), sale).best for _ in range(10)}

    assert len(answers) == 1


def test_percent_comes_before_amounts_and_stored_value_last() -> None:
    """The default places: 20 % of ¥100, then ¥30, then stored value pays."""
    wallet = [
        held(offer(StoredValue(fen=6_000)), "card"),
        held(offer(AmountOff(fen=3_000)), "off"),
        held(offer(PercentOff(off_bps=2_000)), "percent"),
    ]

    stack = best(wallet, basket()).best

    assert [(use.coupon, use.fen) for use in stack.uses] == [
        ("percent", 2_000),
        ("off", 3_000),
        ("card", 5_000),
    ]
    assert (stack.discount_fen, stack.own_fen) == (5_000, 5_000)


def test_a_second_percentage_is_of_the_rest_or_of_the_initial_price() -> None:
    """semantics 22"""
    first = held(offer(PercentOff(off_bps=1_000)), "a")
    second = offer(PercentOff(off_bps=2_000))

    of_the_rest = best([first, held(second, "b")], basket()).best
    initial = stacked(second, percent_of=PercentOf.INITIAL)
    of_the_price = best([first, held(initial, "b")], basket()).best

    assert [use.fen for use in of_the_rest.uses] == [1_000, 1_800]
    assert [use.fen for use in of_the_price.uses] == [1_000, 2_000]


def test_own_money_does_not_stand_in_for_a_discount() -> None:
    """Stored value that would pay for all does not keep a discount out."""
    card = held(offer(StoredValue(fen=20_000)), "card")
    gift = held(offer(AmountOff(fen=100)), "gift")

    stack = best([card, gift], basket()).best

    assert [use.coupon for use in stack.uses] == ["gift", "card"]
    assert (stack.discount_fen, stack.own_fen) == (100, 9_900)


def test_points_pay_for_the_rest_and_change_the_choice_only_where_they_count() -> None:
    """semantics 20: points and an exclusive coupon against the tea that points cannot pay for."""
    cake, tea = item(1, 10_000, sku="cake"), item(2, 10_000, sku="tea")
    on_cake = held(_on(AmountOff(fen=6_000), "cake"), "on-cake")
    on_tea = held(_on(AmountOff(fen=5_000), "tea"), "on-tea")
    sale = basket(cake, replace(tea, burnable=False))
    points = Points(pays=lambda _, burnable_fen: min(burnable_fen, 10_000))

    after = best([on_cake, on_tea], sale, at_most=1, points=points).best
    counted = Points(pays=points.pays, counted=True)
    together = best([on_cake, on_tea], sale, at_most=1, points=counted).best

    assert [(use.coupon, use.fen) for use in after.uses] == [("on-cake", 6_000)]
    assert after.points_fen == 4_000
    assert [(use.coupon, use.fen) for use in together.uses] == [("on-tea", 5_000)]
    assert together.points_fen == 10_000


def _on(benefit: Benefit, sku: str) -> Offer:
    return offer(benefit, scope=Scope(include=Chosen(skus=frozenset({sku}))))


def test_of_equal_sets_the_fewest_then_the_soonest_to_expire_then_the_first_id() -> None:
    half = offer(AmountOff(fen=5_000))
    whole = offer(AmountOff(fen=10_000))
    late, soon = NOON + timedelta(days=9), NOON + timedelta(days=1)
    pair = [held(half, "a"), held(half, "b")]

    fewest = best([*pair, held(whole, "c")], basket()).best
    soonest = best([held(whole, "a", expires_at=late), held(whole, "b", expires_at=soon)], basket())
    first = best([held(whole, "b"), held(whole, "a")], basket())

    assert [use.coupon for use in fewest.uses] == ["c"]
    assert [use.coupon for use in soonest.best.uses] == ["b"]
    assert [use.coupon for use in first.best.uses] == ["a"]


def test_interchangeable_coupons_go_soonest_first_and_as_many_as_their_group_takes() -> None:
    """C9: at most n of a group; identical coupons are one choice."""
    twice = stacked(offer(AmountOff(fen=1_000)), at_most=2)
    days = {"a": 9, "b": 1, "c": 5}
    wallet = [
        held(twice, name, template="t", expires_at=NOON + timedelta(days=day))
        for name, day in days.items()
    ]

    answer = best(wallet, basket())

    assert [use.coupon for use in answer.best.uses] == ["b", "c"]
    assert answer.left_out[0].why is Why.GROUP_FULL
    assert answer.left_out[0].by == ("b", "c")
    assert answer.runner_up is not None
    assert [use.coupon for use in answer.runner_up.uses] == ["b"]


def test_two_merchants_coupons_combine_only_if_each_accepts_the_other() -> None:
    """C9"""
    off = offer(AmountOff(fen=1_000))
    open_to_food = stacked(
        off, owner="m1", carries=frozenset({"food"}), accepts=frozenset({"food"})
    )
    too = stacked(open_to_food, owner="m2")
    closed = stacked(too, accepts=frozenset())

    both = best([held(open_to_food, "a"), held(too, "b")], basket())
    one = best([held(open_to_food, "a"), held(closed, "b")], basket())

    assert both.best.discount_fen == 2_000
    assert one.best.discount_fen == 1_000
    assert (one.left_out[0].why, one.left_out[0].by) == (Why.NOT_TOGETHER, ("a",))


def test_an_exclusive_coupon_stands_alone() -> None:
    """C9"""
    alone = stacked(offer(AmountOff(fen=3_000)), exclusive=True)
    small = offer(AmountOff(fen=2_000))

    answer = best([held(alone, "alone"), held(small, "a"), held(small, "b")], basket())

    assert [use.coupon for use in answer.best.uses] == ["a", "b"]
    assert answer.runner_up is not None
    assert [use.coupon for use in answer.runner_up.uses] == ["alone"]
    assert answer.left_out[0].by == ("a", "b")


def test_a_threshold_on_what_is_left_is_tested_once_at_its_place() -> None:
    """semantics 23: it cannot disqualify itself, but one before it can."""
    picky = offer(AmountOff(fen=5_000), threshold=Threshold(min_fen=10_000, base=Base.AFTER))
    before = stacked(offer(AmountOff(fen=100)), place=1)

    alone = best([held(picky, "picky")], basket()).best
    answer = best([held(picky, "picky"), held(before, "before")], basket())

    assert alone.discount_fen == 5_000
    assert [use.coupon for use in answer.best.uses] == ["picky"]
    assert answer.left_out[0].why is Why.SAVES_LESS
    assert answer.left_out[0].less_fen == 4_900
    assert "¥49.00" in answer.left_out[0].zh
    assert "¥49.00" in answer.left_out[0].en


def test_every_coupon_that_is_left_out_says_why() -> None:
    """C10"""
    wallet = [
        held(offer(AmountOff(fen=10_000)), "all"),
        held(stacked(offer(AmountOff(fen=500)), place=1), "more"),
        held(offer(AmountOff(fen=500), threshold=Threshold(min_fen=11_250)), "short"),
        held(offer(Units(kind=Kind.EXCHANGE, pay_fen=20_000)), "dear"),
    ]

    answer = best(wallet, basket())
    limited = best([*wallet[:1], held(offer(AmountOff(fen=9)), "x")], basket(), at_most=1)

    why = {each.coupon: each for each in answer.left_out}
    assert {name: each.why for name, each in why.items()} == {
        "more": Why.SAVES_LESS,
        "short": Why.CONDITIONS,
        "dear": Why.GIVES_NOTHING,
    }
    assert why["more"].less_fen == 0
    assert [(each.code, each.gap_fen) for each in why["short"].unmet] == [("below-amount", 1_250)]
    assert limited.left_out[0].why is Why.ORDER_FULL


@pytest.mark.parametrize("seed", range(10))
def test_the_price_of_the_best_coupons_is_that_of_the_search(seed: int) -> None:
    """P2: a quote is committed without another search."""
    chance = random.Random(seed)
    wallet, sale = random_wallet(chance, coupons=10), random_basket(chance, lines=6)
    points = Points(pays=pays)
    stack = best(wallet, sale, points=points).best
    used = {use.coupon for use in stack.uses}

    again = price([coupon for coupon in wallet if coupon.id in used], sale, points=points)

    assert again.stack == stack
    assert again.left_out == ()


def test_chosen_coupons_that_do_not_go_together_are_named() -> None:
    """C8, C9: the first in the order of application stays."""
    alone = stacked(offer(AmountOff(fen=3_000)), place=1, exclusive=True)
    small = offer(AmountOff(fen=2_000), threshold=Threshold(min_fen=99_999))
    twice = offer(AmountOff(fen=10_000))
    wallet = [
        held(alone, "alone"),
        held(twice, "a"),
        held(small, "short"),
    ]

    together = price(wallet, basket())
    copies = price([held(twice, name, template="t") for name in ("a", "b")], basket())
    after = price([held(twice, "a"), held(twice, "b")], basket())

    assert [use.coupon for use in together.stack.uses] == ["alone"]
    assert [(each.coupon, each.why) for each in together.left_out] == [
        ("short", Why.CONDITIONS),
        ("a", Why.NOT_TOGETHER),
    ]
    assert [(each.coupon, each.why) for each in copies.left_out] == [("b", Why.GROUP_FULL)]
    assert [(each.coupon, each.why) for each in after.left_out] == [("b", Why.GIVES_NOTHING)]


def test_work_is_limited_and_the_answer_says_how_far_it_may_be_off() -> None:
    """C10: "gap ≤ x" stated."""
    chance = random.Random(77)
    wallet = random_wallet(chance, coupons=25)
    sale = random_basket(chance, lines=10)

    cut_short = best(wallet, sale, node_limit=3)
    proved = best(wallet, sale)

    assert not cut_short.certificate.proved
    assert proved.certificate.proved
    better = proved.best.discount_fen - cut_short.best.discount_fen
    assert 0 <= better <= cut_short.certificate.gap_fen
    assert str(cut_short.certificate.gap_fen) in cut_short.certificate.zh
    assert cut_short.certificate.en.startswith("within ")
    assert (proved.certificate.zh, proved.certificate.en) == ("已证明最优", "optimal")


def test_thirty_coupons_on_twenty_lines_are_proved_in_few_steps() -> None:
    """C10: work is counted in bounds, which no machine makes slower."""
    nodes = []
    for seed in range(30):
        chance = random.Random(seed)
        sale = district_basket(chance, lines=20)
        certificate = best(district_wallet(chance, coupons=30), sale).certificate
        assert certificate.proved
        nodes.append(certificate.nodes)

    assert median(nodes) <= 60
    assert max(nodes) <= 300


def test_amounts_before_percentages_are_proved_in_few_steps_too() -> None:
    """C10: a template may say that it is applied first."""
    chance = random.Random(4)
    amounts = [stacked(offer(AmountOff(fen=chance.randint(50, 2_000))), place=5) for _ in range(24)]
    percents = [offer(PercentOff(off_bps=chance.randint(300, 2_000))) for _ in range(6)]
    wallet = [held(made, f"c{n:02}") for n, made in enumerate(amounts + percents)]

    certificate = best(wallet, district_basket(chance, lines=20)).certificate

    assert certificate.proved
    assert certificate.nodes <= 150


@pytest.mark.parametrize("at_most", [None, 5])
def test_equal_coupons_by_the_dozen_cost_no_more_steps(at_most: int | None) -> None:
    """C10: ties are decided by the bounds too."""
    days = random.Random(1).sample(range(30), 30)
    wallet = [
        held(offer(AmountOff(fen=500)), f"c{n:02}", expires_at=NOON + timedelta(days=day))
        for n, day in enumerate(days)
    ]

    answer = best(wallet, basket(item(1, 100_000)), at_most=at_most)

    used = {use.coupon for use in answer.best.uses}
    assert used == {f"c{n:02}" for n, day in enumerate(days) if day < (at_most or 30)}
    assert answer.certificate.nodes <= 100


def test_nonsense_is_refused() -> None:
    coupon = held(offer(AmountOff(fen=1)))
    other = held(offer(AmountOff(fen=2)), "c2", template=coupon.template)

    with pytest.raises(ValueError, match="twice"):
        best([coupon, coupon], basket())
    with pytest.raises(ValueError, match="two offers"):
        best([coupon, other], basket())
    with pytest.raises(ValueError, match="line 1"):
        best([coupon], basket(item(quantity=0)))
    with pytest.raises(ValueError, match="line 1"):
        best([coupon], basket(item(amount_fen=-1)))


def test_an_empty_wallet_has_an_answer() -> None:
    answer = best([], basket(), points=Points(pays=lambda order_fen, _: order_fen // 2))

    assert answer.best == Stack(uses=(), discount_fen=0, own_fen=0, points_fen=5_000)
    assert answer.runner_up is None
    assert answer.certificate.proved
