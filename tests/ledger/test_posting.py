"""Posting moves points once, or refuses and moves nothing (L1; ledger decisions 1, 3, 6)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

import ledger
from app.clock import business_date
from config.database import Database, new_id, now_of
from ledger import Journal, Posted
from tests.ledger.conftest import NOON, Books, balance, move, open_books

T = TypeVar("T")


def test_posting_twice_moves_once(session: Session, books: Books) -> None:
    first = ledger.post(session, [books.earn("once", 120)])
    second = ledger.post(session, [books.earn("once", 120)])

    assert [p.journal_id for p in second] == [p.journal_id for p in first]
    assert (first[0].replayed, second[0].replayed) == (False, True)
    assert balance(session, books.lot) == 120
    assert balance(session, books.shop) == -120


def test_a_key_with_other_postings_is_refused(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("taken", 120)])

    with pytest.raises(ledger.KeyReused):
        ledger.post(session, [books.earn("taken", 121)])

    assert balance(session, books.lot) == 120


def test_a_lot_never_falls_below_its_floor(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("e", 100)])

    with pytest.raises(ledger.InsufficientBalance) as refused:
        ledger.post(session, [books.burn("b", (books.lot, 101))])

    assert refused.value.account_id == books.lot
    assert balance(session, books.lot) == 100


def test_a_refusal_in_a_later_lot_leaves_the_earlier_ones(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("e", 100)])

    with pytest.raises(ledger.InsufficientBalance) as refused:
        ledger.post(session, [books.burn("b", (books.lot, 60), (books.second_lot, 1))])

    assert refused.value.account_id == books.second_lot
    assert balance(session, books.lot) == 100
    assert _version(session, books.lot) == 1
    assert ledger.upkeep.audit_all(session) == []


def test_a_debt_lot_may_only_be_owed_and_not_past_its_floor(session: Session, books: Books) -> None:
    """L3: a debt lot has a ceiling of nothing and the programme's floor."""
    ledger.post(session, [Journal(key="d", kind="refund", occurred_at=NOON,
                                  postings=[move(books.debt, books.shop, 50)])])  # fmt: skip

    for key, posting in (("more", move(books.debt, books.shop, 1)),
                         ("over", move(books.shop, books.debt, 51))):  # fmt: skip
        with pytest.raises(ledger.InsufficientBalance):
            ledger.post(session, [Journal(key=key, kind="x", occurred_at=NOON, postings=[posting])])
    assert balance(session, books.debt) == -50


def test_what_is_spent_in_the_same_call_nets_out(session: Session, books: Books) -> None:
    """Decision 3: several journals, all or nothing, judged by where they lead."""
    posted = ledger.post(session, [books.burn("burn", (books.lot, 30)), books.earn("earn", 40)])

    assert len(posted) == 2
    assert balance(session, books.lot) == 10


def test_points_and_money_never_meet_in_a_transfer(session: Session, books: Books) -> None:
    with pytest.raises(ledger.UnitMismatch):
        ledger.post(session, [Journal(key="m", kind="x", occurred_at=NOON,
                                      postings=[move(books.shop, books.fen, 1)])])  # fmt: skip


def test_many_journals_have_a_verdict_each(session: Session, books: Books) -> None:
    ledger.post(session, [books.earn("known", 10)])

    verdicts = ledger.post_many(
        session,
        [
            books.earn("a", 5),
            books.burn("b", (books.lot, 1000)),
            books.earn("known", 10),
            books.earn("known", 11),
            books.burn("c", (books.lot, 15)),
        ],
    )

    assert isinstance(verdicts[0], Posted)
    assert isinstance(verdicts[1], ledger.InsufficientBalance)
    assert isinstance(verdicts[2], Posted)
    assert verdicts[2].replayed
    assert isinstance(verdicts[3], ledger.KeyReused)
    assert isinstance(verdicts[4], Posted)
    assert balance(session, books.lot) == 0
    assert ledger.upkeep.audit_all(session) == []


def test_a_new_key_twice_in_one_call_is_a_mistake_of_the_caller(
    session: Session, books: Books
) -> None:
    with pytest.raises(DBAPIError, match="stands twice"):
        ledger.post_many(session, [books.earn("k", 5), books.earn("k", 5)])


def test_nothing_is_no_posting(session: Session, books: Books) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ledger.post_many(session, [books.earn("k", 5), books.earn("l", 0)])

    assert balance(session, books.lot) == 0


def test_booking_goes_by_the_shanghai_day_and_never_into_a_closed_one(
    session: Session, books: Books
) -> None:
    """Decision 1 and semantics 54: 16:00 UTC is the next day in Shanghai."""
    late = NOON.replace(hour=16)
    posted = ledger.post(session, [Journal(key="n", kind="earn", occurred_at=late,
                                           postings=[move(books.shop, books.lot, 1)])])  # fmt: skip

    assert posted[0].booked_on.isoformat() == "2026-11-24"


def test_nothing_is_booked_on_a_day_that_has_not_come(session: Session, books: Books) -> None:
    """A till's clock that runs ahead reaches no month that nobody has made."""
    tomorrow = datetime.now(UTC) + timedelta(days=400)

    posted = ledger.post(session, [replace(books.earn("ahead", 5), occurred_at=tomorrow)])

    assert posted[0].booked_on == business_date(now_of(session))


