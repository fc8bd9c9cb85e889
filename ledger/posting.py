"""Posting: one call, one server-side function (post.sql), for one journal or many."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import fetch, now_of
from ledger.errors import (
    HoldEnded,
    InsufficientBalance,
    KeyReused,
    LedgerError,
    NoSuchJournal,
    ReversalExceedsRemaining,
    UnitMismatch,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """Debit one account and credit another by `amount`, in the unit of both."""

    debit_id: int
    credit_id: int
    amount: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """One business event: its key is unique for ever, its postings stand or fall together.

    `hold` names a hold that the event captures: what it keeps is freed, then the postings apply.
    `details` tell later readers why (rule version, order); they are not part of its identity.
    """

    key: str
    kind: str
    occurred_at: datetime
    postings: Sequence[Posting]
    hold: str | None = None
    details: dict[str, Any] | None = field(default=None)

    def digest(self) -> bytes:
        """Return what makes a repeat the same event: kind, hold and postings."""
        words = [self.kind, self.hold or ""]
        words += [f"{p.debit_id}>{p.credit_id}:{p.amount}" for p in self.postings]
        return hashlib.sha256("\n".join(words).encode()).digest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """A recorded journal; `replayed` when the key had been recorded before."""

    journal_id: int
    booked_on: date
    replayed: bool


def post(session: Session, journals: Sequence[Journal]) -> Sequence[Posted]:
    """Record business events, all or none, and move the balances they name.

    A posting debits one account and credits another by the same amount (fen or points, by the
    accounts' unit), so nothing unbalanced can be written. Balance rows are locked by id inside
    `ledger_post`: callers queue, never deadlock. Posting a key again returns the first outcome
    and moves nothing. Call it once per transaction, so that the lock order holds over all of it.

    Raises:
        InsufficientBalance: an account would fall below its floor or rise above its ceiling.
        HoldEnded: a hold to capture is captured, voided or expired.
        KeyReused: the key already names other postings.
        UnitMismatch: a posting joins accounts of different units.
    """
    if not journals:
        return []
    outcomes = fetch(session, _POST, _arguments(session, journals, atomic=True))
    for outcome in outcomes:
        if outcome.refusal is not None:
            raise _refusal(outcome, journals)
    return [_posted(outcome) for outcome in outcomes]


def post_many(session: Session, journals: Sequence[Journal]) -> Sequence[Posted | LedgerError]:
    """Record business events, each with a verdict of its own, in one call.

    The balances of all are locked ahead in one order. A new key must not stand twice in a call.
    """
    if not journals:
        return []
    outcomes = fetch(session, _POST, _arguments(session, journals, atomic=False))
    return [
        _posted(outcome) if outcome.refusal is None else _refusal(outcome, journals)
        for outcome in outcomes
    ]


def reverse(
    session: Session,
    *,
    original: str,
    key: str,
    kind: str,
    occurred_at: datetime,
    amounts: dict[int, int] | None = None,
) -> Posted:
    """Take back a journal, whole or in part: the same accounts with their sides swapped.

    `amounts` gives line number → amount; without it all that is left of every line is taken back.
    The sum of all reversals of a line never exceeds it. A repeat returns the first outcome.

    Raises:
        NoSuchJournal: nothing was recorded under `original`.
        ReversalExceedsRemaining: less is left of a line than is asked.
        InsufficientBalance: an account no longer holds what would be taken back.
        KeyReused: `key` names another event.
    """
    shape = json.dumps([kind, original, sorted((amounts or {}).items())])
    outcome = session.execute(
        _REVERSE,
        {
            "now": now_of(session),
            "key": key,
            "kind": kind,
            "digest": hashlib.sha256(shape.encode()).digest(),
            "occurred": occurred_at,
            "original": original,
            "lines": list(amounts) if amounts else None,
            "amounts": list(amounts.values()) if amounts else None,
        },
    ).one()
    if outcome.refusal == "no-such-journal":
        raise NoSuchJournal(original)
    if outcome.refusal == "reversal-exceeds-remaining":
        raise ReversalExceedsRemaining(original, outcome.culprit)
    if outcome.refusal == "key-reused":
        raise KeyReused(key)
    if outcome.refusal is not None:
        raise InsufficientBalance(outcome.culprit)
    return _posted(outcome)


def _arguments(session: Session, journals: Sequence[Journal], *, atomic: bool) -> dict[str, Any]:
    of: list[int] = []
    postings: list[Posting] = []
    for number, journal in enumerate(journals, start=1):
        if not journal.postings:
            raise ValueError(f"journal {journal.key} has no postings")
        of += [number] * len(journal.postings)
        postings += journal.postings
    if min([posting.amount for posting in postings]) <= 0:
        raise ValueError("a posting moves at least one point or fen")
    return {
        "atomic": atomic,
        "now": now_of(session),
        "keys": _quoted([journal.key for journal in journals]),
        "kinds": _quoted([journal.kind for journal in journals]),
        "digests": _quoted(["\\x" + journal.digest().hex() for journal in journals]),
        "occurred": _quoted([journal.occurred_at.isoformat() for journal in journals]),
        "details": _quoted([json.dumps(j.details) if j.details else None for j in journals]),
        "holds": _quoted([journal.hold for journal in journals]),
        "of": _numbers(of),
        "debits": _numbers([posting.debit_id for posting in postings]),
        "credits": _numbers([posting.credit_id for posting in postings]),
        "amounts": _numbers([posting.amount for posting in postings]),
    }


def _numbers(values: Sequence[int]) -> str:
    """Write an array as PostgreSQL reads it: the driver takes ten times as long for a list."""
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(values: Sequence[str | None]) -> str:
    words = (
        "NULL" if v is None else '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for v in values
    )
    return "{" + ",".join(words) + "}"


def _posted(outcome: Any) -> Posted:
    return Posted(
        journal_id=outcome.journal_id, booked_on=outcome.booked_on, replayed=outcome.replayed
    )


def _refusal(outcome: Any, journals: Sequence[Journal]) -> LedgerError:
    journal = journals[outcome.ordinal - 1]
    match outcome.refusal:
        case "insufficient-balance":
            return InsufficientBalance(outcome.culprit)
        case "hold-ended":
            return HoldEnded(journal.hold or "")
        case "key-reused":
            return KeyReused(journal.key)
        case "unit-mismatch":
            return UnitMismatch(outcome.culprit)
    raise AssertionError(f"unknown refusal {outcome.refusal}")


_POST: LiteralString = (
    "SELECT * FROM ledger_post(%(atomic)s, %(now)s, CAST(%(keys)s AS text[]), "
    "CAST(%(kinds)s AS text[]), CAST(%(digests)s AS bytea[]), "
    "CAST(%(occurred)s AS timestamptz[]), CAST(%(details)s AS jsonb[]), NULL::bigint[], "
    "CAST(%(holds)s AS text[]), CAST(%(of)s AS int[]), CAST(%(debits)s AS bigint[]), "
    "CAST(%(credits)s AS bigint[]), CAST(%(amounts)s AS bigint[]))"
)
_REVERSE = text(
    "SELECT * FROM ledger_reverse(:now, :key, :kind, :digest, :occurred, :original, "
    "CAST(:lines AS int[]), CAST(:amounts AS bigint[]))"
)
