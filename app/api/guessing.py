"""Guesses of coupon codes: five that name nothing, and whoever sent them waits (C17).

Kept in the database, so that a restart of Redis forgives nobody (reliability §12). Who guesses is a
member on whatever device, or a terminal. The caller commits a miss together with its refusal.
"""

import logging
from datetime import datetime, timedelta

from sqlalchemy import Identity, Index, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.errors import TooOften
from config.database import Base

MISSES = 5
WINDOW = timedelta(minutes=15)
_KEPT = timedelta(days=1)

log = logging.getLogger(__name__)


class CouponMiss(Base):
    """A coupon code that named nothing, by who sent it."""

    __tablename__ = "coupon_miss"
    __table_args__ = (Index(None, "who", "at"), Index(None, "at"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    who: Mapped[str]
    at: Mapped[datetime]


def require_patience(session: Session, who: str, *, now: datetime) -> None:
    """Refuse who sent five codes within a quarter of an hour that named nothing; one round trip.

    Raises:
        TooOften: says in how many seconds there is room again.
    """
    missed = session.scalars(
        select(CouponMiss.at)
        .where(CouponMiss.who == who, CouponMiss.at > now - WINDOW)
        .order_by(CouponMiss.at.desc())
        .limit(MISSES)
    ).all()
    if len(missed) == MISSES:
        log.error("coupon_codes_guessed", extra={"who": who})
        # From the last miss on, not from the first: who goes on guessing does not get faster.
        raise TooOften(seconds=max(int((missed[0] + WINDOW - now).total_seconds()), 1))


def count_miss(session: Session, who: str, *, now: datetime) -> None:
    """Count a code that named nothing; all are counted alike, whatever the cause."""
    session.add(CouponMiss(who=who, at=now))
    session.flush()


def purge(session: Session, *, now: datetime) -> int:
    """Forget misses after a day; return how many."""
    gone = session.execute(
        delete(CouponMiss).where(CouponMiss.at < now - _KEPT).returning(CouponMiss.id)
    )
    return len(gone.all())
