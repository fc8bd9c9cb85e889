"""Refresh tokens: opaque, good once each; one that comes twice ends its session (reliability §11).

Only a hash is kept. A token names its district, as keys of stores do (decision 7).
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, ForeignKey, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.members import devices
from app.members.devices import Device, DeviceSession, Ending
from config.database import Base, district_of

LIFETIME = timedelta(days=30)

_TOKEN = re.compile(r"rt_([a-z][a-z0-9-]{1,30})_[A-Za-z0-9_-]{43}", re.ASCII)


class RefreshToken(Base):
    """One refresh token of a session, by its hash; `used_at` when it was changed for the next."""

    __tablename__ = "refresh_token"
    __table_args__ = (CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),)

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("device_session.id"), index=True)
    issued_at: Mapped[datetime]
    until: Mapped[datetime]
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A token that was made just now, told this once."""

    token: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """A session that goes on, and its next token."""

    device: Device
    issued: IssuedToken


def district_of_token(token: str) -> str | None:
    """Return the district that a token names, or None if it is no refresh token."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


def issue(session: Session, device: Device, *, now: datetime) -> IssuedToken:
    """Give a session its next token; it lives for 30 days, and no longer than the session."""
    made = IssuedToken(
        token=f"rt_{district_of(session).id}_{secrets.token_urlsafe(32)}",
        until=min(now + LIFETIME, device.until),
    )
    session.add(
        RefreshToken(
            token_hash=_hash(made.token), session_id=device.id, issued_at=now, until=made.until
        )
    )
    session.flush()
    return made


def rotate(session: Session, token: str, *, now: datetime) -> Rotated | None:
    """Change a token for the next; None if it is unknown, over, or was changed before.

    One that was changed before has been stolen, or was stolen first: its session ends, so the
    caller commits that with its refusal. Two at once queue for the row, and the second ends it.
    """
    found = session.execute(
        select(RefreshToken, DeviceSession)
        .join(DeviceSession, DeviceSession.id == RefreshToken.session_id)
        .where(RefreshToken.token_hash == _hash(token))
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return None
    row, opened = found
    device = devices.find(session, opened.public_id, now=now)
    if device is None:
        return None
    if row.used_at is not None:
        devices.end(session, device, why=Ending.REUSED, now=now)
        return None
    if row.until <= now:
        return None
    row.used_at = now
    return Rotated(device=device, issued=issue(session, device, now=now))


def purge(session: Session, *, now: datetime) -> int:
    """Forget tokens 30 days after they ended; until then one that comes again is known."""
    gone = session.execute(
        delete(RefreshToken)
        .where(RefreshToken.until < now - LIFETIME)
        .returning(RefreshToken.token_hash)
    )
    return len(gone.all())


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
