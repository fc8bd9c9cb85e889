"""Becoming a member: by phone, card or channel identity, or simply by paying (M1, S6).

Enrolling is safe to repeat and to race: whoever is known already is found, by whatever detail,
and what was missing is added. It is set-based, so thousands enrol in a few statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import audit, books, outbox
from app.audit import Act
from app.clock import server_now
from app.errors import Invalid
from app.members import devices, sealing
from app.members.arrivals import Arrival, ChannelName, NewMember, arrival, first_of_each
from app.members.devices import Ending
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember, get_by_public_id, list_by_public_ids
from app.members.matching import Match, match, require_same_person
from app.members.models import ChannelIdentity, Kind, Member, MemberStatus, Source
from app.members.sealing import DataKey
from app.outbox import News
from config.database import new_id, now_of

_RACES = 5


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A member, and whether he was made just now."""

    member: KnownMember
    created: bool


def enrol(session: Session, new: NewMember, *, by: str | None = None) -> Enrolled:
    """Enrol one person, or find the member he is; see `enrol_many`."""
    return enrol_many(session, [new], by=by)[0]


def enrol_by_payment(session: Session, identity: ChannelName) -> Enrolled:
    """Return the member behind a payment; who was unknown is a pseudonymous one at once.

    No consent to marketing comes of it (semantics 48). One statement if he is known.
    """
    return enrol(session, NewMember(source=Source.PAYMENT, identity=identity))


def enrol_many(
    session: Session, people: Sequence[NewMember], *, by: str | None = None
) -> list[Enrolled]:
    """Enrol people, each with a wallet, and return them in order; who is known is found instead.

    A known member gains what he lacked: a phone, a card, an identity, a name, a birthday; a
    pseudonymous one who registers becomes registered. Two transactions that enrol the same person
    at once make one member: the later waits for the earlier, then finds it. `by` is a staff
    member's public id and goes into the audit; people who enrol themselves are not audited.

    Raises:
        BadPhone: a phone cannot be a mobile number.
        TwoMembers: the details of one person belong to two members.
        DetailDiffers: the member found has another phone or card.
        ChallengeNeeded: the phone's member has another identity in this app (semantics 47).
    """
    outcomes: dict[int, Enrolled] = {}
    waiting = [(place, arrival(session, new)) for place, new in enumerate(people)]
    while waiting:
        ready, waiting = first_of_each(waiting)
        enrolled = _enrol_distinct(session, [each for _, each in ready], by=by)
        outcomes.update(zip((place for place, _ in ready), enrolled, strict=True))
    return [outcomes[place] for place in range(len(people))]


