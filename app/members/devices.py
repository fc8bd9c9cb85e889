"""Devices on which a member is signed in: each a session of its own, ended alone or all at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    UniqueConstraint,
    bindparam,
    literal_column,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.members.identification import KnownMember, Named, known, same_person, select_found
from app.members.models import Member, MemberStatus
from config.database import Base, fetch, new_id, written

LONGEST = timedelta(days=180)


class Ending(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "signed_out"
    EVERYWHERE = "everywhere"
    REUSED = "reused"
    CLOSED = "closed"
    PARKED = "parked"


class DeviceSession(Base):
    """A member signed in on one device; its tokens and its code seed end with it."""

    __tablename__ = "device_session"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("source IN ('web', 'wechat', 'alipay')", name="source"),
        CheckConstraint(
            "ended_why IN ('signed_out', 'everywhere', 'reused', 'closed', 'parked')",
            name="ended_why",
        ),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    source: Mapped[str]
    opened_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A session that is open, and whose it is."""

    id: int
    public_id: str
    until: datetime
    member: KnownMember


def open_on(session: Session, *, member: KnownMember, source: str, now: datetime) -> Device:
    """Sign a member in on a device."""
    row = DeviceSession(
        public_id=new_id("ses"),
        member_id=member.id,
        source=source,
        opened_at=now,
        until=now + LONGEST,
    )
    session.add(row)
    session.flush()
    return Device(id=row.id, public_id=row.public_id, until=row.until, member=member)


def find(session: Session, public_id: str, *, now: datetime) -> Device | None:
    """Return an open session of a member who has not left, in one round trip."""
    rows = fetch(session, _OPEN, {"session": public_id, "now": now})
    if not rows:
        return None
    row = rows[0]
    return Device(id=row.session_id, public_id=row.session, until=row.until, member=known(row))


def end(session: Session, device: Device, *, why: Ending, now: datetime) -> None:
    """End one session; one that has ended stays as it ended."""
    _end(session, DeviceSession.id == device.id, why=why, now=now)


def end_all(session: Session, member_id: int, *, why: Ending, now: datetime) -> None:
    """End every session of a member, and of those merged into him."""
    _end(session, DeviceSession.member_id.in_(same_person(member_id)), why=why, now=now)


def _end(session: Session, which: object, *, why: Ending, now: datetime) -> None:
    session.execute(
        update(DeviceSession)
        .where(which, DeviceSession.ended_at.is_(None))  # type: ignore[arg-type]
        .values(ended_at=now, ended_why=why)
    )


_OPEN = written(
    select_found()
    .add_columns(
        DeviceSession.id.label("session_id"),
        DeviceSession.public_id.label("session"),
        DeviceSession.until,
    )
    .join(DeviceSession, DeviceSession.member_id == Named.id)
    .where(
        DeviceSession.public_id == bindparam("session"),
        DeviceSession.ended_at.is_(None),
        DeviceSession.until > bindparam("now"),
        Member.status != literal_column(f"'{MemberStatus.CLOSED}'"),
    )
)
