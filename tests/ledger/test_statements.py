"""Statements and balances as of a day, over months of books (L12 in part)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from app.clock import business_date
from config.database import Database
from ledger import Journal, statements, upkeep
from migrations import run
from tests.ledger.conftest import NOON, Books, move, open_books


@pytest.fixture
def year(session: Session, books: Books) -> Books:
    """At the end of 2027: earns of 10 at noon on the fifth of each month, one burn of 4 in June."""
    session.info["now"] = datetime(2027, 12, 31, 4, tzinfo=UTC)
    upkeep.make_partitions(session, start=date(2027, 1, 1), through=date(2027, 12, 31))
    journals = [
        Journal(key=f"y{month}", kind="earn", occurred_at=datetime(2027, month, 5, 4, tzinfo=UTC),
                postings=[move(books.shop, books.lot, 10)], details={"rule": f"r{month}"})
        for month in range(1, 13)
    ]  # fmt: skip
    burn = Journal(key="b", kind="burn", occurred_at=datetime(2027, 6, 30, 15, 59, 59, tzinfo=UTC),
                   postings=[move(books.lot, books.other_shop, 4)])  # fmt: skip
    ledger.post(session, [*journals, burn])
    return books


def test_a_balance_as_of_a_day_counts_what_was_booked_through_it(
    session: Session, year: Books
) -> None:
    found = [
        statements.balance_through(session, year.lot, through=day)
        for day in (date(2027, 6, 4), date(2027, 6, 5), date(2027, 6, 30), date(2027, 12, 31))
    ]

    assert found == [50, 60, 56, 116]


def test_marks_change_no_answer(session: Session, year: Books) -> None:
    upkeep.close_days(session, through=date(2027, 5, 31))
    upkeep.mark_balances(session, through=date(2027, 4, 30))
    upkeep.mark_balances(session, through=date(2027, 5, 31))

    found = [
        statements.balance_through(session, year.lot, through=day)
        for day in (date(2027, 4, 29), date(2027, 4, 30), date(2027, 6, 30))
    ]

    assert found == [40, 40, 56]
    assert upkeep.mark_balances(session, through=date(2027, 5, 31)) == 0


def test_a_statement_is_paged_newest_first(session: Session, year: Books) -> None:
    start, end = date(2027, 5, 1), date(2027, 8, 1)
    first = statements.statement(session, [year.lot], start=start, end=end, limit=2)
    rest = statements.statement(session, [year.lot], start=start, end=end, before=first[-1].place)

    assert [(entry.kind, entry.amount) for entry in first + rest] == [
        ("burn", -4), ("earn", 10), ("earn", 10), ("earn", 10)]  # fmt: skip
    assert rest[-1].details == {"rule": "r5"}
    assert rest[-1].other_id == year.shop


def test_the_trial_balance_is_zero_before_and_after_the_roll_up(
    session: Session, year: Books
) -> None:
    before = statements.trial_balance(session)
    upkeep.roll_up(session)

    assert before == {"points": 0, "fen": 0}
    assert statements.trial_balance(session) == before


def test_a_late_event_is_booked_on_the_first_open_day(session: Session, year: Books) -> None:
    """Decision 1, semantics 9: a closed day never changes, its late events go to the next."""
    upkeep.close_days(session, through=date(2027, 6, 30))

    posted = ledger.post(session, [year.earn("late", 5)])

    assert posted[0].booked_on == date(2027, 7, 1)
    assert statements.balance_through(session, year.lot, through=date(2027, 6, 30)) == 56


def test_days_are_closed_once_and_only_when_they_are_over(session: Session, year: Books) -> None:
    assert upkeep.close_days(session, through=date(2027, 12, 30))

    assert not upkeep.close_days(session, through=date(2027, 12, 30))
    assert not upkeep.close_days(session, through=date(2027, 6, 29))
    with pytest.raises(DBAPIError, match="is not over"):
        upkeep.close_days(session, through=date(2027, 12, 31))


def test_a_mark_waits_for_what_began_before_the_day_was_closed(
    database: Database, owner_url: str
) -> None:
    """Such a transaction may still book on the day: it read the first open day before."""
    run.create_district(owner_url, "marks", name="记账日", sandbox=True)
    with database.transaction("marks") as session:
        books = open_books(session)
    yesterday = business_date(datetime.now(UTC)) - timedelta(days=1)
    with database.transaction("marks") as late:
        ledger.post(late, [replace(books.earn("late", 5), occurred_at=datetime.now(UTC))])
        with database.transaction("marks") as session:
            upkeep.close_days(session, through=yesterday)
        with database.transaction("marks") as session:
            assert upkeep.mark_balances(session, through=yesterday) is None
    with database.transaction("marks") as session:
        assert upkeep.mark_balances(session, through=yesterday) is not None


def test_a_page_may_end_between_the_two_sides_of_a_transfer(session: Session, books: Books) -> None:
    """A lot that pays a debt has both sides in one member's statement."""
    ledger.post(session, [books.earn("e", 10)])
    ledger.post(session, [Journal(key="owe", kind="refund", occurred_at=NOON,
                                  postings=[move(books.debt, books.shop, 4)])])  # fmt: skip
    ledger.post(session, [Journal(key="pay", kind="earn", occurred_at=NOON,
                                  postings=[move(books.lot, books.debt, 4)])])  # fmt: skip
    period = {"start": date(2026, 11, 1), "end": date(2026, 12, 1)}
    pages: list[statements.Entry] = []
    for _ in range(5):
        pages += statements.statement(
            session, [books.lot, books.debt], limit=1,
            before=pages[-1].place if pages else None, **period,
        )  # fmt: skip

    assert sorted(entry.amount for entry in pages) == [-4, -4, 4, 10]
