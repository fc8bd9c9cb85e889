"""L9: a merchant stays after all, until something of its exit is for good (ADR 0031)."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import NotFound, StateConflict
from app.merchants.models import MerchantStatus
from app.settlement import deposits, losses, runoff, staying
from tests.app.checkout.shops import open_shop
from tests.app.settlement.months import JANUARY, at, close
from tests.app.settlement.test_exits import leave, pay_deposit, status_of
from tests.factories import make_member

DAY = date(2017, 1, 10)


def test_a_merchant_that_stays_gives_points_again_and_may_leave_anew(books: Session) -> None:
    """G1: by two people."""
    at(books, 1, 10)
    shop, member = open_shop(books), make_member(books)
    first = leave(books, shop)
    request = staying.propose(books, shop.merchant.code, by="mei", reason="续约").public_id
    with pytest.raises(SamePerson):
        staying.approve(books, request, by="mei")
    assert shop.sell(books, member, 10_00).earned_points == 0

    assert staying.approve(books, request, by="li") == shop.merchant.code

    assert status_of(books, shop) is MerchantStatus.ACTIVE
    assert shop.sell(books, member, 10_00).earned_points == 10
    with pytest.raises(NotFound):
        runoff.run_off(books, shop.merchant.code)
    with pytest.raises(NotFound):
        staying.propose(books, shop.merchant.code, by="mei", reason="再来")
    second = leave(books, shop)
    assert second.public_id != first.public_id
    assert runoff.run_off(books, shop.merchant.code).leaving.public_id == second.public_id


def test_a_deposit_goes_back_when_nothing_has_to_be_left_any_more(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    code = shop.merchant.code
    shop.sell(books, make_member(books), 100_00)
    leave(books, shop)
    pay_deposit(books, shop, 90, "D1", DAY)
    request = staying.propose(books, code, by="mei", reason="续约").public_id
    staying.approve(books, request, by="li")

    with pytest.raises(NotFound):
        pay_deposit(books, shop, 5, "D2", DAY)
    pay_deposit(books, shop, -90, "D3", DAY)

    assert deposits.held_fen(books, shop.merchant) == 0


def test_what_others_have_borne_is_for_good(books: Session) -> None:
    """Refused with the reason, also where it came about after the proposal."""
    at(books, 1, 10)
    shop = open_shop(books)
    code = shop.merchant.code
    shop.sell(books, make_member(books), 100_00)
    leave(books, shop)
    pay_deposit(books, shop, 90, "D1", DAY)
    at(books, 2, 3)
    close(books, JANUARY)
    early = staying.propose(books, code, by="mei", reason="续约").public_id
    loss = losses.propose(books, code, by="mei", reason="破产").public_id
    losses.approve(books, loss, by="li")

    for late in (
        lambda: staying.approve(books, early, by="li"),
        lambda: staying.propose(books, code, by="mei", reason="续约"),
    ):
        with pytest.raises(StateConflict, match="others have borne"), books.begin_nested():
            late()
    assert status_of(books, shop) is MerchantStatus.EXITING


def test_who_has_left_has_left(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    leave(books, shop)
    assert runoff.finish(books, shop.merchant.code, by="mei") == []

    with pytest.raises(StateConflict, match="it has left"):
        staying.propose(books, shop.merchant.code, by="mei", reason="续约")


def test_a_proposal_names_the_exit_that_it_cancels(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    code = shop.merchant.code
    leave(books, shop)
    stale, request, dropped = [
        staying.propose(books, code, by="mei", reason="续约").public_id for _ in range(3)
    ]
    staying.reject(books, dropped, by="mei", reason="再议")
    staying.approve(books, request, by="li")
    leave(books, shop)

    with pytest.raises(StateConflict, match="propose it anew"), books.begin_nested():
        staying.approve(books, stale, by="li")
    with pytest.raises(StateConflict):
        staying.approve(books, dropped, by="li")


def test_the_database_keeps_one_exit_and_what_was_cancelled(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    leave(books, shop)
    request = staying.propose(books, shop.merchant.code, by="mei", reason="续约").public_id
    staying.approve(books, request, by="li")

    with pytest.raises(DBAPIError, match="merchant_exit"), books.begin_nested():
        books.execute(
            text("UPDATE merchant_exit SET cancelled_at = NULL, cancel_request_id = NULL")
        )
