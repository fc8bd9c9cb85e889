"""Signing in by a phone and a code of six digits that is sent there (reliability §11, §12).

Nothing here asks whether the phone is a member's: what is answered, and how long it takes, is the
same for every phone. Phone and code wait under seal for the one who sends them.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, delete, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import outbox
from app.errors import TooOften
from app.members import sealing
from app.members.phones import normalised
from config.database import Base, district_of, new_id
from config.keys import Place

DIGITS = 6
LIFETIME = timedelta(minutes=5)
TRIES = 5
PAUSE = timedelta(minutes=1)
LIMIT_IN_AN_HOUR = 5
KEPT = timedelta(days=1)


class SignInCode(Base):
    """A code on its way to a phone; `tries` counts the wrong ones."""

    __tablename__ = "sign_in_code"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("octet_length(phone_index) = 16", name="phone_index"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("sign_in_code_phone_index_made_at_idx", "phone_index", "made_at"),
        Index("sign_in_code_made_at_idx", "made_at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    phone_index: Mapped[bytes]
    phone: Mapped[bytes]
    code: Mapped[bytes]
    key_version: Mapped[int]
    made_at: Mapped[datetime]
    until: Mapped[datetime]
    tries: Mapped[int]
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class MadeCode:
    """A code that was made just now."""

    code: str = field(repr=False)
    until: datetime


def make_code(session: Session, phone: str, *, now: datetime, sends: bool) -> MadeCode:
    """Make a code for a phone; with `sends` it is left in the outbox for a messenger.

    A code ends the one before it. One a minute and five an hour for a phone, counted here and
    not in Redis, for each costs money and annoys somebody.

    Raises:
        BadPhone: it cannot be a mobile number.
        TooOften: more than that.
    """
    number = normalised(phone)
    index = sealing.phone_index(session, number)
    _require_patience(session, index, now=now)
    ring, public_id = sealing.key_ring(session), new_id("sic")
    made = MadeCode(code=f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}", until=now + LIFETIME)
    session.add(
        SignInCode(
            public_id=public_id,
            phone_index=index,
            phone=ring.wrap(number.encode(), place=_place("phone", public_id, ring.version)),
            code=ring.wrap(made.code.encode(), place=_place("code", public_id, ring.version)),
            key_version=ring.version,
            made_at=now,
            until=made.until,
            tries=0,
        )
    )
    session.flush()
    if sends:
        outbox.add(
            session, topic="sign_in.code_made", aggregate=public_id, payload={"code": public_id}
        )
    return made


def use_code(session: Session, phone: str, code: str, *, now: datetime) -> bool:
    """Use a phone's code up; False if it does not hold, and then the caller commits the try.

    Raises:
        BadPhone: it cannot be a mobile number.
    """
    row = session.scalar(
        select(SignInCode)
        .where(SignInCode.phone_index == sealing.phone_index(session, normalised(phone)))
        .order_by(SignInCode.id.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None or row.used_at is not None or row.until <= now or row.tries >= TRIES:
        return False
    place = _place("code", row.public_id, row.key_version)
    if not hmac.compare_digest(
        sealing.key_ring(session).unwrap(row.code, place=place), code.encode()
    ):
        row.tries += 1
        return False
    row.used_at = now
    return True


def purge(session: Session, *, now: datetime) -> int:
    """Forget codes, and the phones they went to, after a day; return how many."""
    gone = session.execute(
        delete(SignInCode).where(SignInCode.made_at < now - KEPT).returning(SignInCode.id)
    )
    return len(gone.all())


def _require_patience(session: Session, index: bytes, *, now: datetime) -> None:
    name = f"sign-in:{district_of(session).id}:{index.hex()}"
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
    )
    made = session.scalars(
        select(SignInCode.made_at)
        .where(SignInCode.phone_index == index, SignInCode.made_at > now - timedelta(hours=1))
        .order_by(SignInCode.made_at.desc())
    ).all()
    free_at = [made[0] + PAUSE] if made else []
    if len(made) >= LIMIT_IN_AN_HOUR:
        free_at.append(made[LIMIT_IN_AN_HOUR - 1] + timedelta(hours=1))
    wait = max((at - now for at in free_at), default=timedelta())
    if wait > timedelta():
        raise TooOften(seconds=max(round(wait.total_seconds()), 1))


def _place(column: str, public_id: str, version: int) -> Place:
    return Place(table="sign_in_code", column=column, row_id=public_id, key_version=version)
