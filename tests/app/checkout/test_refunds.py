"""Refunds: any way there ends in one place, and nothing is gained (semantics 1-5, 8-9, 11, 24)."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders, refunds
from app.checkout.baskets import Tender
from app.checkout.errors import BusinessKeyConflict, OrderNotRefundable, RefundExceedsRemaining
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole
from app.points.errors import InsufficientPoints
from app.points.policy import NegativePolicy
from config.database import now_of
from tests.app.checkout.shops import (
    books_digest,
    give_points,
    open_shop,
    points_of,
    posted,
    set_policy,
)
from tests.factories import make_member


def test_a_whole_refund_leaves_nothing_behind(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 50)
    sale = shop.sell(session, member, 700, 300, burn=50)

    refund = shop.refund(session, sale.public_id)

    assert (refund.fen, refund.points_fen, refund.money_fen) == (1000, 50, {"cash": 950})
    assert (refund.restored_points, refund.clawed_points) == (50, 9)
    assert points_of(session, member) == 50
    assert posted(session, shop.merchant.redeemed_account_id) == 0
    assert posted(session, shop.merchant.issued_account_id) == -50


def test_the_third_unit_gives_the_third_value(session: Session) -> None:
    """Semantics 24: three for ¥100 are 33.34, 33.33, 33.33."""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000, quantity=3)

    fens = [
        shop.refund(session, sale.public_id, RefundQuantity(line=1, quantity=1)).fen
        for _ in range(3)
    ]

    assert fens == [3_334, 3_333, 3_333]
    assert points_of(session, member) == 0


def test_points_spent_meanwhile_become_a_debt_that_the_next_earn_pays(session: Session) -> None:
    """Semantics 1, 25; L3"""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000)
    shop.sell(session, member, 1_000, burn=80)

    refund = shop.refund(session, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (100, 71)
    assert points_of(session, member) == -71
    shop.sell(session, member, 10_000)
    assert points_of(session, member) == 29
    assert books_digest(session, member)[-1][1] == 29


def test_the_policy_may_refuse_such_a_refund(session: Session) -> None:
    set_policy(session, NegativePolicy.REFUSE)
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000)
    shop.sell(session, member, 1_000, burn=80)

    with pytest.raises(InsufficientPoints):
        shop.refund(session, sale.public_id)

    assert points_of(session, member) == 29


def test_the_policy_may_write_the_shortfall_off_to_the_issuer(session: Session) -> None:
    set_policy(session, NegativePolicy.WRITE_OFF)
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000)
    shop.sell(session, member, 1_000, burn=80)

    refund = shop.refund(session, sale.public_id)

    assert (refund.debt_points, refund.written_off_points) == (0, 71)
    assert points_of(session, member) == 0
    assert posted(session, shop.merchant.issued_account_id) == -80


def test_a_debt_goes_down_to_the_members_floor_and_no_further(session: Session) -> None:
    """L3: one floor for all that is owed, to whichever issuer; what is deeper is refused."""
    set_policy(session, NegativePolicy.DEBT, floor=-50)
    here, there, member = open_shop(session), open_shop(session), make_member(session)
    first, second = here.sell(session, member, 4_000), there.sell(session, member, 4_000)
    here.sell(session, member, 80, burn=80)

    assert here.refund(session, first.public_id).debt_points == 40
    with pytest.raises(InsufficientPoints) as refused:
        there.refund(session, second.public_id)

    assert (refused.value.needed, refused.value.spendable) == (40, 10)
    assert there.refund(session, second.public_id, RefundAmount(fen=1_000)).debt_points == 10
    assert points_of(session, member) == -50
    with pytest.raises(InsufficientPoints):
        there.refund(session, second.public_id, RefundAmount(fen=100))


def test_points_that_have_expired_make_room_above_the_floor(session: Session) -> None:
    """Semantics 33: they count against the debt, job or no job."""
    set_policy(session, NegativePolicy.DEBT, floor=-50)
    shop, member = open_shop(session), make_member(session)
    start = now_of(session)
    shop.sell(session, member, 3_000, at=start - timedelta(days=500))
    sale = shop.sell(session, member, 10_000, at=start - timedelta(days=1))
    shop.sell(session, member, 100, burn=80, worth=80)

    assert shop.refund(session, sale.public_id).debt_points == 80
    assert points_of(session, member) == -50


def test_more_than_remains_is_refused_with_what_remains(session: Session) -> None:
    """Semantics 11"""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000)
    shop.refund(session, sale.public_id, RefundAmount(fen=400))

    with pytest.raises(RefundExceedsRemaining) as refused:
        shop.refund(session, sale.public_id, RefundAmount(fen=601))

    assert refused.value.remaining == 600
    assert shop.refund(session, sale.public_id, RefundAmount(fen=600)).fen == 600


def test_burned_points_that_expired_meanwhile_return_for_some_days(session: Session) -> None:
    """B5, semantics 8: a courtesy lot of the same issuer."""
    shop, member = open_shop(session), make_member(session)
    earned_at = now_of(session) - timedelta(days=360)
    shop.sell(session, member, 10_000, at=earned_at)
    session.info["now"] = earned_at
    sale = shop.sell(session, member, 1_000, burn=100, at=earned_at)
    session.info["now"] = earned_at + timedelta(days=500)

    refund = shop.refund(session, sale.public_id)

    assert refund.restored_points == 100
    assert points_of(session, member) == 100
    session.info["now"] = earned_at + timedelta(days=508)
    assert points_of(session, member) == 0


def test_courtesy_points_that_are_burned_and_expire_come_back_as_a_courtesy_again(
    session: Session,
) -> None:
    """B5: the same issuer and cost each time, some days from the refund."""
    shop, member = open_shop(session), make_member(session)
    start = now_of(session) - timedelta(days=780)
    _at(session, start)
    give_points(session, shop, member, 100)
    first = shop.sell(session, member, 100, burn=100)
    _at(session, start + timedelta(days=500))
    shop.refund(session, first.public_id)
    second = shop.sell(session, member, 100, burn=100, quantity=2)

    _at(session, start + timedelta(days=508))
    half = shop.refund(session, second.public_id, RefundQuantity(line=1, quantity=1))
    assert (half.restored_points, points_of(session, member)) == (50, 50)
    _at(session, start + timedelta(days=510))
    shop.refund(session, second.public_id)

    assert points_of(session, member) == 100
    _at(session, start + timedelta(days=516))
    assert points_of(session, member) == 50
    rows = session.execute(
        text("SELECT DISTINCT issuer_id, cost_num FROM lot WHERE member_id = :id AND courtesy"),
        {"id": member.id},
    )
    assert [tuple(row) for row in rows] == [(shop.merchant.id, 1)]


def test_a_refund_number_again_returns_the_first_refund(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000)
    first = shop.refund(session, sale.public_id, RefundAmount(fen=400), number="R-1")

    again = shop.refund(session, sale.public_id, RefundAmount(fen=400), number="R-1")

    assert again.public_id == first.public_id
    assert again.replayed
    with pytest.raises(BusinessKeyConflict):
        shop.refund(session, sale.public_id, RefundAmount(fen=401), number="R-1")


def test_only_a_paid_order_can_be_refunded(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    placed = orders.place(session, shop.basket(session, member, 1_000))

    with pytest.raises(OrderNotRefundable):
        shop.refund(session, placed.public_id)


def test_a_late_refund_is_booked_in_the_open_period(session: Session) -> None:
    """Semantics 9: the closed day never changes."""
    shop, member = open_shop(session), make_member(session)
    month_ago = now_of(session) - timedelta(days=31)
    sale = shop.sell(session, member, 1_000, at=month_ago)
    ledger.upkeep.close_days(session, through=month_ago.date())

    shop.refund(session, sale.public_id, at=month_ago)

    booked = session.scalar(
        text("SELECT max(booked_on) FROM journal WHERE details ->> 'order' = :order"),
        {"order": sale.public_id},
    )
    assert booked > month_ago.date()


@pytest.mark.parametrize("policy", list(NegativePolicy))
def test_earning_here_burning_there_and_refunding_here_gains_nothing(
    session: Session, policy: NegativePolicy
) -> None:
    """The arbitrage of the brief: money and points of the member together never grow."""
    set_policy(session, policy)
    here, there, member = open_shop(session), open_shop(session), make_member(session)
    sale = here.sell(session, member, 100_000)
    there.sell(session, member, 1_000, burn=1_000)

    try:
        refund = here.refund(session, sale.public_id)
    except InsufficientPoints:
        assert policy is NegativePolicy.REFUSE
        return

    # The member holds goods for ¥10, paid with points that the refund took back or charged.
    balance = points_of(session, member)
    burden = {NegativePolicy.DEBT: refund.debt_points, NegativePolicy.WRITE_OFF: 0}[policy]
    assert balance == -burden
    assert burden + refund.written_off_points == 1_000
    if policy is NegativePolicy.WRITE_OFF:
        assert posted(session, here.merchant.issued_account_id) == -1_000


MOVES = st.lists(
    st.one_of(
        st.builds(RefundAmount, fen=st.integers(1, 900)),
        st.builds(RefundAmount, fen=st.integers(1, 300), line=st.integers(1, 3)),
        st.builds(RefundQuantity, line=st.integers(1, 3), quantity=st.integers(1, 2)),
    ),
    max_size=6,
)


@settings(max_examples=25)
@given(
    amounts=st.lists(st.integers(0, 700), min_size=3, max_size=3),
    quantity=st.integers(1, 3),
    burn=st.integers(0, 500),
    moves=MOVES,
)
def test_any_sequence_of_refunds_ends_where_one_would(
    session: Session,
    amounts: list[int],
    quantity: int,
    burn: int,
    moves: list[RefundAmount | RefundQuantity],
) -> None:
    """Path independence (differentiator 2; semantics 2, 3): the wallet ends the same to the lot."""
    shop = open_shop(session)
    sliced, whole = make_member(session), make_member(session)
    sales = []
    for member in (sliced, whole):
        give_points(session, shop, member, 500)
        basket = shop.basket(session, member, *amounts, burn=burn, quantity=quantity)
        due = basket.total_fen - min(burn, basket.total_fen)
        sales.append(orders.sell(session, basket, [Tender(name="cash", fen=due)]))

    returned = 0
    for move in moves:
        try:
            returned += shop.refund(session, sales[0].public_id, move).fen
        except RefundExceedsRemaining:
            continue
    if returned < sum(amounts) or any(amount == 0 for amount in amounts):
        try:
            returned += shop.refund(session, sales[0].public_id, RefundWhole()).fen
        except RefundExceedsRemaining:
            assert returned == sum(amounts)
    shop.refund(session, sales[1].public_id, RefundWhole())

    assert returned == sum(amounts)
    assert books_digest(session, sliced) == books_digest(session, whole)
    assert points_of(session, sliced) == 500


def test_points_that_expire_while_there_is_a_debt_pay_it_first(session: Session) -> None:
    """Semantics 33: debt never expires; an expiring lot nets against it, job or no job."""
    shop, member = open_shop(session), make_member(session)
    start = now_of(session)
    _at(session, start - timedelta(days=500))
    shop.sell(session, member, 6_000, at=now_of(session))
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=50))
    sale = shop.sell(session, member, 4_000, at=now_of(session))
    shop.sell(session, member, 1_000, burn=50, at=now_of(session))
    shop.refund(session, sale.public_id, at=now_of(session))
    orders.cancel(session, order=placed.public_id)
    debt_and_lot = points_of(session, member)

    _at(session, start)
    after_expiry = points_of(session, member)
    shop.sell(session, member, 1_000, at=start)

    assert debt_and_lot == 60 - 50 + 9
    assert after_expiry == 0
    assert points_of(session, member) == 10


def _at(session: Session, instant: datetime) -> None:
    session.info["now"] = instant


def test_a_try_says_what_a_refund_would_give_and_leaves_nothing(session: Session) -> None:
    """Semantics 5, 8: not even the lot of courtesy that burned points would come back to."""
    shop, member = open_shop(session), make_member(session)
    earned_at = now_of(session) - timedelta(days=360)
    shop.sell(session, member, 10_000, at=earned_at)
    session.info["now"] = earned_at
    sale = shop.sell(session, member, 1_000, burn=100, at=earned_at)
    session.info["now"] = earned_at + timedelta(days=500)
    request = RefundRequest(
        order=sale.public_id, terminal=shop.till, number="R-1", occurred_at=now_of(session),
        parts=[RefundWhole()],
    )  # fmt: skip
    lots = text("SELECT count(*) FROM lot WHERE courtesy")

    tried = refunds.attempt(session, request)
    left = session.scalar(lots)
    given = refunds.give(session, request)

    assert (tried.fen, tried.restored_points) == (given.fen, given.restored_points) == (1_000, 100)
    assert left == 0
    assert session.scalar(lots) == 1
