"""Money of the charity goes to a cause once, by two people, and on the statement (ADR 0030)."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import Invalid, StateConflict
from app.settlement import charity
from app.settlement.charity import Transfer
from app.settlement.donations import Purpose
from ledger import statements
from tests.app.checkout.shops import open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.app.settlement.test_donations import give_away, release

DAY = date(2017, 2, 3)


@pytest.fixture
def given(books: Session) -> Session:
    """A district whose charity got ¥1.00 in January, which is closed."""
    at(books, 1, 10)
    give_away(books, {open_shop(books): 100})
    release(books, Purpose.CHARITY)
    at(books, 2, 3)
    close(books, JANUARY)
    return books


def transfer(fen: int, reference: str = "B9", **said: object) -> Transfer:
    fields = {"recipient": "红十字会", "paid_on": DAY, **said}
    return Transfer(fen=fen, reference=reference, **fields)  # type: ignore[arg-type]


def pay(session: Session, wanted: Transfer) -> None:
    request = charity.propose(session, wanted, by="mei", reason="助老")
    charity.approve(session, request.public_id, by="li")


def test_what_is_paid_leaves_the_charity_and_stands_on_the_next_statement(given: Session) -> None:
    pay(given, transfer(60))

    assert charity.left_fen(given) == 40
    at(given, 3, 3)
    february = lines(given, close(given, FEBRUARY))
    assert february == {("charity", "charity_paid"): (0, -60), ("bank", "charity_paid"): (0, 60)}
    assert charity.left_fen(given) == 40
    assert sum(statements.trial_balance(given).values()) == 0


def test_it_takes_two_people(given: Session) -> None:
    """G1"""
    request = charity.propose(given, transfer(60), by="mei", reason="助老")

    with pytest.raises(SamePerson):
        charity.approve(given, request.public_id, by="mei")
    charity.reject(given, request.public_id, by="li", reason="再议")

    with pytest.raises(StateConflict):
        charity.approve(given, request.public_id, by="li")
    assert charity.left_fen(given) == 100


def test_never_more_is_paid_than_is_there_and_no_reference_twice(given: Session) -> None:
    """Of two proposals that each fit, the second finds what the first has left."""
    late = charity.propose(given, transfer(60, "B2"), by="mei", reason="助学").public_id
    same = charity.propose(given, transfer(10, "B1"), by="mei", reason="助老").public_id
    pay(given, transfer(50, "B1"))

    with pytest.raises(StateConflict, match=r"the charity has ¥0\.50"), given.begin_nested():
        charity.approve(given, late, by="li")
    with pytest.raises(StateConflict, match="booked already"), given.begin_nested():
        charity.approve(given, same, by="li")
    with pytest.raises(StateConflict, match="booked already"):
        charity.propose(given, transfer(10, "B1"), by="mei", reason="助老")
    with pytest.raises(StateConflict, match=r"the charity has ¥0\.50"):
        charity.propose(given, transfer(51, "B3"), by="mei", reason="助老")
    assert charity.left_fen(given) == 50


@pytest.mark.parametrize(
    "wrong",
    [
        transfer(0),
        transfer(-5),
        transfer(5, ""),
        transfer(5, recipient=""),
        transfer(5, recipient="长" * 101),
        transfer(5, paid_on=DAY + timedelta(days=1)),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(given: Session, wrong: Transfer) -> None:
    with pytest.raises(Invalid):
        charity.propose(given, wrong, by="mei", reason="助老")
