"""One person who is kept twice: a member becomes another one by a link, and may part again (M4).

Nothing of the loser is rewritten: orders, memberships, consents, identities and devices stay his,
and whoever looks him up finds the survivor (semantics 46). A merge can be undone for thirty days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from app import outbox
from app.errors import NotFound, StateConflict
from app.members import closing, consents, joint_standing
from app.members.consents import Matter
from app.members.identification import KnownMember, list_unmerged
from app.members.models import CashierMember, Kind, Member, MemberStatus
from app.members.purposes import Channel, Purpose
from config.database import Base, new_id

TIME_TO_UNDO = timedelta(days=30)


class Merge(Base):
    """One member who became another: who agreed when, and what has to be put back by an undo.

    `consents` are the survivor's that became stricter, `cashiers` those that were the loser.
    """

    __tablename__ = "merge"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("loser_id <> survivor_id", name="two"),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone"),
        Index(
            "merge_loser_id_idx", "loser_id", unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index("merge_survivor_id_idx", "survivor_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    loser_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    survivor_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    loser_status: Mapped[str]
    consents: Mapped[list[Any]]
    cashiers: Mapped[list[Any]]
    merged_at: Mapped[datetime]
    merged_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two members under lock, each by himself."""

    loser: KnownMember
    survivor: KnownMember


def lock_pair(session: Session, *, loser_id: int, survivor_id: int) -> Pair:
    """Lock the rows of two members, in the order of their keys, and read them as they stand."""
    session.execute(
        select(Member.id)
        .where(Member.id.in_([loser_id, survivor_id]))
        .order_by(Member.id)
        .with_for_update(key_share=True)
    ).all()
    members = list_unmerged(session, [loser_id, survivor_id])
    return Pair(loser=members[loser_id], survivor=members[survivor_id])


def require_mergeable(session: Session, pair: Pair) -> None:
    """Refuse a merge that would lose something or somebody.

    Raises:
        StateConflict: the same member, one that is frozen, closed or about to leave, a survivor who
            is parked, or one who has not registered while the loser has.
    """
    loser, survivor = pair.loser, pair.survivor
    if loser.id == survivor.id:
        raise StateConflict("member", loser.public_id, "same", "是同一会员", "it is one member")
    survivor.require_active()
    if loser.status is not MemberStatus.PARKED:
        loser.require_active()
    for each in (loser, survivor):
        if closing.find(session, each) is not None:
            raise StateConflict(
                "member", each.public_id, "closing", "账户正在注销", "it is being closed"
            )
    if survivor.kind is Kind.PSEUDONYMOUS and loser.kind is Kind.REGISTERED:
        raise StateConflict(
            "member", survivor.public_id, survivor.kind,
            "请保留已注册的一方", "let the registered one survive",
        )  # fmt: skip


def link(session: Session, pair: Pair, *, by: str, now: datetime) -> Merge:
    """Let a locked loser be the survivor from now on, in the higher tier and the stricter consents.

    Those who were merged into the loser before are the survivor now too.
    """
    loser, survivor, public_id = pair.loser, pair.survivor, new_id("mrg")
    stricter = consents.refused_elsewhere(session, member_id=survivor.id, other_id=loser.id)
    consents.withdraw(session, member=survivor, stances=stricter, evidence={"merge": public_id})
    cashiers = _move_cashiers(session, start=loser.id, end=survivor.id)
    joint_standing.unite(session, loser=loser, survivor=survivor)
    session.execute(
        update(Member)
        .where((Member.id == loser.id) | (Member.merged_into_id == loser.id))
        .values(merged_into_id=survivor.id)
    )
    session.execute(update(Member).where(Member.id == loser.id).values(status=MemberStatus.MERGED))
    row = Merge(
        public_id=public_id,
        loser_id=loser.id,
        survivor_id=survivor.id,
        loser_status=loser.status,
        consents=[_written(stance.matter, stance.version) for stance in stricter],
        cashiers=cashiers,
        merged_at=now,
        merged_by=by,
    )
    session.add(row)
    session.flush()
    _tell(session, "member.merged", row, pair)
    return row


def unlink(session: Session, merge: Merge, pair: Pair, *, by: str, now: datetime) -> None:
    """Let a merged member be himself again, and the survivor stand as he did in tier and consents.

    One whose number has another holder meanwhile is parked. What the survivor has decided himself
    since the merge stays, and a tier that was decided since.
    """
    session.execute(
        update(Member)
        .where(Member.id.in_(_merged_into(session, merge.loser_id)))
        .values(merged_into_id=merge.loser_id)
    )
    row = session.get_one(Member, merge.loser_id, populate_existing=True)
    lost = row.phone is not None and row.phone_index is None
    row.status = MemberStatus.PARKED if lost else MemberStatus(merge.loser_status)
    row.merged_into_id = None
    session.execute(
        update(CashierMember)
        .where(
            CashierMember.cashier_id.in_(merge.cashiers),
            CashierMember.member_id == merge.survivor_id,
        )
        .values(member_id=merge.loser_id)
    )
    consents.give_again(
        session,
        member=pair.survivor,
        given=[_read(each) for each in merge.consents],
        withdrawn_at=merge.merged_at,
        evidence={"merge_undone": merge.public_id},
    )
    merge.undone_at, merge.undone_by = now, by
    session.flush()
    joint_standing.part(session, survivor=pair.survivor)
    _tell(session, "member.merge_undone", merge, pair)


