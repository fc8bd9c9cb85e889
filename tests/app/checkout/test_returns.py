"""Refunds on the tape: any way to a state gives the same (semantics 1-4, 11, 24; decision 16)."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from app.checkout.errors import NotRefundable, RefundExceedsRemaining
from app.checkout.returns import (
    Delta,
    LineReturn,
    LineState,
    RefundAmount,
    RefundQuantity,
    RefundWhole,
    Request,
    difference,
    refund,
    sold,
)
from app.checkout.sharing import Gift, SaleLine
from app.checkout.slices import Allocation, Funded, returned
from app.errors import Invalid, NotFound
from tests.app.checkout.sales import requests, sales, sell


def summed(*deltas: Delta) -> dict[tuple[object, ...], int]:
    """Return all that came back over several refunds, by what it is."""
    total: Counter[tuple[object, ...]] = Counter()
    for delta in deltas:
        total["fen",] += delta.fen
        total["points_fen",] += delta.points_fen
        for tender, fen in delta.money_fen.items():
            total["money", tender] += fen
        for key, points in delta.points.items():
            total["points", key] += points
        for merchant, points in delta.clawed_points.items():
            total["clawed", merchant] += points
        for gift, fen in delta.funded_fen.items():
            total["funded", gift] += fen
        for part in delta.lines:
            total["line", part.line] += part.fen
            total["units", part.line] += part.quantity
    return {what: amount for what, amount in total.items() if amount}


def play(allocation: Allocation, steps: list[Request]) -> tuple[dict[int, LineState], list[Delta]]:
    """Do what of the steps is possible."""
    states: dict[int, LineState] = {}
    deltas = []
    for step in steps:
        try:
            states, delta = refund(allocation, states, [step])
        except (RefundExceedsRemaining, NotRefundable):
            continue
        deltas.append(delta)
    return states, deltas


@st.composite
def refunded_sales(draw: st.DrawFn) -> tuple[Allocation, list[Request]]:
    allocation = draw(sales())
    return allocation, draw(st.lists(requests(allocation), max_size=8))


@given(story=refunded_sales())
def test_any_way_to_a_state_gives_what_one_refund_gives(
    story: tuple[Allocation, list[Request]],
) -> None:
    """semantics 2 and 24"""
    allocation, steps = story

    states, deltas = play(allocation, steps)

    assert summed(*deltas) == summed(difference(allocation, {}, states))


@given(story=refunded_sales())
def test_every_step_adds_up_and_nothing_is_negative(
    story: tuple[Allocation, list[Request]],
) -> None:
    allocation, steps = story

    _, deltas = play(allocation, steps)

    for delta in deltas:
        assert delta.fen == sum(delta.money_fen.values()) + delta.points_fen
        assert delta.fen == sum(part.fen for part in delta.lines)
        back = [
            *delta.money_fen.values(), *delta.points.values(), *delta.clawed_points.values(),
            *delta.funded_fen.values(),
        ]  # fmt: skip
        assert all(amount > 0 for amount in back)
        assert delta.points_fen >= 0
        assert all(part.fen >= 0 and part.quantity >= 0 for part in delta.lines)


@given(story=refunded_sales())
def test_what_is_left_can_always_be_refunded_and_brings_everything_home(
    story: tuple[Allocation, list[Request]],
) -> None:
    """semantics 11: rounding never makes a remainder unreachable."""
    allocation, steps = story
    states, deltas = play(allocation, steps)

    with suppress(RefundExceedsRemaining):  # Nothing is left: the check below says so too.
        states, last = refund(allocation, states, [RefundWhole()])
        deltas.append(last)

    everything = {n: s for n, s in sold(allocation).items() if allocation.lines[n - 1].refundable}
    assert summed(*deltas) == summed(difference(allocation, {}, everything))
    with pytest.raises(RefundExceedsRemaining):
        refund(allocation, states, [RefundWhole()])


@given(allocation=sales(), data=st.data())
def test_the_tape_never_runs_backwards(allocation: Allocation, data: DataObject) -> None:
    line = data.draw(st.sampled_from(allocation.lines))
    near = data.draw(st.integers(0, line.amount_fen))
    far = data.draw(st.integers(near, line.amount_fen))

    first, second = (returned(line, at, allocation.first_funded) for at in (near, far))

    assert sum(first.fen.values()) == near
    assert all(second.fen[source] >= fen for source, fen in first.fen.items())
    assert all(second.points[source] >= points for source, points in first.points.items())
    assert second.clawed_points >= first.clawed_points
    assert not any(returned(line, 0, allocation.first_funded).points.values())


@given(allocation=sales(), data=st.data())
def test_the_member_never_keeps_more_than_the_kept_share_earned(
    allocation: Allocation, data: DataObject
) -> None:
    """semantics 2: slicing gains no point, in any unit."""
    line = data.draw(st.sampled_from(allocation.lines))
    position = data.draw(st.integers(0, line.amount_fen))

    clawed = returned(line, position, allocation.first_funded).clawed_points

    start = fair = 0
    for run in line.runs:
        own = run.own_fen(allocation.first_funded)
        for _ in range(run.count):
            eaten = min(max(position - start, 0), own)
            start += run.unit_fen
            if eaten:
                fair += -(-run.earned_points * eaten // own)
    assert clawed == fair


THREE = sell(
    [SaleLine(number=1, merchant_id=5, quantity=3, amount_fen=10_000)],
    tenders=[("cash", 7_000)],
    lots=[(7, 3_000)],
    value_fen=3_000,
    earned_points=[70],
)


def test_the_kth_unit_gives_the_kth_value() -> None:
    """semantics 24"""
    states: dict[int, LineState] = {}
    values = []
    for _ in range(3):
        states, delta = refund(THREE, states, [RefundQuantity(line=1, quantity=1)])
        values.append(delta.fen)

    assert values == [3_334, 3_333, 3_333]
    assert states == {1: LineState(10_000, 3)}


def test_an_amount_eats_money_first_then_points() -> None:
    """semantics 4: the first unit is 23.34 of money and 10.00 of points."""
    _, delta = refund(THREE, {}, [RefundAmount(line=1, fen=3_000)])

    assert delta.money_fen == {"cash": 2_334}
    assert delta.points == {(5, 7): 666}
    assert delta.points_fen == 666
    assert delta.clawed_points == {5: 22}


def test_an_amount_is_the_customers_own_and_what_coupons_gave_goes_back_unit_by_unit() -> None:
    """L7, semantics 3: a unit whose own fen are back is back with its coupons."""
    sale = sell(
        [SaleLine(number=1, merchant_id=5, quantity=2, amount_fen=1_000, discount_fen=400)],
        tenders=[("cash", 600)],
        gifts=[Gift(of=Funded("cpn_1", "district"), shares=[400])],
    )

    states, first = refund(sale, {}, [RefundAmount(fen=100)])
    states, second = refund(sale, states, [RefundAmount(fen=200)])
    states, third = refund(sale, states, [RefundAmount(fen=300)])

    assert (first.fen, first.funded_fen) == (100, {})
    assert (second.fen, second.funded_fen) == (200, {(5, 0): 200})
    assert (third.fen, third.funded_fen) == (300, {(5, 0): 200})
    with pytest.raises(RefundExceedsRemaining):
        refund(sale, states, [RefundAmount(fen=1)])


def test_points_go_back_by_the_customers_own_money_though_a_coupon_paid_the_rest() -> None:
    """semantics 2: ¥100 of ¥270 that earned 270 points take back 100 of them."""
    sale = sell(
        [SaleLine(number=1, merchant_id=5, quantity=1, amount_fen=32_000, discount_fen=5_000)],
        tenders=[("cash", 27_000)],
        gifts=[Gift(of=Funded("cpn_1", "district"), shares=[5_000])],
        earned_points=[270],
    )

    states, first = refund(sale, {}, [RefundAmount(fen=10_000)])
    _, last = refund(sale, states, [RefundAmount(fen=16_999)])

    assert (first.clawed_points, last.clawed_points) == ({5: 100}, {5: 170})


def test_a_unit_that_coupons_paid_goes_back_by_quantity_for_nothing() -> None:
    sale = sell(
        [SaleLine(number=1, merchant_id=5, quantity=2, amount_fen=1_000, discount_fen=1_000)],
        tenders=[],
        gifts=[Gift(of=Funded("cpn_1", "merchant:mch_5"), shares=[1_000])],
    )

    _, back = refund(sale, {}, [RefundQuantity(line=1, quantity=1)])

    assert (back.fen, back.money_fen, back.funded_fen) == (0, {}, {(5, 0): 500})
    assert back.lines == (LineReturn(line=1, quantity=1, fen=0),)


def test_units_after_an_amount_give_only_what_the_amount_did_not() -> None:
    states, first = refund(THREE, {}, [RefundAmount(line=1, fen=3_000)])

    states, second = refund(THREE, states, [RefundQuantity(line=1, quantity=1)])

    assert (first.fen, second.fen) == (3_000, 334)
    assert states == {1: LineState(3_334, 1)}


def test_several_requests_are_one_refund() -> None:
    both: list[Request] = [RefundQuantity(line=1, quantity=1), RefundAmount(fen=100)]

    states, delta = refund(THREE, {}, both)

    assert states == {1: LineState(3_434, 1)}
    assert delta.fen == 3_434


def test_an_amount_of_the_order_goes_through_the_lines_by_number() -> None:
    order = sell(
        [
            SaleLine(number=2, merchant_id=5, quantity=1, amount_fen=500),
            SaleLine(number=1, merchant_id=6, quantity=1, amount_fen=300),
            SaleLine(number=3, merchant_id=6, quantity=1, amount_fen=100, refundable=False),
        ],
        tenders=[("cash", 900)],
    )

    states, delta = refund(order, {}, [RefundAmount(fen=400)])

    assert states == {1: LineState(300, 0), 2: LineState(100, 0), 3: LineState()}
    assert {part.line: part.fen for part in delta.lines} == {1: 300, 2: 100}
    with pytest.raises(RefundExceedsRemaining) as refusal:
        refund(order, states, [RefundAmount(fen=401)])
    assert (refusal.value.remaining, refusal.value.line) == (400, None)


def test_a_line_of_zero_goes_back_by_units() -> None:
    order = sell(
        [
            SaleLine(number=1, merchant_id=5, quantity=2, amount_fen=0),
            SaleLine(number=2, merchant_id=5, quantity=1, amount_fen=100),
        ],
        tenders=[("cash", 100)],
    )

    states, delta = refund(order, {}, [RefundQuantity(line=1, quantity=2)])

    assert states[1] == LineState(0, 2)
    assert (delta.fen, delta.money_fen) == (0, {})
    with pytest.raises(RefundExceedsRemaining):
        refund(order, states, [RefundQuantity(line=1, quantity=1)])


def test_more_than_remains_says_what_remains_in_both_languages() -> None:
    """semantics 11"""
    states, _ = refund(THREE, {}, [RefundAmount(line=1, fen=9_000)])

    with pytest.raises(RefundExceedsRemaining, match=r"还可退 1000 分 / .*1000 fen remain") as fen:
        refund(THREE, states, [RefundAmount(line=1, fen=1_001)])
    with pytest.raises(RefundExceedsRemaining, match="还可退 3 件") as units:
        refund(THREE, states, [RefundQuantity(line=1, quantity=4)])

    assert (fen.value.unit, fen.value.asked, fen.value.remaining) == ("fen", 1_001, 1_000)
    assert (units.value.unit, units.value.asked, units.value.remaining) == ("quantity", 4, 3)


def test_what_can_never_be_right_is_refused() -> None:
    kept = sell(
        [SaleLine(number=1, merchant_id=5, quantity=1, amount_fen=1, refundable=False)],
        tenders=[("cash", 1)],
    )

    with pytest.raises(Invalid):
        refund(THREE, {}, [RefundAmount(fen=0)])
    with pytest.raises(Invalid):
        refund(THREE, {}, [RefundQuantity(line=1, quantity=0)])
    with pytest.raises(NotFound):
        refund(THREE, {}, [RefundWhole(line=2)])
    with pytest.raises(NotRefundable):
        refund(kept, {}, [RefundWhole(line=1)])
    with pytest.raises(RefundExceedsRemaining):
        refund(kept, {}, [RefundWhole()])
