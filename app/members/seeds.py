"""Seeds of member codes, one a device for a day, and the one use of each code (reliability §9).

A seed is kept for 96 hours: a sale that was captured offline is uploaded within 72, and its code
is checked at its signed business time (decision 24). Who guesses is stopped twice: five wrong
passwords in ten minutes end the alias, ten at one terminal in a minute close it for a minute.
"""

import logging
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Row,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.errors import TooOften
from app.members import codes, sealing
from app.members.codes import ALIAS_DIGITS, SEED_BYTES, STEP_SECONDS, MemberCode
from app.members.devices import Device, DeviceSession
from app.members.errors import MemberCodeUsed
from app.members.identification import KnownMember, Named, known, select_found
from app.members.presence import Mode
from config.database import Base
from config.keys import KeyRing, Place

log = logging.getLogger(__name__)

LIFETIME = timedelta(hours=24)
KEPT = timedelta(hours=96)
ALIAS_MISSES = 5
ALIAS_WINDOW = timedelta(minutes=10)
TERMINAL_MISSES = 10
TERMINAL_WINDOW = timedelta(minutes=1)
MISSES_KEPT = timedelta(days=1)


class CodeSeed(Base):
    """The secret from which one device makes codes, and the alias that names it in them."""

    __tablename__ = "code_seed"
    __table_args__ = (
        UniqueConstraint("alias"),
        CheckConstraint("alias ~ '^[0-9]{10}$'", name="alias"),
        CheckConstraint("ended_why IN ('replaced', 'guessed')", name="ended_why"),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
        Index("code_seed_created_at_idx", "created_at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    alias: Mapped[str]
    session_id: Mapped[int] = mapped_column(ForeignKey("device_session.id"), index=True)
    seed: Mapped[bytes]
    key_version: Mapped[int]
    created_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


class CodeUse(Base):
    """A code that was used, once for ever."""

    __tablename__ = "code_use"
    __table_args__ = (CheckConstraint("mode IN ('earn', 'spend')", name="mode"),)

    alias: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mode: Mapped[str] = mapped_column(primary_key=True)
    used_at: Mapped[datetime]


class CodeMiss(Base):
    """A code that did not hold, by alias and by the terminal that sent it."""

    __tablename__ = "code_miss"
    __table_args__ = (
        Index("code_miss_alias_at_idx", "alias", "at"),
        Index("code_miss_terminal_id_at_idx", "terminal_id", "at"),
        Index("code_miss_at_idx", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    alias: Mapped[str | None]
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class IssuedSeed:
    """A seed as its device learns it, this once."""

    alias: str
    until: datetime
    seed: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Redeemed:
    """Who showed a code, and what for."""

    member: KnownMember
    mode: Mode


def issue(session: Session, device: Device, *, now: datetime) -> IssuedSeed:
    """Give a device a fresh seed; the one that it had ends.

    Raises:
        MemberNotActive: frozen, parked or closed.
    """
    device.member.require_active()
    session.execute(
        update(CodeSeed)
        .where(CodeSeed.session_id == device.id, CodeSeed.ended_at.is_(None))
        .values(ended_at=now, ended_why="replaced")
    )
    ring, seed, until = sealing.key_ring(session), secrets.token_bytes(SEED_BYTES), now + LIFETIME
    while True:
        alias = f"{secrets.randbelow(10**ALIAS_DIGITS):0{ALIAS_DIGITS}d}"
        made = session.scalar(
            insert(CodeSeed)
            .values(
                alias=alias,
                session_id=device.id,
                seed=ring.wrap(seed, place=_place(alias, ring.version)),
                key_version=ring.version,
                created_at=now,
                until=until,
            )
            .on_conflict_do_nothing(index_elements=["alias"])
            .returning(CodeSeed.id)
        )
        if made is not None:
            return IssuedSeed(alias=alias, until=until, seed=seed)


def redeem_code(
    session: Session, written: str, *, terminal_id: int, at: datetime, now: datetime
) -> Redeemed | None:
    """Use a code up and return who showed it; None if it does not hold, whatever the cause.

    `at` is when it was shown. A miss is counted by alias and terminal, so the caller commits it
    with its refusal.

    Raises:
        MemberCodeUsed: this very code was used before.
        TooOften: the terminal sent ten codes in a minute that did not hold.
    """
    _require_patience(session, terminal_id, now=now)
    code = codes.parse(written)
    redeemed = None if code is None else _redeem(session, code, at=at, now=now)
    if redeemed is None:
        _count_miss(session, code, terminal_id=terminal_id, now=now)
    return redeemed


def redeem_captured(
    session: Session, written: str, *, at: datetime, now: datetime
) -> KnownMember | None:
    """Use up the identify code of a sale that was captured offline; None if it does not hold.

    Misses are not counted: whatever an upload guesses could only give its member points, and bad
    codes of one sale must not shut others out. A code of the pay screen does not hold here.

    Raises:
        MemberCodeUsed: this very code was used before.
    """
    code = codes.parse(written)
    if code is None or code.mode is not Mode.EARN:
        return None
    redeemed = _redeem(session, code, at=at, now=now)
    return None if redeemed is None else redeemed.member


def _redeem(session: Session, code: MemberCode, *, at: datetime, now: datetime) -> Redeemed | None:
    row = _find(session, code.alias)
    step = None
    if row is not None and _alive(row, at=at, now=now):
        step = code.matching_step(_open(sealing.key_ring(session), row), at=at)
    if row is None or step is None:
        return None
    used = session.scalar(
        insert(CodeUse)
        .values(alias=code.alias, step=step, mode=code.mode, used_at=now)
        .on_conflict_do_nothing()
        .returning(CodeUse.step)
    )
    if used is None:
        raise MemberCodeUsed
    return Redeemed(member=known(row), mode=code.mode)


def purge(session: Session, *, now: datetime) -> int:
    """Forget seeds after 96 hours and misses after a day; return how many seeds went.

    Uses are kept for ever.
    """
    session.execute(delete(CodeMiss).where(CodeMiss.at < now - MISSES_KEPT))
    gone = session.execute(
        delete(CodeSeed).where(CodeSeed.created_at < now - KEPT).returning(CodeSeed.id)
    )
    return len(gone.all())


def _find(session: Session, alias: str) -> Row[Any] | None:
    """Return the member, seed and session of an alias, with the seed's row locked."""
    return session.execute(
        select_found()
        .add_columns(
            CodeSeed.alias,
            CodeSeed.seed,
            CodeSeed.key_version,
            CodeSeed.created_at,
            CodeSeed.until,
            # Signing out ends the seed too; least() passes over what is null.
            func.least(CodeSeed.ended_at, DeviceSession.ended_at).label("ended_at"),
        )
        .join(DeviceSession, DeviceSession.member_id == Named.id)
        .join(CodeSeed, CodeSeed.session_id == DeviceSession.id)
        .where(CodeSeed.alias == alias)
        .with_for_update(of=CodeSeed)
    ).one_or_none()


def _alive(row: Row[Any], *, at: datetime, now: datetime) -> bool:
    begun = at >= row.created_at - timedelta(seconds=STEP_SECONDS)
    ended = row.ended_at is not None and row.ended_at <= at
    return begun and at < row.until and not ended and now < row.created_at + KEPT


def _open(ring: KeyRing, row: Row[Any]) -> bytes:
    return ring.unwrap(row.seed, place=_place(row.alias, row.key_version))


def _count_miss(
    session: Session, code: MemberCode | None, *, terminal_id: int, now: datetime
) -> None:
    alias = None if code is None else code.alias
    session.add(CodeMiss(alias=alias, terminal_id=terminal_id, at=now))
    session.flush()
    if alias is None:
        return
    missed = session.scalar(
        select(func.count())
        .select_from(CodeMiss)
        .where(CodeMiss.alias == alias, CodeMiss.at > now - ALIAS_WINDOW)
    )
    if missed is not None and missed >= ALIAS_MISSES:
        session.execute(
            update(CodeSeed)
            .where(CodeSeed.alias == alias, CodeSeed.ended_at.is_(None))
            .values(ended_at=now, ended_why="guessed")
        )


def _require_patience(session: Session, terminal_id: int, *, now: datetime) -> None:
    oldest = session.scalars(
        select(CodeMiss.at)
        .where(CodeMiss.terminal_id == terminal_id, CodeMiss.at > now - TERMINAL_WINDOW)
        .order_by(CodeMiss.at.desc())
        .limit(TERMINAL_MISSES)
    ).all()
    if len(oldest) < TERMINAL_MISSES:
        return
    log.error("member_codes_guessed", extra={"terminal_id": terminal_id})
    raise TooOften(seconds=max(int((oldest[-1] + TERMINAL_WINDOW - now).total_seconds()), 1))


def _place(alias: str, version: int) -> Place:
    return Place(table="code_seed", column="seed", row_id=alias, key_version=version)
