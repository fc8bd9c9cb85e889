"""What expired goes back to its issuer by the share of its time, and so does what is taken back."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy.orm import Session

from app.checkout.returns import RefundAmount
from app.points.expiry import Place, expire_some
from app.settlement.spans import Span
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import at, close, lines, share_breakage
from tests.factories import make_member, make_terms


@pytest.fixture
def shop(books: Session) -> Shop:
    """Points last to the end of the month after; half of what they cost comes back."""
    at(books, 1, 10)
    share_breakage(books, 1, 2, since=datetime(2017, 1, 1, tzinfo=UTC))
    return open_shop(books, terms=make_terms(cost="1", redemption="1"))


def expire(session: Session, until: date) -> None:
    place: Place | None = Place()
    while place is not None:
        place = expire_some(session, day=until, place=place, most=100).place


def close_all(session: Session, *months: str) -> dict[str, dict[tuple[str, str], tuple[int, int]]]:
    return {code: dict(lines(session, close(session, Span.parse(code)))) for code in months}


def test_a_new_share_holds_for_what_expires_from_then_on(books: Session, shop: Shop) -> None:
    member = make_member(books)
    sale = shop.sell(books, member, 100_00)
    at(books, 2, 10)
    shop.sell(books, member, 60_00)
    at(books, 3, 2)
    expire(books, date(2017, 3, 2))
    share_breakage(books, 1, 4, since=at(books, 3, 10))
    at(books, 4, 2)
    expire(books, date(2017, 4, 2))
    shop.refund(books, sale.public_id, RefundAmount(fen=40_00))
    at(books, 5, 2)

    found = close_all(books, "2017-01", "2017-02", "2017-03", "2017-04")

    code = shop.merchant.code
    assert found["2017-03"][code, "expired"] == (100, 50)
    assert found["2017-03"]["breakage_kept", "expired"] == (0, 50)
    assert found["2017-04"][code, "expired"] == (60, 15)
    assert found["2017-04"]["breakage_kept", "expired"] == (0, 45)
    assert found["2017-04"][code, "revived"] == (-40, -20)
    assert found["2017-04"]["breakage_kept", "revived"] == (0, -20)


def test_an_expiry_that_is_booked_late_counts_by_the_day_it_happened(
    books: Session, shop: Shop
) -> None:
    """Semantics 27: the job that ran late must not decide what the issuer gets."""
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 10)
    shop.sell(books, make_member(books), 60_00)
    share_breakage(books, 1, 4, since=at(books, 3, 10))
    at(books, 4, 2)
    expire(books, date(2017, 4, 2))
    at(books, 5, 2)

    found = close_all(books, "2017-01", "2017-02", "2017-03", "2017-04")

    code = shop.merchant.code
    assert found["2017-03"][code, "expired"] == (100, 50)
    assert found["2017-04"][code, "expired"] == (60, 15)


def test_an_expiry_that_is_booked_in_a_later_period_keeps_the_share_of_its_day(
    books: Session, shop: Shop
) -> None:
    """Beside what expired since, at the same rate and in the same month: 100 × 1/2 + 61 × 1/4."""
    shop.sell(books, make_member(books), 100_00)
    at(books, 2, 10)
    shop.sell(books, make_member(books), 61_00)
    share_breakage(books, 1, 4, since=at(books, 3, 10))
    at(books, 4, 3)
    close_all(books, "2017-01", "2017-02", "2017-03")
    expire(books, date(2017, 4, 3))
    at(books, 5, 2)

    april = close_all(books, "2017-04")["2017-04"]

    assert april[shop.merchant.code, "expired"] == (161, 50 + 15)
    assert april["breakage_kept", "expired"] == (0, 161 - 65)


@pytest.mark.parametrize(("num", "den"), [(0, 1), (1, 1), (2, 7), (999, 1000)])
def test_what_is_taken_back_whole_leaves_nothing_with_anybody(
    books: Session, num: int, den: int
) -> None:
    at(books, 1, 10)
    share_breakage(books, num, den, since=datetime(2017, 1, 1, tzinfo=UTC))
    shop = open_shop(books, terms=make_terms(cost="7/3", redemption="2"))
    sale = shop.sell(books, make_member(books), 97_00)
    at(books, 3, 2)
    expire(books, date(2017, 3, 2))
    share_breakage(books, 1, 2, since=at(books, 3, 10))
    at(books, 4, 2)
    shop.refund(books, sale.public_id)
    at(books, 5, 2)

    found = close_all(books, "2017-01", "2017-02", "2017-03", "2017-04")

    given, taken = found["2017-03"], found["2017-04"]
    for party in (shop.merchant.code, "breakage_kept"):
        back = taken.get((party, "revived"), (0, 0))
        assert given.get((party, "expired"), (0, 0))[1] + back[1] == 0
