"""Sweeping: what is free in an account moves, once, and the auditor agrees."""

import hashlib

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from ledger import Journal, Posting, holds
from tests.ledger.conftest import NOON, Books, balance

SWEEP = text(
    "SELECT * FROM ledger_sweep(:now, 'expire', CAST(:accounts AS bigint[]), "
    "CAST(:into AS bigint[]), CAST(:at AS timestamptz[]))"
)


def sweep(session: Session, accounts: list[int], into: int) -> dict[int, int]:
    rows = session.execute(
        SWEEP,
        {
            "now": NOON,
            "accounts": accounts,
            "into": [into] * len(accounts),
            "at": [NOON] * len(accounts),
        },
    )
    return {row.account_id: row.amount for row in rows}


def test_a_sweep_empties_what_has_something_and_a_repeat_finds_nothing(
    session: Session, books: Books
) -> None:
    ledger.post(session, [books.earn("e1", 120)])

    first = sweep(session, [books.lot, books.second_lot], books.other_shop)
    second = sweep(session, [books.lot, books.second_lot], books.other_shop)

    assert (first, second) == ({books.lot: 120}, {})
    assert balance(session, books.lot) == 0
    assert balance(session, books.other_shop) == 120
    assert ledger.upkeep.audit_all(session) == []


def test_what_is_held_stays(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("e1", 120)])
    holds.place(session, key="h", amounts={books.lot: 50}, until=NOON.replace(year=2090))

    assert sweep(session, [books.lot], books.other_shop) == {books.lot: 70}
    assert balance(session, books.lot) == 50


def test_what_comes_in_afterwards_is_another_event(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("e1", 120)])
    sweep(session, [books.lot], books.other_shop)
    ledger.post(session, [books.earn("e2", 5)])

    assert sweep(session, [books.lot], books.other_shop) == {books.lot: 5}
    assert ledger.upkeep.audit_all(session) == []


def test_a_sweep_is_written_like_any_journal(session: Session, books: Books) -> None:
    """The digest is the one by which a repeat of a key would be judged."""
    ledger.post(session, [books.earn("e1", 120)])
    sweep(session, [books.lot], books.other_shop)

    row = session.execute(text("SELECT key, digest FROM journal WHERE kind = 'expire'")).one()
    posting = Posting(debit_id=books.lot, credit_id=books.other_shop, amount=120)
    journal = Journal(key=row.key, kind="expire", occurred_at=NOON, postings=[posting])
    assert row.digest == journal.digest()
    assert len(row.digest) == len(hashlib.sha256().digest())


@pytest.mark.parametrize("heir", ["prepaid", "fen", "second_lot"])
def test_a_sweep_never_goes_to_a_guarded_account_or_another_unit(
    session: Session, books: Books, heir: str
) -> None:
    ledger.post(session, [books.earn("e1", 120)])

    with pytest.raises(DBAPIError, match="a sweep goes from"):
        sweep(session, [books.lot], getattr(books, heir))
