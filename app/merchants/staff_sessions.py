"""Staff signed in over HTTP: a row a session, its token known by a hash alone (reliability §11).

A session ends at sign-out, when its staff member is disabled or enrolled anew, after half an hour
without a request and after eight hours in any case. Roles are not part of it: they are read for
every act (ADR 0007). Time here is the server's own, in a sandbox too.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.merchants.models import Staff, StaffSession, StaffStatus
from config.database import district_of, new_id

IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)

_NOTED_EVERY = timedelta(minutes=1)
_TOKEN = re.compile(r"st_([a-z][a-z0-9-]{1,30})_[A-Za-z0-9_-]{43}", re.ASCII)


class Ending(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "signed_out"
    DISABLED = "disabled"
    ENROLLED = "enrolled"


@dataclass(frozen=True, kw_only=True)
class OpenedSession:
    """A session that was opened just now; its token is told this once."""

    public_id: str
    until: datetime
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LiveSession:
    """A session that is open, and whose it is."""

    id: int
    public_id: str
    until: datetime
    staff: Staff


def district_of_token(token: str) -> str | None:
    """Return the district that a token names, or None if it is no token of staff (decision 7)."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


def hash_of(token: str) -> bytes:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def open_for(session: Session, staff: Staff, *, now: datetime) -> OpenedSession:
    """Sign a staff member in; who has proved himself is the caller's matter."""
    opened = OpenedSession(
        public_id=new_id("sts"),
        until=now + LONGEST,
        token=f"st_{district_of(session).id}_{secrets.token_urlsafe(32)}",
    )
    session.add(
        StaffSession(
            public_id=opened.public_id,
            staff_id=staff.id,
            token_hash=hash_of(opened.token),
            opened_at=now,
            seen_at=now,
            until=opened.until,
        )
    )
    session.flush()
    return opened


def find(session: Session, token_hash: bytes, *, now: datetime) -> LiveSession | None:
    """Return the open session of a token, if its staff member may act at all; one round trip."""
    row = session.execute(
        select(StaffSession, Staff)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .where(StaffSession.token_hash == token_hash, StaffSession.ended_at.is_(None))
        .where(StaffSession.until > now, StaffSession.seen_at > now - IDLE)
        .where(Staff.status == StaffStatus.ACTIVE)
    ).one_or_none()
    if row is None:
        return None
    opened, staff = row
    return LiveSession(id=opened.id, public_id=opened.public_id, until=opened.until, staff=staff)


def note_seen(session: Session, live: LiveSession, *, now: datetime) -> None:
    """Let half an hour begin anew; written once a minute at most."""
    session.execute(
        update(StaffSession)
        .where(StaffSession.id == live.id, StaffSession.seen_at < now - _NOTED_EVERY)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def end(session: Session, session_id: int, *, why: Ending, now: datetime) -> None:
    """End one session; one that has ended stays as it ended."""
    _end(session, StaffSession.id == session_id, why=why, now=now)


def end_all(session: Session, staff_id: int, *, why: Ending, now: datetime) -> None:
    """End every session of a staff member."""
    _end(session, StaffSession.staff_id == staff_id, why=why, now=now)


def _end(session: Session, which: object, *, why: Ending, now: datetime) -> None:
    session.execute(
        update(StaffSession)
        .where(which, StaffSession.ended_at.is_(None))  # type: ignore[arg-type]
        .values(ended_at=now, ended_why=why)
    )
