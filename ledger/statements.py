"""Reading the books: balances now and of then, account statements, the trial balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """Credits less debits of an account, and what of it is held, in its unit."""

    account_id: int
    posted: int
    held: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """Where a look back into the books ends.

    `through`: what was booked through a day, whenever it was written down. Once the day is closed
    this never changes, and it is what marks, statements and settlements go by. `recorded_by`: what
    stood in the books at an instant, itself included. Without either: all there is.
    """

    through: date | None = None
    recorded_by: datetime | None = None


#: Where an entry stands in a statement: journal, line, and the side that it is seen from.
Place = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A transfer seen from one account: `amount` is positive when the account was credited."""

    place: Place
    key: str
    kind: str
    occurred_at: datetime
    booked_on: date
    account_id: int
    other_id: int
    amount: int
    details: dict[str, Any]


def balances(session: Session, account_ids: Sequence[int]) -> dict[int, Balance]:
    """Return account id → balance at this moment, of exact and deferred accounts alike."""
    rows = session.execute(_BALANCES, {"accounts": list(account_ids)})
    return {
        row.account_id: Balance(account_id=row.account_id, posted=row.posted, held=row.held)
        for row in rows
    }


def balance_through(session: Session, account_id: int, *, through: date) -> int:
    """Return the balance of an account at the end of a day, by the dates of booking.

    Reads from the last month-end mark at or before that day, so older partitions are not touched.
    """
    return session.scalar(_BALANCE_THROUGH, {"account": account_id, "through": through}) or 0


def balances_at(
    session: Session, account_ids: Sequence[int], *, at: datetime
) -> dict[int, Balance]:
    """Return account id → balance as the books had it at an instant, and what was held then.

    By the instants of recording: what came later is left out, though it was booked on an earlier
    day. Accounts in which nothing had moved or was held are missing. Reads all entries of these
    accounts: for those of one owner. A transaction that was on its way at that instant may count,
    though nobody saw it before its commit, some milliseconds later.
    """
    rows = session.execute(_BALANCES_AT, {"accounts": list(account_ids), "at": at})
    return {
        row.account_id: Balance(account_id=row.account_id, posted=row.posted, held=row.held)
        for row in rows
    }


def statement(
    session: Session,
    account_ids: Sequence[int],
    *,
    start: date,
    end: date,
    limit: int = 50,
    before: Place | None = None,
) -> list[Entry]:
    """Return entries booked in [start, end), newest first, in the order of the ledger.

    `before` is the place of the last entry of the page before. A period is always named: it keeps
    a statement to the months it asks for.
    """
    rows = session.execute(
        _STATEMENT,
        {
            "accounts": list(account_ids),
            "start": start,
            "end": end,
            "limit": limit,
            **dict(zip(("journal", "line", "account"), before or (None,) * 3, strict=True)),
        },
    )
    return [
        Entry(
            place=(row.journal_id, row.line, row.account_id),
            key=row.key,
            kind=row.kind,
            occurred_at=row.occurred_at,
            booked_on=row.booked_on,
            account_id=row.account_id,
            other_id=row.other_id,
            amount=row.amount,
            details=row.details or {},
        )
        for row in rows
    ]


def trial_balance(session: Session) -> dict[str, int]:
    """Return unit → sum of all balances at this moment; anything but 0 is a broken book."""
    return {row.unit: int(row.total) for row in session.execute(_TRIAL_BALANCE)}


def trial_balance_at(session: Session, cut: Cut) -> dict[str, int]:
    """Return code of account → sum of its balances at a cut; those of one unit add up to 0.

    Reads every transfer up to there.
    """
    rows = session.execute(_TRIAL_BALANCE_AT, {"through": cut.through, "recorded": cut.recorded_by})
    return {row.code: int(row.total) for row in rows}


