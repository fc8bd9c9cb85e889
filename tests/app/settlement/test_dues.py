"""Payments, adjustments and disputes follow a close and never change it (semantics 9, 53)."""

from datetime import date

import pytest
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import Invalid, StateConflict
from app.settlement import disputes, dues, statements
from app.settlement.captions import Caption
from app.settlement.dues import Adjustment
from app.settlement.models import Period
from app.settlement.statements import Statement
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member


@pytest.fixture
def closed(books: Session) -> tuple[Shop, Period]:
    """A merchant that owes ¥1.00 for January."""
    at(books, 1, 10)
    shop = open_shop(books)
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 3)
    return shop, close(books, JANUARY)


def test_a_payment_settles_a_period_and_is_carried_into_the_next(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    shop, _ = closed
    assert _told(books, closed).state == "unpaid"

    _pay(books, closed, 40, "B1")
    assert (_told(books, closed).state, _told(books, closed).payable_fen) == ("part_paid", -60)
    _pay(books, closed, 60, "B2")
    assert (_told(books, closed).state, _told(books, closed).payable_fen) == ("paid", 0)

    at(books, 3, 5)
    february = close(books, FEBRUARY)
    assert lines(books, february) == {
        (shop.merchant.code, "payment"): (0, 100),
        ("bank", "payment"): (0, -100),
    }
    told = statements.statement(books, february, merchant=shop.merchant.code)
    assert (told.opening_fen, told.net_fen, told.closing_fen) == (-100, 0, 0)
    assert (february.gross_fen, february.net_fen) == (0, 0)
    assert _told(books, closed).closing_fen == -100


def test_a_bank_reference_counts_once(books: Session, closed: tuple[Shop, Period]) -> None:
    first = _pay(books, closed, 40, "B1")

    assert _pay(books, closed, 40, " B1 ") == first
    with pytest.raises(StateConflict, match="B1"):
        _pay(books, closed, 41, "B1")
    with pytest.raises(Invalid):
        _pay(books, closed, 0, "B2")
    assert _told(books, closed).payable_fen == -60


def test_an_adjustment_needs_two_people_and_shows_in_the_next_period(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """G1."""
    shop, _ = closed
    code = shop.merchant.code
    wanted = Adjustment(merchant=code, fen=25, subsidy=True, reason="周年庆")
    request = dues.propose(books, wanted, by="mei")
    with pytest.raises(SamePerson):
        dues.approve(books, request.public_id, by="mei")

    dues.approve(books, request.public_id, by="li")

    at(books, 3, 5)
    found = lines(books, close(books, FEBRUARY))
    assert found == {(code, "subsidy"): (0, 25), ("subsidies", "subsidy"): (0, -25)}


def test_a_dispute_is_not_payable_and_ends_by_an_adjustment(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """Semantics 53."""
    shop, january = closed
    code = shop.merchant.code

    opened = disputes.open_dispute(
        books, january, merchant=code, caption=Caption.ISSUED, fen=-30, reason="重复", by="mei"
    )
    assert (_told(books, closed).payable_fen, _told(books, closed).closing_fen) == (-70, -100)
    with pytest.raises(StateConflict):
        disputes.open_dispute(
            books, january, merchant=code, caption=Caption.ISSUED, fen=-1, reason="又", by="mei"
        )
    with pytest.raises(StateConflict):
        disputes.resolve(books, opened, adjust_fen=30, resolution="属实", by="mei")
    disputes.resolve(books, opened, adjust_fen=30, resolution="属实", by="li")

    assert _told(books, closed).payable_fen == -100
    at(books, 3, 5)
    assert lines(books, close(books, FEBRUARY))[code, "adjustment"] == (0, 30)
    with pytest.raises(StateConflict):
        disputes.resolve(books, opened, adjust_fen=0, resolution="再", by="li")
    assert [each.fen for each in disputes.list_disputes(books)] == [-30]


@pytest.mark.parametrize("fen", [0, 1, -101])
def test_no_more_than_a_figure_can_be_disputed(
    books: Session, closed: tuple[Shop, Period], fen: int
) -> None:
    shop, january = closed

    with pytest.raises(Invalid):
        disputes.open_dispute(
            books, january, merchant=shop.merchant.code, caption=Caption.ISSUED, fen=fen,
            reason="过多", by="mei",
        )  # fmt: skip


def test_what_is_disputed_is_not_payable_with_later_statements_either(
    books: Session, closed: tuple[Shop, Period]
) -> None:
    """Semantics 53: a later statement carries the amount forward, and the dispute with it."""
    shop, january = closed
    code = shop.merchant.code
    opened = disputes.open_dispute(
        books, january, merchant=code, caption=Caption.ISSUED, fen=-30, reason="重复", by="mei"
    )
    shop.sell(books, make_member(books), 7_00)
    at(books, 3, 5)
    february = close(books, FEBRUARY)
    disputes.open_dispute(
        books, february, merchant=code, caption=Caption.ISSUED, fen=-2, reason="又", by="mei"
    )

    told = statements.statement(books, february, merchant=code)
    assert (told.closing_fen, told.disputed_fen, told.payable_fen) == (-107, -32, -75)
    assert _told(books, closed).payable_fen == -70

    disputes.resolve(books, opened, adjust_fen=0, resolution="无误", by="li")

    assert statements.statement(books, february, merchant=code).payable_fen == -105
    assert _told(books, closed).payable_fen == -100


@pytest.mark.parametrize("fen", [31, -31, 10**13, 10**30])
def test_who_resolves_a_dispute_adjusts_no_more_than_what_is_disputed(
    books: Session, closed: tuple[Shop, Period], fen: int
) -> None:
    """G1: what has to be more takes two people."""
    shop, january = closed
    opened = disputes.open_dispute(
        books, january, merchant=shop.merchant.code, caption=Caption.ISSUED, fen=-30,
        reason="重复", by="mei",
    )  # fmt: skip

    with pytest.raises(Invalid, match=r"两人办理.*settle adjust.*two people") as refused:
        disputes.resolve(books, opened, adjust_fen=fen, resolution="属实", by="li")

    assert "0.30" in str(refused.value)
    assert _told(books, closed).disputed_fen == -30
    assert disputes.resolve(
        books, opened, adjust_fen=30, resolution="属实", by="li"
    ).adjusted_fen == 30  # fmt: skip


def _pay(session: Session, closed: tuple[Shop, Period], fen: int, reference: str) -> str:
    shop, january = closed
    return dues.pay(
        session, january, merchant=shop.merchant.code, fen=fen, reference=reference,
        paid_on=date(2017, 2, 3), by="mei",
    ).public_id  # fmt: skip


def _told(session: Session, closed: tuple[Shop, Period]) -> Statement:
    shop, january = closed
    return statements.statement(session, january, merchant=shop.merchant.code)
