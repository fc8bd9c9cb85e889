"""Business dates: the district's calendar day in Shanghai, made here and nowhere else."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from config.database import server_now_of

SHANGHAI = ZoneInfo("Asia/Shanghai")

GRACE = timedelta(hours=6)
"""At 06:00 the day before closes: till then its late sales are still booked on it."""


def business_date(instant: datetime) -> date:
    """Return the Shanghai calendar day of an aware instant (semantics 54)."""
    return instant.astimezone(SHANGHAI).date()


def server_now(session: Session) -> datetime:
    """Return the database's own instant, in a sandbox too, whose clock may stand still.

    For what phones and people do by real time: one-time passwords, sign-in codes, tokens.
    """
    return server_now_of(session)


def day_start(day: date) -> datetime:
    """Return the instant at which a business day begins, in UTC; days are half-open."""
    return datetime.combine(day, time(), tzinfo=SHANGHAI).astimezone(UTC)


def month_end(day: date, *, months_ahead: int = 0) -> date:
    """Return the last day of the month that lies `months_ahead` months after `day`'s.

    Counting whole months first makes 31 January plus one month the last day of February
    (semantics 30).
    """
    first = day.year * 12 + day.month - 1 + months_ahead + 1
    return date(first // 12, first % 12 + 1, 1) - timedelta(days=1)
