"""P1, semantics 40, decision 22: a day that was captured offline, each sale with its verdict."""

from datetime import timedelta
from typing import Any

import pytest

from app.members.identification import KnownMember
from config.database import Database, now_of
from tests.app.api.pos.test_orders import AT, TEA, _balance, _count, cash, order, told
from tests.app.api.tills import Till
from tests.factories import make_member, new_phone, unique


@pytest.fixture
def hours_ago(database: Database, district: str) -> Any:
    with database.transaction(district) as session:
        now = now_of(session)
    return lambda hours: (now - timedelta(hours=hours)).isoformat()


@pytest.fixture
def member(database: Database, district: str) -> tuple[str, KnownMember]:
    phone = new_phone()
    with database.transaction(district) as session:
        return phone, make_member(session, phone=phone)


def captured(at: str, **fields: object) -> dict[str, object]:
    given = {"number": unique("N"), "occurred_at": at, "tenders": cash(10_000), "lines": [TEA]}
    return {**AT, **given, **fields}


def test_each_sale_has_its_verdict_and_the_good_ones_stand(
    till: Till, database: Database, member: tuple[str, KnownMember], hours_ago: Any
) -> None:
    phone, who = member
    sales = [
        captured(hours_ago(5), phone=phone),
        captured(hours_ago(4), tenders=cash(9_999)),
        captured(hours_ago(73)),
        captured(hours_ago(3), phone=new_phone()),
        captured(hours_ago(2), terminal_id="T9"),
        captured(hours_ago(1), phone=phone),
    ]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    verdicts = answer["verdicts"]
    assert [verdict["status"] for verdict in verdicts] == [201, 409, 400, 404, 404, 201]
    assert (answer["accepted"], answer["refused"]) == (2, 4)
    assert verdicts[0]["order"]["earned_points"] == 100
    assert verdicts[1]["problem"]["code"] == "state-conflict"
    assert "problem" not in verdicts[0]
    assert _count(database, till) == 2
    assert _balance(database, who) == 200


def test_an_upload_sent_again_is_answered_as_before(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales, key = [captured(hours_ago(1)) for _ in range(3)], unique("idem-key-")

    first = till.post("/v1/pos/orders/batch", {"orders": sales}, key=key)
    second = till.post("/v1/pos/orders/batch", {"orders": sales}, key=key)
    fresh = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)
    other = told(till.post("/v1/pos/orders/batch", {"orders": sales[:2]}, key=key), 422)

    assert first.get_data() == second.get_data()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert [verdict["status"] for verdict in fresh["verdicts"]] == [200, 200, 200]
    assert other["code"] == "idempotency-key-reused"
    assert _count(database, till) == 3


def test_a_sale_that_reached_us_before_is_known_in_an_upload(till: Till, hours_ago: Any) -> None:
    """The line broke after the sale and before its answer."""
    wish = order(tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))

    answer = told(till.post("/v1/pos/orders/batch", {
        "orders": [captured(hours_ago(0), number=wish["number"])]}), 200)  # fmt: skip

    assert answer["verdicts"][0]["status"] == 200
    assert answer["verdicts"][0]["order"]["order_id"] == sold["order_id"]


def test_a_refused_last_sale_does_not_undo_the_others(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales = [captured(hours_ago(1)), captured(hours_ago(1), tenders=cash(1))]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    assert [verdict["status"] for verdict in answer["verdicts"]] == [201, 409]
    assert _count(database, till) == 1


def test_an_upload_that_died_half_way_is_finished_by_its_repeat(
    till: Till, database: Database, hours_ago: Any
) -> None:
    """What the first request did before it died stands, and is not done again."""
    sales = [captured(hours_ago(1)) for _ in range(4)]
    told(till.post("/v1/pos/orders/batch", {"orders": sales[:2]}), 200)

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    assert [verdict["status"] for verdict in answer["verdicts"]] == [200, 200, 201, 201]
    assert _count(database, till) == 4


@pytest.mark.parametrize("count", [0, 501])
def test_an_upload_has_one_to_five_hundred_sales(till: Till, hours_ago: Any, count: int) -> None:
    sales = [captured(hours_ago(1))] * count

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 400)

    assert answer["errors"] == [{"pointer": "/orders", "code": "wrong-length"}]


def test_a_shape_that_is_wrong_is_told_with_its_place_and_nothing_is_sold(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales = [captured(hours_ago(1)), captured(hours_ago(1), burn_points=5)]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 400)

    assert answer["errors"] == [{"pointer": "/orders/1/burn_points", "code": "unknown-field"}]
    assert _count(database, till) == 0
