"""All failing conditions at once, with their gap (C2, C8)."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from coupons.benefits import AmountOff, Delivery, Kind, Units
from coupons.conditions import Basket, Shopper, eligible, unmet
from coupons.offers import (
    Birthday,
    Chosen,
    FirstPurchase,
    Hours,
    Offer,
    Scope,
    Threshold,
    When,
    Who,
)
from tests.coupons.wallets import NOON, basket, item, offer

OFF = offer(AmountOff(fen=1_000))


def _codes(made: Offer, sale: Basket) -> list[str]:
    return [each.code for each in unmet(made, sale)]


def test_all_that_fails_is_told_at_once() -> None:
    """C8"""
    strict = replace(
        OFF,
        when=When(
            weekdays=frozenset({1}),
            month_days=frozenset({8}),
            hours=(Hours(start=0, end=60),),
            blackout=frozenset({date(2026, 11, 28)}),
        ),
        who=Who(
            tiers=frozenset({"gold"}),
            segments=frozenset({"vip"}),
            first_purchase=FirstPurchase.DISTRICT,
            birthday=Birthday.DAY,
        ),
        tenders=frozenset({"alipay"}),
        threshold=Threshold(min_fen=10_001, min_quantity=2),
    )

    failing = unmet(strict, replace(basket(), tenders=frozenset({"cash"})))

    assert [each.code for each in failing] == [
        "wrong-weekday",
        "wrong-month-day",
        "wrong-hour",
        "blackout",
        "wrong-tier",
        "wrong-segment",
        "not-first-purchase",
        "not-birthday",
        "wrong-tender",
        "below-amount",
        "below-quantity",
    ]
    assert all(any("\u4e00" <= c <= "\u9fff" for c in each.zh) and each.en for each in failing)


def test_the_gap_says_how_much_and_which_lines_count() -> None:
    """C8: another ¥12.50 at these 3 lines."""
    tea = Scope(include=Chosen(categories=frozenset({"tea"})))
    three = [item(n, 6_250) for n in (1, 2, 4)]
    sale = basket(*three[:2], item(3, 99_999, category="cake"), three[2])

    (gap,) = unmet(offer(OFF.benefit, scope=tea, threshold=Threshold(min_fen=20_000)), sale)

    assert (gap.code, gap.gap_fen, gap.lines) == ("below-amount", 1_250, (1, 2, 4))
    assert gap.zh == "适用商品再买 ¥12.50（第 1、2、4 行）"
    assert gap.en == "another ¥12.50 of goods that count (lines 1, 2, 4)"


def test_units_that_are_missing_are_counted() -> None:
    second = offer(Units(kind=Kind.NTH_ITEM, group=2, off_bps=5_000))

    (gap,) = unmet(second, basket())

    assert (gap.code, gap.gap_units, gap.lines) == ("below-quantity", 1, (1,))
    assert unmet(second, basket(item(quantity=2))) == []


def test_goods_that_do_not_count_leave_the_whole_threshold_open() -> None:
    tea = Scope(include=Chosen(categories=frozenset({"tea"})))
    made = offer(OFF.benefit, scope=tea, threshold=Threshold(min_fen=500))

    failing = unmet(made, basket(item(category="cake")))

    assert [(each.code, each.gap_fen) for each in failing] == [
        ("no-eligible-line", 0),
        ("below-amount", 500),
    ]


@pytest.mark.parametrize(
    ("scope", "lines"),
    [
        (Scope(), (0, 1, 2)),
        (Scope(include=Chosen(merchants=frozenset({"m2"}))), (2,)),
        (Scope(include=Chosen(skus=frozenset({"k1"}), categories=frozenset({"tea"}))), (0,)),
        (Scope(exclude=Chosen(skus=frozenset({"k1"}))), (1, 2)),
        (Scope(exclude=Chosen(stores=frozenset({"s1"}))), ()),
        (Scope(exclude=Chosen(trades=frozenset({"food"}))), ()),
        (Scope(include=Chosen(categories=frozenset({"delivery"}))), (3,)),
        (
            Scope(
                include=Chosen(merchants=frozenset({"m1", "m2"})),
                exclude=Chosen(merchants=frozenset({"m1"})),
            ),
            (2,),
        ),
    ],
)
def test_scope_includes_by_every_word_and_excludes_by_any(
    scope: Scope, lines: tuple[int, ...]
) -> None:
    """C2"""
    sale = basket(
        item(1), item(2, sku="k2"), item(3, merchant="m2", sku="k3"), item(4, category="delivery")
    )

    assert eligible(offer(OFF.benefit, scope=scope), sale) == lines


def test_delivery_and_parking_coupons_see_their_own_lines_alone() -> None:
    sale = basket(item(1), item(2, category="delivery"), item(3, category="parking"))

    assert eligible(offer(Delivery()), sale) == (1,)
    assert eligible(offer(Units(kind=Kind.PARKING)), sale) == (2,)
    assert eligible(OFF, sale) == (0,)


def test_hours_are_those_of_shanghai_and_may_pass_midnight() -> None:
    """semantics 54"""
    night = replace(OFF, when=When(hours=(Hours(start=22 * 60, end=2 * 60),)))
    times = {
        "21:59": datetime(2026, 11, 28, 13, 59, tzinfo=UTC),
        "22:00": datetime(2026, 11, 28, 14, 0, tzinfo=UTC),
        "01:59": datetime(2026, 11, 28, 17, 59, tzinfo=UTC),
        "02:00": datetime(2026, 11, 28, 18, 0, tzinfo=UTC),
    }

    open_at = [name for name, at in times.items() if not unmet(night, basket(at=at))]

    assert open_at == ["22:00", "01:59"]
    saturday = replace(OFF, when=When(weekdays=frozenset({6})))
    assert _codes(saturday, basket(at=times["01:59"])) == ["wrong-weekday"]


def test_a_first_purchase_at_a_merchant_counts_its_lines_alone() -> None:
    first = replace(OFF, who=Who(first_purchase=FirstPurchase.MERCHANT))
    sale = basket(item(1), item(2, merchant="m2"))

    new_at_m2 = replace(sale, shopper=Shopper(first_at=frozenset({"m2"})))

    assert eligible(first, new_at_m2) == (1,)
    assert _codes(first, new_at_m2) == []
    assert _codes(first, sale) == ["not-first-purchase"]
    assert _codes(replace(OFF, who=Who(first_purchase=FirstPurchase.DISTRICT)), sale) == [
        "not-first-purchase"
    ]


@pytest.mark.parametrize(
    ("wanted", "born", "holds"),
    [
        (Birthday.DAY, (11, 28), True),
        (Birthday.DAY, (11, 27), False),
        (Birthday.MONTH, (11, 1), True),
        (Birthday.MONTH, (12, 28), False),
        (Birthday.MONTH, None, False),
    ],
)
def test_birthdays_are_days_or_months(
    wanted: Birthday, born: tuple[int, int] | None, holds: bool
) -> None:
    made = replace(OFF, who=Who(birthday=wanted))

    assert (not unmet(made, basket(shopper=Shopper(birthday=born)))) is holds


def test_a_leap_day_is_kept_on_the_28th_of_other_years() -> None:
    """semantics 30"""
    made = replace(OFF, who=Who(birthday=Birthday.DAY))
    leapling = Shopper(birthday=(2, 29))

    assert not unmet(made, basket(shopper=leapling, at=datetime(2027, 2, 28, 4, tzinfo=UTC)))
    assert unmet(made, basket(shopper=leapling, at=datetime(2028, 2, 28, 4, tzinfo=UTC)))


def test_a_shopper_of_one_of_the_tiers_and_segments_is_let_in() -> None:
    made = replace(OFF, who=Who(tiers=frozenset({"gold"}), segments=frozenset({"a", "b"})))

    assert unmet(made, basket(shopper=Shopper(tier="gold", segments=frozenset({"b"})))) == []


def test_tenders_are_tested_once_they_are_known() -> None:
    """C2: all of them must be accepted."""
    made = replace(OFF, tenders=frozenset({"alipay"}))

    assert unmet(made, basket(at=NOON)) == []
    assert unmet(made, replace(basket(), tenders=frozenset({"alipay"}))) == []
    assert _codes(made, replace(basket(), tenders=frozenset({"alipay", "cash"}))) == [
        "wrong-tender"
    ]
