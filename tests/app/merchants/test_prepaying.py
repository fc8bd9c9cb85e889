"""Prepaid merchants give what they have bought, to the point (L6)."""

import pytest
from sqlalchemy.orm import Session

import ledger
from app.errors import Invalid, NotFound
from app.merchants.prepaying import buy_points, left, take_back
from tests.factories import TESTER, make_merchant


def test_bought_points_can_be_given_and_one_receipt_counts_once(session: Session) -> None:
    merchant = make_merchant(session)

    first = buy_points(session, merchant.code, 500, reference="B-1", by=TESTER)
    again = buy_points(session, merchant.code, 500, reference="B-1", by=TESTER)
    more = buy_points(session, merchant.code, 20, reference="B-2", by=TESTER)

    assert (first, again, more) == (500, 500, 520)
    with pytest.raises(ledger.KeyReused):
        buy_points(session, merchant.code, 501, reference="B-1", by=TESTER)


@pytest.mark.parametrize("points", [0, -1, 10**13])
def test_a_number_that_cannot_be_right_is_refused(session: Session, points: int) -> None:
    merchant = make_merchant(session)

    with pytest.raises(Invalid):
        buy_points(session, merchant.code, points, reference="B-1", by=TESTER)


def test_a_merchant_that_is_not_there_cannot_buy(session: Session) -> None:
    with pytest.raises(NotFound):
        buy_points(session, "nobody", 5, reference="B-1", by=TESTER)


def test_what_a_leaving_merchant_has_left_is_taken_back_once(session: Session) -> None:
    merchant = make_merchant(session)
    buy_points(session, merchant.code, 500, reference="B-1", by=TESTER)

    first, again = (take_back(session, merchant, by=TESTER) for _ in range(2))

    assert (first, again, left(session, merchant)) == (500, 0, 0)
