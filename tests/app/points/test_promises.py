"""Activity lets points last longer: what counts as one, and for whom (semantics 34; ADR 0021)."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import ledger
from app.books import move
from app.checkout.returns import RefundAmount
from app.clock import business_date, day_start
from app.members.identification import KnownMember
from app.points import check_ins, giving, lots
from app.points.lots import Meaning
from config.database import now_of
from ledger import Journal
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.app.points.activity import allow, days, expire, old_points
from tests.app.points.calendar import at
from tests.app.points.rewarding import agree
from tests.app.points.test_merging import merge
from tests.factories import make_member, unique


@pytest.fixture
def shop(years: Session) -> Shop:
    """A shop on 10 January 2017; points last two months, and three after a purchase."""
    at(years, 2017, 1, 10)
    allow(years, "purchase")
    return open_shop(years)


@pytest.fixture
def member(years: Session, shop: Shop) -> KnownMember:
    return make_member(years)


def test_a_purchase_lets_all_points_of_the_member_last_longer(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 34: by the dates, before any job has run (27)."""
    old_points(years, shop, member, 500)
    before = days(years, member)
    at(years, 2017, 3, 31)
    shop.sell(years, member, 50)

    at(years, 2017, 4, 1)

    assert before == {date(2017, 3, 31): 500}
    assert days(years, member) == {date(2017, 6, 30): 500}
    assert points_of(years, member) == 500


