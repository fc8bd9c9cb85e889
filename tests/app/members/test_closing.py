"""Semantics 49, G3, reliability §13: leaving, thinking better of it, and being erased."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app import audit
from app.errors import NotFound, StateConflict
from app.members import (
    closing,
    consents,
    devices,
    enrolment,
    freezing,
    identification,
    privacy,
    sign_in,
)
from app.members.arrivals import ChannelName, NewMember
from app.members.closing import Leaving, Leftover
from app.members.consents import Decision, Matter
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.members.models import MemberStatus, Source
from app.members.purposes import Channel, Purpose, current_text
from config.database import now_of
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.factories import TESTER, make_member, new_phone, unique

OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"


@pytest.fixture
def phone() -> str:
    return new_phone()


@pytest.fixture
def member(session: Session, phone: str) -> KnownMember:
    """A member with all that may be known of one."""
    new = NewMember(
        source=Source.WECHAT,
        phone=phone,
        name="张三",
        card_number=unique("C"),
        identity=ChannelName(channel="wechat", app_id="wx1", identity=unique(OPENID)),
    )
    return enrolment.enrol(session, new).member


def leave(session: Session, member: KnownMember, points: Leftover = Leftover.BURN) -> Leaving:
    return closing.ask(
        session, member=member, points=points, evidence={"door": "test"}, now=now_of(session)
    )


def erase(session: Session, *, days: float) -> int:
    return closing.erase_due(session, now=now_of(session) + timedelta(days=days))


@pytest.mark.parametrize(
    ("points", "days"), [(Leftover.BURN, 7), (Leftover.DONATE, 7), (Leftover.FORFEIT, 15)]
)
def test_there_is_a_week_to_undo_and_fifteen_days_before_points_are_given_up(
    session: Session, member: KnownMember, points: Leftover, days: int
) -> None:
    leaving = leave(session, member, points)

    assert leaving.due_at == now_of(session) + timedelta(days=days)
    assert closing.find(session, member) == leaving
    erase(session, days=days - 0.001)
    assert identification.get_by_public_id(session, member.public_id).status == "active"
    erase(session, days=days)
    assert identification.get_by_public_id(session, member.public_id).status == "closed"


def test_marketing_stops_at_once_and_points_remain(session: Session, member: KnownMember) -> None:
    give_points(session, open_shop(session), member, 500)
    offers = Matter(Purpose.MARKETING, Channel.SMS)
    consents.decide(
        session, member=member, matter=offers, decision=Decision.GIVEN,
        version=current_text(Purpose.MARKETING).version, evidence={},
    )  # fmt: skip

    leave(session, member)

    assert consents.list_stances(session, member.id)[offers].decision is Decision.WITHDRAWN
    assert points_of(session, member) == 500


def test_who_thinks_better_of_it_stays(session: Session, member: KnownMember) -> None:
    leave(session, member)
    with pytest.raises(StateConflict, match="already"):
        leave(session, member)

    closing.undo(session, member=member, now=now_of(session))

    erase(session, days=30)
    assert identification.get_by_public_id(session, member.public_id).status == "active"
    with pytest.raises(NotFound):
        closing.undo(session, member=member, now=now_of(session))
    leave(session, member)


def test_the_person_is_erased_and_cannot_be_found_or_read_again(
    session: Session, member: KnownMember, phone: str
) -> None:
    """G3: crypto-shredding; no seal, no index and no number of the person is left."""
    now = now_of(session)
    device = devices.open_on(session, member=member, source="wechat", now=now)
    sign_in.make_code(session, phone, now=now, sends=False)
    leave(session, member)

    erase(session, days=7)

    row = session.execute(text("SELECT * FROM member WHERE id = :id"), {"id": member.id}).one()
    assert (row.data_key, row.phone, row.phone_index, row.name, row.card_number) == (None,) * 5
    for table in ("channel_identity", "cashier_member"):
        left = session.scalar(
            text(f"SELECT count(*) FROM {table} WHERE member_id = :id"), {"id": member.id}
        )
        assert left == 0
    assert identification.find_by_phone(session, phone) is None
    assert not sign_in.use_code(session, phone, "000000", now=now)
    assert devices.find(session, device.public_id, now=now) is None
    assert privacy.masked_person(session, member.public_id).phone is None
    (act,) = audit.list_records(session, about=member.public_id, limit=1)
    assert (act.actor, act.action) == (closing.ERASER, "member.erase")


def test_the_books_stay_whole_under_a_name_that_names_nobody(
    session: Session, member: KnownMember, phone: str
) -> None:
    shop = open_shop(session)
    sale = give_points(session, shop, member, 500)
    leave(session, member)

    erase(session, days=7)

    gone = identification.get_by_public_id(session, member.public_id)
    newcomer = make_member(session, phone=phone)
    assert points_of(session, gone) == 500
    assert ledger.statements.trial_balance(session)["points"] == 0
    assert newcomer.id != member.id
    assert points_of(session, newcomer) == 0
    shop.refund(session, sale.public_id)
    assert points_of(session, gone) == 0


def test_erasing_twice_or_late_does_no_harm(session: Session, member: KnownMember) -> None:
    erase(session, days=400)
    leave(session, member)

    assert erase(session, days=300) == 1
    assert erase(session, days=300) == 0
    gone = identification.get_by_public_id(session, member.public_id)
    assert gone.status is MemberStatus.CLOSED
    with pytest.raises(MemberNotActive):
        leave(session, gone)


def test_who_is_frozen_is_looked_at_first(session: Session, member: KnownMember) -> None:
    """M11"""
    freezing.freeze(session, member.public_id, by=TESTER, reason="x")

    with pytest.raises(MemberNotActive):
        leave(session, identification.get_by_public_id(session, member.public_id))


def test_who_is_frozen_while_leaving_is_erased_all_the_same(
    session: Session, member: KnownMember
) -> None:
    leave(session, member)
    freezing.freeze(session, member.public_id, by=TESTER, reason="x")

    assert erase(session, days=7) == 1
