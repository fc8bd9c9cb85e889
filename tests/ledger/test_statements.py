"""Statements and balances as of a day, over months of books (L12 in part)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from app.clock import business_date
from config.database import Database
from ledger import Journal, holds, statements, upkeep
from ledger.statements import Cut
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


def at(session: Session, *moment: int) -> datetime:
    session.info["now"] = datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return session.info["now"]  # type: ignore[no-any-return]


def test_a_balance_as_of_an_instant_counts_what_was_recorded_by_it(
    session: Session, books: Books
) -> None:
    """L12: what comes late with an earlier business time was not seen before it came."""
    sold, told = at(session, 2026, 12, 1, 4), at(session, 2026, 12, 1, 5)
    late = replace(books.earn("late", 7), occurred_at=sold)
    at(session, 2026, 12, 1, 4, 30)
    ledger.post(session, [books.earn("in_time", 10)])
    session.info["now"] = told
    ledger.post(session, [late])

    found = [
        {each: balance.posted for each, balance in statements.balances_at(
            session, [books.lot, books.shop, books.debt], at=instant).items()}
        for instant in (sold, told - timedelta(microseconds=1), told)
    ]  # fmt: skip

    assert found == [
        {},
        {books.lot: 10, books.shop: -10},
        {books.lot: 17, books.shop: -17},
    ]


def test_what_was_held_at_an_instant_is_found_whatever_became_of_it(
    session: Session, books: Books
) -> None:
    """Paid, given up, dead without a job: each was held until then."""
    at(session, 2026, 12, 1, 4)
    ledger.post(session, [books.earn("e", 100)])
    placed = at(session, 2026, 12, 1, 5)
    for key, amount in (("paid", 10), ("given_up", 20), ("forgotten", 40)):
        holds.place(
            session, key=key, amounts={books.lot: amount}, until=placed + timedelta(minutes=30)
        )
    at(session, 2026, 12, 1, 5, 10)
    holds.void(session, key="given_up")
    at(session, 2026, 12, 1, 5, 20)
    ledger.post(session, [replace(books.burn("b", (books.lot, 8)), hold="paid")])
    at(session, 2026, 12, 2, 4)

    found = [
        statements.balances_at(session, [books.lot], at=placed + timedelta(minutes=minutes))
        for minutes in (-1, 0, 15, 25, 30)
    ]

    assert [(each[books.lot].posted, each[books.lot].held) for each in found] == [
        (100, 0), (100, 70), (100, 50), (92, 40), (92, 0)
    ]  # fmt: skip


def test_a_journal_is_recorded_by_the_clock_and_in_a_sandbox_by_its_own(
    session: Session, books: Books
) -> None:
    """Decision 2: the clock of a sandbox is the one that its people live by."""
    real, told = session.info["now"], "SELECT recorded_at FROM journal WHERE key = :key"
    ledger.post(session, [books.earn("real", 1)])
    own = at(session, 2026, 11, 24, 4)
    ledger.post(session, [books.earn("own", 1)])
    ledger.post(session, [books.burn("two", (books.lot, 1)), books.earn("three", 1)])

    recorded = {
        key: session.scalar(text(told), {"key": key}) for key in ("real", "own", "two", "three")
    }

    assert recorded["real"] > real
    assert recorded["own"] == recorded["two"] == recorded["three"] == own


def test_the_trial_balance_of_any_cut_is_zero(session: Session, year: Books) -> None:
    """L8: by the days of booking, by the instants of recording, or all there is."""
    ledger.post(session, [year.earn("now", 1000)])
    cuts = [
        Cut(), Cut(through=date(2027, 6, 29)), Cut(through=date(2027, 6, 30)),
        Cut(recorded_by=datetime(2027, 12, 31, 3, tzinfo=UTC)),
        Cut(recorded_by=datetime(2027, 12, 31, 4, tzinfo=UTC)),
    ]  # fmt: skip

    found = [statements.trial_balance_at(session, cut) for cut in cuts]

    assert [sum(each.values()) for each in found] == [0] * len(cuts)
    lots = [each.get("lot", 0) for each in found]
    assert [lots[0] - lots[1], lots[0] - lots[2]] == [56, 60]
    assert [lots[0] - lots[3], lots[0] - lots[4]] == [1116, 0]
