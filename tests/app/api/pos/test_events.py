"""E3: a till says that an event of its order has come, and the points that waited may be spent."""

from app.points.definitions import Pending
from config.database import Database
from tests.app.api.pos.test_orders import AT, order
from tests.app.api.tills import Till, open_till
from tests.app.checkout.shops import points_of
from tests.app.points.test_pending import COLLECTED, add_bonus
from tests.factories import make_member, unique


def test_a_till_tells_an_event_of_its_own_order_once(till: Till, database: Database) -> None:
    with database.transaction("test") as session:
        member = make_member(session)
        add_bonus(session, till.shop, Pending(event=COLLECTED))
        sold = till.shop.sell(session, member, 10_000).public_id
    body, path, key = (
        {**AT, "event": COLLECTED},
        f"/v1/pos/orders/{sold}/events",
        unique("key-0000"),
    )

    first = till.post(path, body, key=key)
    repeated = till.post(path, body, key=key)
    again = till.post(path, body)

    assert first.json == {"order_id": sold, "event": COLLECTED, "activated_points": 200}
    assert (repeated.json, repeated.headers["Idempotency-Replayed"]) == (first.json, "true")
    assert again.json is not None
    assert again.json["activated_points"] == 0
    with database.transaction("test") as session:
        assert points_of(session, member) == 300


def test_another_stores_order_and_a_name_without_sense_are_refused(
    till: Till, database: Database
) -> None:
    other = open_till(till.client, database, "test")
    sold = other.post("/v1/pos/orders", order(tenders=[{"name": "cash", "fen": 10_000}])).json
    assert sold is not None
    path = f"/v1/pos/orders/{sold['order_id']}/events"

    assert till.post(path, {**AT, "event": COLLECTED}).status_code == 404
    assert other.post(path, {**AT, "event": "Collected!"}).status_code == 400
    assert other.post(path, {**AT, "event": COLLECTED}).status_code == 200
