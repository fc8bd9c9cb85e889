"""E6, semantics 54: check-ins: once a Shanghai day, by streak, capped, exact with many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.clock import business_date, day_start
from app.errors import Invalid, StateConflict
from app.members import freezing
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.merchants.models import Funding
from app.points import check_ins
from app.points.check_ins import CheckedIn
from config.database import Database, forget, now_of
from migrations.run import create_district
from tests.app.checkout.shops import Shop, open_shop, points_of, prepay
from tests.app.points.rewarding import agree
from tests.app.points.test_merging import merge, sound
from tests.factories import make_member, make_terms


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


@pytest.fixture
def first(session: Session, shop: Shop) -> date:
    """A day on which a cycle of 1, 2 and 5 points is in force: the second of a month."""
    agree(session, shop, check_in_points=(1, 2, 5))
    today = business_date(now_of(session))
    day = date(today.year + today.month // 12, today.month % 12 + 1, 2)
    move_to(session, noon(day))
    return day


def noon(day: date) -> datetime:
    return day_start(day) + timedelta(hours=12)


def move_to(session: Session, at: datetime) -> None:
    session.info["now"] = at
    forget(session)


def on(session: Session, member: KnownMember, day: date) -> CheckedIn:
    move_to(session, noon(day))
    return check_ins.check_in(session, member, occurred_at=now_of(session))


def test_a_day_gives_once_and_a_repeat_is_told_the_same(
    session: Session, member: KnownMember, first: date
) -> None:
    made = on(session, member, first)
    move_to(session, day_start(first + timedelta(days=1)) - timedelta(seconds=1))
    again = check_ins.check_in(session, member, occurred_at=now_of(session))

    assert made == again == CheckedIn(business_date=first, streak=1, points=1)
    assert points_of(session, member) == 1
    assert sound(session)


def test_a_streak_gives_more_and_the_cycle_begins_anew(
    session: Session, member: KnownMember, first: date
) -> None:
    made = [on(session, member, first + timedelta(days=n)) for n in range(4)]

    assert [(each.streak, each.points) for each in made] == [(1, 1), (2, 2), (3, 5), (4, 1)]
    assert points_of(session, member) == 9
    stands = check_ins.streak(session, member)
    assert (stands.days, stands.today, stands.next_points) == (4, made[-1], 2)


def test_a_missed_day_breaks_a_streak(session: Session, member: KnownMember, first: date) -> None:
    on(session, member, first)
    on(session, member, first + timedelta(days=1))
    move_to(session, noon(first + timedelta(days=3)))
    broken = check_ins.streak(session, member)

    made = on(session, member, first + timedelta(days=3))

    assert (broken.days, broken.today, broken.next_points) == (0, None, 1)
    assert (made.streak, made.points) == (1, 1)


def test_a_missed_day_may_be_let_pass(
    session: Session, shop: Shop, member: KnownMember, first: date
) -> None:
    agree(session, shop, check_in_points=(1, 2, 5), check_in_missed_days=1)
    move_to(session, now_of(session) + timedelta(days=1))
    days = [first + timedelta(days=n) for n in (1, 3, 6)]

    made = [on(session, member, day) for day in days]

    assert [each.streak for each in made] == [1, 2, 1]


def test_one_that_is_told_after_midnight_counts_for_its_own_day(
    session: Session, member: KnownMember, first: date
) -> None:
    """Semantics 54: 23:59:58, told at 00:03, joins the days around it."""
    on(session, member, first)
    midnight = day_start(first + timedelta(days=2))
    move_to(session, midnight + timedelta(minutes=1))
    early = check_ins.check_in(session, member, occurred_at=now_of(session))
    move_to(session, midnight + timedelta(minutes=3))

    late = check_ins.check_in(session, member, occurred_at=midnight - timedelta(seconds=2))

    assert (early.streak, early.points) == (1, 1)
    assert (late.business_date, late.streak, late.points) == (first + timedelta(days=1), 2, 2)
    assert check_ins.streak(session, member).days == 3


def test_a_day_that_is_over_or_not_come_is_refused(
    session: Session, member: KnownMember, first: date
) -> None:
    move_to(session, day_start(first) + timedelta(minutes=11))

    for at in (day_start(first) - timedelta(seconds=1), now_of(session) + timedelta(seconds=1)):
        with pytest.raises(Invalid):
            check_ins.check_in(session, member, occurred_at=at)


def test_a_month_gives_no_more_than_its_cap(
    session: Session, shop: Shop, member: KnownMember, first: date
) -> None:
    agree(session, shop, check_in_points=(4, 4), check_in_month_points=6)
    days = [first + timedelta(days=n) for n in (1, 2, 3)]

    made = [on(session, member, day) for day in days]

    assert [each.points for each in made] == [4, 2, 0]
    assert check_ins.streak(session, member).next_points == 0
    assert made[-1].streak == 3


def test_without_a_policy_or_an_active_member_there_is_no_check_in(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    with pytest.raises(StateConflict):
        check_ins.check_in(session, member, occurred_at=now_of(session))
    agree(session, shop, check_in_points=(1,))
    freezing.freeze(session, member.public_id, by="lin", reason="x")
    with pytest.raises(MemberNotActive):
        check_ins.check_in(session, member, occurred_at=now_of(session))


def test_a_prepaid_issuer_that_has_run_out_gives_none(
    session: Session, member: KnownMember
) -> None:
    """L6"""
    sponsor = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    prepay(session, sponsor, 3)
    agree(session, sponsor, check_in_points=(2,))

    first, second = make_member(session), make_member(session)
    made = [
        check_ins.check_in(session, each, occurred_at=now_of(session)) for each in (first, second)
    ]

    assert [each.points for each in made] == [2, 0]
    assert [points_of(session, each) for each in (first, second)] == [2, 0]
    assert sound(session)


def test_who_was_merged_checks_in_once_and_goes_on(
    session: Session, member: KnownMember, first: date
) -> None:
    """Semantics 46."""
    other = make_member(session)
    on(session, member, first)
    on(session, other, first)
    on(session, member, first + timedelta(days=1))
    merge(session, member, other)

    again = on(session, other, first + timedelta(days=1))
    onward = on(session, other, first + timedelta(days=2))

    assert (again.streak, again.points) == (2, 2)
    assert onward.streak == 3


def test_of_sixty_four_at_once_one_gives(database: Database, owner_url: str) -> None:
    create_district(owner_url, "checkin", name="签到", sandbox=False)
    with database.transaction("checkin") as session:
        agree(session, open_shop(session), check_in_points=(7,))
        member = make_member(session)

    def check(_: int) -> CheckedIn:
        return database.run(
            "checkin",
            lambda session: check_ins.check_in(session, member, occurred_at=now_of(session)),
        )

    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(check, range(64)))

    assert {each.points for each in made} == {7}
    with database.transaction("checkin") as session:
        assert points_of(session, member) == 7
