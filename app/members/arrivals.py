"""Somebody who comes to be enrolled, and the details by which he may be known already."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.errors import Invalid
from app.members import sealing
from app.members.birthdays import parse_birthday
from app.members.models import Kind, Source
from app.members.phones import normalised

_CARD = re.compile(r"[A-Za-z0-9-]{1,40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ChannelName:
    """What a channel's app calls somebody; opaque to us (decision: doors come without a change)."""

    channel: str
    app_id: str
    identity: str = field(repr=False)

    def __post_init__(self) -> None:
        if not (self.channel and self.app_id and self.identity):
            raise Invalid(
                "identity", "渠道、应用和标识均不能为空", "channel, app and id are needed"
            )


@dataclass(frozen=True, kw_only=True)
class NewMember:
    """A person to enrol, by at least one of phone, card number and channel identity.

    Who comes by payment is pseudonymous and has agreed to nothing (semantics 48); everybody else
    registers. A birthday is written `MM-DD`.
    """

    source: Source
    phone: str | None = field(default=None, repr=False)
    card_number: str | None = None
    identity: ChannelName | None = None
    name: str | None = field(default=None, repr=False)
    birthday: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.phone is None and self.card_number is None and self.identity is None:
            raise Invalid(
                "member",
                "需要手机号、卡号或渠道标识之一",
                "a phone, a card or an identity is needed",
            )
        if self.card_number is not None and not _CARD.fullmatch(self.card_number):
            raise Invalid(
                "card_number", "卡号须为 1 到 40 个字母、数字或 -", "1 to 40 letters, digits or -"
            )
        if self.name is not None and not 1 <= len(self.name.strip()) <= 60:
            raise Invalid("name", "姓名须为 1 到 60 个字符", "a name has 1 to 60 characters")
        if self.birthday is not None:
            parse_birthday(self.birthday)

    @property
    def kind(self) -> Kind:
        """What this person is enrolled as."""
        return Kind.PSEUDONYMOUS if self.source is Source.PAYMENT else Kind.REGISTERED


class Key(NamedTuple):
    """One detail by which a member is unique: the blind index of it, or a card number."""

    detail: str
    value: bytes | str


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A person to enrol with every detail normalised and indexed; nothing is read yet."""

    new: NewMember
    phone: str | None = field(repr=False)
    phone_index: bytes | None
    identity_index: bytes | None

    def details(self) -> Sequence[Key]:
        """Return the details that nobody else may have, in a fixed order."""
        named = (
            ("phone", self.phone_index),
            ("card", self.new.card_number),
            ("identity", self.identity_index),
        )
        return [Key(detail, value) for detail, value in named if value is not None]


def arrival(session: Session, new: NewMember) -> Arrival:
    """Return the arrival of a person.

    Raises:
        BadPhone: the phone cannot be a mobile number.
    """
    phone = None if new.phone is None else normalised(new.phone)
    named = new.identity
    return Arrival(
        new=new,
        phone=phone,
        phone_index=None if phone is None else sealing.phone_index(session, phone),
        identity_index=None
        if named is None
        else sealing.identity_index(
            session, channel=named.channel, app_id=named.app_id, identity=named.identity
        ),
    )


def first_of_each(
    arrivals: Iterable[tuple[int, Arrival]],
) -> tuple[list[tuple[int, Arrival]], list[tuple[int, Arrival]]]:
    """Split into those who share no detail with an earlier one, and those who have to wait."""
    first: list[tuple[int, Arrival]] = []
    later: list[tuple[int, Arrival]] = []
    seen: set[Key] = set()
    for place, each in arrivals:
        keys = each.details()
        (later if seen.intersection(keys) else first).append((place, each))
        seen.update(keys)
    return first, later
