"""Semantics 1-5, 11, 38: refunds in parts, a void of the same day, through the door."""

import psycopg
import pytest

from app.members.identification import KnownMember
from config.database import Database
from tests.app.api.pos.test_orders import AT, TEA, cash, identified, order, told
from tests.app.api.tills import Till
from tests.app.checkout.shops import give_points, points_of
from tests.factories import make_member, unique

NUTS = {"sku": "S2", "name": "瓜子", "amount_fen": 3_000, "quantity": 3}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, till.shop, made, 500)
    return made


@pytest.fixture
def sold(till: Till, database: Database, member: KnownMember) -> str:
    """An order of tea and three bags of nuts, ¥130, of which 300 points paid ¥3."""
    known = identified(database, till, member)
    wish = order(identification_id=known, lines=[TEA, NUTS], burn_points=300, tenders=cash(12_700))
    return str(told(till.post("/v1/pos/orders", wish))["order_id"])


def refund(*parts: object, number: str | None = None) -> dict[str, object]:
    asked: dict[str, object] = {**AT, "number": number or unique("R")}
    return {**asked, "parts": list(parts)} if parts else asked


def test_parts_go_back_and_the_rest_then_ends_where_one_refund_would(
    till: Till, database: Database, member: KnownMember, sold: str
) -> None:
    path = f"/v1/pos/orders/{sold}/refunds"

    unit = told(till.post(path, refund({"line": 2, "quantity": 1})))
    some = told(till.post(path, refund({"amount_fen": 2_500})))
    rest = told(till.post(path, refund()))

    given = [unit, some, rest]
    assert (unit["fen"], some["fen"]) == (1_000, 2_500)
    assert sum(each["fen"] for each in given) == 13_000
    assert sum(tender["fen"] for each in given for tender in each["tenders"]) == 12_700
    assert sum(each["restored_points"] for each in given) == 300
    assert rest["receipt"]["balance_points"] == 500
    assert any(line.startswith("退回积分") for line in rest["receipt"]["zh"])
    with database.transaction("test") as session:
        assert points_of(session, member) == 500


def test_more_than_remains_is_refused_with_what_remains(till: Till, sold: str) -> None:
    """Semantics 11"""
    answer = told(till.post(f"/v1/pos/orders/{sold}/refunds", refund(
        {"line": 2, "quantity": 4})), 422)  # fmt: skip

    assert answer["code"] == "refund-exceeds-remaining"
    assert "还可退 3 件" in answer["detail"]


def test_a_refund_sent_again_is_one_refund(till: Till, sold: str) -> None:
    path, asked, key = f"/v1/pos/orders/{sold}/refunds", refund({"line": 1}), unique("idem-key-")

    first = till.post(path, asked, key=key)
    same = till.post(path, asked, key=key)
    other_key = till.post(path, asked)
    other = told(till.post(path, {**asked, "parts": [{"line": 2}]}), 409)

    assert same.get_data() == first.get_data()
    assert other_key.headers["Business-Replayed"] == "true"
    assert told(other_key, 200)["refund_id"] == told(first)["refund_id"]
    assert other["code"] == "business-key-conflict"


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"quantity": 1}, "/parts/0/quantity"),
        ({"line": 1, "quantity": 1, "amount_fen": 5}, "/parts/0/quantity"),
        ({}, "/parts/0"),
        ({"line": 0}, "/parts/0/line"),
        ({"amount_fen": 0}, "/parts/0/amount_fen"),
    ],
)
def test_a_part_says_one_thing(till: Till, sold: str, part: dict[str, int], pointer: str) -> None:
    answer = told(till.post(f"/v1/pos/orders/{sold}/refunds", refund(part)), 400)

    assert [fault["pointer"] for fault in answer["errors"]] == [pointer]


def test_a_void_undoes_a_sale_of_the_day(
    till: Till, database: Database, member: KnownMember, sold: str
) -> None:
    asked = refund()
    voided = told(till.post(f"/v1/pos/orders/{sold}/void", asked))
    again = till.post(f"/v1/pos/orders/{sold}/void", asked)

    assert (voided["fen"], voided["restored_points"], voided["clawed_points"]) == (13_000, 300, 127)
    assert voided["tenders"] == cash(12_700)
    assert again.headers["Business-Replayed"] == "true"
    assert told(till.post(f"/v1/pos/orders/{sold}/void", refund()), 409)["code"] == "state-conflict"
    with database.transaction("test") as session:
        assert points_of(session, member) == 500


def test_a_sale_of_yesterday_is_refunded_and_not_voided(
    till: Till, owner_url: str, sold: str
) -> None:
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test")
        owner.execute(
            'UPDATE "order" SET business_date = business_date - 1 WHERE public_id = %s', (sold,)
        )

    refused = told(till.post(f"/v1/pos/orders/{sold}/void", refund()), 409)

    assert "请办理退款" in refused["detail"]
    assert till.post(f"/v1/pos/orders/{sold}/refunds", refund()).status_code == 201


def test_what_may_not_go_back_is_not_voided(till: Till) -> None:
    wish = order(lines=[TEA, {**NUTS, "refundable": False}], tenders=cash(13_000))
    sold = told(till.post("/v1/pos/orders", wish))["order_id"]

    refused = told(till.post(f"/v1/pos/orders/{sold}/void", refund()), 422)

    assert refused["code"] == "rule-not-met"
    assert "第 2 行" in refused["detail"]


def test_a_refund_has_a_business_time_too(till: Till, sold: str) -> None:
    late = {**refund(), "occurred_at": "2031-01-01T00:00:00Z"}

    assert told(till.post(f"/v1/pos/orders/{sold}/refunds", late), 400)["code"] == (
        "validation-failed"
    )


def test_an_unpaid_order_is_cancelled_and_not_refunded(till: Till) -> None:
    placed = told(till.post("/v1/pos/orders", order()))

    refused = told(till.post(f"/v1/pos/orders/{placed['order_id']}/refunds", refund()), 409)

    assert refused["code"] == "state-conflict"
