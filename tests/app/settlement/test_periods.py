"""Periods close once, in order, and to exactly zero (L4, L5; semantics 9, 49, 51, 52)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import Code, fen_accounts
from app.merchants.models import Funding
from app.merchants.prepaying import buy_points
from app.points.ageing import AsOf
from app.points.liability import liability
from app.settlement import periods, statements
from app.settlement.errors import NothingToSettle, PeriodClosed, PeriodOutOfOrder, PeriodRunning
from tests.app.checkout.shops import open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member, make_terms


def test_two_merchants_settle_to_zero_to_the_fen(books: Session) -> None:
    """L4: the issuer pays the cost at the issue, who takes the points gets what they pay."""
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="1", redemption="9/10"))
    b = open_shop(books, terms=make_terms(cost="1/3", redemption="1/4"))
    member = make_member(books)
    a.sell(books, member, 100_00)
    b.sell(books, member, 30_00, burn=50)
    at(books, 2, 3)

    period = close(books, JANUARY)

    a_code, b_code = a.merchant.code, b.merchant.code
    assert lines(books, period) == {
        (a_code, "issued"): (-100, -100),
        (b_code, "issued"): (-29, -10),
        (b_code, "redeemed_others"): (50, 45),
        ("float", "moved"): (79, 60),
        ("spread", "spread"): (0, 5),
    }
    assert (period.sum_points, period.sum_fen) == (0, 0)
    assert (period.gross_fen, period.net_fen) == (100 + 10 + 45, 100 + 35)
    assert period.parties == 4


def test_own_points_taken_have_no_effect_on_the_statement(books: Session) -> None:
    """Semantics 52: the redeemer is the issuer; two entries, net zero."""
    at(books, 1, 10)
    shop = open_shop(books, terms=make_terms(cost="2", redemption="1"))
    member = make_member(books)
    shop.sell(books, member, 10_00)
    shop.sell(books, member, 50, burn=10)
    at(books, 2, 3)

    found = lines(books, close(books, JANUARY))

    assert found == {
        (shop.merchant.code, "issued"): (-10, -20),
        (shop.merchant.code, "redeemed_own"): (10, 20),
    }


def test_a_refund_after_the_close_goes_into_the_next_period(books: Session) -> None:
    """Semantics 9: the closed statement never changes."""
    at(books, 1, 10)
    shop = open_shop(books)
    member = make_member(books)
    sale = shop.sell(books, member, 10_00)
    at(books, 2, 3)
    january = close(books, JANUARY)
    before = lines(books, january)

    shop.refund(books, sale.public_id, at=at(books, 2, 4))
    at(books, 3, 5)
    february = close(books, FEBRUARY)

    assert lines(books, january) == before
    assert lines(books, february)[shop.merchant.code, "reversed"] == (10, 10)
    assert lines(books, february)["float", "moved"] == (-10, -10)


def test_what_was_bought_ahead_is_paid_at_once_and_issued_for_nothing(books: Session) -> None:
    """L6: a prepaid merchant pays when it buys; the district keeps it till points are given."""
    at(books, 1, 10)
    shop = open_shop(books, terms=make_terms(cost="2", funding=Funding.PREPAID))
    buy_points(books, shop.merchant.code, 100, reference="bank-1", by="mei")
    member = make_member(books)
    shop.sell(books, member, 30_00)
    at(books, 2, 3)

    found = lines(books, close(books, JANUARY))

    assert found == {
        (shop.merchant.code, "bought_ahead"): (100, -200),
        (shop.merchant.code, "issued"): (-30, 0),
        ("advances", "bought_ahead"): (-100, 200),
        ("advances", "issued"): (0, -60),
        ("float", "moved"): (30, 60),
    }


def test_the_close_posts_what_it_says_and_the_clearing_account_is_at_zero(books: Session) -> None:
    at(books, 1, 10)
    a, b = open_shop(books), open_shop(books)
    member = make_member(books)
    a.sell(books, member, 100_00)
    b.sell(books, member, 10_00, burn=40)
    at(books, 2, 3)

    close(books, JANUARY)

    names = [a.merchant.public_id, b.merchant.public_id]
    accounts = fen_accounts(books, names)
    found = ledger.statements.balances(books, list(accounts.values()))
    posted = {name: found[account].posted for name, account in accounts.items()}
    assert posted[Code.CLEARING] == 0
    assert posted[f"due:{names[0]}"] == -100
    assert posted[f"due:{names[1]}"] == 36 - 9
    assert posted[Code.FLOAT] == 60 + 9
    assert sum(posted.values()) == 0


def test_a_period_is_closed_once_and_in_order(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    with pytest.raises(NothingToSettle):
        close(books, JANUARY)
    shop.sell(books, make_member(books), 10_00)

    with pytest.raises(PeriodRunning):
        close(books, JANUARY)
    at(books, 4, 1)
    with pytest.raises(PeriodOutOfOrder):
        close(books, FEBRUARY)
    close(books, JANUARY)
    with pytest.raises(PeriodClosed):
        close(books, JANUARY)


def test_the_first_month_is_that_of_the_earliest_booking_whenever_it_was_written(
    books: Session,
) -> None:
    """L5: what is uploaded late is booked on its own day while that is open."""
    at(books, 3, 10)
    shop, member = open_shop(books), make_member(books)
    for month in (3, 2, 3, 1):
        day = datetime(2017, month, 5, 12, tzinfo=UTC)
        shop.sell(books, member, 10_00, at=day)

    assert periods.next_period(books) == JANUARY


def test_a_month_can_be_closed_from_six_in_the_morning(books: Session) -> None:
    """Semantics 59: 06:00 in Shanghai is 22:00 of the day before, in UTC."""
    at(books, 1, 10)
    open_shop(books).sell(books, make_member(books), 10_00)
    at(books, 1, 31, 21)
    with pytest.raises(PeriodRunning):
        close(books, JANUARY)

    at(books, 1, 31, 22)

    assert close(books, JANUARY).code == "2017-01"


def test_the_table_itself_refuses_a_period_that_does_not_sum_to_zero(books: Session) -> None:
    statement = (
        "INSERT INTO settlement_period (code, starts_on, ends_on, closed_at, closed_by, transfers,"
        " parties, sum_points, sum_fen, gross_fen, net_fen)"
        " VALUES ('2017-01', '2017-01-01', '2017-01-31', now(), 'mei', 1, 1, 0, 1, 1, 1)"
    )

    with pytest.raises(Exception, match="settlement_period_zero_check"):
        books.execute(text(statement))


def test_the_float_of_a_closed_month_is_the_liability_at_its_end(books: Session) -> None:
    """L8: to the fen, by costs that do not divide; what is owed is the members' debt."""
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="1/3", redemption="1/4"))
    b = open_shop(books, terms=make_terms(cost="5/7", redemption="2/3"))
    member, other = make_member(books), make_member(books)
    sales = [a.sell(books, member, 10_100), b.sell(books, member, 5_300)]
    b.sell(books, other, 2_900)
    a.sell(books, member, 200, burn=150)
    a.refund(books, sales[1].public_id, at=at(books, 1, 20))
    at(books, 2, 3)
    a.sell(books, other, 7_700)

    period = close(books, JANUARY)

    found = liability(books, AsOf.end_of(JANUARY.ends_on))
    parties = {each.name: each for each in statements.parties(books, period)}
    assert (found.total.points, found.total.fen) == (parties["float"].points, parties["float"].fen)
    assert (found.owed.points, found.owed.fen) == (
        parties["member_debt"].points,
        parties["member_debt"].fen,
    )
    assert found.owed.points < 0 < found.total.points
