"""B7: points of one member become another's, and stay what they were."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.clock import business_date, day_start
from app.errors import AppError, Invalid, StateConflict
from app.members import enrolment, freezing
from app.members.arrivals import ChannelName
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.points import giving, lots, perks
from app.points.errors import GiftLimitReached, InsufficientPoints
from app.points.giving import Given
from app.points.perks import Perks
from config.database import Database, now_of
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member, unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def giver(session: Session, shop: Shop) -> KnownMember:
    """A member who joined long ago, with 500 points."""
    made = make_member(session, name="李四")
    give_points(session, shop, made, 500)
    return replace(made, joined_at=now_of(session) - timedelta(days=400))


@pytest.fixture
def friend(session: Session) -> KnownMember:
    return make_member(session, name="张三")


def give(session: Session, giver: KnownMember, to: KnownMember, points: int) -> Given:
    old = replace(giver, joined_at=giver.joined_at - timedelta(days=400))
    return giving.give(
        session, old, receiver=to, points=points, confirmed=giving.shown_name(session, to)
    )


def agree(session: Session, limits: Perks) -> None:
    request = perks.PERKS.propose(session, limits, begins=None, by="mei", reason="test")
    perks.PERKS.approve(session, request.public_id, by="li")


def meanings(session: Session, member: KnownMember) -> Mapping[object, int]:
    wallet = lots.lock(session, member, day=business_date(now_of(session)))
    return {(lot.meaning, lot.first_earned_at): lot.posted for lot in wallet.lots if lot.posted}


def test_points_keep_issuer_expiry_cost_and_age(
    session: Session, shop: Shop, giver: KnownMember, friend: KnownMember
) -> None:
    other = open_shop(session)
    give_points(session, other, giver, 100)
    before = meanings(session, giver)

    made = give(session, giver, friend, 550)

    assert (made.points, made.balance_points) == (550, 50)
    assert (points_of(session, giver), points_of(session, friend)) == (50, 550)
    got, left = meanings(session, friend), meanings(session, giver)
    assert set(got) == set(before)
    assert {what: got[what] + left.get(what, 0) for what in got} == before


def test_soonest_expiry_goes_first(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    """B4"""
    soon = open_shop(session)
    long_ago = now_of(session) - timedelta(days=200)
    session.info["now"], now = long_ago, now_of(session)
    soon.sell(session, giver, 10_000, at=long_ago)
    session.info["now"] = now

    give(session, giver, friend, 100)

    assert {what[0].issuer_id for what in meanings(session, friend)} == {  # type: ignore[index]
        soon.merchant.id
    }


def test_a_name_that_was_not_confirmed_moves_nothing(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    assert giving.shown_name(session, friend) == "张*"

    with pytest.raises(StateConflict, match="confirm it anew"):
        giving.give(session, giver, receiver=friend, points=5, confirmed="王*")

    assert points_of(session, friend) == 0


def test_caps_hold_by_the_shanghai_day_and_month(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    agree(session, Perks(gift_day_points=100, gift_month_points=150))
    first = (business_date(now_of(session)) + timedelta(days=31)).replace(day=10)
    session.info["now"] = day_start(first) - timedelta(seconds=1)
    give(session, giver, friend, 60)
    with pytest.raises(GiftLimitReached, match="40 left"):
        give(session, giver, friend, 41)

    session.info["now"] = day_start(first)
    give(session, giver, friend, 90)
    with pytest.raises(GiftLimitReached, match="0 left"):
        give(session, giver, friend, 1)
    session.info["now"] = day_start(first.replace(day=28) + timedelta(days=4))
    give(session, giver, friend, 1)


def test_what_was_given_stays_for_some_days(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    third = make_member(session)
    give(session, giver, friend, 100)

    with pytest.raises(InsufficientPoints):
        give(session, friend, third, 1)
    session.info["now"] = now_of(session) + timedelta(days=7)
    give(session, friend, third, 100)

    assert points_of(session, third) == 100


def test_a_new_member_gives_nothing(session: Session, shop: Shop, friend: KnownMember) -> None:
    newcomer = make_member(session)
    give_points(session, shop, newcomer, 100)

    with pytest.raises(StateConflict, match="30 days after joining"):
        giving.give(session, newcomer, receiver=friend, points=5, confirmed="张*")


def test_only_active_registered_members_give_and_get(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    channel = ChannelName(channel="wechat", app_id="wx1", identity=unique("o"))
    payer = enrolment.enrol_by_payment(session, channel).member
    with pytest.raises(StateConflict, match="not registered"):
        give(session, giver, payer, 5)
    with pytest.raises(Invalid):
        give(session, giver, giver, 5)
    with pytest.raises(Invalid):
        give(session, giver, friend, 0)

    freezing.freeze(session, friend.public_id, by="mei", reason="风险")

    with pytest.raises(MemberNotActive):
        give(session, giver, friend, 5)


def test_who_owes_gives_no_more_than_the_balance(
    session: Session, shop: Shop, giver: KnownMember, friend: KnownMember
) -> None:
    sale = give_points(session, shop, giver, 100)
    give(session, giver, friend, 590)
    shop.refund(session, sale.public_id)

    assert points_of(session, giver) == -90
    with pytest.raises(InsufficientPoints):
        give(session, giver, friend, 1)


def test_both_see_their_gifts_newest_first(
    session: Session, giver: KnownMember, friend: KnownMember
) -> None:
    first, second = give(session, giver, friend, 5), give(session, giver, friend, 6)

    mine = giving.list_gifts(session, giver, limit=10)
    rest = giving.list_gifts(session, friend, limit=10, before=mine[0].id)

    assert [(each.public_id, each.given) for each in mine] == [
        (second.public_id, True), (first.public_id, True)
    ]  # fmt: skip
    assert [(each.points, each.given) for each in rest] == [(5, False)]


def test_two_who_give_each_other_at_once_never_deadlock_nor_overspend(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        shop, one, two = open_shop(session), make_member(session), make_member(session)
        give_points(session, shop, one, 100)
        give_points(session, shop, two, 100)

    def swap(turn: int) -> bool:
        members = (one, two) if turn % 2 else (two, one)
        try:
            database.run(district, lambda session: give(session, *members, 30))
        except AppError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        made = sum(pool.map(swap, range(12)))

    with database.transaction(district) as session:
        left = [points_of(session, each) for each in (one, two)]
        count = session.scalar(
            text("SELECT count(*) FROM gift WHERE giver_id IN (:one, :two)"),
            {"one": one.id, "two": two.id},
        )
        assert ledger.upkeep.audit_all(session) == []
    assert (sum(left), count) == (200, made)
    assert min(left) >= 0
    assert made >= 6
