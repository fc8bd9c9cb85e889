"""Going through days in one transaction."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from config.database import forget, now_of


def at(session: Session, year: int, month: int, day: int, hour: int = 4) -> datetime:
    """Move the session's clock to an instant (UTC; by default noon in Shanghai) and return it."""
    session.info["now"] = datetime(year, month, day, hour, tzinfo=UTC)
    forget(session)
    return now_of(session)


def later(session: Session, **by: int) -> datetime:
    """Move the session's clock on and return the instant."""
    session.info["now"] = now_of(session) + timedelta(**by)
    forget(session)
    return now_of(session)


__all__ = ["at", "later"]
