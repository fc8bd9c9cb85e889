"""Members' birthdays: month and day alone, sealed, opened where a rule asks for them (E5).

The year is not kept: no rule asks for it, and it would tell a person's age.
"""

import re
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.members import sealing
from app.members.errors import BadBirthday, UnknownMember
from app.members.identification import KnownMember
from app.members.models import Member

_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)", re.ASCII)


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
    row = session.scalar(
        select(Member)
        .where(Member.public_id == public_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise UnknownMember(public_id)
    key = sealing.open_data_key(session, row)
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


def masked_birthday(birthday: str | None) -> str | None:
    """Return a birthday as it may be shown: that there is one."""
    return None if birthday is None else "**-**"
