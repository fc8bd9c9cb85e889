"""E6, semantics 15: both get points by the friend's first order, and lose them if it goes back."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import referrals
from app.checkout.returns import RefundAmount, RefundWhole
from app.clock import business_date
from app.members import referring
from app.members.identification import KnownMember, get_by_id
from app.members.referring import Referral
from app.merchants.models import Funding
from app.points import statements
from app.points.policy import NegativePolicy
from config.database import forget, now_of
from tests.app.checkout.shops import Shop, open_shop, points_of, posted, prepay, set_policy
from tests.app.checkout.test_coupons import give, off, sell
from tests.app.checkout.test_roll_backs import roll_back
from tests.app.points.rewarding import agree
from tests.app.points.test_merging import merge, sound, undo
from tests.factories import make_member, make_terms


@pytest.fixture
def sponsor(session: Session) -> Shop:
    """The merchant that bears 50 points for who refers and 20 for the friend."""
    made = open_shop(session)
    agree(session, made, referrer_points=50, friend_points=20, referral_return_days=7)
    return made


@pytest.fixture
def shop(session: Session, sponsor: Shop) -> Shop:
    return open_shop(session)


@pytest.fixture
def referrer(session: Session) -> KnownMember:
    return make_member(session)


@pytest.fixture
def friend(session: Session, referrer: KnownMember) -> KnownMember:
    made = make_member(session)
    code = referring.code_of(session, referrer)
    assert referring.refer(session, made, code=code, month_friends=10)
    return made


def later(session: Session, days: int) -> None:
    session.info["now"] = now_of(session) + timedelta(days=days)
    forget(session)


def _referrer_of(session: Session, friend: KnownMember) -> KnownMember:
    row = session.get_one(Referral, friend.id)
    return get_by_id(session, row.referrer_id)


def pending_of(session: Session, member: KnownMember) -> int:
    return statements.balance(session, member).pending_points


def test_the_first_order_gives_both_points_that_wait_for_the_return_window(
    session: Session, shop: Shop, sponsor: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    before = referrals.give(session)
    shop.sell(session, friend, 1_000)
    shop.sell(session, friend, 1_000)

    given = [referrals.give(session), referrals.give(session)]
    waiting = (pending_of(session, referrer), pending_of(session, friend))
    later(session, 6)
    day_before = points_of(session, referrer)
    later(session, 1)

    assert (before, given, waiting, day_before) == (0, [1, 0], (50, 20), 0)
    assert (points_of(session, referrer), points_of(session, friend)) == (50, 20 + 20)
    (told,) = referrals.list_referred(session, referrer)
    assert (told.points, told.active_on, told.taken_back) == (
        50, business_date(now_of(session)), False,
    )  # fmt: skip
    assert posted(session, sponsor.merchant.issued_account_id) == -70
    assert sound(session)


def test_within_the_window_a_whole_refund_takes_what_was_pending(
    session: Session, shop: Shop, sponsor: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    sale = shop.sell(session, friend, 1_000)
    referrals.give(session)
    shop.refund(session, sale.public_id, RefundAmount(fen=999))
    partly = referrals.take_back(session)
    shop.refund(session, sale.public_id)

    taken = [referrals.take_back(session), referrals.take_back(session)]

    assert (partly, taken) == (0, [1, 0])
    assert (pending_of(session, referrer), pending_of(session, friend)) == (0, 0)
    assert referrals.list_referred(session, referrer)[0].taken_back
    assert posted(session, sponsor.merchant.issued_account_id) == 0
    assert sound(session)


def test_a_sale_with_a_coupon_goes_back_whole_too_and_what_pays_for_one_is_no_first_order(
    session: Session, shop: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    """Semantics 15; C14: what the coupon gave is no money that the order could give back."""
    coupon = give(session, friend, off(300))
    basket = replace(shop.basket(session, friend, 1_000, 500), coupons=[coupon])
    order = sell(session, basket, 1_200).public_id
    roll_back(session, shop, order, coupon, RefundWhole(line=2), fen=100)
    shop.refund(session, order, RefundWhole(line=1), RefundWhole(line=2))
    unused = referrals.give(session)

    coupon = give(session, friend, off(300))
    basket = replace(shop.basket(session, friend, 1_000, 500), coupons=[coupon])
    order = sell(session, basket, 1_200).public_id
    given = referrals.give(session)
    shop.refund(session, order, RefundWhole(line=1))
    partly = referrals.take_back(session)
    shop.refund(session, order)

    assert (unused, given, partly) == (0, 1, 0)
    assert referrals.take_back(session) == 1
    assert pending_of(session, referrer) == 0
    assert sound(session)


def test_one_referral_gives_once_for_ever(
    session: Session, shop: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    """Buying, returning and buying again gains nothing."""
    sale = shop.sell(session, friend, 1_000)
    referrals.give(session)
    shop.refund(session, sale.public_id)
    referrals.take_back(session)

    shop.sell(session, friend, 1_000)

    assert referrals.give(session) == 0
    assert pending_of(session, referrer) == 0


def test_an_order_that_went_back_before_it_was_found_is_passed_over(
    session: Session, shop: Shop, friend: KnownMember, referrer: KnownMember
) -> None:
    first = shop.sell(session, friend, 1_000)
    shop.refund(session, first.public_id)
    assert referrals.give(session) == 0

    shop.sell(session, friend, 1_000)

    assert referrals.give(session) == 1
    assert pending_of(session, referrer) == 50


@pytest.mark.parametrize(
    ("policy", "left"),
    [(NegativePolicy.DEBT, -50), (NegativePolicy.WRITE_OFF, 0), (NegativePolicy.REFUSE, 0)],
)
def test_what_is_spent_when_the_order_goes_back_follows_the_programme(
    session: Session, shop: Shop, friend: KnownMember, policy: NegativePolicy, left: int
) -> None:
    """Semantics 1: a refund was given already, so none is refused for it."""
    set_policy(session, policy)
    sale = shop.sell(session, friend, 1_000)
    referrals.give(session)
    later(session, 8)
    referrer = _referrer_of(session, friend)
    shop.sell(session, referrer, 50, burn=50)
    shop.refund(session, sale.public_id)

    assert referrals.take_back(session) == 1

    assert points_of(session, referrer) == left
    assert points_of(session, friend) == 0
    assert sound(session)


def test_an_order_without_money_is_no_first_order(
    session: Session, shop: Shop, friend: KnownMember
) -> None:
    shop.sell(session, friend, 0)

    assert referrals.give(session) == 0


def test_two_who_turn_out_to_be_one_get_nothing(
    session: Session, shop: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    """Semantics 46."""
    shop.sell(session, friend, 1_000)
    merge(session, friend, referrer)
    shop.sell(session, referrer, 1_000)

    assert referrals.give(session) == 1
    assert pending_of(session, referrer) == 0
    assert referrals.list_referred(session, referrer)[0].points == 0


def test_points_are_taken_back_where_a_merge_has_brought_them(
    session: Session, shop: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    sale, survivor = shop.sell(session, friend, 1_000), make_member(session)
    referrals.give(session)
    done = merge(session, referrer, survivor)
    assert pending_of(session, survivor) == 50
    shop.refund(session, sale.public_id)

    referrals.take_back(session)

    assert (pending_of(session, survivor), points_of(session, survivor)) == (0, 0)
    undo(session, done.merge)
    assert pending_of(session, referrer) == 0
    assert sound(session)


def test_a_prepaid_sponsor_gives_once_it_has_bought_enough(
    session: Session, referrer: KnownMember, friend: KnownMember
) -> None:
    """L6: what it owes waits, and tills go on."""
    sponsor = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    agree(session, sponsor, referrer_points=50)
    sponsor.sell(session, friend, 1_000)
    prepay(session, sponsor, 49)
    before = referrals.give(session)

    prepay(session, sponsor, 1)

    assert (before, referrals.give(session)) == (0, 1)
    assert pending_of(session, referrer) == 50


def test_what_a_merged_friend_buys_as_somebody_else_gives_nothing(
    session: Session, shop: Shop, referrer: KnownMember, friend: KnownMember
) -> None:
    """Semantics 46: the survivor was a member before; two friends may have become one."""
    survivor, second = make_member(session), make_member(session)
    assert referring.refer(
        session, second, code=referring.code_of(session, referrer), month_friends=10
    )
    merge(session, friend, survivor)
    merge(session, second, survivor)
    shop.sell(session, survivor, 1_000)

    assert referrals.give(session) == 0
