"""Reliability §13, G2: nothing personal stands in clear, and whoever reads it is on record."""

import logging
import re

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid
from app.members import enrolment, freezing, privacy
from app.members.arrivals import ChannelName, NewMember
from app.members.errors import UnknownMember
from app.members.models import Member, Source
from config.keys import BadSeal, KeyRing
from tests.factories import make_member, unique

PHONE = "+8613912345678"
NAME = "欧阳加密测试"


def _every_column(session: Session) -> str:
    """Return the whole district as text, binary columns also as the characters they spell."""
    tables = session.scalars(
        text(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        )
    ).all()
    found: list[str] = []
    for table in tables:
        rows = session.scalars(text(f'SELECT CAST(t AS text) FROM "{table}" t')).all()
        found.extend(rows)
        for row in rows:
            for binary in re.findall(r"\\x([0-9a-f]+)", row):
                found.append(bytes.fromhex(binary).decode("latin-1"))
                found.append(bytes.fromhex(binary).decode("utf-8", errors="ignore"))
    return "\n".join(found)


def test_no_column_of_the_district_holds_a_phone_a_name_or_an_identity(session: Session) -> None:
    identity = ChannelName(channel="wechat", app_id="wxapp1", identity="oCanary-openid-777")
    member = enrolment.enrol(
        session,
        NewMember(source=Source.WECHAT, phone=PHONE, name=NAME, identity=identity),
        by="stf_1",
    ).member
    freezing.freeze(session, member.public_id, by="stf_1", reason=f"来电 {PHONE} 投诉")
    privacy.reveal(session, member.public_id, by="stf_1", reason="回访 13912345678")

    everything = _every_column(session)

    assert member.public_id in everything
    for secret in ("13912345678", NAME, "oCanary-openid-777"):
        assert secret not in everything


def test_a_person_is_shown_masked_and_read_in_clear_for_a_reason(session: Session) -> None:
    member = make_member(session, phone=PHONE, name=NAME, birthday="02-29")

    masked = privacy.masked_person(session, member.public_id)
    clear = privacy.reveal(session, member.public_id, by="stf_1", reason="寄送奖品")

    assert (masked.phone, masked.name, masked.birthday) == ("139****5678", "欧*", "**-**")
    assert (clear.phone, clear.name, clear.birthday) == (PHONE, NAME, "02-29")
    assert PHONE not in repr(clear)
    records = audit.list_records(session, about=member.public_id)
    assert [(row.actor, row.action, row.reason) for row in records] == [
        ("stf_1", "member.reveal", "寄送奖品")
    ]


def test_reading_in_clear_without_a_reason_is_refused(session: Session) -> None:
    member = make_member(session)

    with pytest.raises(Invalid, match="理由"):
        privacy.reveal(session, member.public_id, by="stf_1", reason="  ")
    with pytest.raises(UnknownMember):
        privacy.reveal(session, "mem_unknown", by="stf_1", reason="x")


def test_the_51st_reading_in_an_hour_raises_an_alarm(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    member = make_member(session, phone=PHONE)
    curious = unique("stf_")

    with caplog.at_level(logging.ERROR):
        for _ in range(50):
            privacy.reveal(session, member.public_id, by=curious, reason="x")
        assert caplog.records == []
        privacy.reveal(session, member.public_id, by=curious, reason="x")

    (alarm,) = caplog.records
    assert alarm.getMessage() == "personal_data_read_often"
    assert PHONE not in str(alarm.__dict__)


def test_one_members_sealed_phone_does_not_open_as_anothers(session: Session) -> None:
    one, two = make_member(session), make_member(session)
    stolen = session.get_one(Member, one.id).phone

    session.execute(update(Member).where(Member.id == two.id).values(phone=stolen))
    session.expire_all()

    with pytest.raises(BadSeal):
        privacy.masked_person(session, two.public_id)


def test_another_master_key_opens_nothing(session: Session) -> None:
    member = make_member(session)
    session.info["key_ring"] = KeyRing(master=bytes(32), index=bytes(range(32, 64)))

    with pytest.raises(BadSeal):
        privacy.masked_person(session, member.public_id)


def test_without_the_data_key_a_person_is_gone_and_the_wallet_stays(session: Session) -> None:
    """G3: crypto-shredding."""
    member = make_member(session, phone=PHONE, name=NAME)

    session.execute(
        update(Member)
        .where(Member.id == member.id)
        .values(data_key=None, phone=None, phone_index=None, name=None, birthday=None)
    )
    session.expire_all()

    person = privacy.masked_person(session, member.public_id)
    assert (person.phone, person.name, person.birthday) == (None, None, None)
    assert session.get_one(Member, member.id).wallet_id == member.wallet_id
