"""A reversal names its original and never takes back more than was posted (L1)."""

import pytest
from sqlalchemy.orm import Session

import ledger
from ledger import Journal
from tests.ledger.conftest import NOON, Books, balance, move


def reverse(session: Session, key: str, amounts: dict[int, int] | None = None) -> ledger.Posted:
    return ledger.reverse(
        session, original="e", key=key, kind="reversal", occurred_at=NOON, amounts=amounts
    )


@pytest.fixture
def earned(session: Session, books: Books) -> Books:
    ledger.post(session, [books.earn("e", 100)])
    return books


def test_a_journal_is_reversed_in_parts_up_to_the_whole(session: Session, earned: Books) -> None:
    reverse(session, "r1", {1: 30})
    reverse(session, "r2")

    assert balance(session, earned.lot) == 0
    with pytest.raises(ledger.ReversalExceedsRemaining):
        reverse(session, "r3", {1: 1})
    assert ledger.upkeep.audit_all(session) == []


def test_more_than_remains_is_refused_and_says_how_much_remains(
    session: Session, earned: Books
) -> None:
    reverse(session, "r1", {1: 30})

    with pytest.raises(ledger.ReversalExceedsRemaining) as refused:
        reverse(session, "r2", {1: 71})

    assert refused.value.remaining == 70
    assert balance(session, earned.lot) == 70


def test_a_repeated_reversal_takes_back_once(session: Session, earned: Books) -> None:
    first = reverse(session, "r1", {1: 30})
    second = reverse(session, "r1", {1: 30})

    assert second.journal_id == first.journal_id
    assert balance(session, earned.lot) == 70
    reverse(session, "r2", {1: 70})


def test_a_reversal_of_points_already_spent_is_refused(session: Session, earned: Books) -> None:
    ledger.post(session, [earned.burn("b", (earned.lot, 1))])

    with pytest.raises(ledger.InsufficientBalance):
        reverse(session, "r1")

    assert balance(session, earned.lot) == 99


def test_what_was_never_posted_cannot_be_reversed(session: Session) -> None:
    with pytest.raises(ledger.NoSuchJournal):
        reverse(session, "r1")


def test_all_that_is_left_passes_over_lines_that_have_gone_back(
    session: Session, books: Books
) -> None:
    two = Journal(key="e", kind="earn", occurred_at=NOON, postings=[
        move(books.shop, books.lot, 10), move(books.shop, books.second_lot, 20)])  # fmt: skip
    ledger.post(session, [two])
    reverse(session, "r1", {1: 10})

    reverse(session, "r2")

    assert (balance(session, books.lot), balance(session, books.second_lot)) == (0, 0)
    with pytest.raises(ledger.ReversalExceedsRemaining):
        reverse(session, "r3")
    assert ledger.upkeep.audit_all(session) == []


def test_a_line_that_is_not_there_has_nothing_to_take_back(session: Session, earned: Books) -> None:
    with pytest.raises(ledger.ReversalExceedsRemaining) as refused:
        reverse(session, "r1", {1: 5, 7: 5})

    assert refused.value.remaining == 0
    assert balance(session, earned.lot) == 100
