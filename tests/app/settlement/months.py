"""Going through months in one transaction: sales at an instant, then the close."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.merchants.models import Merchant
from app.settlement import periods, statements
from app.settlement.captions import POSTED, Caption
from app.settlement.errors import PostingsRunning
from app.settlement.models import Line, Period
from app.settlement.spans import Span
from config.database import forget

JANUARY = Span.parse("2017-01")
FEBRUARY = Span.parse("2017-02")


def at(session: Session, month: int, day: int, hour: int = 12) -> datetime:
    """Move the session's clock to an instant of 2017 (UTC) and return it."""
    session.info["now"] = datetime(2017, month, day, hour, tzinfo=UTC)
    forget(session)
    return session.info["now"]  # type: ignore[no-any-return]


def close(session: Session, span: Span) -> Period:
    """Close a period as the command does, in this one transaction.

    Transactions of other tests in the database may be slow to end: it asks again, for a minute.
    Whatever a test closes, every figure of every merchant has to open to its transfers (L5).
    """
    periods.close_days(session, span)
    patience = time.monotonic() + 60
    while True:
        try:
            period = periods.close(session, span, by="mei")
        except PostingsRunning:
            if time.monotonic() > patience:
                raise
        else:
            assert opened(session, period) == _shown(session, period)
            return period


def share_breakage(session: Session, num: int, den: int, *, since: datetime) -> None:
    """Let issuers get back a share of what points cost that expire from an instant on."""
    session.execute(
        text(
            "INSERT INTO programme (effective_from, expiry_months, point_value_num, "
            "point_value_den, combine, negative_policy, courtesy_days, return_first, "
            "hold_minutes, quote_minutes, breakage_num, breakage_den, created_at) "
            "VALUES (:since, 1, 1, 1, 'max', 'debt', 7, 'money_first', 15, 5, :num, :den, now())"
        ),
        {"since": since, "num": num, "den": den},
    )
    forget(session)


def opened(session: Session, period: Period) -> Mapping[tuple[str, str], int]:
    """Return (merchant's code, caption) → what the transfers behind it add up to.

    That is points, or fen for what is posted in fen: what the close makes of points is no sum.
    """
    found = {}
    for merchant, caption in _shown(session, period):
        entries = statements.entries(
            session, period, merchant=merchant, caption=Caption(caption), limit=10_000
        )
        in_fen = caption in POSTED
        own = [(each.own_fen or 0) if in_fen else each.own_points for each in entries]
        found[merchant, caption] = sum(own)
    return found


def _shown(session: Session, period: Period) -> Mapping[tuple[str, str], int]:
    rows = session.execute(
        select(Merchant.code, Line.caption, Line.points, Line.fen)
        .join(Merchant, Merchant.id == Line.merchant_id)
        .where(Line.period_id == period.id)
    )
    return {
        (row.code, row.caption): row.fen if row.caption in POSTED else row.points for row in rows
    }


def lines(session: Session, period: Period) -> Mapping[tuple[str, str], tuple[int, int]]:
    """Return (party or merchant's code, caption) → (points, fen)."""
    session.flush()
    rows = session.execute(
        select(Line.party, Merchant.code, Line.caption, Line.points, Line.fen)
        .outerjoin(Merchant, Merchant.id == Line.merchant_id)
        .where(Line.period_id == period.id)
    )
    return {(row.code or row.party, row.caption): (row.points, row.fen) for row in rows}


__all__ = ["FEBRUARY", "JANUARY", "at", "close", "lines", "opened", "share_breakage"]
