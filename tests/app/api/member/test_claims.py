"""E8: a member claims an order by its receipt; who guesses is told nothing and stopped."""

from app.clock import business_date
from config.database import Database, now_of
from tests.app.api.phones import Phone, told
from tests.app.checkout.shops import open_shop


def test_a_receipt_makes_an_order_ones_own(phone: Phone, database: Database) -> None:
    with database.transaction("test") as session:
        shop = open_shop(session)
        sale = shop.sell(session, None, 12_800)
        body = {"store": shop.till.store.code, "number": sale.number, "amount_fen": 12_800,
                "day": business_date(now_of(session)).isoformat()}  # fmt: skip

    made = told(phone.post("claims", body))
    again = told(phone.post("claims", body))

    assert made == again
    assert (made["order_id"], made["earned_points"]) == (sale.public_id, 128)
    assert told(phone.get("balance"))["spendable_points"] == 128
    (order,) = told(phone.get("orders"))["orders"]
    assert (order["order_id"], order["earned_points"]) == (sale.public_id, 128)


def test_a_wrong_receipt_is_told_as_none_and_tries_end(phone: Phone) -> None:
    body = {"store": "nowhere", "number": "1", "amount_fen": 1, "day": "2026-11-27"}

    codes = [told(phone.post("claims", body), 409)["code"] for _ in range(5)]
    over = phone.post("claims", body)

    assert codes == ["state-conflict"] * 5
    assert told(over, 429)["code"] == "rate-limited"
    assert int(over.headers["Retry-After"]) > 80_000