def test_what_has_ended_is_not_brought_back_by_a_later_purchase(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    old_points(years, shop, member, 500)

    at(years, 2017, 4, 1)
    shop.sell(years, member, 50)

    assert days(years, member) == {}
    assert expire(years) == 500


def test_only_listed_activities_count(years: Session, shop: Shop, member: KnownMember) -> None:
    """Semantics 34: a burn is none where purchases alone are listed, and the other way round."""
    old_points(years, shop, member, 500)
    allow(years, "burn")
    at(years, 2017, 2, 10)
    shop.sell(years, member, 5_000)
    bought = days(years, member)
    shop.sell(years, member, 5_000, burn=50)

    assert bought == {date(2017, 3, 31): 500, date(2017, 4, 30): 50}
    assert days(years, member) == {date(2017, 5, 31): 549}


def test_a_refunded_purchase_does_not_count_and_shortens_nothing(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 34, 29: what its promise has prolonged already stays so."""
    old_points(years, shop, member, 500)
    early = shop.sell(years, member, 50)
    at(years, 2017, 2, 10)
    late = shop.sell(years, member, 50)
    shop.refund(years, late.public_id)
    first = days(years, member)

    at(years, 2017, 4, 10)
    shop.refund(years, early.public_id)

    assert first == {date(2017, 4, 30): 500}
    assert days(years, member) == {date(2017, 4, 30): 500}
    at(years, 2017, 5, 1)
    assert days(years, member) == {}


def test_a_partial_refund_leaves_the_activity(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    sale = shop.sell(years, member, 50, 60)
    shop.refund(years, sale.public_id, RefundAmount(fen=109))

    assert days(years, member) == {date(2017, 5, 31): 500}


@pytest.mark.parametrize(("hour", "day"), [(21, date(2017, 6, 30)), (23, None)])
def test_what_is_told_before_the_day_closes_at_six_counts_on_its_own_day(
    years: Session, shop: Shop, member: KnownMember, hour: int, day: date | None
) -> None:
    """Semantics 27: till then no job has booked the end, afterwards one may have."""
    old_points(years, shop, member, 500)

    told = at(years, 2017, 3, 31, hour)  # 05:00 or 07:00 of 1 April in Shanghai.
    shop.sell(years, member, 50, at=day_start(business_date(told)) - timedelta(minutes=1))

    assert days(years, member) == ({} if day is None else {day: 500})


def test_points_of_one_merchant_and_courtesy_points_keep_their_day(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    last = date(2017, 1, 20)
    bound = Meaning(
        issuer_id=shop.merchant.id, cost=Fraction(1), redemption=Fraction(9, 10), expires_on=last,
        restriction_merchant_id=shop.merchant.id,
    )  # fmt: skip
    courtesy = replace(bound, restriction_merchant_id=None, courtesy=True)
    wallet = lots.lock(years, member, day=business_date(now_of(years)))
    accounts = lots.open_lots(years, wallet, [bound, courtesy], earned_at=now_of(years))
    postings = [move(shop.merchant.issued_account_id, account, 40) for account in accounts.values()]
    earn = Journal(
        key=unique("b"), kind="earn", occurred_at=now_of(years), postings=postings
    )  # fmt: skip
    ledger.post(years, [earn])

    shop.sell(years, member, 50)

    assert days(years, member) == {last: 80}


def test_a_gift_takes_along_the_day_that_points_have_for_good(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """What the giver's activity may yet lose is not given away."""
    other = make_member(years)
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    shop.sell(years, member, 50)
    at(years, 2017, 4, 5)

    name = giving.shown_name(years, other)
    giving.give(years, member, receiver=other, points=200, confirmed=name)

    assert days(years, member) == {date(2017, 5, 31): 300}
    assert days(years, other) == {date(2017, 5, 31): 200}


def test_a_merge_takes_along_what_was_kept_and_what_is_promised(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 46: nothing ends by it, and nothing that has ended is brought back."""
    loser = make_member(years)
    old_points(years, shop, member, 500)
    old_points(years, shop, loser, 70)
    give_points(years, shop, loser, 1)
    at(years, 2017, 3, 20)
    shop.sell(years, loser, 50)
    at(years, 2017, 4, 20)
    give_points(years, shop, member, 9)

    merge(years, loser, member)

    # The loser's 71 for good to June by the sale of March; all to July by the survivor's own.
    assert days(years, member) == {date(2017, 7, 31): 71 + 9}
    assert expire(years) == 500
    at(years, 2017, 7, 31)
    assert days(years, member) == {date(2017, 7, 31): 71 + 9}


def test_what_a_loser_was_promised_stands_for_the_survivor_from_the_merge_on(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    loser = make_member(years)
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    sale = shop.sell(years, loser, 50)

    merge(years, loser, member)
    merged = days(years, member)
    shop.refund(years, sale.public_id)

    assert (merged, days(years, member)) == (
        {date(2017, 5, 31): 500}, {date(2017, 3, 31): 500}
    )  # fmt: skip


def test_a_check_in_counts_where_it_is_listed(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 34"""
    agree(years, shop, check_in_points=(1,))
    old_points(years, shop, member, 500)
    allow(years, "check_in")
    at(years, 2017, 2, 10)

    check_ins.check_in(years, member, occurred_at=now_of(years))

    assert points_of(years, member) == 500 + 1
    assert set(days(years, member)) == {date(2017, 5, 31)}


@pytest.mark.parametrize(
    "row",
    [
        {"extend_months": 3},
        {"extended_by": ["purchase"]},
        {"extend_months": 3, "extended_by": ["sleep"]},
        {"extend_months": 0, "extended_by": ["burn"]},
        {"extend_months": 3, "extended_by": ["burn"], "expiry_months": None},
    ],
)
def test_the_database_refuses_a_policy_of_no_sense(years: Session, row: dict[str, object]) -> None:
    said = {"extend_months": None, "extended_by": [], "expiry_months": 12, **row}

    with pytest.raises(IntegrityError, match="extension"):
        years.execute(
            text(
                "INSERT INTO programme (effective_from, expiry_months, point_value_num, "
                "point_value_den, combine, negative_policy, courtesy_days, return_first, "
                "hold_minutes, quote_minutes, extend_months, extended_by, created_at) "
                "VALUES (now(), :expiry_months, 1, 1, 'max', 'debt', 7, 'money_first', 15, 5, "
                ":extend_months, :extended_by, now())"
            ),
            said,
        )
