"""Policy `write_off`: what an issuer bears, and that nobody farms it (semantics 1; L3)."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import invariants, orders
from app.merchants.models import Funding
from app.points.policy import NegativePolicy
from tests.app.checkout.shops import (
    books_digest,
    borne,
    give_points,
    open_shop,
    points_of,
    posted,
    prepay,
    set_policy,
)
from tests.factories import make_member, make_terms


@pytest.fixture(autouse=True)
def _written_off(session: Session) -> None:
    set_policy(session, NegativePolicy.WRITE_OFF)


@pytest.mark.parametrize("first", ["earn", "burn"])
def test_refunding_both_ends_of_a_burn_leaves_nothing_in_either_order(
    session: Session, first: str
) -> None:
    here, there, member = open_shop(session), open_shop(session), make_member(session)
    earned = here.sell(session, member, 10_000)
    burned = there.sell(session, member, 100, burn=100)

    ends = [(here, earned), (there, burned)]
    for shop, sale in ends if first == "earn" else ends[::-1]:
        shop.refund(session, sale.public_id)

    assert points_of(session, member) == 0
    assert borne(session, member) == 0
    assert books_digest(session, member) == []
    assert posted(session, here.merchant.issued_account_id) == 0
    assert posted(session, there.merchant.redeemed_account_id) == 0
    assert invariants.audit(session) == []


def test_what_is_earned_and_burned_later_is_the_members(session: Session) -> None:
    """Only points that were spent before the write-off make it good."""
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, earned.public_id)

    give_points(session, shop, member, 100)
    later = shop.sell(session, member, 100, burn=100)
    refund = shop.refund(session, later.public_id)

    assert (refund.restored_points, refund.made_good_points) == (100, 0)
    assert (points_of(session, member), borne(session, member)) == (100, 100)


def test_a_prepaid_issuer_gets_back_what_it_had_bought(session: Session) -> None:
    """L6: cancellation returns to the same block."""
    shop = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    member = make_member(session)
    prepay(session, shop, 100)
    earned = shop.sell(session, member, 10_000)
    burned = shop.sell(session, member, 100, burn=100)

    shop.refund(session, earned.public_id)
    assert posted(session, shop.merchant.prepaid_account_id) == 0
    shop.refund(session, burned.public_id)

    assert posted(session, shop.merchant.prepaid_account_id) == 100
    assert points_of(session, member) == 0


def test_points_that_a_waiting_order_holds_are_owed_not_written_off(session: Session) -> None:
    """A hold is not a way to hide points from a refund."""
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 30, burn=30)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))

    refund = shop.refund(session, earned.public_id)
    orders.cancel(session, order=placed.public_id)

    assert (refund.debt_points, refund.written_off_points) == (60, 30)
    assert points_of(session, member) == 0


def test_a_hold_hides_no_points_from_two_refunds_either(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sales = [shop.sell(session, member, 5_000) for _ in range(2)]
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    shop.sell(session, member, 40, burn=40)

    refunds = [shop.refund(session, sale.public_id) for sale in sales]
    orders.cancel(session, order=placed.public_id)

    assert sum(refund.debt_points for refund in refunds) == 60
    assert sum(refund.written_off_points for refund in refunds) == 40
    assert points_of(session, member) == 0


def test_the_auditor_finds_a_write_off_that_no_refund_explains(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, earned.public_id)

    session.execute(
        text("UPDATE write_off SET made_good = 1 WHERE member_id = :id"), {"id": member.id}
    )

    assert [each.subject for each in invariants.audit(session)] == [member.public_id]
