"""E6, semantics 15: who referred whom: a new member, once, within the month's cap."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clock import business_date, day_start
from app.members import enrolment, freezing, referring
from app.members.arrivals import ChannelName
from app.members.identification import KnownMember
from config.database import Database, now_of
from tests.app.checkout.test_races import meanwhile
from tests.app.points.test_merging import merge
from tests.factories import make_member, unique


@pytest.fixture
def referrer(session: Session) -> KnownMember:
    return make_member(session)


def refer(session: Session, friend: KnownMember, code: str, **other: object) -> bool:
    return referring.refer(session, friend, code=code, **{"month_friends": 10, **other})  # type: ignore[arg-type]


def test_a_code_is_made_once_and_stays(session: Session, referrer: KnownMember) -> None:
    before = referring.friends_of(session, referrer)

    code = referring.code_of(session, referrer)

    assert before.code is None
    assert referring.code_of(session, referrer) == code
    assert referring.friends_of(session, referrer).code == code
    assert referring.code_of(session, make_member(session)) != code


def test_a_friend_is_referred_once_for_ever(session: Session, referrer: KnownMember) -> None:
    friend, other = make_member(session), make_member(session)
    code = referring.code_of(session, referrer)

    counted = [
        refer(session, friend, f" {code.lower()} "),
        refer(session, friend, code),
        refer(session, friend, referring.code_of(session, other)),
    ]

    assert counted == [True, False, False]
    assert referring.friends_of(session, referrer).this_month == 1


def test_nobody_refers_himself_or_who_holds_his_former_phone(
    session: Session, referrer: KnownMember
) -> None:
    code = referring.code_of(session, referrer)

    assert not refer(session, referrer, code)
    assert not refer(session, make_member(session), code, former=referrer)
    assert not refer(session, make_member(session), "NOBODY22")


def test_who_is_frozen_or_only_paid_refers_nobody(session: Session, referrer: KnownMember) -> None:
    pseudonym = enrolment.enrol_by_payment(
        session, ChannelName(channel="wechat", app_id="wx1", identity=unique("o"))
    ).member
    codes = [referring.code_of(session, each) for each in (pseudonym, referrer)]
    freezing.freeze(session, referrer.public_id, by="lin", reason="x")

    assert [refer(session, make_member(session), code) for code in codes] == [False, False]


def test_a_month_in_shanghai_has_its_cap(session: Session, referrer: KnownMember) -> None:
    code = referring.code_of(session, referrer)
    first = [refer(session, make_member(session), code, month_friends=2) for _ in range(3)]
    next_month = (business_date(now_of(session)).replace(day=1) + timedelta(days=32)).replace(day=1)
    session.info["now"] = day_start(next_month)

    assert first == [True, True, False]
    assert refer(session, make_member(session), code, month_friends=2)
    assert referring.friends_of(session, referrer).this_month == 1


def test_codes_of_who_was_merged_lead_to_the_survivor(
    session: Session, referrer: KnownMember
) -> None:
    """Semantics 46."""
    code, survivor = referring.code_of(session, referrer), make_member(session)
    refer(session, make_member(session), code)
    merge(session, referrer, survivor)

    assert refer(session, make_member(session), code)
    assert referring.friends_of(session, survivor).this_month == 2
    assert not refer(session, survivor, code)


def test_two_friends_at_once_find_room_for_one(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        friends = [make_member(session) for _ in range(2)]
        code = referring.code_of(session, make_member(session))

    ended = meanwhile(
        database,
        district,
        lambda session: refer(session, friends[0], code, month_friends=1),
        lambda session: refer(session, friends[1], code, month_friends=1),
    )

    assert ended.result() is False
    with database.transaction(district) as session:
        rows = session.scalars(
            text("SELECT friend_id FROM referral WHERE friend_id = ANY (:ids)"),
            {"ids": [each.id for each in friends]},
        ).all()
    assert rows == [friends[0].id]
