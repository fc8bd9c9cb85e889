"""Birthdays are kept sealed, changed on record, and read without another look-up (§13, E5)."""

from datetime import date

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import audit
from app.errors import NotFound, StateConflict
from app.members import birthdays, enrolment
from app.members.arrivals import NewMember
from app.members.birthdays import (
    birthday_of,
    declare_birthday,
    old_enough,
    parse_birthday,
    set_birthday,
)
from app.members.errors import BadBirthday, TooYoung, UnknownMember
from app.members.identification import find_by_phone, get_by_public_id
from app.members.models import Member, Source
from config.keys import BadSeal
from tests.factories import make_member, new_phone


def test_a_birthday_given_at_enrolment_comes_with_every_look_up(
    session: Session, sent: list[object]
) -> None:
    phone = new_phone()
    member = make_member(session, phone=phone, birthday="02-29")

    sent.clear()
    found = find_by_phone(session, phone)
    assert found is not None
    born = birthday_of(session, found)

    assert born == (2, 29)
    assert len(sent) == 1
    assert birthday_of(session, member) == born
    assert birthday_of(session, make_member(session)) is None


def test_it_is_sealed_for_its_member_and_its_column(session: Session) -> None:
    """reliability §13"""
    one, two = make_member(session, birthday="05-20"), make_member(session, birthday="05-21")
    sealed = session.scalars(select(Member.birthday).where(Member.id == one.id)).one()
    assert sealed is not None
    assert b"05-20" not in sealed
    assert "05-20" not in repr(get_by_public_id(session, one.public_id))
    assert str(sealed) not in repr(get_by_public_id(session, one.public_id))

    session.execute(update(Member).where(Member.id == two.id).values(birthday=sealed))

    with pytest.raises(BadSeal):
        birthday_of(session, get_by_public_id(session, two.public_id))


def test_a_known_member_gains_a_birthday_but_enrolling_does_not_change_it(
    session: Session,
) -> None:
    phone = new_phone()
    member = make_member(session, phone=phone)

    for said in ("12-01", "12-02"):
        enrolment.enrol(
            session, NewMember(source=Source.COUNTER, phone=phone, birthday=said), by="stf_1"
        )

    assert birthday_of(session, get_by_public_id(session, member.public_id)) == (12, 1)
    (record,) = audit.list_records(session, about=member.public_id)
    assert record.after == {"added": ["birthday"]}


def test_a_change_is_on_record_without_the_day(session: Session) -> None:
    member = make_member(session)

    for said in ("05-20", "05-20", "05-21", None):
        set_birthday(session, member.public_id, said, by="stf_1", reason="本人更正")

    assert birthday_of(session, get_by_public_id(session, member.public_id)) is None
    records = audit.list_records(session, about=member.public_id)
    assert [(row.action, row.before, row.after) for row in records] == [
        ("member.set_birthday", {"birthday": "**-**"}, {"birthday": None}),
        ("member.set_birthday", {"birthday": "**-**"}, {"birthday": "**-**"}),
        ("member.set_birthday", {"birthday": None}, {"birthday": "**-**"}),
    ]


@pytest.mark.parametrize("said", ["02-30", "13-01", "00-10", "7-31", "1990-05-20", "０５-20", ""])
def test_a_day_that_there_is_not_is_refused_and_not_repeated(session: Session, said: str) -> None:
    member = make_member(session)

    with pytest.raises(BadBirthday) as refused:
        set_birthday(session, member.public_id, said, by="stf_1", reason="x")
    with pytest.raises(BadBirthday):
        NewMember(source=Source.COUNTER, phone=new_phone(), birthday=said)
    assert not said or said not in str(refused.value)


def test_29_february_is_a_birthday() -> None:
    """semantics 30"""
    assert parse_birthday("02-29") == (2, 29)
    assert birthdays.masked_birthday("02-29") == "**-**"


def test_nobody_and_somebody_shredded_have_none(session: Session) -> None:
    """G3: crypto-shredding."""
    member = make_member(session, birthday="05-20")
    session.execute(
        update(Member)
        .where(Member.id == member.id)
        .values(data_key=None, phone=None, phone_index=None, name=None, birthday=None)
    )
    session.expire_all()

    assert birthday_of(session, get_by_public_id(session, member.public_id)) is None
    with pytest.raises(NotFound):
        set_birthday(session, member.public_id, "05-20", by="stf_1", reason="x")
    with pytest.raises(UnknownMember):
        set_birthday(session, "mem_unknown", "05-20", by="stf_1", reason="x")


@pytest.mark.parametrize(
    ("born", "today", "old"),
    [
        ("2012-11-27", date(2026, 11, 27), True),
        ("2012-11-28", date(2026, 11, 27), False),
        ("2012-02-29", date(2026, 2, 28), True),
        ("2012-02-29", date(2026, 2, 27), False),
        ("2016-02-29", date(2030, 2, 28), True),
        ("2014-02-28", date(2028, 2, 28), True),
        ("2026-11-27", date(2026, 11, 27), False),
        ("1900-01-01", date(2026, 11, 27), True),
    ],
)
def test_fourteen_is_old_enough_from_the_birthday_on(born: str, today: date, old: bool) -> None:
    """Reliability §13, semantics 30; the year is forgotten."""
    if old:
        assert old_enough(born, today=today) == born[5:]
    else:
        with pytest.raises(TooYoung):
            old_enough(born, today=today)


@pytest.mark.parametrize("born", ["2026-11-28", "2011-02-29", "2011-13-01", "0000-01-01"])
def test_a_birthday_that_has_not_been_is_none(born: str) -> None:
    with pytest.raises(BadBirthday):
        old_enough(born, today=date(2026, 11, 27))


def test_a_birthday_without_a_year_says_no_age() -> None:
    assert old_enough("02-29", today=date(2026, 11, 27)) == "02-29"


def test_a_member_declares_one_birthday_and_no_other(session: Session) -> None:
    member = make_member(session)

    declare_birthday(session, member.public_id, "05-20")
    declare_birthday(session, member.public_id, "05-20")

    with pytest.raises(StateConflict, match="服务台"):
        declare_birthday(session, member.public_id, "05-21")
    assert birthday_of(session, get_by_public_id(session, member.public_id)) == (5, 20)
