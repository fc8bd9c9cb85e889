"""The roll-up, the auditor, and what plain SQL may not do to the books (L1, decisions 4, 6, 9)."""

import time
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from config.database import Database, new_id
from ledger import upkeep
from tests.ledger.conftest import Books, balance, open_books

FORBIDDEN = [
    "UPDATE transfer SET amount = amount + 1",
    "DELETE FROM transfer",
    "UPDATE journal SET kind = 'x'",
    "DELETE FROM journal",
    "TRUNCATE transfer",
    "TRUNCATE journal CASCADE",
    "UPDATE account_balance SET posted = posted + 1",
    "UPDATE account_balance SET floor = NULL",
    "INSERT INTO account_balance (account_id, posted) VALUES (1, 5)",
    "INSERT INTO transfer VALUES (1, 1, '2026-11-23', 8, 24, 5)",
    "INSERT INTO journal (key, kind, digest, occurred_at, booked_on) "
    "VALUES ('k', 'x', '', now(), '2026-11-23')",
    "UPDATE book SET rolled_to = '0'",
    "UPDATE hold SET state = 'open'",
    "DELETE FROM hold_line",
    "DELETE FROM reversal",
    "DROP TABLE transfer",
    "ALTER TABLE transfer DISABLE TRIGGER ALL",
    "SELECT ledger_end_holds(now(), ARRAY[1::bigint], 'voided')",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_application_role_cannot_write_the_books_by_hand(
    session: Session, books: Books, statement: str
) -> None:
    ledger.post(session, [books.earn("e", 10)])
    session.flush()

    with pytest.raises(DBAPIError) as refused, session.begin_nested():
        session.execute(text(statement))

    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


@pytest.mark.parametrize("verb", ["UPDATE transfer SET amount = 1", "DELETE FROM transfer",
                                  "TRUNCATE transfer", "DELETE FROM journal",
                                  "TRUNCATE transfer_default",
                                  "TRUNCATE {month}", "UPDATE {month} SET amount = 1"])  # fmt: skip
def test_even_the_owner_is_stopped_by_the_triggers(
    database: Database, district: str, owner_url: str, verb: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        day = ledger.post(session, [books.earn(new_id("e"), 10)])[0].booked_on
    statement = verb.format(month=f"transfer_{day:y%Ym%m}")

    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test")
        with pytest.raises(psycopg.Error, match="insert-only"):
            owner.execute(statement.encode())


def test_rolling_up_moves_no_balance(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 10)])
        before = balance(session, books.shop)

    stored = _rolled_up(database, district, books.shop, wanted=-10)

    with database.transaction(district) as session:
        assert (before, stored, balance(session, books.shop)) == (-10, -10, -10)


def test_a_transaction_still_open_is_rolled_up_later_not_skipped(
    database: Database, district: str
) -> None:
    """A horizon of transaction ids, never a watermark of numbers or times (ledger pitfall 3)."""
    with database.transaction(district) as session:
        books = open_books(session)
    with database.transaction(district) as late:
        ledger.post(late, [books.earn(new_id("late"), 3)])
        with database.transaction(district) as early:
            ledger.post(early, [books.earn(new_id("early"), 4, lot=books.stranger_lot)])
        with database.transaction(district) as job:
            upkeep.roll_up(job)
            assert balance(job, books.shop) == -4
    with database.transaction(district) as session:
        assert balance(session, books.shop) == -7
    assert _rolled_up(database, district, books.shop, wanted=-7) == -7


@pytest.mark.parametrize("audit", [upkeep.audit_all, upkeep.audit_recent])
def test_sound_books_have_nothing_to_report_however_often_they_are_audited(
    database: Database, district: str, audit: Callable[[Session], list[upkeep.Violation]]
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 10)])
        ledger.post(session, [books.burn(new_id("b"), (books.lot, 4))])

    for _ in range(2):
        with database.transaction(district, repeatable_read=True) as session:
            assert audit(session) == []
        with database.transaction(district) as session:
            ledger.post(session, [books.earn(new_id("e"), 1)])
            upkeep.roll_up(session)


