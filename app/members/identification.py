"""Who a member is, found by public id, phone, card or channel identity: one statement each.

A detail names the member that it was given by; who has been merged since is found as the member
that he is now (semantics 46).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    LargeBinary,
    Row,
    Select,
    Text,
    any_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session, aliased

from app import audit
from app.members import sealing
from app.members.errors import BadPhone, MemberNotActive, UnknownMember
from app.members.models import CashierMember, ChannelIdentity, Kind, Member, MemberStatus
from app.members.phones import normalised
from app.merchants.directory import ListedCashier
from config.database import fetch, written

#: The member whom a detail names.
Named = aliased(Member, name="named")


@dataclass(frozen=True, kw_only=True)
class SealedBirthday:
    """A member's birthday as the row keeps it, and the wrapped key that it is sealed under."""

    sealed: bytes = field(repr=False)
    data_key: bytes = field(repr=False)
    key_version: int


@dataclass(frozen=True, kw_only=True)
class KnownMember:
    """A member as a sale needs it; holds nothing personal in clear.

    `birthday` is opened by `birthdays.birthday_of`. `cashier_ids` are the tills' people that this
    member is: selling to oneself is flagged (semantics 56).
    """

    id: int
    public_id: str
    wallet_id: int
    card_number: str | None
    kind: Kind
    status: MemberStatus
    tier: str
    joined_at: datetime
    birthday: SealedBirthday | None
    cashier_ids: frozenset[int]

    def require_active(self) -> None:
        """Refuse whatever only an active member may do.

        Raises:
            MemberNotActive: frozen, parked or closed.
        """
        if self.status is not MemberStatus.ACTIVE:
            raise MemberNotActive(self.public_id, self.status)


def find_by_public_id(session: Session, public_id: str) -> KnownMember | None:
    """Return the member of this public id, or None."""
    return _find(session, _BY_PUBLIC_ID, public_id)


def find_by_card(session: Session, card_number: str) -> KnownMember | None:
    """Return the member who carries this card number, or None."""
    return _find(session, _BY_CARD, card_number)


def find_by_phone(session: Session, phone: str) -> KnownMember | None:
    """Return the member of this phone number, however written, or None.

    Raises:
        BadPhone: it cannot be a mobile number.
    """
    return _find(session, _BY_PHONE, sealing.phone_index(session, normalised(phone)))


def list_by_phones(session: Session, phones: Iterable[str]) -> Mapping[str, KnownMember]:
    """Return the members of these phone numbers, by the number as it was written.

    Raises:
        BadPhone: one of them cannot be a mobile number.
    """
    indices = {phone: sealing.phone_index(session, normalised(phone)) for phone in phones}
    if not indices:
        return {}
    wanted = any_(cast(list(indices.values()), ARRAY(LargeBinary)))
    rows = session.execute(
        select_found().add_columns(Named.phone_index).where(Named.phone_index == wanted)
    )
    found = {row.phone_index: known(row) for row in rows}
    return {phone: found[index] for phone, index in indices.items() if index in found}


def find_by_identity(
    session: Session, *, channel: str, app_id: str, identity: str
) -> KnownMember | None:
    """Return the member whom a channel's app knows by this identity, or None."""
    index = sealing.identity_index(session, channel=channel, app_id=app_id, identity=identity)
    return _find(session, _BY_IDENTITY, index)


def get_by_public_id(session: Session, public_id: str) -> KnownMember:
    """Return the member of this public id.

    Raises:
        UnknownMember: nobody has it.
    """
    found = find_by_public_id(session, public_id)
    if found is None:
        raise UnknownMember(public_id)
    return found


def get_by_id(session: Session, member_id: int) -> KnownMember:
    """Return the member of this key, which rows of other rooms refer to."""
    found = _find(session, _BY_ID, member_id)
    if found is None:
        raise UnknownMember("id")
    return found


def get_by_any(session: Session, written: str) -> KnownMember:
    """Return the member that a person means: a public id, a phone number, else a card number.

    A card number that looks like a phone is still found. The refusal repeats a public id alone.

    Raises:
        UnknownMember: nobody is known by it.
    """
    if written.startswith("mem_"):
        return get_by_public_id(session, written)
    found = find_by_card(session, written)
    if found is None:
        found = find_by_phone(session, written)
    if found is None:
        raise UnknownMember
    return found


def list_by_any(session: Session, written: Collection[str]) -> Mapping[str, KnownMember]:
    """Return the members that people mean, by what was written, as `get_by_any` finds one.

    Three statements at most. What names nobody is missing.
    """
    ids = {each for each in written if each.startswith("mem_")}
    others = set(written) - ids
    found = {**list_by_public_ids(session, list(ids)), **list_by_cards(session, list(others))}
    phones = []
    for each in others - set(found):
        with suppress(BadPhone):
            normalised(each)
            phones.append(each)
    return {**found, **list_by_phones(session, phones)}


