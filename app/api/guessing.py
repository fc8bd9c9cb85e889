"""Guesses of coupon codes: five that name nothing, and whoever sent them waits (C17).

Kept in the database, so that a restart of Redis forgives nobody (reliability §12). Who guesses is a
member on whatever device, or a terminal; members also count for the address that they come from, so
that many accounts help nobody. The caller commits a miss together with its refusal.
"""

import logging
from datetime import datetime, timedelta

from flask import request
from sqlalchemy import Identity, Index, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.errors import TooOften
from app.members.sealing import key_ring
from config.database import Base

MISSES = 5
ADDRESS_MISSES = 200
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


def address_of(session: Session) -> str:
    """Return how misses name the address of the request being answered: blindly, as its index."""
    index = key_ring(session).blind_index("address:v1", request.remote_addr or "")
    return f"address:{index.hex()}"


def require_patience(
    session: Session, who: str, *, now: datetime, address: str | None = None
) -> None:
    """Refuse who sent five codes within a quarter of an hour that named nothing; one round trip.

    An address, which a whole street may share, is refused after two hundred of whomever.

    Raises:
        TooOften: says in how many seconds there is room again.
    """
    most = {who: MISSES} | ({} if address is None else {address: ADDRESS_MISSES})
    missed: dict[str, list[datetime]] = {each: [] for each in most}
    for each, at in session.execute(
        select(CouponMiss.who, CouponMiss.at)
        .where(CouponMiss.who.in_(most), CouponMiss.at > now - WINDOW)
        .order_by(CouponMiss.at.desc())
        .limit(sum(most.values()))
    ):
        missed[each].append(at)
    for each, times in missed.items():
        if len(times) >= most[each]:
            log.error("coupon_codes_guessed", extra={"who": each})
            # From the last miss on, not from the first: who goes on guessing does not get faster.
            raise TooOften(seconds=max(int((times[0] + WINDOW - now).total_seconds()), 1))


def count_miss(session: Session, who: str, *, now: datetime, address: str | None = None) -> None:
    """Count a code that named nothing; all are counted alike, whatever the cause."""
    session.add_all([CouponMiss(who=each, at=now) for each in (who, address) if each is not None])
    session.flush()


def purge(session: Session, *, now: datetime) -> int:
    """Forget misses after a day; return how many."""
    gone = session.execute(
        delete(CouponMiss).where(CouponMiss.at < now - _KEPT).returning(CouponMiss.id)
    )
    return len(gone.all())
