"""Going through months in one transaction: sales at an instant, then the close."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.merchants.models import Merchant
from app.settlement import periods
from app.settlement.errors import PostingsRunning
from app.settlement.models import Line, Period
from app.settlement.periods import Month
from config.database import forget

JANUARY = Month.parse("2017-01")
FEBRUARY = Month.parse("2017-02")


def at(session: Session, month: int, day: int, hour: int = 12) -> datetime:
    """Move the session's clock to an instant of 2017 (UTC) and return it."""
    session.info["now"] = datetime(2017, month, day, hour, tzinfo=UTC)
    forget(session)
    return session.info["now"]  # type: ignore[no-any-return]


def close(session: Session, month: Month, *, share: str = "1") -> Period:
    """Close a month as the command does, in this one transaction.

    Transactions of other tests in the database may be slow to end: it asks again, for a minute.
    """
    periods.close_days(session, month)
    patience = time.monotonic() + 60
    while True:
        try:
            return periods.close(session, month, by="mei", breakage_share=Fraction(share))
        except PostingsRunning:
            if time.monotonic() > patience:
                raise


def lines(session: Session, period: Period) -> Mapping[tuple[str, str], tuple[int, int]]:
    """Return (party or merchant's code, caption) → (points, fen)."""
    session.flush()
    rows = session.execute(
        select(Line.party, Merchant.code, Line.caption, Line.points, Line.fen)
        .outerjoin(Merchant, Merchant.id == Line.merchant_id)
        .where(Line.period_id == period.id)
    )
    return {(row.code or row.party, row.caption): (row.points, row.fen) for row in rows}


__all__ = ["FEBRUARY", "JANUARY", "at", "close", "lines"]
