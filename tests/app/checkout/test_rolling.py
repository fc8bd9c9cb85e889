"""Coupons rolled back on the tape: money in their place, refunds as before (C14; semantics 7)."""

from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from app.checkout.errors import NotRefundable, RefundExceedsRemaining
from app.checkout.returns import (
    LineState,
    RefundAmount,
    RefundQuantity,
    RefundWhole,
    difference,
    refund,
    sold,
)
from app.checkout.rolling import Part, asked, paid_by, rolled_back
from app.checkout.sharing import Gift, SaleLine
from app.checkout.slices import Allocation, Funded
from coupons.errors import RollBackExceeds
from coupons.rules import portion
from tests.app.checkout.sales import requests, sales, sell


@given(amounts=st.lists(st.integers(0, 60), max_size=5), data=st.data())
def test_a_portion_adds_up_is_fair_and_never_falls_as_it_grows(
    amounts: list[int], data: DataObject
) -> None:
    """L7: what of a unit goes back goes back to its funders in proportion, whatever the steps."""
    whole = sum(amounts)
    part = data.draw(st.integers(0, whole))

    shares = portion(part, amounts)

    assert sum(shares) == part
    for share, amount in zip(shares, amounts, strict=True):
        assert 0 <= share <= amount
        assert abs(share * whole - amount * part) <= whole * len(amounts)
    if part < whole:
        more = portion(part + 1, amounts)
        assert all(after >= before for after, before in zip(more, shares, strict=True))
    assert portion(whole, amounts) == amounts


def test_half_of_a_unit_goes_back_to_both_of_its_funders() -> None:
    assert portion(5, [7, 3]) == [4, 1]
    assert portion(6, [7, 3]) == [4, 2]
    with pytest.raises(ValueError, match="no part"):
        portion(11, [7, 3])


def parts_of(coupon: str, wanted: dict[int, int], tenders: list[tuple[str, int]]) -> list[Part]:
    return paid_by([(coupon, line, fen) for line, fen in sorted(wanted.items())], tenders)


def coupons_of(allocation: Allocation) -> list[str]:
    return sorted({each.coupon for each in allocation.funded})


def play(
    allocation: Allocation, data: DataObject, *, most: int = 8
) -> tuple[dict[int, LineState], list[Part], Counter[tuple[object, ...]]]:
    """Refund and roll back at random; return where it ends, and all that moved, added up."""
    states: dict[int, LineState] = {}
    parts: list[Part] = []
    moved: Counter[tuple[object, ...]] = Counter()
    for _ in range(data.draw(st.integers(0, most))):
        now = rolled_back(allocation, parts)
        step = data.draw(requests(allocation))
        coupon = data.draw(st.sampled_from([None, *coupons_of(allocation)]))
        if coupon is None:
            with suppress(RefundExceedsRemaining, NotRefundable):
                states, delta = refund(now, states, [step])
                count(moved, now, delta.money_fen, delta.points, delta.funded_fen)
                moved["clawed",] += sum(delta.clawed_points.values())
            continue
        with suppress(RollBackExceeds):
            wanted = asked(now, states, coupon, [step])
            new = parts_of(coupon, wanted, [(data.draw(TENDERS), sum(wanted.values()))])
            after = rolled_back(allocation, [*parts, *new])
            before_fen, after_fen = funded(now), funded(after)
            for key in before_fen:
                moved["funded", key] += before_fen[key] - after_fen[key]
            for part in new:
                moved["money", part.tender] -= part.fen
            parts += new
    return states, parts, moved


TENDERS = st.sampled_from(["tender-0", "later"])


def count(moved: Counter[tuple[object, ...]], now: Allocation, *sums: object) -> None:
    money, points, given = sums
    for name, fen in money.items():  # type: ignore[attr-defined]
        moved["money", name] += fen
    for key, number in points.items():  # type: ignore[attr-defined]
        moved["points", key] += number
    for (merchant, index), fen in given.items():  # type: ignore[attr-defined]
        moved["funded", (merchant, now.funded[index])] += fen


def funded(allocation: Allocation) -> Counter[tuple[int, Funded]]:
    found = difference(allocation, {}, sold(allocation)).funded_fen
    return Counter({(who, allocation.funded[i]): fen for (who, i), fen in found.items()})


@given(allocation=sales(), data=st.data())
def test_what_moved_in_all_is_told_by_where_it_ends(
    allocation: Allocation, data: DataObject
) -> None:
    """C14; semantics 2-4, 7: refunds and roll backs in any order, netted by tender and funder.

    What a state means: units that are back gave everything back, and of kept ones each coupon's
    rolled part is paid and its funders have it.
    """
    states, parts, moved = play(allocation, data)

    now = rolled_back(allocation, parts)
    end = difference(now, {}, states)
    expected: Counter[tuple[object, ...]] = Counter()
    count(expected, now, end.money_fen, end.points, end.funded_fen)
    expected["clawed",] += sum(end.clawed_points.values())
    for part in parts:
        expected["money", part.tender] -= part.fen
    for key, fen in funded(allocation).items():
        expected["funded", key] += fen - funded(now)[key]
    assert +moved == +expected
    assert -moved == -expected


