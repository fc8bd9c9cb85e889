"""Reliability §9, decision 24: a dear burn, or the third in an hour, needs a tap on the phone."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.members import confirming
from app.members.confirming import AskedBurn, needs_confirmation
from app.members.errors import BurnNotConfirmed
from app.members.identification import KnownMember
from config.database import now_of
from tests.factories import make_member, make_till


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


@pytest.fixture
def burn(session: Session, member: KnownMember) -> AskedBurn:
    return confirming.ask(
        session,
        member=member,
        terminal_id=make_till(session).id,
        points=20_000,
        worth_fen=20_000,
        now=now_of(session),
    )


def use(session: Session, burn: AskedBurn, member: KnownMember, *, points: int = 20_000) -> None:
    confirming.use(
        session,
        burn.public_id,
        member=member,
        terminal_id=burn.terminal_id,
        points=points,
        now=now_of(session),
    )


@pytest.mark.parametrize(
    ("worth_fen", "burns", "needed"),
    [(10_000, 0, False), (10_001, 0, True), (1, 1, False), (1, 2, True)],
)
def test_dear_burns_and_the_third_in_an_hour_need_a_tap(
    worth_fen: int, burns: int, needed: bool
) -> None:
    assert needs_confirmation(worth_fen=worth_fen, burns_in_the_hour=burns) is needed


def test_a_tap_is_used_once_and_for_no_more_than_it_was_given_for(
    session: Session, burn: AskedBurn, member: KnownMember
) -> None:
    with pytest.raises(BurnNotConfirmed):
        use(session, burn, member)
    waiting = confirming.list_waiting(session, member, now=now_of(session))

    confirming.confirm(session, burn.public_id, member=member, now=now_of(session))

    with pytest.raises(BurnNotConfirmed):
        use(session, burn, member, points=20_001)
    use(session, burn, member)
    with pytest.raises(BurnNotConfirmed):
        use(session, burn, member)
    assert waiting == [burn]
    assert confirming.list_waiting(session, member, now=now_of(session)) == []


def test_nobody_else_confirms_a_burn(session: Session, burn: AskedBurn) -> None:
    with pytest.raises(NotFound):
        confirming.confirm(
            session, burn.public_id, member=make_member(session), now=now_of(session)
        )


def test_after_ten_minutes_it_is_too_late(
    session: Session, burn: AskedBurn, member: KnownMember
) -> None:
    later = now_of(session) + timedelta(minutes=10)

    assert confirming.list_waiting(session, member, now=later) == []
    with pytest.raises(NotFound):
        confirming.confirm(session, burn.public_id, member=member, now=later)
