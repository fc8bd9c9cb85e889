"""B3: rewards at the till."""

from typing import Any

from app.api.guessing import MISSES
from app.checkout import takings
from config.database import Database
from coupons import codes
from tests.app.api.pos.test_orders import AT, cash, told
from tests.app.api.tills import Till, open_till
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import give_points
from tests.factories import make_member, unique


def waiting(database: Database, till: Till, **fields: Any) -> str:
    """Return the code of goods that wait at the till's merchant."""
    with database.transaction("test") as session:
        member = make_member(session)
        give_points(session, till.shop, member, 500)
        item = put_up(session, till.shop, **fields)
        taken = takings.take(session, member, item=item.code, points=500)
        return takings.show_code(session, member, taken.public_id)


def test_goods_are_looked_up_and_picked_up_with_their_cash_part(
    till: Till, database: Database
) -> None:
    code = waiting(database, till, cash_fen=990)
    asked = {**AT, "code": codes.shown(code).lower()}
    found = told(till.post("/v1/pos/mall/look-up", asked), 200)
    number = unique("N")

    short = told(till.post("/v1/pos/mall/pick-ups", {**asked, "number": number}), 409)
    paid = {**asked, "number": number, "tenders": cash(990)}
    done = told(till.post("/v1/pos/mall/pick-ups", paid), 200)

    assert (found["state"], found["cash_fen"], found["order_id"]) == ("waiting", 990, None)
    assert short["code"] == "state-conflict"
    assert done["state"] == "picked_up"
    order = told(till.get(f"/v1/pos/orders/{done['order_id']}"), 200)
    assert (order["number"], order["due_fen"], order["earned_points"]) == (number, 990, 9)


def test_a_pick_up_sent_again_is_one(till: Till, database: Database) -> None:
    """Semantics 38, 39: the code is its key, for it is good once."""
    wish = {**AT, "code": waiting(database, till)}

    first = till.post("/v1/pos/mall/pick-ups", wish)
    again = till.post("/v1/pos/mall/pick-ups", wish)

    assert (told(first, 200)["state"], told(first, 200)["repeated"]) == ("picked_up", False)
    assert told(again, 200) == {**told(first, 200), "repeated": True}


def test_a_till_that_guesses_codes_waits(till: Till, database: Database) -> None:
    """C17: another merchant's code is as good as none."""
    elsewhere = open_till(till.client, database, "test")
    code = waiting(database, till)
    answers = [
        told(elsewhere.post("/v1/pos/mall/pick-ups", {**AT, "code": each}), 404)
        for each in [code, *[codes.new_code() for _ in range(MISSES - 1)]]
    ]

    assert len({(each["code"], each["title"], each.get("detail")) for each in answers}) == 1
    late = elsewhere.post("/v1/pos/mall/look-up", {**AT, "code": code})
    assert told(late, 429)["code"] == "rate-limited"
    mine = told(till.post("/v1/pos/mall/pick-ups", {**AT, "code": code}), 200)
    assert mine["state"] == "picked_up"


def test_what_is_no_code_is_told_so(till: Till) -> None:
    asked = {**AT, "code": " "}

    assert told(till.post("/v1/pos/mall/look-up", asked), 400)["code"] == "validation-failed"
