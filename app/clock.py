"""Business dates: the district's calendar day in Shanghai, made here and nowhere else."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def business_date(instant: datetime) -> date:
    """Return the Shanghai calendar day of an aware instant (semantics 54)."""
    return instant.astimezone(SHANGHAI).date()


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