@pytest.mark.parametrize("amount", [0, -5])
def test_an_amount_that_is_not_positive_is_refused_by_the_table(
    session: Session, books: Books, amount: int
) -> None:
    ledger.post(session, [books.earn("before", 10)])

    with pytest.raises(IntegrityError, match="transfer_shape_check"):
        session.execute(
            text(
                "SELECT ledger_post(true, now(), ARRAY['z'], ARRAY['earn'], ARRAY[''::bytea], "
                "ARRAY[now()], ARRAY[NULL::jsonb], NULL, ARRAY[NULL::text], ARRAY[1], "
                "ARRAY[CAST(:shop AS bigint)], ARRAY[CAST(:lot AS bigint)], "
                "ARRAY[CAST(:amount AS bigint)])"
            ),
            {"shop": books.shop, "lot": books.lot, "amount": amount},
        )


def test_sixteen_callers_with_one_key_move_once(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
    key = new_id("key")

    def call(_: int) -> Posted:
        return database.run(district, lambda session: ledger.post(session, [books.earn(key, 7)]))[0]

    results = _at_once(call, 16)

    assert len({posted.journal_id for posted in results}) == 1
    assert sum(not posted.replayed for posted in results) == 1
    with database.transaction(district) as session:
        assert balance(session, books.lot) == 7


def test_sixteen_callers_on_deferred_accounts_alone_move_once(
    database: Database, district: str
) -> None:
    """No balance row makes them queue: the journal's own key decides."""
    with database.transaction(district) as session:
        books = open_books(session)
    key = new_id("key")
    journal = Journal(key=key, kind="x", occurred_at=NOON,
                      postings=[move(books.shop, books.other_shop, 9)])  # fmt: skip

    results = _at_once(
        lambda _: database.run(district, lambda session: ledger.post(session, [journal]))[0], 16
    )

    assert len({posted.journal_id for posted in results}) == 1
    with database.transaction(district) as session:
        assert balance(session, books.other_shop) == 9


def test_thirty_burns_of_ten_against_a_hundred_let_ten_through(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 100)])
    keys = [new_id("b") for _ in range(30)]

    def burn(number: int) -> bool:
        try:
            database.run(
                district,
                lambda session: ledger.post(session, [books.burn(keys[number], (books.lot, 10))]),
            )
        except ledger.InsufficientBalance:
            return False
        return True

    assert sum(_at_once(burn, 30)) == 10
    with database.transaction(district) as session:
        assert balance(session, books.lot) == 0


def test_opposite_orders_of_accounts_do_not_deadlock(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("e"), 10_000),
                              books.earn(new_id("e"), 10_000, lot=books.stranger_lot)])  # fmt: skip

    def swap(number: int) -> None:
        pair = [books.lot, books.stranger_lot]
        if number % 2:
            pair.reverse()
        with database.transaction(district) as session:
            ledger.post(session, [Journal(key=new_id("s"), kind="x", occurred_at=NOON,
                                          postings=[move(pair[0], pair[1], 1)])])  # fmt: skip

    _at_once(swap, 64)

    with database.transaction(district) as session:
        assert balance(session, books.lot) + balance(session, books.stranger_lot) == 20_000


@settings(max_examples=40)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["earn", "burn", "reverse"]), st.integers(1, 60)), max_size=12
    )
)
def test_whatever_is_posted_balances_equal_entries(
    session: Session, steps: list[tuple[str, int]]
) -> None:
    books = open_books(session)
    mark = new_id("p")
    expected = 0
    for number, (verb, points) in enumerate(steps):
        key = f"{mark}:{number}"
        try:
            if verb == "earn":
                ledger.post(session, [books.earn(key, points)])
                expected += points
            elif verb == "burn":
                ledger.post(session, [books.burn(key, (books.lot, points))])
                expected -= points
            else:
                expected += _reverse_last(session, books, mark, number)
        except ledger.InsufficientBalance:
            assert verb == "burn"
            assert points > expected

    assert balance(session, books.lot) == expected
    assert balance(session, books.shop) + balance(session, books.other_shop) == -expected
    assert ledger.upkeep.audit_all(session) == []


def _reverse_last(session: Session, books: Books, mark: str, number: int) -> int:
    last = session.execute(
        text(
            "SELECT j.key, t.amount, t.credit_id = :lot AS earned FROM journal j "
            "JOIN transfer t ON t.journal_id = j.id WHERE j.key LIKE :mark AND j.kind = 'burn' "
            "AND NOT EXISTS (SELECT FROM reversal r WHERE r.original_id = j.id) "
            "ORDER BY j.id DESC LIMIT 1"
        ),
        {"lot": books.lot, "mark": f"{mark}:%"},
    ).first()
    if last is None:
        return 0
    ledger.reverse(
        session, original=last.key, key=f"{mark}:{number}:r", kind="reversal", occurred_at=NOON
    )
    return int(last.amount)


def _version(session: Session, account: int) -> int:
    stored: int = session.execute(
        text("SELECT version FROM account_balance WHERE account_id = :id"), {"id": account}
    ).scalar_one()
    return stored


def _at_once(call: Callable[[int], T], times: int) -> list[T]:
    """Call from up to twenty threads that start together."""
    threads = min(times, 20)
    barrier = threading.Barrier(threads)

    def wait_and_call(number: int) -> T:
        if number < threads:
            barrier.wait()
        return call(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_call, range(times)))
