"""Leaving: seven days to think again, then the person is erased and the books stay (semantics 49).

Marketing stops at once. What is erased is the data key, and with it all that it sealed; the blind
indexes, by which somebody could be found again, go too. Wallet, orders and memberships stay under
the member's public id, which then names nobody. What is to become of points that are left is
written down; `points.lapsing` books them so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit, outbox
from app.errors import NotFound, StateConflict
from app.members import consents, devices
from app.members.devices import Ending
from app.members.identification import KnownMember, get_by_id, same_person
from app.members.models import CashierMember, ChannelIdentity, Member, MemberStatus
from app.members.purposes import OPTIONAL, Purpose
from app.members.sign_in import SignInCode
from config.database import Base, new_id

ERASER = "system:erase_members"
TIME_TO_UNDO = timedelta(days=7)
NOTICE_OF_FORFEIT = timedelta(days=15)

_AT_A_TIME = 100


class Leftover(StrEnum):
    """What is to become of the points: used up before, given away, or given up with notice."""

    BURN = "burn"
    DONATE = "donate"
    FORFEIT = "forfeit"

    @property
    def notice(self) -> timedelta:
        """How long until the account is erased."""
        match self:
            case Leftover.BURN | Leftover.DONATE:
                return TIME_TO_UNDO
            case Leftover.FORFEIT:
                return NOTICE_OF_FORFEIT
            case _:
                assert_never(self)


class Closing(Base):
    """A member's wish to leave: undone, or done when its day has come."""

    __tablename__ = "closing"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("points IN ('burn', 'donate', 'forfeit')", name="points"),
        CheckConstraint("undone_at IS NULL OR done_at IS NULL", name="end"),
        Index(
            "closing_member_id_idx", "member_id", unique=True,
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index(
            "closing_due_idx", "due_at",
            postgresql_where=text("undone_at IS NULL AND done_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    points: Mapped[str]
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A wish to leave that stands."""

    public_id: str
    points: Leftover
    asked_at: datetime
    due_at: datetime


def ask(
    session: Session,
    *,
    member: KnownMember,
    points: Leftover,
    evidence: Mapping[str, str],
    now: datetime,
) -> Leaving:
    """Begin to close an account; all consent but that of membership is taken back at once.

    Raises:
        MemberNotActive: frozen or parked; staff have to look at it first.
        StateConflict: it is being closed already.
    """
    member.require_active()
    session.execute(select(Member.id).where(Member.id == member.id).with_for_update())
    if find(session, member) is not None:
        raise StateConflict(
            "member", member.public_id, "closing", "账户已在注销中", "it is being closed already"
        )
    leaving = Leaving(
        public_id=new_id("cls"), points=points, asked_at=now, due_at=now + points.notice
    )
    session.add(Closing(**vars(leaving), member_id=member.id))
    session.flush()
    consents.withdraw_all(session, member=member, purposes=OPTIONAL, evidence=evidence)
    _tell(session, "member.closing_asked", member.public_id, leaving.public_id)
    return leaving


def find(session: Session, member: KnownMember) -> Leaving | None:
    """Return the member's wish to leave that stands, or None."""
    row = session.scalar(
        select(Closing).where(
            Closing.member_id == member.id, Closing.undone_at.is_(None), Closing.done_at.is_(None)
        )
    )
    if row is None:
        return None
    return Leaving(
        public_id=row.public_id,
        points=Leftover(row.points),
        asked_at=row.asked_at,
        due_at=row.due_at,
    )


def undo(session: Session, *, member: KnownMember, now: datetime) -> None:
    """Stay after all, until the account is erased. Consents that were taken back stay so.

    Raises:
        NotFound: it is not being closed.
    """
    undone = session.scalar(
        update(Closing)
        .where(
            Closing.member_id == member.id, Closing.undone_at.is_(None), Closing.done_at.is_(None)
        )
        .values(undone_at=now)
        .returning(Closing.public_id)
    )
    if undone is None:
        raise NotFound("closing", member.public_id)
    _tell(session, "member.closing_undone", member.public_id, undone)


def erase_due(session: Session, *, now: datetime) -> int:
    """Erase the members whose day has come, a hundred at most; return how many.

    Run twice or late it does no harm: a row that another run holds is left to that one.
    """
    rows = session.scalars(
        select(Closing)
        .where(Closing.due_at <= now, Closing.undone_at.is_(None), Closing.done_at.is_(None))
        .order_by(Closing.due_at)
        .limit(_AT_A_TIME)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        _erase(session, get_by_id(session, row.member_id), closing=row.public_id, now=now)
        row.done_at = now
    session.flush()
    return len(rows)


def _erase(session: Session, member: KnownMember, *, closing: str, now: datetime) -> None:
    rows = session.scalars(
        select(Member)
        .where(Member.id.in_(same_person(member.id)))
        .order_by(Member.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    phones = [row.phone_index for row in rows if row.phone_index is not None]
    session.execute(delete(SignInCode).where(SignInCode.phone_index.in_(phones)))
    consents.withdraw_all(
        session, member=member, purposes=list(Purpose), evidence={"closing": closing}
    )
    for row in rows:  # Those who were merged into him are the same person.
        row.status = MemberStatus.CLOSED
        row.data_key = row.phone = row.phone_index = row.name = row.birthday = None
        row.card_number = None
    session.flush()
    keys = [row.id for row in rows]
    session.execute(delete(ChannelIdentity).where(ChannelIdentity.member_id.in_(keys)))
    session.execute(delete(CashierMember).where(CashierMember.member_id.in_(keys)))
    devices.end_all(session, member.id, why=Ending.CLOSED, now=now)
    audit.record(
        session,
        actor=ERASER,
        action="member.erase",
        object=member.public_id,
        before={"status": member.status.value},
        after={"status": MemberStatus.CLOSED.value, "closing": closing},
    )
    _tell(session, "member.erased", member.public_id, closing)


def _tell(session: Session, topic: str, member: str, closing: str) -> None:
    outbox.add(
        session, topic=topic, aggregate=closing, payload={"member": member, "closing": closing}
    )