@given(allocation=sales(), data=st.data())
def test_the_tape_keeps_its_length_and_what_went_back_of_it(
    allocation: Allocation, data: DataObject
) -> None:
    states, parts, _ = play(allocation, data)
    coupons = coupons_of(allocation)
    if not coupons:
        return
    before = rolled_back(allocation, parts)
    coupon = data.draw(st.sampled_from(coupons))
    step = data.draw(requests(allocation))
    try:
        wanted = asked(before, states, coupon, [step])
    except RollBackExceeds:
        return

    after = rolled_back(allocation, [*parts, *parts_of(coupon, wanted, [("x", 10**9)])])

    assert [line.amount_fen for line in after.lines] == [x.amount_fen for x in allocation.lines]
    assert [line.quantity for line in after.lines] == [line.quantity for line in allocation.lines]
    for old, new in zip(before.lines, after.lines, strict=True):
        at = states.get(old.number, LineState())
        gone, still = (difference(each, {}, {old.number: at}) for each in (before, after))
        assert gone == still
        assert new.value_of_first(at.refunded_quantity) == old.value_of_first(at.refunded_quantity)


@given(allocation=sales(), data=st.data())
def test_when_all_is_back_nobody_has_kept_or_lost_a_fen(
    allocation: Allocation, data: DataObject
) -> None:
    """Whatever was rolled back before: tenders, lots and funders have what they gave."""
    refundable = all(line.refundable for line in allocation.lines)
    states, parts, moved = play(allocation, data)
    now = rolled_back(allocation, parts)
    with suppress(RefundExceedsRemaining):
        states, last = refund(now, states, [RefundWhole()])
        count(moved, now, last.money_fen, last.points, last.funded_fen)
        moved["clawed",] += sum(last.clawed_points.values())
    if not refundable:
        return

    everything = difference(allocation, {}, sold(allocation))

    expected: Counter[tuple[object, ...]] = Counter()
    count(expected, allocation, everything.money_fen, everything.points, everything.funded_fen)
    expected["clawed",] += sum(everything.clawed_points.values())
    assert {k: v for k, v in moved.items() if v} == {k: v for k, v in expected.items() if v}


def two_units() -> Allocation:
    """Return two units of ¥5.00 of which a coupon of two funders gave ¥4.00."""
    gifts = [
        Gift(of=Funded("cpn_a", "district"), shares=[300]),
        Gift(of=Funded("cpn_a", "brand:acme"), shares=[100]),
    ]
    lines = [SaleLine(number=1, merchant_id=1, quantity=2, amount_fen=1_000, discount_fen=400)]
    return sell(lines, tenders=[("cash", 600)], gifts=gifts, earned_points=[6])


def test_units_are_rolled_back_from_the_last_and_refunds_take_the_first() -> None:
    allocation = two_units()

    wanted = asked(allocation, {}, "cpn_a", [RefundQuantity(line=1, quantity=1)])
    now = rolled_back(allocation, parts_of("cpn_a", wanted, [("wechat", 200)]))
    states, first = refund(now, {}, [RefundQuantity(line=1, quantity=1)])
    _, second = refund(now, states, [RefundQuantity(line=1, quantity=1)])

    assert wanted == {1: 200}
    assert (first.money_fen, sum(first.funded_fen.values())) == ({"cash": 300}, 200)
    assert (second.money_fen, second.added_fen) == ({"cash": 300, "wechat": 200}, 200)
    assert second.funded_fen == {}
    assert (first.clawed_points, second.clawed_points) == ({1: 3}, {1: 3})


def test_an_amount_of_a_coupon_comes_from_all_its_funders() -> None:
    allocation = two_units()

    wanted = asked(allocation, {}, "cpn_a", [RefundAmount(fen=300)])
    now = rolled_back(allocation, parts_of("cpn_a", wanted, [("cash", 300)]))

    left = {each.funder: fen for (_, each), fen in funded(now).items()}
    assert left == {"district": 75, "brand:acme": 25}


def test_two_coupons_are_rolled_back_side_by_side() -> None:
    gifts = [
        Gift(of=Funded("cpn_a", "district"), shares=[300]),
        Gift(of=Funded("cpn_b", "district"), shares=[90]),
    ]
    lines = [SaleLine(number=1, merchant_id=1, quantity=3, amount_fen=1_500, discount_fen=390)]
    allocation = sell(lines, tenders=[("cash", 1_110)], gifts=gifts)

    now = rolled_back(
        allocation,
        [
            Part(coupon="cpn_a", line=1, tender="cash", fen=150),
            Part(coupon="cpn_b", line=1, tender="card", fen=90),
        ],
    )
    states, last = refund(now, {}, [RefundQuantity(line=1, quantity=2)])
    _, rest = refund(now, states, [RefundWhole()])

    assert last.money_fen == {"cash": 790, "card": 60}
    assert rest.money_fen == {"cash": 470, "card": 30}
    assert funded(now) == {(1, Funded("cpn_a", "district")): 150}


def test_more_than_a_coupon_still_gives_is_refused_with_what_it_gives() -> None:
    """Semantics 11: nothing is cut quietly."""
    allocation = two_units()
    states, _ = refund(allocation, {}, [RefundQuantity(line=1, quantity=1)])

    for step in (RefundAmount(fen=201), RefundQuantity(line=1, quantity=2)):
        with pytest.raises(RollBackExceeds) as refused:
            asked(allocation, states, "cpn_a", [step])
        assert refused.value.remaining_fen == 200
    with pytest.raises(RollBackExceeds):
        asked(allocation, states, "cpn_other", [RefundWhole()])
    assert asked(allocation, states, "cpn_a", [RefundWhole()]) == {1: 200}


def test_an_amount_that_ends_in_the_middle_of_a_unit_leaves_its_coupon_to_be_rolled_back() -> None:
    allocation = two_units()
    states, _ = refund(allocation, {}, [RefundAmount(fen=100)])

    wanted = asked(allocation, states, "cpn_a", [RefundWhole()])
    now = rolled_back(allocation, parts_of("cpn_a", wanted, [("wechat", 400)]))
    _, rest = refund(now, states, [RefundWhole()])

    assert wanted == {1: 400}
    assert rest.money_fen == {"cash": 500, "wechat": 400}
