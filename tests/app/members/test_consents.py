"""M8, reliability §13: consents, each purpose apart, withdrawn as easily as given."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.errors import Invalid, StateConflict
from app.members import consents
from app.members.consents import Decision, Matter, Stance
from app.members.identification import KnownMember
from app.members.purposes import CHANNELS, TEXTS, Channel, Purpose, current_text
from config.database import now_of
from tests.factories import make_member, make_merchant

SMS = Matter(Purpose.MARKETING, Channel.SMS)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def decide(
    session: Session, member: KnownMember, decision: Decision, *, matter: Matter = SMS
) -> Stance:
    return consents.decide(
        session,
        member=member,
        matter=matter,
        decision=decision,
        version=current_text(matter.purpose).version,
        evidence={"door": "test"},
    )


def stands(session: Session, member: KnownMember) -> dict[Matter, Decision]:
    found = consents.list_stances(session, member.id)
    return {matter: stance.decision for matter, stance in found.items()}


def test_nothing_is_agreed_to_before_somebody_agrees(session: Session, member: KnownMember) -> None:
    assert stands(session, member) == {}


def test_each_purpose_and_channel_is_decided_by_itself(
    session: Session, member: KnownMember
) -> None:
    wechat = Matter(Purpose.MARKETING, Channel.WECHAT)
    shop = Matter(Purpose.MERCHANT_SHARING, merchant_id=make_merchant(session).id)
    for matter in (SMS, wechat, shop):
        decide(session, member, Decision.GIVEN, matter=matter)

    decide(session, member, Decision.WITHDRAWN)

    assert stands(session, member) == {
        SMS: Decision.WITHDRAWN,
        wechat: Decision.GIVEN,
        shop: Decision.GIVEN,
    }


def test_a_no_is_respected_for_48_hours_and_a_yes_is_never_asked_for_again(
    session: Session, member: KnownMember
) -> None:
    no = decide(session, member, Decision.DECLINED)
    yes = decide(session, member, Decision.GIVEN)

    assert no.may_be_asked_from == now_of(session) + timedelta(hours=48)
    assert yes.may_be_asked_from is None


def test_every_decision_is_kept_with_the_hash_of_its_text(
    session: Session, member: KnownMember
) -> None:
    for decision in (Decision.GIVEN, Decision.GIVEN, Decision.WITHDRAWN, Decision.GIVEN):
        decide(session, member, decision)

    rows = session.execute(
        text(
            "SELECT decision, text_sha256, evidence FROM consent WHERE member_id = :id ORDER BY id"
        ),
        {"id": member.id},
    ).all()

    sha256 = current_text(Purpose.MARKETING).sha256
    assert [tuple(row) for row in rows] == [
        (decision, sha256, {"door": "test"}) for decision in ("given", "withdrawn", "given")
    ]


def test_rows_are_never_changed(session: Session, member: KnownMember) -> None:
    decide(session, member, Decision.GIVEN)

    for statement in ("UPDATE consent SET decision = 'declined'", "DELETE FROM consent"):
        with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
            session.execute(text(statement))


def test_what_makes_no_sense_is_refused(session: Session, member: KnownMember) -> None:
    with pytest.raises(StateConflict, match="not given"):
        decide(session, member, Decision.WITHDRAWN)
    decide(session, member, Decision.GIVEN)
    with pytest.raises(StateConflict, match="withdraw it"):
        decide(session, member, Decision.DECLINED)
    with pytest.raises(StateConflict, match="closing the account"):
        decide(session, member, Decision.WITHDRAWN, matter=Matter(Purpose.MEMBERSHIP))
    with pytest.raises(Invalid, match="channel"):
        Matter(Purpose.MEMBERSHIP, Channel.SMS)
    with pytest.raises(Invalid, match="merchant"):
        Matter(Purpose.MERCHANT_SHARING)
    with pytest.raises(Invalid, match="version"):
        consents.decide(
            session, member=member, matter=SMS, decision=Decision.GIVEN, version="1999",
            evidence={},
        )  # fmt: skip


def test_all_of_a_purpose_is_taken_back_at_once(session: Session, member: KnownMember) -> None:
    for channel in CHANNELS[Purpose.MARKETING]:
        decide(session, member, Decision.GIVEN, matter=Matter(Purpose.MARKETING, channel))
    decide(session, member, Decision.GIVEN, matter=Matter(Purpose.PERSONALISATION))

    consents.withdraw_all(session, member=member, purposes=[Purpose.MARKETING], evidence={})

    assert set(stands(session, member).values()) == {Decision.WITHDRAWN, Decision.GIVEN}
    assert stands(session, member)[Matter(Purpose.PERSONALISATION)] is Decision.GIVEN


def test_every_purpose_has_texts_in_both_languages() -> None:
    assert set(TEXTS) == set(CHANNELS) == set(Purpose)
    texts = [text for versions in TEXTS.values() for text in versions]
    assert all(text.zh and text.en for text in texts)
    assert len({text.sha256 for text in texts}) == len(texts)
