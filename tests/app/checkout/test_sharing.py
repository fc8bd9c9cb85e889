"""The one sharing of a sale (P2; decisions 16 and 17; semantics 3, 18, 20, 24)."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from app.checkout.returns import difference, sold
from app.checkout.sharing import Gift, SaleLine, _deal, _Units, share
from app.checkout.slices import Allocation, Funded, Run, Slice, dump, load
from app.points.policy import ReturnFirst
from coupons.rules import spread
from tests.app.checkout.sales import sales, sell


def line(number: int, amount_fen: int, *, quantity: int = 1, merchant_id: int = 1) -> SaleLine:
    return SaleLine(
        number=number, merchant_id=merchant_id, quantity=quantity, amount_fen=amount_fen
    )


def test_a_hundred_yuan_for_three_is_dearest_first() -> None:
    """semantics 24"""
    shared = sell([line(1, 10_000, quantity=3)], tenders=[("cash", 10_000)])

    assert shared.lines[0].runs == (
        Run(1, 0, (Slice(0, 3_334, 0),)),
        Run(2, 0, (Slice(0, 3_333, 0),)),
    )
    assert [shared.lines[0].value_of_first(k) for k in range(4)] == [0, 3_334, 6_667, 10_000]


def test_points_and_money_lie_on_every_line_in_proportion() -> None:
    """semantics 3: an allocation per line, points by lot and money by tender."""
    shared = sell(
        [line(1, 3_000), line(2, 1_000, merchant_id=2)],
        tenders=[("cash", 1_000), ("wechat", 2_000)],
        lots=[(7, 600), (8, 400)],
        value_fen=1_000,
        earned_points=[22, 7],
    )

    assert shared.tenders == ("cash", "wechat")
    assert shared.lots == (7, 8)
    assert shared.lines[0].runs == (
        Run(1, 22, (Slice(0, 750, 0), Slice(1, 1_500, 0), Slice(2, 450, 450), Slice(3, 300, 300))),
    )
    assert shared.lines[1].runs == (
        Run(1, 7, (Slice(0, 250, 0), Slice(1, 500, 0), Slice(2, 150, 150), Slice(3, 100, 100))),
    )


def test_points_first_puts_the_points_in_front() -> None:
    """semantics 4"""
    shared = sell(
        [line(1, 1_000)],
        tenders=[("cash", 600)],
        lots=[(7, 400)],
        value_fen=400,
        first=ReturnFirst.POINTS,
    )

    assert shared.lines[0].runs[0].slices == (Slice(1, 400, 400), Slice(0, 600, 0))


def test_points_may_cover_the_whole_order_and_a_gift_on_it() -> None:
    """semantics 20: nothing is left to pay; a line of zero gets nothing."""
    shared = sell([line(1, 1_000), line(2, 0)], tenders=[], lots=[(7, 334)], value_fen=1_000)

    assert shared.lines[0].runs == (Run(1, 0, (Slice(0, 1_000, 334),)),)
    assert shared.lines[1].runs == (Run(1, 0, ()),)


def test_points_lie_on_burnable_lines_alone_and_rules_see_the_money_of_each() -> None:
    """E1: the base of earning is the money on a line, by tender; B2: where points may be used."""
    first = line(1, 1_000)
    gift = replace(line(2, 1_000), burnable=False)

    shared = share(
        [first, gift], tenders=[("cash", 500), ("card", 600)], lots=[(7, 900)], value_fen=900
    )

    assert shared.paid_fen() == [{"cash": 45, "card": 55}, {"cash": 455, "card": 545}]


def test_a_point_dearer_than_a_line_leaves_the_line_without_one() -> None:
    shared = sell(
        [line(1, 1), line(2, 1), line(3, 1)], tenders=[], lots=[(7, 1), (8, 1)], value_fen=3
    )

    assert [x.runs[0].slices for x in shared.lines] == [
        (Slice(0, 1, 1),),
        (Slice(1, 1, 1),),
        (Slice(0, 1, 0),),
    ]


def test_points_worth_less_than_a_fen_go_behind_the_others() -> None:
    shared = sell([line(1, 1)], tenders=[], lots=[(7, 3), (8, 90)], value_fen=1)

    assert shared.lines[0].runs[0].slices == (Slice(1, 1, 90), Slice(0, 0, 3))


def test_a_thousand_units_are_shared_in_a_few_runs() -> None:
    shared = sell(
        [line(1, 1_234_567, quantity=999)],
        tenders=[("cash", 1_000_000), ("card", 134_567)],
        lots=[(7, 50_001), (8, 49_999)],
        value_fen=100_000,
        earned_points=[11_345],
    )

    assert shared.lines[0].quantity == 999
    assert shared.lines[0].amount_fen == 1_234_567
    assert len(shared.lines[0].runs) <= 10


@given(allocation=sales())
def test_every_fen_and_point_is_placed_once(allocation: Allocation) -> None:
    """semantics 18: parts add up, and no unit holds more or less than its price."""
    whole = difference(allocation, {}, sold(allocation))

    given_fen = sum(whole.funded_fen.values())
    assert whole.fen + given_fen == sum(x.amount_fen for x in allocation.lines)
    assert whole.fen == sum(whole.money_fen.values()) + whole.points_fen
    for each in allocation.lines:
        prices = [run.unit_fen for run in each.runs for _ in range(run.count)]
        assert prices == spread(each.amount_fen, [1] * each.quantity)
        pieces = [piece for run in each.runs for piece in run.slices]
        assert all(piece.fen >= 0 and piece.points >= 0 for piece in pieces)
        assert all(piece.fen or piece.points for piece in pieces)
        assert all(run.slices[0].fen for run in each.runs if run.slices)


@given(data=st.data())
def test_the_sums_are_those_of_the_sale(data: DataObject) -> None:
    amounts = data.draw(st.lists(st.integers(0, 5_000), min_size=1, max_size=6))
    total = sum(amounts)
    value = data.draw(st.integers(0, total))
    uses = data.draw(st.lists(st.integers(1, 9_000), min_size=1, max_size=3)) if value else []
    money = spread(total - value, data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    earned = [data.draw(st.integers(0, amount)) for amount in amounts]
    lines = [
        line(n, amount, quantity=data.draw(st.integers(1, 9)), merchant_id=n)
        for n, amount in enumerate(amounts)
    ]

    shared = sell(
        lines,
        tenders=[(str(n), fen) for n, fen in enumerate(money)],
        lots=list(enumerate(uses)),
        value_fen=value,
        earned_points=earned,
    )

    whole = difference(shared, {}, sold(shared))
    assert whole.money_fen == {str(n): fen for n, fen in enumerate(money) if fen}
    by_lot = [sum(p for (_, lot), p in whole.points.items() if lot == n) for n in range(len(uses))]
    assert by_lot == uses
    assert whole.clawed_points == {n: points for n, points in enumerate(earned) if points}


@given(data=st.data())
def test_points_bound_to_a_merchant_pay_for_its_lines_alone(data: DataObject) -> None:
    """B4, decision 11: whatever a point is worth, and though some are worth less than a fen."""
    amounts = data.draw(st.lists(st.integers(0, 3_000), min_size=2, max_size=5))
    rate = data.draw(st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(3), Fraction(3, 7)]))
    lines = [
        line(n, amount, quantity=data.draw(st.integers(1, 4)), merchant_id=1 + n % 3)
        for n, amount in enumerate(amounts)
    ]
    room = {m: sum(x.amount_fen for x in lines if x.merchant_id == m) for m in (1, 2, 3)}
    uses, only = [], {}
    for merchant in (1, 2):
        most = int(room[merchant] / rate)
        if most:
            uses.append((merchant, data.draw(st.integers(1, most))))
            only[merchant] = merchant
    uses.append((9, data.draw(st.integers(1, 9_000))))
    value = min(int(sum(points for _, points in uses) * rate), sum(amounts))
    assume(value)

    sold_so = sell(
        lines, tenders=[("cash", sum(amounts) - value)], lots=uses, only=only, value_fen=value,
        first=data.draw(st.sampled_from(ReturnFirst)),
    )  # fmt: skip

    whole = difference(sold_so, {}, sold(sold_so))
    assert all(lot in (9, merchant) for merchant, lot in whole.points)
    assert {lot: sum(p for (_, x), p in whole.points.items() if x == lot) for lot, _ in uses} == {
        lot: points for lot, points in uses
    }
    assert (whole.points_fen, whole.fen) == (value, sum(amounts))
    assert all(run.slices[0].fen for x in sold_so.lines for run in x.runs if run.slices)


def test_points_bound_to_two_merchants_pay_before_the_others() -> None:
    shared = sell(
        [line(1, 400), line(2, 600, merchant_id=2)],
        tenders=[("cash", 200)],
        lots=[(7, 300), (8, 100), (9, 400)],
        only={7: 1, 8: 2},
        value_fen=800,
    )

    assert shared.lines[0].runs[0].slices == (
        Slice(0, 33, 0), Slice(1, 300, 300), Slice(3, 67, 67))  # fmt: skip
    assert shared.lines[1].runs[0].slices == (
        Slice(0, 167, 0), Slice(2, 100, 100), Slice(3, 333, 333))  # fmt: skip


def test_points_worth_less_than_a_fen_find_a_line_though_bound_ones_took_the_last() -> None:
    shared = sell(
        [line(1, 1), line(2, 0, merchant_id=2)],
        tenders=[],
        lots=[(7, 5), (8, 5)],
        only={7: 1},
        value_fen=1,
    )

    assert shared.lines[0].runs[0].slices == (Slice(0, 1, 5), Slice(1, 0, 5))


def test_a_bound_point_worth_less_than_a_fen_stands_behind_the_money() -> None:
    shared = sell(
        [line(1, 100, quantity=2), line(2, 300, merchant_id=2)],
        tenders=[("cash", 399)],
        lots=[(7, 1), (8, 9)],
        only={7: 1},
        value_fen=1,
        first=ReturnFirst.POINTS,
    )

    assert shared.lines[0].runs == (
        Run(1, 0, (Slice(0, 50, 0), Slice(1, 0, 1))),
        Run(1, 0, (Slice(0, 50, 0),)),
    )


def test_bound_points_worth_more_than_their_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="points worth 101 fen find 100 fen"):
        sell(
            [line(1, 100), line(2, 100, merchant_id=2)], tenders=[("cash", 99)], lots=[(7, 101)],
            only={7: 1}, value_fen=101,
        )  # fmt: skip


@given(allocation=sales())
def test_what_is_stored_is_read_back_exactly(allocation: Allocation) -> None:
    assert load(json.loads(json.dumps(dump(allocation)))) == allocation


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    data=st.data(),
)
def test_dealing_to_runs_is_spreading_over_units(counts: list[int], data: DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 50), min_size=len(counts), max_size=len(counts)))
    total = data.draw(st.integers(0, 500))
    units = [_Units(count, 0) for count in counts]

    dealt = [share for run, share in _deal(total, units, weights) for _ in range(run.count)]

    one_by_one = [w for count, w in zip(counts, weights, strict=True) for _ in range(count)]
    assert dealt == spread(total, one_by_one)


GOOD = line(1, 100)


@pytest.mark.parametrize(
    ("lines", "tenders", "lots", "value_fen", "earned"),
    [
        ([GOOD], [("cash", 99)], [], 0, []),
        ([GOOD], [("cash", 101), ("card", -1)], [], 0, []),
        ([GOOD], [("cash", 50), ("cash", 50)], [], 0, []),
        ([GOOD], [("cash", 90)], [], 10, []),
        ([GOOD], [("cash", 100)], [(7, 10)], 0, []),
        ([GOOD], [("cash", 90)], [(7, 0)], 10, []),
        ([GOOD], [("cash", 90)], [(7, 5), (7, 5)], 10, []),
        ([replace(GOOD, quantity=0)], [("cash", 100)], [], 0, []),
        ([replace(GOOD, amount_fen=-1), line(2, 101)], [("cash", 100)], [], 0, []),
        ([replace(GOOD, burnable=False)], [("cash", 90)], [(7, 10)], 10, []),
        ([line(1, 0), GOOD], [("cash", 100)], [], 0, [1, 0]),
        ([GOOD], [("cash", 100)], [], 0, [1, 2]),
    ],
)
def test_sums_that_do_not_meet_are_refused(
    lines: list[SaleLine],
    tenders: list[tuple[str, int]],
    lots: list[tuple[int, int]],
    value_fen: int,
    earned: list[int],
) -> None:
    with pytest.raises(ValueError, match=r"."):
        sell(lines, tenders=tenders, lots=lots, value_fen=value_fen, earned_points=earned)


def test_money_and_points_share_what_coupons_leave_and_funders_stand_behind_them() -> None:
    """L7, semantics 3: two funders of one coupon, points on what is left, money for the rest."""
    first, second = Funded("cpn_1", "district"), Funded("cpn_1", "merchant:mch_2")

    shared = sell(
        [
            replace(line(1, 1_001, quantity=2), discount_fen=301),
            replace(line(2, 500), discount_fen=500),
        ],
        tenders=[("cash", 500)],
        lots=[(7, 200)],
        value_fen=200,
        gifts=[Gift(of=first, shares=[200, 500]), Gift(of=second, shares=[101, 0])],
    )

    assert shared.funded == (first, second)
    assert shared.lines[0].runs == (
        Run(1, 0, (Slice(0, 250, 0), Slice(1, 100, 100), Slice(2, 100, 0), Slice(3, 51, 0))),
        Run(1, 0, (Slice(0, 250, 0), Slice(1, 100, 100), Slice(2, 100, 0), Slice(3, 50, 0))),
    )
    assert shared.lines[1].runs == (Run(1, 0, (Slice(2, 500, 0),)),)


@pytest.mark.parametrize("shares", [[99], [101]])
def test_what_funders_give_is_what_coupons_take_off(shares: list[int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        sell(
            [replace(GOOD, discount_fen=100)],
            tenders=[],
            gifts=[Gift(of=Funded("cpn_1", "district"), shares=shares)],
        )


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown format"):
        load([3, [], [], []])
