"""Points and coupons as one optimum, and how many coupons an order takes (C9, C10, B2, P2)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import quotes
from app.checkout.baskets import ALL_POINTS, BEST, Basket, BasketLine
from app.checkout.errors import CouponNotUsable
from app.checkout.pricing import price
from app.checkout.spending import counted
from app.lab.replay_coupons import prove
from app.merchants.models import MayBurn
from app.points import lots
from app.points.burning import Burning
from app.points.policy import BestBy, BurnTerms
from config.database import forget, now_of
from tests.app.checkout.shops import Shop, agree_burn_terms, give_points, make_member, open_shop
from tests.app.checkout.test_coupons import give, off, sell
from tests.app.checkout.test_pricing import bound_lot
from tests.factories import make_terms

ALONE = {"stacking": {"place": 10, "exclusive": True}}


def scoped(fen: int, category: str) -> dict[str, object]:
    return off(fen) | {"scope": {"include": {"categories": [category]}}} | ALONE


def set_programme(session: Session, *, best_by: BestBy, at_most: int | None = None) -> None:
    """A programme in force from now on, as an approved change would leave it."""
    session.execute(
        text(
            "INSERT INTO programme (effective_from, expiry_months, point_value_num, "
            "point_value_den, combine, negative_policy, courtesy_days, return_first, "
            "hold_minutes, quote_minutes, best_by, coupons_at_most, created_at) VALUES "
            "(:at, 12, 1, 1, 'max', 'debt', 7, 'money_first', 15, 5, :best_by, :at_most, now())"
        ),
        {"best_by": best_by, "at_most": at_most, "at": now_of(session) - timedelta(seconds=1)},
    )
    forget(session)


def two_kinds(session: Session, shop: Shop, member: object, own: Shop) -> Basket:
    """Return a basket of tea, which points may pay for, and of a cup, which they may not."""
    lines = [
        BasketLine(sku="tea", name="茶", category="tea", amount_fen=3_000),
        BasketLine(
            sku="cup", name="杯", category="cup", amount_fen=4_000, merchant=own.merchant.code
        ),
    ]
    basket = shop.basket(session, member, 1_000)  # type: ignore[arg-type]
    return replace(basket, lines=lines, coupons=BEST)


@pytest.mark.parametrize(("best_by", "category"), [(BestBy.DISCOUNT, "tea"), (BestBy.DUE, "cup")])
def test_what_is_best_is_the_programmes_to_say(
    session: Session, best_by: BestBy, category: str
) -> None:
    """C10: ¥10 off what points pay for anyway, or ¥9 off what money has to pay for."""
    shop, own = open_shop(session), open_shop(session, terms=make_terms(may_burn=MayBurn.NONE))
    member = make_member(session)
    give_points(session, shop, member, 5_000)
    set_programme(session, best_by=best_by)
    coupons = {
        "tea": give(session, member, scoped(1_000, "tea")),
        "cup": give(session, member, scoped(900, "cup")),
    }
    basket = replace(two_kinds(session, shop, member, own), burn_points=ALL_POINTS)

    quoted = quotes.answer(quotes.quote(session, basket))

    assert [use["coupon_id"] for use in quoted["coupons"]] == [coupons[category]]
    assert quoted["due_fen"] == (4_000 if best_by is BestBy.DISCOUNT else 3_100)
    assert (quoted["proof"]["proved"], quoted["proof"]["best_by"]) == (True, best_by)


def test_the_search_counts_the_points_that_the_order_then_burns(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 1_700)
    agree_burn_terms(
        session,
        BurnTerms(
            effective_from=now_of(session), merchant=shop.merchant.code, min_unit_points=100,
            max_share=Fraction(1, 3), daily_limit_points=1_500,
        ),
    )  # fmt: skip
    set_programme(session, best_by=BestBy.DUE)
    give(session, member, off(700) | ALONE)
    give(session, member, off(650, 4_000) | ALONE)
    for asked in (0, 300, 1_650, ALL_POINTS):
        basket = replace(
            shop.basket(session, member, 2_500, 2_000), coupons=BEST, burn_points=asked
        )
        wallet = lots.lock(session, member, day=basket.business_date)
        priced = price(session, basket, wallet)
        assert priced.chosen is not None
        assert priced.chosen.answer is not None
        assert priced.chosen.answer.best.points_fen == priced.burn.value_fen
        prove(session, priced)


def test_points_of_one_merchant_among_several_are_left_out_of_the_search(session: Session) -> None:
    """The proof says by what the stack is best, and claims no more."""
    shop, other, member = open_shop(session), open_shop(session), make_member(session)
    bound_lot(session, shop, member, only=shop)
    set_programme(session, best_by=BestBy.DUE)
    give(session, member, off(100))
    line = BasketLine(
        sku="X", name="商品", category="food", amount_fen=900, merchant=other.merchant.code
    )
    basket = replace(
        shop.basket(session, member, 1_000, others=[line]), coupons=BEST, burn_points=ALL_POINTS
    )

    quoted = quotes.answer(quotes.quote(session, basket))

    assert (quoted["burn_points"], quoted["proof"]["best_by"]) == (100, BestBy.DISCOUNT)


def test_stored_value_counts_where_the_least_to_pay_is_best(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    card = give(
        session, member, {"benefit": {"kind": "stored_value", "fen": 3_000}, **ALONE}, uses=None
    )
    small = give(session, member, off(500) | ALONE)
    basket = replace(shop.basket(session, member, 4_000), coupons=BEST)
    before = quotes.answer(quotes.quote(session, basket))
    set_programme(session, best_by=BestBy.DUE)
    after = quotes.answer(quotes.quote(session, basket))

    assert [[use["coupon_id"] for use in each["coupons"]] for each in (before, after)] == [
        [small], [card],
    ]  # fmt: skip


def test_an_order_takes_as_many_coupons_as_the_programme_says(session: Session) -> None:
    """C9: the others are told why."""
    shop, member = open_shop(session), make_member(session)
    coupons = [give(session, member, off(fen)) for fen in (300, 200, 100)]
    basket = shop.basket(session, member, 4_000)
    set_programme(session, best_by=BestBy.DISCOUNT, at_most=2)

    quoted = quotes.answer(quotes.quote(session, replace(basket, coupons=BEST)))

    assert quoted["discount_fen"] == 500
    assert [each["why"] for each in quoted["left_out"]] == ["order-full"]
    with pytest.raises(CouponNotUsable, match="每单最多用 2 张券"):
        sell(session, replace(basket, coupons=coupons), 3_400)


@given(
    orders=st.tuples(*[st.integers(0, 5_000)] * 2),
    shares=st.tuples(*[st.integers(0, 5_000)] * 2),
    most=st.integers(0, 6_000),
    value=st.fractions(Fraction(1, 20), 20, max_denominator=20),
    unit=st.sampled_from([1, 1, 7, 100]),
    share=st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 3), Fraction(9, 10)]),
    daily=st.none() | st.integers(0, 3_000),
)
def test_what_points_pay_falls_by_no_more_than_the_slip_when_there_is_more_to_pay(
    *,
    orders: tuple[int, int],
    shares: tuple[int, int],
    most: int,
    value: Fraction,
    unit: int,
    share: Fraction,
    daily: int | None,
) -> None:
    """What the engine's bounds take for granted of `Points`."""
    terms = BurnTerms(
        effective_from=datetime(2026, 1, 1, tzinfo=UTC), min_unit_points=unit, max_share=share,
        daily_limit_points=daily,
    )  # fmt: skip
    nothing = Burning(order_fen=0, burnable_fen=0, point_value_fen=value, terms=terms)
    points = counted(nothing, most_points=most)
    less, more = sorted(orders)
    (low, high) = sorted([min(shares[0], less), min(shares[1], more)])

    assert points.pays(less, min(low, less)) <= points.pays(more, high) + points.slip_fen
    assert points.pays(more, high) <= high
