"""A burn that the member confirms on the phone: a dear one, or one too many (reliability §9).

The till asks, the member taps, the till uses the tap once; all within ten minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import outbox
from app.errors import NotFound
from app.members.errors import BurnNotConfirmed
from app.members.identification import KnownMember, Named, known, same_person, select_found
from app.members.presence import Mode, Present
from config.database import Base, new_id

FREE_FEN = 10_000
FREE_IN_AN_HOUR = 2
LIFETIME = timedelta(minutes=10)


class BurnConfirmation(Base):
    """One burn that waits for its member's tap, was confirmed, and was used."""

    __tablename__ = "burn_confirmation"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index(
            "burn_confirmation_waiting_idx", "member_id",
            postgresql_where=text("confirmed_at IS NULL"),
        ),
        CheckConstraint("points > 0 AND worth_fen > 0", name="amounts"),
        CheckConstraint("used_at IS NULL OR confirmed_at IS NOT NULL", name="used"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    points: Mapped[int]
    worth_fen: Mapped[int]
    asked_at: Mapped[datetime]
    until: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class AskedBurn:
    """A burn that waits for a tap, as till and member hear of it."""

    public_id: str
    terminal_id: int
    points: int
    worth_fen: int
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Whom a till has asked, as present there until the confirmation is over; `at` is now."""

    present: Present
    at: datetime


def needs_confirmation(*, worth_fen: int, burns_in_the_hour: int) -> bool:
    """Whether a burn needs a tap: worth more than ¥100, or the third within an hour."""
    return worth_fen > FREE_FEN or burns_in_the_hour >= FREE_IN_AN_HOUR


def ask(
    session: Session,
    *,
    member: KnownMember,
    terminal_id: int,
    points: int,
    worth_fen: int,
    now: datetime,
) -> AskedBurn:
    """Ask a member to confirm a burn, and tell the phone by the outbox.

    Asked again for the same burn at the same till while it waits, there is one thing to tap and
    not two.
    """
    same = session.scalar(
        select(BurnConfirmation)
        .where(
            BurnConfirmation.member_id == member.id,
            BurnConfirmation.terminal_id == terminal_id,
            BurnConfirmation.points == points,
            BurnConfirmation.worth_fen == worth_fen,
            BurnConfirmation.confirmed_at.is_(None),
            BurnConfirmation.until > now,
        )
        .order_by(BurnConfirmation.id.desc())
        .limit(1)
    )
    if same is not None:
        return _asked(same)
    asked = AskedBurn(
        public_id=new_id("brn"),
        terminal_id=terminal_id,
        points=points,
        worth_fen=worth_fen,
        until=now + LIFETIME,
    )
    session.add(BurnConfirmation(**vars(asked), member_id=member.id, asked_at=now))
    session.flush()
    outbox.add(
        session,
        topic="burn.confirmation_asked",
        aggregate=asked.public_id,
        payload={"burn": asked.public_id, "member": member.public_id, "points": points},
    )
    return asked


def find(session: Session, public_id: str, *, terminal_id: int) -> Asking | None:
    """Return whom a till has asked, be it over, in one round trip.

    He showed the code of the pay screen then, and need not show another one.
    """
    row = session.execute(
        select_found()
        .add_columns(BurnConfirmation.until, func.now().label("at"))
        .join(BurnConfirmation, BurnConfirmation.member_id == Named.id)
        .where(
            BurnConfirmation.public_id == public_id,
            BurnConfirmation.terminal_id == terminal_id,
        )
    ).one_or_none()
    if row is None:
        return None
    present = Present(member=known(row), mode=Mode.SPEND, alive=row.at < row.until)
    return Asking(present=present, at=row.at)


def list_waiting(session: Session, member: KnownMember, *, now: datetime) -> Sequence[AskedBurn]:
    """Return the burns that wait for a member's tap, newest first."""
    rows = session.scalars(
        select(BurnConfirmation)
        .where(
            BurnConfirmation.member_id.in_(same_person(member.id)),
            BurnConfirmation.confirmed_at.is_(None),
        )
        .where(BurnConfirmation.until > now)
        .order_by(BurnConfirmation.id.desc())
        .limit(20)
    )
    return [_asked(row) for row in rows]


def confirm(session: Session, public_id: str, *, member: KnownMember, now: datetime) -> AskedBurn:
    """Confirm a burn as its member; once confirmed it stays so.

    Raises:
        NotFound: this member has no such burn to confirm, or its time is over.
    """
    row = session.scalar(
        select(BurnConfirmation)
        .where(
            BurnConfirmation.public_id == public_id,
            BurnConfirmation.member_id.in_(same_person(member.id)),
            BurnConfirmation.until > now,
        )
        .with_for_update()
    )
    if row is None:
        raise NotFound("burn", public_id)
    if row.confirmed_at is None:
        row.confirmed_at = now
        session.flush()
    return _asked(row)


def use(
    session: Session,
    public_id: str,
    *,
    member: KnownMember,
    terminal_id: int,
    points: int,
    now: datetime,
) -> None:
    """Use a member's tap up for a burn of at most so many points, at the till that asked.

    Raises:
        BurnNotConfirmed: not confirmed yet, used, over, or for less than this.
    """
    used = session.scalar(
        update(BurnConfirmation)
        .where(
            BurnConfirmation.public_id == public_id,
            BurnConfirmation.member_id.in_(same_person(member.id)),
            BurnConfirmation.terminal_id == terminal_id,
            BurnConfirmation.points >= points,
            BurnConfirmation.confirmed_at.is_not(None),
            BurnConfirmation.used_at.is_(None),
            BurnConfirmation.until > now,
        )
        .values(used_at=now)
        .returning(BurnConfirmation.id)
    )
    if used is None:
        raise BurnNotConfirmed(public_id)


def _asked(row: BurnConfirmation) -> AskedBurn:
    return AskedBurn(
        public_id=row.public_id,
        terminal_id=row.terminal_id,
        points=row.points,
        worth_fen=row.worth_fen,
        until=row.until,
    )