def get_locked(session: Session, public_id: str) -> Merge:
    """Return a merge under lock.

    Raises:
        NotFound: no merge has this id.
    """
    found = session.scalar(
        select(Merge)
        .where(Merge.public_id == public_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("merge", public_id)
    return found


def require_undoable(merge: Merge, pair: Pair, *, now: datetime) -> None:
    """Refuse to undo a merge that stands no more, or for good.

    Raises:
        StateConflict: it is undone, older than thirty days, or its survivor has been merged or has
            left since.
    """
    name = merge.public_id
    if merge.undone_at is not None:
        raise StateConflict("merge", name, "undone", "已撤销", "undone already")
    if now >= merge.merged_at + TIME_TO_UNDO:
        raise StateConflict("merge", name, "final", "已过 30 天", "its 30 days are over")
    if pair.survivor.status is MemberStatus.MERGED:
        raise StateConflict(
            "merge", name, "merged", "请先撤销较晚的合并", "undo the later merge first"
        )
    if pair.survivor.status is MemberStatus.CLOSED:
        raise StateConflict("merge", name, "closed", "会员已注销", "the member has left")


def person_at(session: Session, member: KnownMember, *, at: datetime) -> KnownMember:
    """Return who a member was at an instant: merges that stood then count, later ones do not (L12).

    `member` is the one whom a detail names, by himself. What the member is now, such as the tier,
    is as it stands now.
    """
    found = session.scalars(_PERSON_AT, {"member": member.id, "at": at}).one()
    return member if found == member.id else list_unmerged(session, [found])[found]


def list_standing(session: Session, *, limit: int = 100) -> Sequence[tuple[Merge, str, str]]:
    """Return merges that stand, newest first, with the public ids of loser and survivor."""
    loser, survivor = aliased(Member), aliased(Member)
    rows = session.execute(
        select(Merge, loser.public_id, survivor.public_id)
        .join(loser, loser.id == Merge.loser_id)
        .join(survivor, survivor.id == Merge.survivor_id)
        .where(Merge.undone_at.is_(None))
        .order_by(Merge.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _merged_into(session: Session, member_id: int) -> Sequence[int]:
    """Return those who were merged into a member, directly or by another."""
    return session.scalars(_BELOW, {"member": member_id}).all()


def _move_cashiers(session: Session, *, start: int, end: int) -> list[int]:
    moved = session.scalars(
        update(CashierMember)
        .where(CashierMember.member_id == start)
        .values(member_id=end)
        .returning(CashierMember.cashier_id)
    )
    return sorted(moved)


def _written(matter: Matter, version: str) -> list[object]:
    return [matter.purpose.value, matter.channel.value, matter.merchant_id, version]


def _read(stored: Sequence[Any]) -> tuple[Matter, str]:
    purpose, channel, merchant_id, version = stored
    return Matter(Purpose(purpose), Channel(channel), merchant_id), version


def _tell(session: Session, topic: str, merge: Merge, pair: Pair) -> None:
    outbox.add(
        session,
        topic=topic,
        aggregate=merge.public_id,
        payload={
            "merge": merge.public_id,
            "member": pair.loser.public_id,
            "survivor": pair.survivor.public_id,
        },
    )


#: Each step of the way was a merge that stood; the last one reached is the person.
_PERSON_AT = text(
    """
    WITH RECURSIVE way (id, steps) AS (
        SELECT CAST(:member AS bigint), 0
        UNION ALL
        SELECT m.survivor_id, w.steps + 1 FROM way w JOIN merge m ON m.loser_id = w.id
        WHERE m.merged_at <= :at AND (m.undone_at IS NULL OR m.undone_at > :at)
    )
    SELECT id FROM way ORDER BY steps DESC LIMIT 1
    """
)
_BELOW = text(
    """
    WITH RECURSIVE below AS (
        SELECT loser_id FROM merge WHERE survivor_id = :member AND undone_at IS NULL
        UNION SELECT m.loser_id FROM merge m JOIN below b ON m.survivor_id = b.loser_id
        WHERE m.undone_at IS NULL
    )
    SELECT loser_id FROM below
    """
)
