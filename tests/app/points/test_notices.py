"""Members are told of the calendar: once for each day and lead (semantics 32)."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import business_date, day_start
from app.members.identification import KnownMember
from app.members.models import Member, MemberStatus
from app.outbox import Message
from app.points import notices, statements
from app.points.definitions import Pending
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.points.test_pending import add_bonus
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 500 points."""
    made = make_member(session)
    give_points(session, shop, made, 500)
    return made


def ends(session: Session, member: KnownMember) -> date:
    (bucket,) = statements.balance(session, member).buckets
    assert bucket.expires_on is not None
    return bucket.expires_on


def told(session: Session, member: KnownMember) -> list[Mapping[str, object]]:
    """Return what a member heard, without the name."""
    news = session.scalars(
        select(Message)
        .where(Message.aggregate == f"{member.public_id}/calendar")
        .order_by(Message.seq)
    )
    return [
        {"topic": each.topic, **{k: v for k, v in each.payload.items() if k != "member"}}
        for each in news
    ]


def remind(session: Session, day: date) -> None:
    session.info["now"] = day_start(day)
    for lead in notices.LEADS:
        after: int | None = 0
        while after is not None:
            after = notices.remind_some(session, day=day, lead=lead, after=after, most=2).after


def test_members_are_reminded_thirty_and_seven_days_ahead_once_each(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    last = ends(session, member)
    for _ in range(3):
        give_points(session, shop, make_member(session), 1)

    for days in (31, 30, 30, 29, 8, 7, 7, 6, 0):
        remind(session, last - timedelta(days=days))

    assert told(session, member) == [
        {
            "topic": "points.expiring", "points": 500, "expires_on": last.isoformat(),
            "days_ahead": ahead,
        }
        for ahead in (30, 7)
    ]  # fmt: skip


def test_a_reminder_that_comes_after_the_end_is_not_sent(
    session: Session, member: KnownMember
) -> None:
    last = ends(session, member)
    session.info["now"] = day_start(last + timedelta(days=1))

    notices.remind_some(session, day=last - timedelta(days=7), lead=7, after=0, most=100)

    assert told(session, member) == []


def test_who_has_spent_them_or_is_gone_hears_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    other = make_member(session)
    give_points(session, shop, other, 3)
    last = ends(session, member)
    shop.sell(session, member, 500, burn=500)
    session.get_one(Member, other.id).status = MemberStatus.CLOSED
    session.flush()

    remind(session, last - timedelta(days=7))

    assert told(session, member) == told(session, other) == []


def test_points_that_become_active_on_a_day_are_told_of_that_day(
    session: Session, member: KnownMember, shop: Shop
) -> None:
    add_bonus(session, shop, Pending(days=14))
    shop.sell(session, member, 10_000)
    day = business_date(now_of(session)) + timedelta(days=14)
    session.info["now"] = day_start(day)

    for _ in range(2):
        notices.tell_some_active(session, day=day, after=0, most=1_000)

    assert told(session, member) == [
        {"topic": "points.activated", "points": 200, "activates_on": day.isoformat()}
    ]
