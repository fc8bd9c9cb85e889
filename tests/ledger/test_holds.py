"""Holds keep points aside until captured, voided or dead (B1; ledger decision 5; semantics 26)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from config.database import Database, new_id, now_of
from ledger import HoldState, Journal, holds
from tests.ledger.conftest import NOON, Books, balance, move, open_books


@pytest.fixture
def funded(session: Session, books: Books) -> Books:
    ledger.post(session, [books.earn("fund", 100)])
    return books


def place(session: Session, books: Books, key: str, points: int, minutes: int = 15) -> bool:
    until = now_of(session) + timedelta(minutes=minutes)
    return holds.place(
        session, key=key, amounts={books.lot: points}, until=until, wallet_id=books.wallet
    )


def held(session: Session, books: Books) -> int:
    return ledger.statements.balances(session, [books.lot])[books.lot].held


def capture(books: Books, key: str, points: int) -> Journal:
    postings = [move(books.lot, books.other_shop, points)]
    return Journal(key=f"{key}:capture", kind="burn", occurred_at=NOON, postings=postings, hold=key)


def test_what_is_held_cannot_be_spent(session: Session, funded: Books) -> None:
    place(session, funded, "h", 70)

    with pytest.raises(ledger.InsufficientBalance):
        ledger.post(session, [funded.burn("b", (funded.lot, 31))])

    assert balance(session, funded.lot) == 100
    assert held(session, funded) == 70


def test_capturing_less_gives_the_rest_back(session: Session, funded: Books) -> None:
    place(session, funded, "h", 70)

    ledger.post(session, [capture(funded, "h", 30)])

    assert balance(session, funded.lot) == 70
    assert held(session, funded) == 0
    assert ledger.upkeep.audit_all(session) == []


def test_a_hold_is_captured_once_and_a_repeat_is_the_same_capture(
    session: Session, funded: Books
) -> None:
    place(session, funded, "h", 70)
    first = ledger.post(session, [capture(funded, "h", 70)])

    again = ledger.post(session, [capture(funded, "h", 70)])

    assert again[0].replayed
    assert again[0].journal_id == first[0].journal_id
    assert balance(session, funded.lot) == 30


def test_a_refused_capture_leaves_the_hold_as_it_was(session: Session, funded: Books) -> None:
    place(session, funded, "h", 70)
    place(session, funded, "other", 20)

    with pytest.raises(ledger.InsufficientBalance):
        ledger.post(session, [capture(funded, "h", 81)])

    assert (balance(session, funded.lot), held(session, funded)) == (100, 90)
    ledger.post(session, [capture(funded, "h", 80)])
    assert (balance(session, funded.lot), held(session, funded)) == (20, 20)
    assert ledger.upkeep.audit_all(session) == []


def test_a_hold_over_two_lots_is_freed_whole_by_a_capture_from_one(
    session: Session, funded: Books
) -> None:
    ledger.post(session, [funded.earn("more", 50, lot=funded.second_lot)])
    until = now_of(session) + timedelta(minutes=15)
    amounts = {funded.lot: 70, funded.second_lot: 50}
    holds.place(session, key="h", amounts=amounts, until=until, wallet_id=funded.wallet)

    ledger.post(session, [capture(funded, "h", 70)])

    kept = ledger.statements.balances(session, [funded.lot, funded.second_lot])
    assert [kept[lot].held for lot in (funded.lot, funded.second_lot)] == [0, 0]
    assert ledger.upkeep.audit_all(session) == []


def test_a_voided_hold_is_free_and_cannot_be_captured(session: Session, funded: Books) -> None:
    place(session, funded, "h", 70)

    assert holds.void(session, key="h") is HoldState.VOIDED
    assert holds.void(session, key="h") is HoldState.VOIDED

    with pytest.raises(ledger.HoldEnded):
        ledger.post(session, [capture(funded, "h", 70)])
    assert held(session, funded) == 0


def test_placing_again_is_known_and_other_amounts_are_refused(
    session: Session, funded: Books
) -> None:
    assert place(session, funded, "h", 70) is False
    assert place(session, funded, "h", 70) is True

    with pytest.raises(ledger.KeyReused):
        place(session, funded, "h", 71)
    assert held(session, funded) == 70


def test_two_holds_together_cannot_pass_the_balance(session: Session, funded: Books) -> None:
    place(session, funded, "h1", 70)

    with pytest.raises(ledger.InsufficientBalance):
        place(session, funded, "h2", 31)


def test_a_dead_hold_is_never_captured_though_no_job_has_run(
    session: Session, funded: Books
) -> None:
    place(session, funded, "h", 70, minutes=0)

    with pytest.raises(ledger.HoldEnded):
        ledger.post(session, [capture(funded, "h", 70)])


def test_locking_the_wallet_frees_its_dead_holds(session: Session, funded: Books) -> None:
    """Decision 15: nothing waits for a job."""
    place(session, funded, "dead", 70, minutes=0)
    place(session, funded, "alive", 20)

    ledger.lock_wallet(session, funded.wallet)

    assert held(session, funded) == 20
    states = {row.key: row.state for row in session.execute(text("SELECT key, state FROM hold"))}
    assert (states["dead"], states["alive"]) == ("expired", "open")


def test_the_sweeper_frees_dead_holds_and_a_second_run_finds_none(
    session: Session, funded: Books
) -> None:
    place(session, funded, "dead", 70, minutes=0)

    assert holds.expire(session) == 1
    assert holds.expire(session) == 0

    assert held(session, funded) == 0


def test_a_hold_that_does_not_exist_has_ended(session: Session) -> None:
    with pytest.raises(ledger.HoldEnded):
        holds.void(session, key="nothing")


def test_two_journals_of_one_call_cannot_capture_one_hold(session: Session, funded: Books) -> None:
    place(session, funded, "h", 70)
    first = capture(funded, "h", 70)
    second = replace(first, key="other:capture")

    verdicts = ledger.post_many(session, [first, second])

    assert isinstance(verdicts[0], ledger.Posted)
    assert isinstance(verdicts[1], ledger.HoldEnded)
    assert (balance(session, funded.lot), held(session, funded)) == (30, 0)
    assert ledger.upkeep.audit_all(session) == []


def test_one_hold_captured_by_two_tills_at_once_is_captured_once(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("fund"), 100)])
        key = new_id("hold")
        place(session, books, key, 70)

    def pay(_: int) -> bool:
        return database.run(
            district, lambda session: ledger.post(session, [capture(books, key, 70)])[0].replayed
        )

    with ThreadPoolExecutor(8) as pool:
        known = list(pool.map(pay, range(8)))

    assert sorted(known) == [False, *[True] * 7]
    with database.transaction(district) as session:
        assert (balance(session, books.lot), held(session, books)) == (30, 0)


def test_one_hold_asked_for_by_two_tills_at_once_is_placed_once(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        books = open_books(session)
        ledger.post(session, [books.earn(new_id("fund"), 100)])
    key = new_id("hold")

    def ask(_: int) -> bool:
        return database.run(district, lambda session: place(session, books, key, 70))

    with ThreadPoolExecutor(8) as pool:
        known = list(pool.map(ask, range(8)))

    assert sorted(known) == [False, *[True] * 7]
    with database.transaction(district) as session:
        assert held(session, books) == 70


def test_a_hold_that_lives_can_be_given_more_time_and_a_dead_one_cannot(
    session: Session, funded: Books
) -> None:
    now = now_of(session)
    place(session, funded, "h", 70, minutes=15)
    holds.extend(session, key="h", until=now + timedelta(minutes=40))
    holds.extend(session, key="h", until=now + timedelta(minutes=20))

    session.info["now"] = now + timedelta(minutes=30)
    holds.expire(session)
    assert held(session, funded) == 70
    session.info["now"] = now + timedelta(minutes=41)
    for key in ("h", "nothing"):
        with pytest.raises(ledger.HoldEnded):
            holds.extend(session, key=key, until=now + timedelta(hours=2))
    holds.expire(session)
    assert held(session, funded) == 0
