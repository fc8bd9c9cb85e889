"""P7: the description of the API is made from the code, checked in, and complete."""

import json
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app.api.openapi import document
from app.api.policy import POLICY
from config.settings import PROJECT
from tests.factories import unique

FILE = PROJECT / "docs/openapi.json"


@pytest.fixture
def described(app: APIFlask) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(document(app))
    return made


def _operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for path in described["paths"].values() for each in path.values()]


def test_the_file_in_the_documents_is_what_the_service_says(
    app: APIFlask, client: FlaskClient
) -> None:
    """After a change of the API: curl -s 127.0.0.1:8000/openapi.json > docs/openapi.json"""
    answer = client.get("/openapi.json", environ_overrides={"REMOTE_ADDR": unique("10.")})

    assert answer.content_type == "application/json"
    assert answer.text == document(app) == FILE.read_text(encoding="utf-8")


def test_every_route_of_stores_members_and_staff_is_described(described: dict[str, Any]) -> None:
    named = {
        f"{operation['tags'][0]}.{operation['operationId']}" for operation in _operations(described)
    }

    theirs = {name for name in POLICY if name.startswith(("pos.", "member.", "manage."))}
    assert named == {*theirs, "signing.explain_signature"}
    assert described["openapi"] == "3.1.0"


def test_every_operation_says_how_it_is_signed_keyed_and_refused(
    described: dict[str, Any],
) -> None:
    for operation in _operations(described):
        assert operation["summary"].endswith(".")
        problems = {
            status: answer["content"]
            for status, answer in operation["responses"].items()
            if int(status) >= 400
        }
        assert {"429", "500"} <= set(problems)
        for content in problems.values():
            assert set(content) == {"application/problem+json"}
        if "security" in operation:
            assert {"400", "401", "404", "503"} <= set(problems)
        if "requestBody" in operation:
            assert operation["requestBody"]["required"] is True
            assert {"409", "413", "415", "422"} <= set(problems)


def test_requests_refuse_unknown_fields_and_writes_want_a_key(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    order = schemas["PlaceOrder"]
    place = described["paths"]["/v1/pos/orders"]["post"]

    assert all(schema["additionalProperties"] is False for schema in schemas.values())
    assert set(order["required"]) == {"terminal_id", "cashier_id", "number", "lines"}
    assert "Idempotency-Key" in [each["name"] for each in place["parameters"]]
    assert order["properties"]["burn_points"]["type"] == "integer"
    assert schemas["Receipt"]["properties"]["balance_points"]["type"] == ["integer", "null"]


def test_what_goes_together_is_described(described: dict[str, Any]) -> None:
    """P7: what the door refuses by its shape, the description forbids."""
    schemas = described["components"]["schemas"]
    named = [each["required"] for each in schemas["Identify"]["oneOf"]]
    matters = {
        each["properties"]["purpose"]["const"]: each["properties"]["channel"]["enum"]
        for each in schemas["Decide"]["oneOf"]
    }

    assert named == [["member_code"], ["card_number"], ["phone"]]
    assert matters["marketing"] == ["sms", "wechat", "alipay", "app"]
    assert matters["membership"] == ["any"]
    assert len(schemas["RefundPart"]["oneOf"]) == 3
    for name in ("PlaceOrder", "QuoteBasket"):
        burns, best, either = [each["anyOf"] for each in schemas[name]["allOf"]]
        assert burns[0] == {"properties": {"burn_points": {"maximum": 0}}}
        assert best[0] == either[0] == {"properties": {"best_coupons": {"const": False}}}
        assert either[1] == {"properties": {"coupons": {"maxItems": 0}}}
    assert schemas["Line"]["properties"]["name"]["pattern"] == r"^[^\x00-\x1f\x7f]*$"
    assert schemas["CashierTotal"]["properties"]["sold_fen"]["maximum"] == 2**63 - 1


def test_only_routes_with_a_business_key_promise_to_tell_its_first_result(
    described: dict[str, Any],
) -> None:
    promising = {
        operation["operationId"]
        for operation in _operations(described)
        for answer in operation["responses"].values()
        if "Business-Replayed" in answer.get("headers", {})
    }

    assert promising == {
        "place_order", "pay_order", "refund_order", "void_order", "exchange_order",
        "authorise_burn", "capture_burn", "void_burn", "close_totals",
        "claim_coupon", "make_out_coupon", "roll_back_coupon",
    }  # fmt: skip


def test_a_list_and_a_look_up_on_one_path_are_both_described(described: dict[str, Any]) -> None:
    found = described["paths"]["/v1/pos/orders"]["get"]["responses"]["200"]["content"]

    assert found["application/json"]["schema"] == {
        "oneOf": [
            {"$ref": "#/components/schemas/OrderDetail"},
            {"$ref": "#/components/schemas/Orders"},
        ]
    }
