"""A member's right to all that is kept of him: each export is asked for, and fetched once (G3).

Nothing is stored for it: what is fetched is read at that moment, by the device that is signed in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, Identity, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit
from app.errors import NotFound, TooOften
from app.members.identification import KnownMember
from config.database import Base, new_id

LIFETIME = timedelta(hours=24)
LIMIT_A_DAY = 5


class DataExport(Base):
    """One export of a member's data."""

    __tablename__ = "data_export"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("fetched_at < until", name="fetched_in_time"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    asked_at: Mapped[datetime]
    until: Mapped[datetime]
    fetched_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class AskedExport:
    """An export that may be fetched once until an instant."""

    public_id: str
    until: datetime


def ask(session: Session, *, member: KnownMember, now: datetime) -> AskedExport:
    """Let a member fetch his data once within a day.

    Raises:
        TooOften: he asked five times within a day.
    """
    asked = session.scalar(
        select(func.count())
        .select_from(DataExport)
        .where(DataExport.member_id == member.id, DataExport.asked_at > now - LIFETIME)
    )
    if asked is not None and asked >= LIMIT_A_DAY:
        raise TooOften(seconds=3600)
    made = AskedExport(public_id=new_id("exp"), until=now + LIFETIME)
    session.add(DataExport(**vars(made), member_id=member.id, asked_at=now))
    session.flush()
    return made


def fetch_once(session: Session, public_id: str, *, member: KnownMember, now: datetime) -> None:
    """Use an export up, on record (reliability §14).

    Raises:
        NotFound: it is another's, was fetched, or a day has gone by.
    """
    fetched = session.scalar(
        update(DataExport)
        .where(
            DataExport.public_id == public_id,
            DataExport.member_id == member.id,
            DataExport.fetched_at.is_(None),
            DataExport.until > now,
        )
        .values(fetched_at=now)
        .returning(DataExport.id)
    )
    if fetched is None:
        raise NotFound("export", public_id)
    audit.record(session, actor=member.public_id, action="member.export", object=member.public_id)
