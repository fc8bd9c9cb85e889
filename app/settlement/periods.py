"""Closing a period: once, in order, and to exactly zero (L5; semantics 9, 49, 52, 59).

A point is paid for when it is issued: its cost goes into the district's float, out of which
whoever takes the point is paid; `docs/settlement.md` tells it all. The close turns the period's
transfers into fen (close.sql), writes down what each party's statement says, and posts it.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

import ledger
from app import audit, books, outbox
from app.books import Code, Kind
from app.clock import day_start
from app.merchants.models import Merchant
from app.settlement.captions import CAPTIONS, POSTED
from app.settlement.errors import (
    BooksBroken,
    NothingToSettle,
    PeriodClosed,
    PeriodOutOfOrder,
    PeriodRunning,
    PostingsRunning,
)
from app.settlement.models import Line, Period
from app.settlement.spans import RHYTHM, Every, Span
from config.database import now_of
from ledger import Journal, Posting, upkeep


def next_period(session: Session) -> Span:
    """Return the period that is closed next: after the last one, or that of the first transfer.

    Raises:
        NothingToSettle: nothing was ever booked.
    """
    last = session.scalar(select(Period.ends_on).order_by(Period.ends_on.desc()).limit(1))
    if last is not None:
        begins = last + timedelta(days=1)
        return Span.beginning(_every(session, begins), begins)
    span: Span | None = None
    before = date.max
    # From one row to one of a period before it: to look at every transfer takes far longer.
    while (booked := session.scalar(_BOOKED_BEFORE, {"day": before})) is not None:
        span = Span.of(_every(session, booked), booked)
        before = span.starts_on
    if span is None:
        raise NothingToSettle
    return span


def _every(session: Session, day: date) -> Every:
    """Return what was agreed when a day began: how often periods end."""
    return RHYTHM.at(session, day_start(day)).every


def check_closable(session: Session, wanted: Span) -> Span:
    """Make sure that a period is the next one and over; return it with the days that it has.

    Raises:
        PeriodClosed, PeriodOutOfOrder, PeriodRunning, NothingToSettle.
    """
    if session.scalar(select(Period.id).where(Period.code == wanted.code)) is not None:
        raise PeriodClosed(wanted.code)
    following = next_period(session)
    if following.code != wanted.code:
        raise PeriodOutOfOrder(wanted.code, following.code)
    if now_of(session) < following.closable_at:
        raise PeriodRunning(following.code, following.ends_on)
    return following


def close_days(session: Session, wanted: Span) -> None:
    """Close the days of a period for booking. The close itself needs another transaction.

    Raises:
        As `check_closable`.
    """
    span = check_closable(session, wanted)
    upkeep.close_days(session, through=span.ends_on)


def prove(session: Session) -> None:
    """Audit what was written since the last look; wants a repeatable-read transaction of its own.

    Raises:
        BooksBroken: something is wrong; nothing may be closed.
    """
    found = upkeep.audit_recent(session)
    if found:
        raise BooksBroken(f"{found[0].invariant}: {found[0].subject}")


def close(session: Session, wanted: Span, *, by: str) -> Period:
    """Close a period whose days are closed; return it with its sums.

    What expired goes back to its issuers by the programme's share of that time, the rest stays with
    the district. One transaction: killed anywhere, it has happened or not. Two at once queue, and
    the second is told that it is closed.

    Raises:
        As `check_closable`.
        PostingsRunning: something may still be booked into it.
    """
    session.execute(_ONE_AT_A_TIME)
    span = check_closable(session, wanted)
    if not session.scalar(_MARKED, {"day": span.ends_on}) and (
        upkeep.mark_balances(session, through=span.ends_on) is None
    ):
        raise PostingsRunning(span.code)
    pairs = list(CAPTIONS.items())
    period_id = session.scalar(
        _CLOSE,
        {
            "code": span.code,
            "start": span.starts_on,
            "until": span.ends_on + timedelta(days=1),
            "now": now_of(session),
            "by": by,
            "debits": [debit.value for (debit, _), _ in pairs],
            "credits": [credit.value for (_, credit), _ in pairs],
            "captions": [caption.value for _, caption in pairs],
        },
    )
    period = session.scalars(select(Period).where(Period.id == period_id)).one()
    _post(session, period)
    audit.record(session, actor=by, action="settlement.close", object=f"period:{period.code}")
    outbox.add(
        session,
        topic="settlement.closed",
        aggregate=f"period:{period.code}",
        payload={"period": period.code, "net_fen": period.net_fen},
    )
    return period


def find(session: Session, code: str) -> Period | None:
    """Return a closed period, or None."""
    return session.scalar(select(Period).where(Period.code == code))


def list_closed(session: Session) -> Sequence[Period]:
    """Return all closed periods, oldest first."""
    return session.scalars(select(Period).order_by(Period.starts_on)).all()


def _post(session: Session, period: Period) -> None:
    """Post each party's lines against the clearing account, which ends where it began: at zero.

    What was posted during the period is in the lines already and not posted again.
    """
    rows = session.execute(
        select(Merchant.public_id, Line.party, Line.caption, Line.fen)
        .outerjoin(Merchant, Merchant.id == Line.merchant_id)
        .where(Line.period_id == period.id, Line.fen != 0, Line.caption.not_in(POSTED))
        .order_by(Line.party, Line.merchant_id, Line.caption)
    ).all()
    merchants = sorted({row.public_id for row in rows if row.public_id})
    accounts = books.fen_accounts(session, merchants)
    clearing = accounts[Code.CLEARING]
    postings = []
    for row in rows:
        name = f"{Code.DUE}:{row.public_id}" if row.public_id else row.party
        ends = (clearing, accounts[name]) if row.fen > 0 else (accounts[name], clearing)
        postings.append(Posting(debit_id=ends[0], credit_id=ends[1], amount=abs(row.fen)))
    if postings:
        ledger.post(
            session,
            [
                Journal(
                    key=f"settle:{period.code}",
                    kind=Kind.SETTLE,
                    occurred_at=now_of(session),
                    postings=postings,
                    details={"period": period.code},
                )
            ],
        )


_MARKED = text("SELECT EXISTS (SELECT FROM balance_mark WHERE through = :day)")
_BOOKED_BEFORE = text("SELECT booked_on FROM transfer WHERE booked_on < :day LIMIT 1")
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('settle:' || current_schema, 0))"
)
_CLOSE = text(
    "SELECT settlement_close(:code, :start, :until, :now, :by, CAST(:debits AS text[]), "
    "CAST(:credits AS text[]), CAST(:captions AS text[]))"
)
