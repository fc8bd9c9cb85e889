"""How many points an order may take (B2; semantics 20; decision 20)."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from app.errors import Invalid
from app.points.burning import Burning, burn, may_burn, most_specific
from app.points.errors import InsufficientPoints, NoBurnTerms
from app.points.policy import BurnTerms

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))


def burning(
    fen: int,
    *,
    rate: str = "1",
    unit: int = 1,
    share: str = "1",
    daily: int | None = None,
    today: int = 0,
    burnable: int | None = None,
) -> Burning:
    return Burning(
        order_fen=fen,
        burnable_fen=fen if burnable is None else burnable,
        point_value_fen=Fraction(rate),
        terms=BurnTerms(
            effective_from=MARCH,
            min_unit_points=unit,
            max_share=Fraction(share),
            daily_limit_points=daily,
        ),
        burned_today_points=today,
    )


def taken(order: Burning, asked: int, balance: int = 10**9) -> tuple[int, int, list[str]]:
    found = burn(order, asked_points=asked, balance_points=balance)
    return found.points, found.value_fen, [limit.code for limit in found.limits]


def test_an_ask_above_the_order_is_cut_to_it() -> None:
    """B2, semantics 20"""
    assert taken(burning(1_000), 400) == (400, 400, [])
    assert taken(burning(1_000), 5_000, balance=1_200) == (1_000, 1_000, ["cut-to-order"])
    assert taken(burning(1_000, burnable=300), 5_000) == (300, 300, ["cut-to-order"])


def test_the_least_points_that_cover_the_order_are_taken() -> None:
    """semantics 20: three fen a point, ten fen: four points, the last pays one fen only."""
    assert taken(burning(10, rate="3"), 9) == (4, 10, ["cut-to-order"])
    assert taken(burning(10, rate="3"), 4) == (4, 10, [])


def test_points_that_pay_for_nothing_are_not_taken() -> None:
    assert taken(burning(10, rate="1/3"), 8) == (6, 2, ["cut-to-worth"])
    assert taken(burning(10, rate="1/3"), 2) == (0, 0, ["cut-to-worth"])


def test_units_share_and_daily_limit_cut() -> None:
    """B2"""
    assert taken(burning(1_000, unit=300), 950) == (900, 900, ["cut-to-unit"])
    assert taken(burning(1_000, share="1/3"), 950) == (333, 333, ["cut-to-share"])
    assert taken(burning(10, rate="3", share="1/2"), 9) == (1, 3, ["cut-to-order", "cut-to-share"])
    assert taken(burning(1_000, daily=500, today=450), 100) == (50, 50, ["cut-to-daily-limit"])
    assert taken(burning(1_000, daily=500, today=600), 100) == (0, 0, ["cut-to-daily-limit"])
    assert taken(burning(1_000, share="0"), 100) == (0, 0, ["cut-to-share"])


def test_an_ask_above_the_balance_is_refused_after_the_cut() -> None:
    """decision 20: cut to the order first, so only what would be taken has to be there."""
    with pytest.raises(InsufficientPoints, match="积分不足：需要 400，可用 399 / ") as refusal:
        burn(burning(1_000), asked_points=400, balance_points=399)
    assert (refusal.value.needed, refusal.value.spendable) == (400, 399)

    with pytest.raises(InsufficientPoints):
        burn(burning(1_000), asked_points=1, balance_points=-50)
    assert taken(burning(300), 1_000, balance=500)[0] == 300
    assert taken(burning(300), 0, balance=-50) == (0, 0, [])


def test_a_negative_ask_is_refused() -> None:
    with pytest.raises(Invalid):
        burn(burning(1_000), asked_points=-1, balance_points=10)


def test_a_quote_offers_the_most_of_what_is_there() -> None:
    """P2"""
    assert may_burn(burning(1_000), balance_points=5_000).points == 1_000
    offered = may_burn(burning(1_000, unit=100), balance_points=250)
    assert (offered.points, offered.value_fen) == (200, 200)
    assert [limit.code for limit in offered.limits] == ["cut-to-balance", "cut-to-unit"]
    assert may_burn(burning(1_000), balance_points=-5).points == 0


@st.composite
def orders(draw: DrawFn) -> Burning:
    fen = draw(st.integers(0, 100_000))
    rate = draw(st.fractions(min_value=Fraction(1, 50), max_value=50, max_denominator=50))
    share = draw(st.fractions(min_value=0, max_value=1, max_denominator=20))
    return burning(
        fen,
        burnable=draw(st.integers(0, fen)),
        rate=str(rate),
        unit=draw(st.integers(1, 500)),
        share=str(share),
        daily=draw(st.none() | st.integers(0, 10_000)),
        today=draw(st.integers(0, 12_000)),
    )


@given(order=orders(), asked=st.integers(0, 200_000))
def test_no_limit_is_ever_passed(order: Burning, asked: int) -> None:
    """B2: and over-cover stays below the worth of one point."""
    found = burn(order, asked_points=asked, balance_points=asked)

    terms, rate = order.terms, order.point_value_fen
    assert 0 <= found.points <= asked
    assert found.points % terms.min_unit_points == 0
    assert 0 <= found.value_fen <= order.burnable_fen
    assert found.value_fen <= order.order_fen * terms.max_share
    assert found.value_fen <= found.points * rate
    assert bool(found.points) == bool(found.value_fen)
    if terms.daily_limit_points is not None:
        assert found.points <= max(terms.daily_limit_points - order.burned_today_points, 0)
    if terms.min_unit_points == 1 and found.points:
        assert (found.points - 1) * rate < found.value_fen
    if found.points != asked:
        assert found.limits[-1].points == found.points
    assert all(limit.zh and limit.en for limit in found.limits)


def test_the_most_specific_terms_win() -> None:
    """B2: per merchant and tier"""
    general = BurnTerms(effective_from=MARCH)
    newer = BurnTerms(effective_from=APRIL)
    tier = BurnTerms(effective_from=MARCH, tier="gold")
    shop = BurnTerms(effective_from=MARCH, merchant="mch_a")
    both = BurnTerms(effective_from=MAY, merchant="mch_a", tier="gold")
    terms = [general, newer, tier, shop, both]

    def at(when: datetime, merchant: str, grade: str | None) -> BurnTerms:
        return most_specific(terms, merchant=merchant, tier=grade, at=when)

    assert at(MARCH, "mch_b", "basic") == general
    assert at(APRIL, "mch_b", None) == newer
    assert at(APRIL, "mch_b", "gold") == tier
    assert at(APRIL, "mch_a", "gold") == shop
    assert at(MAY, "mch_a", "gold") == both
    with pytest.raises(NoBurnTerms, match="没有积分使用规则"):
        at(datetime(2020, 1, 1, tzinfo=UTC), "mch_a", None)
