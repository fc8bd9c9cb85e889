"""Upkeep of the books: rolling up, marks, partitions and the auditor. Each is safe to repeat."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import now_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """One row that an invariant does not hold for."""

    invariant: str
    subject: str
    expected: Decimal
    found: Decimal


def roll_up(session: Session) -> int:
    """Fold settled transfers into the balances of deferred accounts; return how many changed."""
    return session.scalar(text("SELECT ledger_roll_up()")) or 0


def open_books(session: Session, *, start: date, through: date) -> None:
    """Open the books from a day on and make the months through another.

    Days before it are closed. Books in which something is booked cannot go back to an earlier day.
    """
    session.execute(
        text("SELECT ledger_open_books(:start, :through)"), {"start": start, "through": through}
    )


def close_days(session: Session, *, through: date) -> bool:
    """Close the books through a day that is over; return whether that was new.

    What comes late is booked on the first day that is open.
    """
    closed = session.scalar(
        text("SELECT ledger_close_days(:now, :through)"),
        {"now": now_of(session), "through": through},
    )
    return bool(closed)


def mark_balances(session: Session, *, through: date) -> int | None:
    """Write every account's balance at the end of a closed day; return how many were marked.

    None: a transaction that began before the day was closed is still running; try again later. It
    waits two seconds for them. Wants a transaction that was begun after the closing had committed.
    """
    marked: int | None = session.scalar(
        text("SELECT ledger_mark_balances(:through)"), {"through": through}
    )
    return marked


def make_partitions(session: Session, *, start: date, through: date) -> int:
    """Make the monthly partitions from one day through another; return how many were missing."""
    return (
        session.scalar(
            text("SELECT ledger_make_partitions(:start, :through)"),
            {"start": start, "through": through},
        )
        or 0
    )


def audit_all(session: Session) -> list[Violation]:
    """Check every invariant over the whole history. Wants a repeatable-read transaction."""
    return [Violation(**row._mapping) for row in session.execute(text(_AUDIT_ALL))]


def audit_recent(session: Session) -> list[Violation]:
    """Check what was written since the last look. Wants a repeatable-read transaction."""
    rows = session.execute(
        text("SELECT * FROM ledger_audit_recent(:now)"), {"now": now_of(session)}
    )
    return [Violation(**row._mapping) for row in rows]


_AUDIT_ALL = "SELECT * FROM ledger_audit_all()"