BREAKS = [
    ("UPDATE account_balance SET posted = posted + 5 WHERE account_id = :lot",
     "a balance is the sum of its transfers"),
    ("UPDATE account_balance SET held = held + 5 WHERE account_id = :lot",
     "held is the sum of open holds"),
    ("UPDATE account_balance SET version = version + 1 WHERE account_id = :lot",
     "a version counts its transfers"),
    ("INSERT INTO transfer SELECT max(journal_id), 9, max(booked_on), 16000008, :lot, 5 "
     "FROM transfer WHERE credit_id = :lot", "every transfer names accounts of the books"),
    ("DELETE FROM account_balance WHERE account_id = :lot",
     "balances, holds and what they name belong together"),
    ("INSERT INTO hold_line (hold_id, account_id, amount) VALUES (0, :lot, 5)",
     "balances, holds and what they name belong together"),
    ("INSERT INTO journal (key, kind, digest, occurred_at, booked_on) "
     "VALUES ('empty', 'x', '', now(), '2026-11-23')", "a journal has transfers"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "invariant"), BREAKS)
def test_the_auditor_names_what_is_broken(
    database: Database, district: str, owner_url: str, damage: str, invariant: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 10)])

    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test, pg_temp")
        owner.execute(damage.replace(":lot", str(books.lot)).encode())
        found = owner.execute("SELECT invariant FROM ledger_audit_all()").fetchall()
        owner.rollback()

    assert invariant in {row[0] for row in found}


def test_the_quick_audit_finds_a_balance_moved_since_its_last_look(
    database: Database, district: str, owner_url: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 10)])
    with database.transaction(district, repeatable_read=True) as session:
        assert upkeep.audit_recent(session) == []

    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test, pg_temp")
        owner.execute(
            "UPDATE account_balance SET posted = posted + 5 WHERE account_id = %s", (books.lot,)
        )
        owner.execute("SELECT ledger_post(true, now(), ARRAY['q'], ARRAY['earn'], "
                      "ARRAY[''::bytea], ARRAY[now()], ARRAY[NULL::jsonb], NULL, "
                      "ARRAY[NULL::text], ARRAY[1], ARRAY[%s::bigint], ARRAY[%s::bigint], "
                      "ARRAY[1::bigint])", (books.shop, books.lot))  # fmt: skip
        found = owner.execute("SELECT subject, expected, found FROM ledger_audit_recent(now())")
        assert [(row[1], row[2]) for row in found.fetchall()] == [(11, 16)]
        owner.rollback()


def _rolled_up(database: Database, district: str, account: int, *, wanted: int) -> int:
    """Roll up until an account holds what is wanted, and return what it holds.

    The horizon is the whole server's: a transaction of another test may hold it back a while.
    """
    stored = 0
    for _ in range(600):
        with database.transaction(district) as session:
            upkeep.roll_up(session)
            stored = _stored(session, account)
        if stored == wanted:
            break
        time.sleep(0.05)
    return stored


def _stored(session: Session, account: int) -> int:
    stored: int = session.execute(
        text("SELECT posted FROM account_balance WHERE account_id = :id"), {"id": account}
    ).scalar_one()
    return stored


@pytest.mark.parametrize(
    ("table", "function"),
    [("audited_sum", "ledger_audit_all()"), ("audited_recent", "ledger_audit_recent(now())")],
)
def test_the_auditor_never_works_on_a_table_of_the_callers_making(
    database: Database, district: str, table: str, function: str
) -> None:
    """It runs as its owner: a trigger planted on its scratch table would too."""
    with database.transaction(district) as session:
        session.execute(text(f"CREATE TEMP TABLE {table} (account_id bigint)"))
        with pytest.raises(DBAPIError) as refused, session.begin_nested():
            session.execute(text(f"SELECT * FROM {function}"))
        session.rollback()

    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


def test_the_auditor_may_be_asked_twice_in_one_transaction(session: Session) -> None:
    for _ in range(2):
        assert upkeep.audit_all(session) == []