def get_named(session: Session, written: str) -> KnownMember:
    """Return the member that a detail names, by himself, whoever he has been merged into since.

    For a look back: `merges.person_at` says who he was at an instant.

    Raises:
        UnknownMember: nobody is known by it.
        BadPhone: neither an id nor a card, and it cannot be a phone number.
    """
    if written.startswith("mem_"):
        found = _first(session, Member.public_id == written)
    else:
        found = _first(session, Member.card_number == written)
        if found is None:
            index = sealing.phone_index(session, normalised(written))
            found = _first(session, Member.phone_index == index)
    if found is None:
        raise UnknownMember(written if written.startswith("mem_") else None)
    return found


def list_by_cards(session: Session, card_numbers: Sequence[str]) -> Mapping[str, KnownMember]:
    """Return the members of these card numbers by card, in one statement."""
    wanted = any_(cast(card_numbers, ARRAY(Text)))
    rows = session.execute(
        select_found().add_columns(Named.card_number.label("by")).where(Named.card_number == wanted)
    )
    return {row.by: known(row) for row in rows}


def link_cashier(session: Session, *, member: KnownMember, cashier: ListedCashier, by: str) -> None:
    """Say which member a cashier is; a cashier who is another one now is moved."""
    session.execute(
        insert(CashierMember)
        .values(cashier_id=cashier.id, member_id=member.id)
        .on_conflict_do_update(index_elements=["cashier_id"], set_={"member_id": member.id})
    )
    audit.record(
        session,
        actor=by,
        action="member.link_cashier",
        object=member.public_id,
        after={"store": cashier.store.code, "cashier": cashier.code},
    )


def list_by_public_ids(session: Session, public_ids: Sequence[str]) -> Mapping[str, KnownMember]:
    """Return the members of these public ids by id, in one statement."""
    wanted = any_(cast(public_ids, ARRAY(Text)))
    rows = session.execute(
        select_found().add_columns(Named.public_id.label("by")).where(Named.public_id == wanted)
    )
    return {row.by: known(row) for row in rows}


def list_unmerged(session: Session, member_ids: Iterable[int]) -> Mapping[int, KnownMember]:
    """Return members by key, each by himself, merged or not, in one statement."""
    rows = session.execute(select_known().where(Member.id.in_(list(member_ids))))
    return {row.id: known(row) for row in rows}


def same_person(member_id: int) -> Select[int]:
    """Return the query of the keys under which a member is kept: his own, and those merged."""
    return select(Member.id).where(or_(Member.id == member_id, Member.merged_into_id == member_id))


def select_known() -> Select[Any]:
    """Return the query behind `KnownMember`, to be narrowed and read by `known`."""
    cashiers = (
        select(func.array_agg(CashierMember.cashier_id))
        .where(CashierMember.member_id == Member.id)
        .scalar_subquery()
    )
    return select(
        Member.id,
        Member.public_id,
        Member.wallet_id,
        Member.card_number,
        Member.kind,
        Member.status,
        Member.tier,
        Member.joined_at,
        Member.birthday,
        case((Member.birthday.is_not(None), Member.data_key)).label("birthday_key"),
        Member.key_version,
        cashiers.label("cashier_ids"),
    )


def select_found() -> Select[Any]:
    """Return the query of who the `Named` member is now, to be narrowed and read by `known`."""
    return select_known().join(Named, Member.id == func.coalesce(Named.merged_into_id, Named.id))


def known(row: Row[Any]) -> KnownMember:
    """Return the value of a row that begins with the columns of `select_known`."""
    return KnownMember(
        id=row.id,
        public_id=row.public_id,
        wallet_id=row.wallet_id,
        card_number=row.card_number,
        kind=Kind(row.kind),
        status=MemberStatus(row.status),
        tier=row.tier,
        joined_at=row.joined_at,
        birthday=None
        if row.birthday is None
        else SealedBirthday(
            sealed=row.birthday, data_key=row.birthday_key, key_version=row.key_version
        ),
        cashier_ids=frozenset(row.cashier_ids or ()),
    )


def _first(session: Session, condition: ColumnElement[bool]) -> KnownMember | None:
    row = session.execute(select_known().where(condition)).first()
    return None if row is None else known(row)


def _find(session: Session, query: LiteralString, value: object) -> KnownMember | None:
    rows = fetch(session, query, {"value": value})
    return known(rows[0]) if rows else None


_VALUE: BindParameter[Any] = bindparam("value")
_BY_ID = written(select_found().where(Named.id == _VALUE))
_BY_PUBLIC_ID = written(select_found().where(Named.public_id == _VALUE))
_BY_CARD = written(select_found().where(Named.card_number == _VALUE))
_BY_PHONE = written(select_found().where(Named.phone_index == _VALUE))
_BY_IDENTITY = written(
    select_found()
    .join(ChannelIdentity, ChannelIdentity.member_id == Named.id)
    .where(ChannelIdentity.identity_index == _VALUE)
)
