"""Coupons that a refund leaves too little for: kept, or clawed back out of it (semantics 5)."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from sqlalchemy.orm import Session

from app.checkout import exchanges, invariants, refunds, unearned
from app.checkout.baskets import Tender
from app.checkout.discounts import Least, Stack, Use
from app.checkout.errors import NotRefundable, RefundExceedsRemaining
from app.checkout.refunds import RefundRequest
from app.checkout.returns import (
    Delta,
    LineState,
    RefundAmount,
    RefundQuantity,
    RefundWhole,
    difference,
    money_back,
    refund,
    sold,
)
from app.checkout.rolling import Part, kept_units, rolled_back
from app.checkout.slices import Allocation
from app.members.identification import KnownMember
from config.database import now_of
from coupons import invariants as coupon_invariants
from coupons import templates
from coupons.errors import BadTemplate
from coupons.wallets import Standing
from tests.app.checkout.sales import requests, sales
from tests.app.checkout.shops import Shop, open_shop, points_of
from tests.app.checkout.test_coupons import (
    CASH,
    fen_of,
    give,
    give_back,
    off,
    sell,
    standing,
)
from tests.factories import make_member, unique

CLAWS = {"returns": {"claw_back": True}}


@st.composite
def stacks(draw: st.DrawFn, sale: Allocation) -> Stack:
    """Draw what each coupon of a sale wants to be kept, if it asks at all."""
    return Stack(
        uses=[
            Use(
                coupon=coupon, template="t", zh="券", en="coupon", goods_fen=0, tenders=(),
                gifts=[], least=draw(st.none() | leasts(sale)),
            )
            for coupon in dict.fromkeys([each.coupon for each in sale.funded])
        ]
    )  # fmt: skip


@st.composite
def leasts(draw: st.DrawFn, sale: Allocation) -> Least:
    lines = draw(st.sets(st.sampled_from([line.number for line in sale.lines]), min_size=1))
    goods = [line for line in sale.lines if line.number in lines]
    return Least(
        fen=draw(st.integers(0, sum(line.amount_fen for line in goods))),
        quantity=draw(st.integers(0, sum(line.quantity for line in goods))),
        after=draw(st.booleans()),
        lines=sorted(lines),
    )


def worth(stack: Stack, sale: Allocation, states: dict[int, LineState]) -> int:
    """Return what a state is worth: money back, less what coupons give of what is kept unearned."""
    back = sum(difference(sale, {}, states).money_fen.values())
    return back - sum(fen for _, _, fen in unearned.unearned(stack, sale, sale, states))


def play(
    stack: Stack, sale: Allocation, data: DataObject
) -> tuple[list[dict[int, LineState]], list[Part], list[Delta]]:
    """Refund at random; return the states on the way, what was clawed back, and what was given."""
    visited: list[dict[int, LineState]] = [{}]
    rolled: list[Part] = []
    deltas = []
    for _ in range(data.draw(st.integers(0, 6))):
        step = data.draw(requests(sale))
        with suppress(RefundExceedsRemaining, NotRefundable):
            after, gross = refund(rolled_back(sale, rolled), visited[-1], [step])
            delta, parts = unearned.without(gross, stack, sale, rolled, after)
            visited.append(after)
            rolled += parts
            deltas.append(delta)
    return visited, rolled, deltas


@given(sale=sales(), data=st.data())
def test_the_slices_tell_afterwards_what_each_refund_gave_by_which_tender(
    sale: Allocation, data: DataObject
) -> None:
    """L10: of what refunds write down by line, on the tape as all roll backs have left it."""
    _, rolled, deltas = play(data.draw(stacks(sale)), sale, data)
    tape, parts, earlier = rolled_back(sale, rolled), iter(rolled), dict[int, int]()

    for delta in deltas:
        now = {each.line: each.fen for each in delta.lines}
        told = dict(money_back(tape, earlier, now))
        left = delta.unearned_fen
        while left:
            part = next(parts)
            told[part.tender] -= part.fen
            left -= part.fen
        earlier = {line: earlier.get(line, 0) + now.get(line, 0) for line in {*earlier, *now}}

        assert {name: fen for name, fen in told.items() if fen} == delta.money_fen


@given(sale=sales(), data=st.data())
def test_refunds_give_the_most_that_any_state_on_the_way_was_worth(
    sale: Allocation, data: DataObject
) -> None:
    """Semantics 5: so sequences are equal whose last state is worth most; never below 0."""
    stack = data.draw(stacks(sale))

    visited, _, deltas = play(stack, sale, data)

    given_fen = sum(sum(delta.money_fen.values()) for delta in deltas)
    assert given_fen == max(0, *(worth(stack, sale, states) for states in visited))
    for delta in deltas:
        assert all(fen > 0 for fen in delta.money_fen.values())
        assert delta.fen == sum(delta.money_fen.values()) + delta.points_fen
        assert 0 <= delta.unearned_fen <= sum(delta.funded_fen.values())


@given(sale=sales(), data=st.data())
def test_what_customers_pay_funders_get_and_nothing_else_moves(
    sale: Allocation, data: DataObject
) -> None:
    """L7; semantics 2, 3: points go as they would without."""
    stack = data.draw(stacks(sale))

    visited, rolled, deltas = play(stack, sale, data)

    end = difference(sale, {}, visited[-1])
    now = rolled_back(sale, rolled)
    funded: Counter[tuple[int, int]] = Counter()
    points: Counter[object] = Counter()
    for delta in deltas:
        funded.update(delta.funded_fen)
        points.update({("points", key): fen for key, fen in delta.points.items()})
        points.update({("clawed", key): fen for key, fen in delta.clawed_points.items()})
    kept = difference(now, visited[-1], sold(now)).funded_fen
    gave = difference(sale, {}, sold(sale)).funded_fen
    assert funded == Counter(
        {key: fen - kept.get(key, 0) for key, fen in gave.items() if fen > kept.get(key, 0)}
    )
    expected: Counter[object] = Counter({("points", key): n for key, n in end.points.items()})
    expected.update({("clawed", key): n for key, n in end.clawed_points.items()})
    assert points == expected


@given(sale=sales(), data=st.data())
def test_all_back_is_all_back_however_much_was_clawed_back_on_the_way(
    sale: Allocation, data: DataObject
) -> None:
    """Semantics 2, 5: each tender, lot and funder has what it gave."""
    if not all(line.refundable for line in sale.lines):
        return
    stack = data.draw(stacks(sale))
    visited, rolled, deltas = play(stack, sale, data)
    with suppress(RefundExceedsRemaining):
        after, gross = refund(rolled_back(sale, rolled), visited[-1], [RefundWhole()])
        delta, parts = unearned.without(gross, stack, sale, rolled, after)
        assert parts == []
        deltas.append(delta)

    everything = difference(sale, {}, sold(sale))

    money: Counter[str] = Counter()
    funded: Counter[tuple[int, int]] = Counter()
    for delta in deltas:
        money.update(delta.money_fen)
        funded.update(delta.funded_fen)
    assert money == Counter(everything.money_fen)
    assert funded == Counter(everything.funded_fen)


@given(sale=sales(), data=st.data())
def test_whoever_keeps_enough_keeps_what_the_coupon_gave(
    sale: Allocation, data: DataObject
) -> None:
    """The default, and a threshold that is still reached: the allocation stays."""
    easy = Least(fen=0, quantity=0, after=False, lines=[1])
    stack = data.draw(stacks(sale))
    stack = Stack(uses=[replace(use, least=data.draw(st.sampled_from([None, easy])))
                        for use in stack.uses])  # fmt: skip

    visited, rolled, deltas = play(stack, sale, data)

    assert rolled == []
    end = difference(sale, {}, visited[-1])
    assert sum(delta.fen for delta in deltas) == end.fen
    for use in stack.uses:
        for line in sale.lines:
            assert kept_units(rolled_back(sale, rolled), line, visited[-1], use.coupon) == (
                kept_units(sale, line, visited[-1], use.coupon)
            )


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def sold_with(session: Session, shop: Shop, member: KnownMember, coupon: str) -> str:
    """Sell ¥200 and ¥120 with 满300减50 in cash: shares of ¥31.25 and ¥18.75."""
    basket = replace(shop.basket(session, member, 20_000, 12_000), coupons=[coupon])
    return sell(session, basket, 27_000).public_id


def test_by_default_a_refund_below_the_threshold_keeps_what_the_coupon_gave(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 5"""
    coupon = give(session, member, off(5_000, 30_000))
    order = sold_with(session, shop, member, coupon)

    back = give_back(session, shop, order, RefundWhole(line=2))

    assert (back.fen, back.unearned_fen, back.discount_fen) == (10_125, 0, 1_875)
    assert fen_of(session, "coupons", order) == -3_125


