"""Decision 24: a member known at one terminal for fifteen minutes, to earn or to spend."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.members import freezing, presence
from app.members.errors import MemberNotActive
from app.members.identification import get_by_public_id
from app.members.presence import Mode
from config.database import now_of
from tests.factories import TESTER, make_member, make_till


def test_a_terminal_knows_a_member_for_fifteen_minutes(session: Session) -> None:
    member, till = make_member(session), make_till(session)
    made = presence.identify(session, member, terminal_id=till.id, mode=Mode.SPEND)

    found = presence.find(session, made.public_id, terminal_id=till.id)
    session.info["now"] += timedelta(minutes=15)
    later = presence.find(session, made.public_id, terminal_id=till.id)

    assert found is not None
    assert (found.member, found.mode, found.alive) == (member, Mode.SPEND, True)
    assert later is not None
    assert (later.member, later.alive) == (member, False)


def test_another_terminal_knows_nobody_by_it(session: Session) -> None:
    member, till = make_member(session), make_till(session)
    made = presence.identify(session, member, terminal_id=till.id, mode=Mode.EARN)

    assert presence.find(session, made.public_id, terminal_id=make_till(session).id) is None
    assert presence.find(session, "idn_" + "0" * 26, terminal_id=till.id) is None


def test_who_is_frozen_is_not_identified(session: Session) -> None:
    """M11"""
    member, till = make_member(session), make_till(session)
    freezing.freeze(session, member.public_id, by=TESTER, reason="x")

    with pytest.raises(MemberNotActive):
        presence.identify(
            session,
            get_by_public_id(session, member.public_id),
            terminal_id=till.id,
            mode=Mode.EARN,
        )


def test_what_ended_a_day_ago_is_forgotten(session: Session) -> None:
    member, till = make_member(session), make_till(session)
    now = now_of(session)
    made = presence.identify(session, member, terminal_id=till.id, mode=Mode.EARN)

    session.info["now"] = now + timedelta(minutes=15, days=1)
    presence.purge(session)
    kept = presence.find(session, made.public_id, terminal_id=till.id)
    session.info["now"] += timedelta(seconds=1)

    assert kept is not None
    assert presence.purge(session) == 1
    assert presence.find(session, made.public_id, terminal_id=till.id) is None
