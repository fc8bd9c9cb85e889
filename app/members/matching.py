"""Which known member a person is, and what that member lacks of what the person brings."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, Text, any_, cast, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.orm import Session

from app.members.arrivals import Arrival, Key
from app.members.errors import ChallengeNeeded, DetailDiffers, TwoMembers
from app.members.identification import KnownMember, Named, known, same_person, select_found
from app.members.models import ChannelIdentity, Kind, Member


@dataclass(frozen=True, kw_only=True)
class Match:
    """A known member, and the details by which a person was found to be him."""

    member: KnownMember
    phone_index: bytes | None
    named: bool
    found_by: frozenset[str]

    def lacking(self, arrival: Arrival) -> frozenset[str]:
        """Return what the person brings that the member has not yet.

        Raises:
            DetailDiffers: the member has another phone or card.
        """
        lacking = set()
        for detail, brought, has in (
            ("phone", arrival.phone_index, self.phone_index),
            ("card", arrival.new.card_number, self.member.card_number),
        ):
            if brought is None or detail in self.found_by:
                continue  # Found by it: be it a detail of a member who was merged into this one.
            if has is not None:
                raise DetailDiffers(self.member.public_id, detail)
            lacking.add(detail)
        if arrival.identity_index is not None and "identity" not in self.found_by:
            lacking.add("identity")
        if arrival.new.name is not None and not self.named:
            lacking.add("name")
        if arrival.new.birthday is not None and self.member.birthday is None:
            lacking.add("birthday")
        if self.member.kind is Kind.PSEUDONYMOUS and arrival.new.kind is Kind.REGISTERED:
            lacking.add("kind")
        return frozenset(lacking)


def match(session: Session, arrivals: Sequence[Arrival]) -> list[Match | None]:
    """Return for each person the member he is, or None; at most two statements for all.

    Raises:
        TwoMembers: the details of one person belong to two members.
    """
    owners: dict[Key, Row[Any]] = {}
    keys = [key for arrival in arrivals for key in arrival.details()]
    phones = [key.value for key in keys if key.detail == "phone"]
    cards = [key.value for key in keys if key.detail == "card"]
    identities = [key.value for key in keys if key.detail == "identity"]
    if phones or cards:
        for row in session.execute(
            _members().where(
                or_(
                    Named.phone_index == any_(cast(phones, ARRAY(BYTEA))),
                    Named.card_number == any_(cast(cards, ARRAY(Text))),
                )
            )
        ):
            owners[Key("phone", row.by_phone)] = row
            owners[Key("card", row.by_card)] = row
    if identities:
        for row in session.execute(
            _members()
            .add_columns(ChannelIdentity.identity_index)
            .join(ChannelIdentity, ChannelIdentity.member_id == Named.id)
            .where(ChannelIdentity.identity_index == any_(cast(identities, ARRAY(BYTEA))))
        ):
            owners[Key("identity", row.identity_index)] = row
    return [_one_match(arrival, owners) for arrival in arrivals]


def require_same_person(session: Session, arrival: Arrival, found: Match) -> None:
    """Refuse a new identity for a member found by phone who has another one in that very app.

    Raises:
        ChallengeNeeded: it may be a recycled number (semantics 47).
    """
    named = arrival.new.identity
    if named is None or "phone" not in found.found_by:
        return
    other = session.scalar(
        select(ChannelIdentity.id)
        .where(ChannelIdentity.member_id.in_(same_person(found.member.id)))
        .where(ChannelIdentity.channel == named.channel, ChannelIdentity.app_id == named.app_id)
        .limit(1)
    )
    if other is not None:
        raise ChallengeNeeded(found.member.public_id)


def _members() -> Select[Any]:
    return select_found().add_columns(
        Member.phone_index,
        Member.name.is_not(None).label("named"),
        Named.phone_index.label("by_phone"),
        Named.card_number.label("by_card"),
    )


def _one_match(arrival: Arrival, owners: dict[Key, Row[Any]]) -> Match | None:
    found: defaultdict[int, set[str]] = defaultdict(set)
    rows: dict[int, Row[Any]] = {}
    for key in arrival.details():
        if key in owners:
            row = owners[key]
            rows[row.id] = row
            found[row.id].add(key.detail)
    if not rows:
        return None
    if len(rows) > 1:
        raise TwoMembers(tuple(sorted(row.public_id for row in rows.values())))
    ((member_id, row),) = rows.items()
    return Match(
        member=known(row),
        phone_index=row.phone_index,
        named=row.named,
        found_by=frozenset(found[member_id]),
    )
