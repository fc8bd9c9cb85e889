"""L6: prepaid points that run low are told of once; who owes its limit gives no more points."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders, payments, quotes
from app.checkout.baskets import Tender
from app.checkout.bulk import Paid, sell_many
from app.errors import StateConflict
from app.merchants.directory import get_directory
from app.merchants.models import Funding
from app.merchants.prepaying import buy_points
from app.points import adjusting
from app.settlement import credit, dues
from app.settlement.credit import Standing
from app.settlement.dues import Adjustment
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import JANUARY, at, close
from tests.factories import make_member, make_terms


@pytest.fixture
def limited(books: Session) -> Shop:
    """A postpaid merchant that may owe ¥1.00, at a fen and a half a point."""
    at(books, 1, 10)
    return open_shop(books, terms=make_terms(cost="3/2", credit_limit_fen=100))


@pytest.fixture
def ahead(books: Session) -> Shop:
    """A prepaid merchant that is warned below 50 points and has 100."""
    at(books, 1, 10)
    terms = make_terms(funding=Funding.PREPAID, alert_points=50)
    shop = open_shop(books, terms=terms)
    buy_points(books, shop.merchant.code, 100, reference="B-1", by="mei")
    return shop


def test_prepaid_points_that_run_low_are_told_of_once_each_time(
    books: Session, ahead: Shop
) -> None:
    member = make_member(books)
    assert credit.watch(books) == 0

    ahead.sell(books, member, 50_00)
    assert credit.watch(books) == 0  # 50 are left: the level itself is not below it.
    ahead.sell(books, member, 1_00)
    assert (credit.watch(books), credit.watch(books)) == (1, 0)
    ahead.sell(books, member, 1_00)
    assert credit.watch(books) == 0
    buy_points(books, ahead.merchant.code, 100, reference="B-2", by="mei")
    assert credit.watch(books) == 1
    ahead.sell(books, member, 100_00)
    assert credit.watch(books) == 1

    assert _news(books, ahead) == [
        ("merchant.points_low", {"amount": 49, "level": 50}),
        ("merchant.points_low", {"amount": 48, "level": 50}),
    ]
    assert _stands(books, ahead).points_low
    assert get_directory(books).get_merchant(ahead.merchant.code).issues


def test_a_merchant_at_its_limit_sells_on_and_gives_no_points(
    books: Session, limited: Shop
) -> None:
    """67 points cost ¥1.01: what was given until the clock looked is a small overrun."""
    member = make_member(books)
    assert limited.sell(books, member, 66_00).earned_points == 66
    assert credit.watch(books) == 0
    assert limited.sell(books, member, 1_00).earned_points == 1
    assert _stands(books, limited).unpaid_fen == 101

    assert credit.watch(books) == 1

    sale = limited.sell(books, member, 10_00)
    assert (sale.earned_points, sale.due_fen) == (0, 10_00)
    quoted = quotes.quote(books, limited.basket(books, member, 10_00))
    whys = {each.why: each.en for each in quoted.preview.silent if each.why != "wrong-merchant"}
    assert list(whys) == ["merchant-gives-none"]
    assert "credit is used up" in whys.popitem()[1]
    assert [(each.why, each.zh, each.en) for each in sale.silent] == [
        (each.why, each.zh, each.en)
        for each in quoted.preview.silent
        if each.why == "merchant-gives-none"
    ]
    with pytest.raises(StateConflict, match="credit-used-up"):
        adjusting.adjust(
            books, member, points=5, issuer=limited.merchant.code, reason="补发", by="mei"
        )


def test_an_order_says_why_it_earned_nothing_whenever_it_is_told(
    books: Session, limited: Shop
) -> None:
    """The same reason at once, at a repeat of the till's number, and for one that was placed."""
    member = make_member(books)
    limited.sell(books, member, 70_00)
    credit.watch(books)

    sold = limited.sell(books, member, 10_00, number="N1")
    again = limited.sell(books, member, 10_00, number="N1")
    placed = orders.place(books, limited.basket(books, member, 5_00))
    paid = payments.pay(books, order=placed.public_id, tenders=[Tender(name="cash", fen=5_00)])
    told = payments.pay(books, order=placed.public_id, tenders=[Tender(name="cash", fen=5_00)])
    (uploaded,) = sell_many(
        books,
        [
            Paid(
                basket=limited.basket(books, member, 5_00),
                tenders=[Tender(name="cash", fen=5_00)],
            )
        ],
    )

    assert [each.why for each in sold.silent] == ["merchant-gives-none"]
    assert placed.silent == ()
    for sale in (again, paid, told, uploaded):
        assert list(sale.silent) == list(sold.silent)
    assert again.replayed
    assert told.replayed
    assert limited.sell(books, None, 10_00).silent == []


