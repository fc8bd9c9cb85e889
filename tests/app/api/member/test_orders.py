"""M9, S2, reliability §11: the member's own orders, and nobody else's."""

from flask.testing import FlaskClient

from app.checkout.drafts import Sale
from app.checkout.returns import RefundAmount
from config.database import Database
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import open_shop


def sell(database: Database, phone: Phone, *amounts: int) -> Sale:
    """Sell to a member in a shop of its own; a yuan of it goes back."""
    member = phone.member(database)
    with database.transaction("test") as session:
        shop = open_shop(session)
        sale = shop.sell(session, member, *amounts)
        shop.refund(session, sale.public_id, RefundAmount(fen=100))
        return sale


def test_a_member_sees_the_orders_of_all_merchants(phone: Phone, database: Database) -> None:
    sales = [sell(database, phone, fen) for fen in (1_000, 2_000, 3_000)]

    first = told(phone.get("orders?limit=2"))
    sell(database, phone, 4_000)
    rest = told(phone.get(f"orders?limit=2&cursor={first['next_cursor']}"))

    shown = [each["order_id"] for page in (first, rest) for each in page["orders"]]
    assert shown == [sale.public_id for sale in reversed(sales)]
    assert rest["next_cursor"] is None
    assert len({each["at"]["merchant_zh"] for each in first["orders"]}) == 2


def test_an_order_shows_its_lines_and_what_went_back(phone: Phone, database: Database) -> None:
    sale = sell(database, phone, 1_000, 500)

    shown = told(phone.get(f"orders/{sale.public_id}"))

    assert (shown["total_fen"], shown["refunded_fen"], shown["earned_points"]) == (1_500, 100, 15)
    assert [line["amount_fen"] for line in shown["lines"]] == [1_000, 500]
    assert [refund["fen"] for refund in shown["refunds"]] == [100]
    assert shown["refunds"][0]["clawed_points"] == 1


def test_somebody_else_s_order_is_no_order(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    sale = sell(database, phone, 1_000)
    other = new_member(client)

    foreign = told(other.get(f"orders/{sale.public_id}"), 404)
    absent = told(other.get(f"orders/ord_{'0' * 26}"), 404)

    assert foreign["code"] == absent["code"] == "not-found"
    assert told(other.get("orders"))["orders"] == []
