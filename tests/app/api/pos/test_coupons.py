"""C8, C10, C13, C14, C17: a till sells with coupons, hears why not, and refunds tell of them."""

import pytest

from app.members.identification import KnownMember
from config.database import Database
from tests.app.api.pos.test_orders import AT, cash, identified, order, told
from tests.app.api.pos.test_refunds import refund
from tests.app.api.tills import Till
from tests.app.checkout.test_coupons import give, off
from tests.counting import sent_by_all
from tests.factories import make_member

TEA = {"sku": "S1", "name": "龙井", "category": "food", "amount_fen": 8_000}
CUP = {"sku": "S2", "name": "茶杯", "category": "food", "amount_fen": 4_000, "quantity": 2}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    with database.transaction(district) as session:
        return make_member(session)


@pytest.fixture
def known(database: Database, till: Till, member: KnownMember) -> str:
    return identified(database, till, member)


@pytest.fixture
def coupon(database: Database, district: str, member: KnownMember) -> str:
    """20 off 100, of the member."""
    with database.transaction(district) as session:
        return give(session, member, off(2_000, 10_000))


def test_an_order_lists_its_coupons_and_its_refund_says_which_came_back(
    till: Till, known: str, coupon: str
) -> None:
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[coupon], tenders=cash(10_000))

    sold = told(till.post("/v1/pos/orders", wish))
    read = told(till.get(f"/v1/pos/orders/{sold['order_id']}"), 200)
    again = told(till.post("/v1/pos/orders", wish), 200)
    path = f"/v1/pos/orders/{sold['order_id']}/refunds"
    part = told(till.post(path, refund({"line": 2, "quantity": 1})))
    rest = told(till.post(path, refund()))

    assert (sold["discount_fen"], sold["due_fen"]) == (2_000, 10_000)
    assert [(each["coupon_id"], each["fen"]) for each in sold["coupons"]] == [(coupon, 2_000)]
    assert sold["coupons"][0]["zh"] == "测试券"
    assert sold["coupons"] == read["coupons"] == again["coupons"]
    back = [*part["coupons"], *rest["coupons"]]
    assert sum(each["fen"] for each in back) == 2_000
    assert [each["returned"] for each in back] == [False, True]
    assert part["fen"] + rest["fen"] == 10_000


def test_a_quote_finds_the_best_and_says_why_another_is_left_out(
    till: Till, database: Database, member: KnownMember, known: str, coupon: str
) -> None:
    with database.transaction("test") as session:
        far = give(session, member, off(9_000, 50_000))
    basket = {**AT, "lines": [TEA, CUP], "identification_id": known, "best_coupons": True}

    quoted = told(till.post("/v1/pos/quotes", basket))
    sold = told(
        till.post(
            "/v1/pos/orders",
            order(lines=[TEA, CUP], identification_id=known, best_coupons=True,
                  quote_id=quoted["quote_id"], tenders=cash(quoted["due_fen"])),
        )
    )  # fmt: skip

    (used,) = quoted["coupons"]
    assert (used["coupon_id"], sum(used["shares"])) == (coupon, 2_000)
    assert used["funders"] == [{"funder": "district", "fen": 2_000}]
    (left,) = quoted["left_out"]
    assert (left["coupon_id"], left["why"]) == (far, "conditions")
    (unmet,) = left["unmet"]
    assert (unmet["code"], unmet["gap_fen"], unmet["lines"]) == ("below-amount", 38_000, [1, 2])
    assert quoted["proof"]["proved"] is True
    assert (sold["discount_fen"], sold["due_fen"]) == (2_000, 10_000)


def test_an_order_that_names_what_it_cannot_use_hears_every_reason(
    till: Till, database: Database, member: KnownMember, known: str, coupon: str
) -> None:
    """C8, C17: a coupon of somebody else is as good as none."""
    with database.transaction("test") as session:
        foreign = give(session, make_member(session), off(100), personal=True)
        unknown = "cpn_00000000000000000000000000"
    named = [coupon, foreign, unknown]
    wish = order(lines=[TEA], identification_id=known, coupons=named, tenders=cash(8_000))

    refused = told(till.post("/v1/pos/orders", wish), 422)

    assert refused["code"] == "rule-not-met"
    why = {each["coupon_id"]: each["zh"] for each in refused["reasons"]}
    assert "再买 ¥20.00" in why[coupon]
    assert why[foreign] == why[unknown] == "没有这张券，或不属于该会员"
    assert told(till.get(f"/v1/pos/orders?terminal_id=T1&number={wish['number']}"), 404)


def test_two_orders_placed_with_one_coupon_leave_it_to_the_first(
    till: Till, known: str, coupon: str
) -> None:
    """C12: placing sets it aside, cancelling frees it."""
    wish = {"lines": [TEA, CUP], "identification_id": known, "coupons": [coupon]}

    first = told(till.post("/v1/pos/orders", order(**wish)))
    second = told(till.post("/v1/pos/orders", order(**wish)), 422)
    told(till.post(f"/v1/pos/orders/{first['order_id']}/cancellation", AT), 200)
    third = told(till.post("/v1/pos/orders", order(**wish)))

    assert first["state"] == "awaiting_payment"
    assert second["reasons"][0]["zh"] == "券被另一笔订单占用"
    assert third["discount_fen"] == 2_000


def test_an_order_with_a_coupon_costs_few_round_trips_more(
    till: Till, known: str, coupon: str
) -> None:
    told(till.post("/v1/pos/orders", order(lines=[TEA], tenders=cash(8_000))))
    wish = order(lines=[TEA, CUP], identification_id=known, coupons=[coupon], tenders=cash(10_000))

    inside = till.client.application.extensions["plaza"].database
    with sent_by_all(inside) as statements:
        told(till.post("/v1/pos/orders", wish))

    assert 2 < len(statements) + 1 <= 18  # and COMMIT