def test_points_of_other_merchants_in_one_order_are_given_all_the_same(
    books: Session, limited: Shop
) -> None:
    other, member = open_shop(books), make_member(books)
    limited.sell(books, member, 70_00)
    credit.watch(books)
    line = replace(limited.basket(books, None, 8_00).lines[0], merchant=limited.merchant.public_id)

    sale = other.sell(books, member, 5_00, others=[line])

    assert sale.earned_points == 5


def test_what_a_refund_takes_back_and_what_is_paid_frees_the_credit(
    books: Session, limited: Shop
) -> None:
    member = make_member(books)
    sale = limited.sell(books, member, 70_00)
    credit.watch(books)

    limited.refund(books, sale.public_id)
    assert credit.watch(books) == 1
    assert limited.sell(books, member, 70_00).earned_points == 70
    assert credit.watch(books) == 1
    at(books, 2, 3)
    january = close(books, JANUARY)
    owing = _stands(books, limited)
    assert (owing.due_fen, owing.open_points, owing.unpaid_fen) == (-105, 0, 105)
    assert credit.watch(books) == 0
    dues.pay(
        books, january, merchant=limited.merchant.code, fen=6, reference="B1",
        paid_on=date(2017, 2, 3), by="mei",
    )  # fmt: skip

    assert limited.sell(books, member, 10_00).earned_points == 10
    assert [topic for topic, _ in _news(books, limited)] == [
        "merchant.credit_used_up", "merchant.credit_freed",
        "merchant.credit_used_up", "merchant.credit_freed",
    ]  # fmt: skip
    assert _stands(books, limited).unpaid_fen == 99 + 15


def test_an_adjustment_of_the_due_frees_the_credit_too(books: Session, limited: Shop) -> None:
    member = make_member(books)
    limited.sell(books, member, 70_00)
    credit.watch(books)
    wanted = Adjustment(merchant=limited.merchant.code, fen=50, subsidy=True, reason="周年庆")

    dues.adjust(books, wanted, key="adj", by="mei")

    assert limited.sell(books, member, 1_00).earned_points == 1


def test_points_given_by_hand_are_owed_like_others(books: Session, limited: Shop) -> None:
    member = make_member(books)

    adjusting.adjust(
        books, member, points=67, issuer=limited.merchant.code, reason="补发", by="mei"
    )

    assert credit.watch(books) == 1
    assert _stands(books, limited).open_points == 67


def test_an_alarm_ends_with_the_terms_that_had_set_the_level(books: Session, limited: Shop) -> None:
    limited.sell(books, make_member(books), 70_00)
    credit.watch(books)
    tomorrow = make_terms(valid_from=date(2017, 1, 11), cost="3/2")
    books.execute(
        text(
            "INSERT INTO contract_term (merchant_id, valid_from, cost_num, cost_den,"
            " redemption_num, redemption_den, funding, may_burn, created_at)"
            " VALUES (:merchant, :day, 3, 2, 9, 10, 'postpaid', 'any', now())"
        ),
        {"merchant": limited.merchant.id, "day": tomorrow.valid_from},
    )
    at(books, 1, 12)

    assert credit.watch(books) == 1

    assert get_directory(books).get_merchant(limited.merchant.code).issues


def test_nobody_without_a_level_is_looked_at(books: Session) -> None:
    at(books, 1, 10)
    shop = open_shop(books)
    shop.sell(books, make_member(books), 1_000_000_00)

    assert credit.watch(books) == 0
    assert _stands(books, shop).unpaid_fen == 1_000_000
    assert credit.stand(books, []) == []


def _stands(session: Session, shop: Shop) -> Standing:
    listed = get_directory(session).get_merchant(shop.merchant.code)
    return credit.stand(session, [listed])[0]


def _news(session: Session, shop: Shop) -> list[tuple[str, dict[str, int]]]:
    rows = session.execute(
        text("SELECT topic, payload FROM outbox WHERE aggregate = :merchant ORDER BY seq"),
        {"merchant": shop.merchant.public_id},
    )
    return [(row.topic, {name: row.payload[name] for name in ("amount", "level")}) for row in rows]
