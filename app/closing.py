"""Closing days and months: what the clock does to the books (decisions 1; semantics 9, 59).

Both steps ask where the books stand, not when they last ran: late, twice or after a month of
silence they end the same.
"""

from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clock import GRACE, business_date
from config.database import now_of
from ledger import upkeep


def close_days(session: Session) -> bool:
    """Close the books through yesterday, or the day before until 06:00; tell whether any closed."""
    through = business_date(now_of(session) - GRACE) - timedelta(days=1)
    return upkeep.close_days(session, through=through)


def mark_month(session: Session) -> bool:
    """Mark all balances at the newest month end that is closed, once; tell whether it was done.

    The ledger declines while a posting to a closed day may still be under way; the next look
    tries again. A month that was never marked only makes older statements read more.
    """
    through = _first_open_day(session).replace(day=1) - timedelta(days=1)
    last = session.scalar(_LAST_MARK)
    if last is not None and last >= through:
        return False
    return bool(upkeep.mark_balances(session, through=through))


def _first_open_day(session: Session) -> date:
    day: date = session.execute(_FIRST_OPEN_DAY).scalar_one()
    return day


_FIRST_OPEN_DAY = text("SELECT first_open_day FROM book")
_LAST_MARK = text("SELECT max(through) FROM balance_mark")