def test_a_template_may_take_the_unearned_part_out_of_the_refund(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 5: ¥200 are kept for ¥200; shown before, and the same when it is done."""
    coupon = give(session, member, off(5_000, 30_000), **CLAWS)
    order = sold_with(session, shop, member, coupon)
    request = RefundRequest(
        order=order, terminal=shop.till, number=unique("R"), occurred_at=now_of(session),
        parts=[RefundWhole(line=2)],
    )  # fmt: skip

    tried = refunds.attempt(session, request)
    back = refunds.give(session, request)
    again = refunds.give(session, request)

    assert (tried.fen, tried.unearned_fen) == (back.fen, back.unearned_fen) == (7_000, 3_125)
    assert back.money_fen == {CASH: 7_000}
    assert back.discount_fen == 5_000
    assert again == replace(back, replayed=True)
    assert fen_of(session, "coupons", order) == 0
    assert points_of(session, member) == 270 - 101
    # It gives nothing of what is kept: the member may use it again.
    assert standing(session, coupon) is Standing.USABLE
    assert invariants.audit(session) == []
    assert coupon_invariants.audit(session) == []
    rest = give_back(session, shop, order)
    assert (rest.fen, rest.unearned_fen) == (20_000, 0)
    assert points_of(session, member) == 0
    assert invariants.audit(session) == []


def test_a_refund_is_never_below_nothing_and_the_next_one_makes_up_for_it(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 5: ¥20 go back of ¥310, but ¥48 are not earned any more."""
    coupon = give(session, member, off(5_000, 30_000), **CLAWS)
    basket = replace(shop.basket(session, member, 29_000, 2_000), coupons=[coupon])
    order = sell(session, basket, 26_000).public_id

    first = give_back(session, shop, order, RefundWhole(line=2))
    second = give_back(session, shop, order, RefundAmount(fen=10_000))
    third = give_back(session, shop, order)

    assert (first.fen, first.unearned_fen) == (0, 1_677)
    assert standing(session, coupon) is Standing.USABLE
    assert second.unearned_fen == 5_000 - 323 - 1_677
    assert second.fen == 10_000 - second.unearned_fen
    assert first.fen + second.fen + third.fen == 26_000
    assert third.unearned_fen == 0
    assert fen_of(session, "coupons", order) == 0
    assert invariants.audit(session) == []


def test_units_count_towards_a_threshold_too(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    offer = {**off(900), "threshold": {"min_quantity": 3}}
    coupon = give(session, member, offer, **CLAWS)
    basket = replace(shop.basket(session, member, 9_000, quantity=4), coupons=[coupon])
    order = sell(session, basket, 8_100).public_id

    enough = give_back(session, shop, order, RefundQuantity(line=1, quantity=1))
    few = give_back(session, shop, order, RefundQuantity(line=1, quantity=1))

    assert (enough.fen, enough.unearned_fen) == (2_025, 0)
    assert (few.fen, few.unearned_fen) == (2_025 - 450, 450)


def test_an_exchange_takes_it_out_of_what_comes_back(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    coupon = give(session, member, off(5_000, 30_000), **CLAWS)
    order = sold_with(session, shop, member, coupon)

    done = exchanges.exchange(
        session,
        request=RefundRequest(
            order=order, terminal=shop.till, number=unique("R"), occurred_at=now_of(session),
            parts=[RefundWhole(line=2)],
        ),
        basket=shop.basket(session, member, 10_000),
        tenders=[Tender(name=CASH, fen=10_000)],
    )  # fmt: skip

    assert done.to_pay_fen == 10_000 - 7_000


def test_claw_back_without_a_threshold_is_refused() -> None:
    document = {
        "code": "T", "title_zh": "券", "title_en": "coupon", "offer": off(500),
        "terms": {
            "validity": {"days": 30}, "returns": {"claw_back": True},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
        },
    }  # fmt: skip

    with pytest.raises(BadTemplate) as refused:
        templates.load(document)

    assert refused.value.path == "template.terms.returns.claw_back"
