"""What may be seen of a person: masked by default, in clear for a reason and on record (G2).

The member sees his own in clear, and corrects it.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid
from app.members.birthdays import masked_birthday
from app.members.errors import UnknownMember
from app.members.identification import same_person
from app.members.models import ChannelIdentity, Member
from app.members.phones import masked_name, masked_phone
from app.members.sealing import open_data_key

log = logging.getLogger(__name__)

REVEAL = "member.reveal"
REVEALS_PER_HOUR = 50


@dataclass(frozen=True, kw_only=True)
class Person:
    """Phone (E.164), name and birthday (MM-DD) of a member as far as known, in clear or masked."""

    phone: str | None = field(repr=False)
    name: str | None = field(repr=False)
    birthday: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OwnIdentity:
    """What a channel's app calls a member, in clear."""

    channel: str
    app_id: str
    identity: str = field(repr=False)


def masked_person(session: Session, public_id: str) -> Person:
    """Return what anybody who may see the member may see: 138****8000, 张*.

    Raises:
        UnknownMember: nobody has this public id.
    """
    person = _open(session, public_id)
    return Person(
        phone=None if person.phone is None else masked_phone(person.phone),
        name=None if person.name is None else masked_name(person.name),
        birthday=masked_birthday(person.birthday),
    )


def reveal(session: Session, public_id: str, *, by: str, reason: str) -> Person:
    """Return phone, name and birthday in clear, and put on record who read them and why.

    More than 50 an hour by one person raise an alarm (reliability §13).

    Raises:
        UnknownMember: nobody has this public id.
        Invalid: no reason is given.
    """
    if not reason.strip():
        raise Invalid("reason", "查看明文须说明理由", "reading in clear needs a reason")
    person = _open(session, public_id)
    audit.record(session, actor=by, action=REVEAL, object=public_id, reason=reason)
    read = audit.count_since(session, actor=by, action=REVEAL, window=timedelta(hours=1))
    if read > REVEALS_PER_HOUR:
        log.error("personal_data_read_often", extra={"staff": by, "reads_in_the_hour": read})
    return person


def own_person(session: Session, public_id: str) -> Person:
    """Return phone and name in clear to the member himself, which needs no reason and no record.

    Raises:
        UnknownMember: nobody has this public id.
    """
    return _open(session, public_id)


def own_identities(session: Session, public_id: str) -> list[OwnIdentity]:
    """Return the identities of channels in clear to the member himself.

    Raises:
        UnknownMember: nobody has this public id.
    """
    member = session.scalar(select(Member).where(Member.public_id == public_id))
    if member is None:
        raise UnknownMember(public_id)
    people = session.scalars(select(Member).where(Member.id.in_(same_person(member.id)))).all()
    keys = {each.id: open_data_key(session, each) for each in people}
    rows = session.scalars(
        select(ChannelIdentity)
        .where(ChannelIdentity.member_id.in_(list(keys)))
        .order_by(ChannelIdentity.id)
    )
    return [
        OwnIdentity(
            channel=row.channel,
            app_id=row.app_id,
            identity=keys[row.member_id].open(
                row.identity,
                table="channel_identity",
                column="identity",
                row=row.identity_index.hex(),
            ),
        )
        for row in rows
    ]


def rename(session: Session, public_id: str, *, name: str) -> None:
    """Write the member's name anew, as he himself says it (G3).

    Raises:
        UnknownMember: nobody has this public id.
        Invalid: nothing but spaces.
    """
    if not name.strip():
        raise Invalid("name", "姓名不能为空", "a name is not empty")
    row = session.scalar(
        select(Member)
        .where(Member.public_id == public_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise UnknownMember(public_id)
    row.name = open_data_key(session, row).seal(name.strip(), table="member", column="name")
    session.flush()


def _open(session: Session, public_id: str) -> Person:
    member = session.scalar(select(Member).where(Member.public_id == public_id))
    if member is None:
        raise UnknownMember(public_id)
    if member.data_key is None:
        return Person(phone=None, name=None, birthday=None)
    key = open_data_key(session, member)

    def opened(column: str, sealed: bytes | None) -> str | None:
        return None if sealed is None else key.open(sealed, table="member", column=column)

    return Person(
        phone=opened("phone", member.phone),
        name=opened("name", member.name),
        birthday=opened("birthday", member.birthday),
    )
