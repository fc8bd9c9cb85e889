"""Members' birthdays: month and day alone, sealed, opened where a rule asks for them (E5).

The year is not kept: no rule asks for it, and it would tell a person's age. Where it is said, it is
asked once whether somebody is old enough to decide alone (reliability §13), and forgotten.
"""

import calendar
import re
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.errors import StateConflict
from app.members import sealing
from app.members.errors import BadBirthday, TooYoung, UnknownMember
from app.members.identification import KnownMember
from app.members.models import Member
from app.members.sealing import DataKey

DECIDES_ALONE_AT = 14

_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)", re.ASCII)
_WHOLE_DATE = re.compile(r"\d{4}-(\d\d-\d\d)", re.ASCII)


def parse_birthday(written: str) -> tuple[int, int]:
    """Return the month and day written `MM-DD`; 02-29 is one.

    Raises:
        BadBirthday: there is no such day; the refusal does not repeat it.
    """
    found = _MONTH_DAY.fullmatch(written)
    if found is None:
        raise BadBirthday
    month, day = int(found[1]), int(found[2])
    try:
        date(2000, month, day)  # A leap year.
    except ValueError:
        raise BadBirthday from None
    return month, day


def old_enough(written: str, *, today: date) -> str:
    """Return the month and day of a birthday written `MM-DD`, or `YYYY-MM-DD` to say the age.

    Raises:
        BadBirthday: there is no such day, or it has not come yet.
        TooYoung: under 14 on this day.
    """
    found = _WHOLE_DATE.fullmatch(written)
    if found is None:
        parse_birthday(written)
        return written
    try:
        born = date.fromisoformat(written)
    except ValueError:
        raise BadBirthday from None
    if born > today:
        raise BadBirthday
    # Who was born on 29 February turns a year older on the 28th of other years (semantics 30).
    leaps = calendar.isleap(today.year)
    day = 28 if (born.month, born.day) == (2, 29) and not leaps else born.day
    before = (today.month, today.day) < (born.month, day)
    if today.year - born.year - before < DECIDES_ALONE_AT:
        raise TooYoung
    return found[1]


def birthday_of(session: Session, member: KnownMember) -> tuple[int, int] | None:
    """Return a member's month and day of birth, or None; no SQL: a look-up brings it sealed.

    Raises:
        BadSeal: the master key is another one, or the row was altered.
    """
    kept = member.birthday
    if kept is None:
        return None
    key = sealing.open_wrapped_key(
        session, member=member.public_id, wrapped=kept.data_key, version=kept.key_version
    )
    return parse_birthday(key.open(kept.sealed, table="member", column="birthday"))


def set_birthday(
    session: Session, public_id: str, birthday: str | None, *, by: str, reason: str
) -> None:
    """Keep another birthday (`MM-DD`) of a member, or none any more; the same one changes nothing.

    The audit says that it changed, not to what. Locks the member's row.

    Raises:
        BadBirthday: there is no such day.
        UnknownMember: nobody has this public id.
        NotFound: the member's key was destroyed.
    """
    if birthday is not None:
        parse_birthday(birthday)
    row, key = _locked(session, public_id)
    known = None
    if row.birthday is not None:
        known = key.open(row.birthday, table="member", column="birthday")
    if known == birthday:
        return
    row.birthday = None
    if birthday is not None:
        row.birthday = key.seal(birthday, table="member", column="birthday")
    audit.record(
        session,
        actor=by,
        action="member.set_birthday",
        object=public_id,
        before={"birthday": masked_birthday(known)},
        after={"birthday": masked_birthday(birthday)},
        reason=reason,
    )
    session.flush()


def declare_birthday(session: Session, public_id: str, birthday: str) -> None:
    """Keep the birthday (`MM-DD`) that a member says himself; once, for it is worth points.

    The same one again changes nothing. Locks the member's row.

    Raises:
        BadBirthday: there is no such day.
        UnknownMember: nobody has this public id.
        StateConflict: another one is known; staff may change it.
    """
    parse_birthday(birthday)
    row, key = _locked(session, public_id)
    if row.birthday is None:
        row.birthday = key.seal(birthday, table="member", column="birthday")
        session.flush()
    elif key.open(row.birthday, table="member", column="birthday") != birthday:
        raise StateConflict(
            "member", public_id, "birthday-known",
            "生日已填写，更改请到服务台", "the birthday is known: the counter changes it",
        )  # fmt: skip


def masked_birthday(birthday: str | None) -> str | None:
    """Return a birthday as it may be shown: that there is one."""
    return None if birthday is None else "**-**"


def _locked(session: Session, public_id: str) -> tuple[Member, DataKey]:
    row = session.scalar(
        select(Member)
        .where(Member.public_id == public_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise UnknownMember(public_id)
    return row, sealing.open_data_key(session, row)
