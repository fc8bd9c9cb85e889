"""The example of docs/settlement.md, closed: merchants A, B (postpaid) and C (prepaid)."""

from dataclasses import dataclass

import pytest
from sqlalchemy.orm import Session

from app.merchants.models import Funding
from app.merchants.prepaying import buy_points
from app.settlement.models import Period
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close
from tests.factories import make_member, make_terms


@dataclass(frozen=True, kw_only=True)
class Example:
    """Three shops and two closed months of theirs."""

    a: Shop
    b: Shop
    c: Shop
    january: Period
    february: Period


@pytest.fixture
def example(books: Session) -> Example:
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="1", redemption="9/10"))
    b = open_shop(books, terms=make_terms(cost="3/2", redemption="6/5"))
    c = open_shop(books, terms=make_terms(cost="1", redemption="1", funding=Funding.PREPAID))
    member = make_member(books)
    buy_points(books, c.merchant.code, 200, reference="bank-1", by="mei")
    first = a.sell(books, member, 100_00, at=at(books, 1, 11))
    c.sell(books, member, 60_00, at=at(books, 1, 12))
    b.sell(books, member, 50_00, burn=120, at=at(books, 1, 13))
    at(books, 2, 3)
    january = close(books, JANUARY)
    a.refund(books, first.public_id, at=at(books, 2, 4))
    at(books, 3, 3)
    return Example(a=a, b=b, c=c, january=january, february=close(books, FEBRUARY))
