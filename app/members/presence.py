"""A member at a till: who was identified there, by what, and for how long (decision 24).

Quote, order and burn name the identification and not the member: the till learns no id that would
be the same elsewhere. It holds for fifteen minutes, at the terminal where it was made.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    bindparam,
    delete,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.members.identification import KnownMember, Named, known, select_found
from config.database import Base, fetch, new_id, now_of, written

LIFETIME = timedelta(minutes=15)
KEPT = timedelta(days=1)


class Mode(StrEnum):
    """What an identification is good for: earning alone, or spending too."""

    EARN = "earn"
    SPEND = "spend"


class Identification(Base):
    """One member known at one terminal until an instant."""

    __tablename__ = "identification"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index("identification_until_idx", "until"),
        CheckConstraint("mode IN ('earn', 'spend')", name="mode"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    mode: Mapped[str]
    until: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Present:
    """A member as a terminal knows him; `alive` until the quarter of an hour is over."""

    member: KnownMember
    mode: Mode
    alive: bool


@dataclass(frozen=True, kw_only=True)
class Identified:
    """An identification as its till hears of it."""

    public_id: str
    until: datetime
    mode: Mode


def identify(session: Session, member: KnownMember, *, terminal_id: int, mode: Mode) -> Identified:
    """Let a terminal act for an active member for fifteen minutes.

    Raises:
        MemberNotActive: frozen, parked or closed.
    """
    member.require_active()
    made = Identified(public_id=new_id("idn"), until=now_of(session) + LIFETIME, mode=mode)
    session.add(
        Identification(
            public_id=made.public_id,
            member_id=member.id,
            terminal_id=terminal_id,
            mode=mode,
            until=made.until,
        )
    )
    session.flush()
    return made


def find(session: Session, public_id: str, *, terminal_id: int) -> Present | None:
    """Return who an identification of this terminal names, be it over, in one round trip."""
    rows = fetch(session, _FIND, {"public_id": public_id, "terminal": terminal_id})
    if not rows:
        return None
    row = rows[0]
    return Present(member=known(row), mode=Mode(row.mode), alive=now_of(session) < row.until)


def purge(session: Session) -> int:
    """Forget identifications that ended more than a day ago; return how many."""
    gone = session.execute(
        delete(Identification)
        .where(Identification.until < now_of(session) - KEPT)
        .returning(Identification.id)
    )
    return len(gone.all())


_FIND = written(
    select_found()
    .add_columns(Identification.mode, Identification.until)
    .join(Identification, Identification.member_id == Named.id)
    .where(
        Identification.public_id == bindparam("public_id"),
        Identification.terminal_id == bindparam("terminal"),
    )
)