def enrol_after_challenge(session: Session, new: NewMember, *, by: str, reason: str) -> Enrolled:
    """Enrol a person whose phone was somebody else's, once he has proved to hold it now.

    The former holder is parked with his points and orders, and comes back by another detail; what
    is his does not go to the newcomer (semantics 47, 号码回收). All devices of his are signed out,
    for who signed in by that phone may not go on. Locks the former holder's row.

    Raises:
        Invalid: no phone is given.
        MemberNotActive: the holder is frozen; staff look at him before anybody begins anew.
    """
    phone_index = arrival(session, new).phone_index
    if phone_index is None:
        raise Invalid("phone", "须给出通过验证的手机号", "the phone that was proved is needed")
    holder = session.scalar(
        select(Member)
        .where(Member.phone_index == phone_index)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if holder is not None:
        _park(session, holder, by=by, reason=reason)
    return enrol(session, new, by=by)


def _park(session: Session, holder: Member, *, by: str, reason: str) -> None:
    """Part a holder from his number; one who is merged is found by other numbers and goes on."""
    if holder.status not in (MemberStatus.ACTIVE, MemberStatus.MERGED):
        raise MemberNotActive(holder.public_id, holder.status)
    start, end = holder.status, MemberStatus.PARKED
    if holder.merged_into_id is not None:
        end = MemberStatus.MERGED
    audit.record(
        session,
        actor=by,
        action="member.park",
        object=holder.public_id,
        before={"status": start},
        after={"status": end.value},
        reason=reason,
    )
    holder.status = end
    holder.phone_index = None
    session.flush()
    who = holder.merged_into_id or holder.id
    devices.end_all(session, who, why=Ending.PARKED, now=server_now(session))


def _enrol_distinct(
    session: Session, arrivals: Sequence[Arrival], *, by: str | None
) -> list[Enrolled]:
    """Enrol people of whom no two share a detail, and look again when a race was lost."""
    for _ in range(_RACES):
        found = match(session, arrivals)
        pairs = list(zip(arrivals, found, strict=True))
        gaining = [each.member.id for who, each in pairs if each and each.lacking(who)]
        if not gaining and None not in found:
            return [Enrolled(member=each.member, created=False) for each in found if each]
        try:
            with session.begin_nested():
                if gaining:  # What they lack is asked again under lock.
                    _lock(session, gaining)
                    found = match(session, arrivals)
                return _write(session, arrivals, found, by=by)
        except IntegrityError as error:
            # Somebody else enrolled one of them meanwhile, and has committed.
            if not isinstance(error.orig, psycopg.errors.UniqueViolation):
                raise
            lost = error
    raise lost


def _lock(session: Session, member_ids: Sequence[int]) -> None:
    session.execute(
        select(Member.id).where(Member.id.in_(member_ids)).order_by(Member.id).with_for_update()
    ).all()


def _write(
    session: Session, arrivals: Sequence[Arrival], found: Sequence[Match | None], *, by: str | None
) -> list[Enrolled]:
    newcomers = [who for who, each in zip(arrivals, found, strict=True) if each is None]
    made = iter(_create(session, newcomers, by=by))
    return [
        Enrolled(member=next(made), created=True)
        if each is None
        else Enrolled(member=_complete(session, who, each, by=by), created=False)
        for who, each in zip(arrivals, found, strict=True)
    ]


def _create(session: Session, arrivals: Sequence[Arrival], *, by: str | None) -> list[KnownMember]:
    """Make members with their wallets and identities, and tell it, in a few statements."""
    if not arrivals:
        return []
    keys = [sealing.make_data_key(session, new_id("mem")) for _ in arrivals]
    wallets = books.open_wallets(session, [key.member for key in keys])
    ring = sealing.key_ring(session)
    rows = [
        {
            "public_id": key.member,
            "wallet_id": wallet_id,
            "card_number": who.new.card_number,
            "kind": who.new.kind,
            "source": who.new.source,
            "joined_at": now_of(session),
            "phone": _sealed(key, "phone", who.phone),
            "phone_index": who.phone_index,
            "name": _sealed(key, "name", who.new.name),
            "birthday": _sealed(key, "birthday", who.new.birthday),
            "data_key": key.wrapped(ring),
            "key_version": key.version,
        }
        for who, key, wallet_id in zip(arrivals, keys, wallets, strict=True)
    ]
    # Two that enrol the same people meet in the same order, so one waits and neither deadlocks.
    rows.sort(key=lambda row: (row["phone_index"] or b"", row["card_number"] or ""))
    session.execute(insert(Member), rows)
    made = list_by_public_ids(session, [key.member for key in keys])
    members = [made[key.member] for key in keys]
    _insert_identities(session, list(zip(arrivals, members, keys, strict=True)))
    _tell(session, list(zip(arrivals, members, strict=True)), by=by)
    return members


def _complete(session: Session, who: Arrival, found: Match, *, by: str | None) -> KnownMember:
    """Give a known member what the person brought and he lacked; his row is locked already."""
    lacking = found.lacking(who)
    if not lacking:
        return found.member
    row = session.get_one(Member, found.member.id, populate_existing=True)
    key = sealing.open_data_key(session, row)
    _fill(row, who, lacking, key=key)
    session.flush()
    completed = get_by_public_id(session, row.public_id)
    if "identity" in lacking:
        require_same_person(session, who, found)
        _insert_identities(session, [(who, completed, key)])
    if by is not None:
        audit.record(
            session,
            actor=by,
            action="member.complete",
            object=row.public_id,
            after={"added": sorted(lacking)},
        )
    return completed


def _fill(row: Member, who: Arrival, lacking: frozenset[str], *, key: DataKey) -> None:
    if "phone" in lacking:
        row.phone, row.phone_index = _sealed(key, "phone", who.phone), who.phone_index
        if row.status == MemberStatus.PARKED:
            row.status = MemberStatus.ACTIVE
    if "card" in lacking:
        row.card_number = who.new.card_number
    if "name" in lacking:
        row.name = _sealed(key, "name", who.new.name)
    if "birthday" in lacking:
        row.birthday = _sealed(key, "birthday", who.new.birthday)
    if "kind" in lacking:
        row.kind = Kind.REGISTERED


def _sealed(key: DataKey, column: str, value: str | None) -> bytes | None:
    return None if value is None else key.seal(value, table="member", column=column)


def _insert_identities(
    session: Session, people: Sequence[tuple[Arrival, KnownMember, DataKey]]
) -> None:
    rows = [
        {
            "member_id": member.id,
            "channel": who.new.identity.channel,
            "app_id": who.new.identity.app_id,
            "identity_index": who.identity_index,
            "identity": key.seal(
                who.new.identity.identity,
                table="channel_identity",
                column="identity",
                row=who.identity_index.hex(),
            ),
            "created_at": now_of(session),
        }
        for who, member, key in sorted(people, key=lambda each: each[0].identity_index or b"")
        if who.new.identity is not None and who.identity_index is not None
    ]
    if rows:
        session.execute(insert(ChannelIdentity), rows)


def _tell(
    session: Session, people: Sequence[tuple[Arrival, KnownMember]], *, by: str | None
) -> None:
    facts = [
        (member.public_id, {"source": who.new.source.value, "kind": member.kind.value})
        for who, member in people
    ]
    outbox.add_many(
        session,
        [
            News(topic="member.enrolled", aggregate=member, payload={"member": member, **fact})
            for member, fact in facts
        ],
    )
    if by is not None:
        audit.record_many(
            session,
            [
                Act(actor=by, action="member.enrol", object=member, after=fact)
                for member, fact in facts
            ],
        )