_BALANCES = text("SELECT * FROM ledger_balances(CAST(:accounts AS bigint[]))")
_BALANCE_THROUGH = text(
    """
    WITH mark AS (
        SELECT through, posted FROM balance_mark
        WHERE account_id = :account AND through <= :through ORDER BY through DESC LIMIT 1
    ), since AS (SELECT coalesce((SELECT max(through) FROM balance_mark
                                  WHERE through <= :through), '-infinity'::date) AS day)
    SELECT coalesce((SELECT posted FROM mark), 0)
        + coalesce((SELECT sum(amount) FROM transfer, since WHERE credit_id = :account
                    AND booked_on > since.day AND booked_on <= :through), 0)
        - coalesce((SELECT sum(amount) FROM transfer, since WHERE debit_id = :account
                    AND booked_on > since.day AND booked_on <= :through), 0)
    """
)
# The page is cut before it is joined: a planner that may walk the journals from the newest on until
# the page is full does so, through all that other accounts have had since.
_STATEMENT = text(
    """
    SELECT e.*, j.key, j.kind, j.occurred_at, j.details
    FROM (
        SELECT * FROM (
            SELECT journal_id, line, booked_on, debit_id AS account_id, credit_id AS other_id,
                   -amount AS amount
            FROM transfer
            WHERE debit_id = ANY (:accounts) AND booked_on >= :start AND booked_on < :end
            UNION ALL
            SELECT journal_id, line, booked_on, credit_id, debit_id, amount
            FROM transfer
            WHERE credit_id = ANY (:accounts) AND booked_on >= :start AND booked_on < :end
        ) side
        WHERE CAST(:journal AS bigint) IS NULL
            OR (journal_id, line, account_id) < (:journal, :line, :account)
        ORDER BY journal_id DESC, line DESC, account_id DESC LIMIT :limit
    ) e
    JOIN journal j ON j.id = e.journal_id
    ORDER BY e.journal_id DESC, e.line DESC, e.account_id DESC
    """
)
_TRIAL_BALANCE = text(
    """
    SELECT a.unit, sum(b.posted + coalesce(r.amount, 0)) AS total
    FROM account a JOIN account_balance b ON b.account_id = a.id
    LEFT JOIN (
        SELECT side.account_id, sum(side.amount) AS amount
        FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on,
        LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount))
            AS side (account_id, amount)
        WHERE j.xid >= (SELECT rolled_to FROM book) AND side.account_id & 8 = 0
        GROUP BY side.account_id) r ON r.account_id = a.id
    GROUP BY a.unit ORDER BY a.unit
    """
)
_BALANCES_AT = text(
    """
    SELECT x.account_id, sum(x.posted)::bigint AS posted, sum(x.held)::bigint AS held FROM (
        SELECT e.account_id, e.amount AS posted, 0 AS held FROM (
            SELECT t.debit_id AS account_id, -t.amount AS amount, t.journal_id FROM transfer t
            WHERE t.debit_id = ANY (CAST(:accounts AS bigint[]))
            UNION ALL
            SELECT t.credit_id, t.amount, t.journal_id FROM transfer t
            WHERE t.credit_id = ANY (CAST(:accounts AS bigint[]))) e
        JOIN journal j ON j.id = e.journal_id AND j.recorded_at <= :at
        UNION ALL
        SELECT l.account_id, 0, l.amount
        FROM hold_line l
        JOIN hold h ON h.id = l.hold_id AND h.placed_at <= :at AND h.until > :at
        LEFT JOIN journal j ON j.id = h.captured_id
        WHERE l.account_id = ANY (CAST(:accounts AS bigint[]))
            AND coalesce(j.recorded_at, h.ended_at, 'infinity') > :at) x
    GROUP BY x.account_id
    """
)
_TRIAL_BALANCE_AT = text(
    """
    SELECT a.code, sum(b.posted) AS total
    FROM ledger_balances_at(:through, :recorded) b JOIN account a ON a.id = b.account_id
    GROUP BY a.code ORDER BY a.code
    """
)
