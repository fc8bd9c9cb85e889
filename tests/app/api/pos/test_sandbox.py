"""The sandbox: a vendor with nothing but the documents sells, burns and refunds (P4, P8)."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.merchants import keys
from config.database import Database
from tests.app.api.tills import Signer, Till
from tests.factories import new_phone, unique

HERE = {"terminal_id": "T1", "cashier_id": "007"}
LINES = [{"sku": "6901", "name": "龙井", "amount_fen": 12_800, "quantity": 2}]


@pytest.fixture
def vendor(client: FlaskClient, sandbox: str) -> Signer:
    """Whoever has read the documents."""
    return Signer(
        client=client,
        key_id=keys.published_key_id(sandbox),
        secret=keys.PUBLISHED_SECRET,
        address=unique("10."),
    )


def _code(vendor: Signer, **asked: object) -> dict[str, Any]:
    answer = vendor.post("/v1/pos/sandbox/member-codes", {**HERE, **asked}, key="")
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json or {}
    return told


def _ask(vendor: Signer, path: str, body: dict[str, object]) -> dict[str, Any]:
    answer = vendor.post(path, {**HERE, **body})
    assert answer.status_code in (200, 201), answer.text
    told: dict[str, Any] = answer.json or {}
    return told


def test_a_vendor_sells_burns_and_refunds(vendor: Signer) -> None:
    """B1, B5, decision 24"""
    code = _code(vendor, phone=new_phone(), mode="spend")["member_code"]
    known = _ask(vendor, "/v1/pos/identify", {"member_code": code})
    who = {"identification_id": known["identification_id"], "lines": LINES}
    first = _ask(
        vendor,
        "/v1/pos/orders",
        {**who, "number": unique("N"), "tenders": [{"name": "cash", "fen": 12_800}]},
    )
    quote = _ask(vendor, "/v1/pos/quotes", {**who, "burn_points": 100})
    order = _ask(
        vendor,
        "/v1/pos/orders",
        {
            **who,
            "number": unique("N"),
            "burn_points": 100,
            "quote_id": quote["quote_id"],
            "tenders": [{"name": "cash", "fen": quote["due_fen"]}],
        },
    )
    back = _ask(vendor, f"/v1/pos/orders/{order['order_id']}/refunds", {"number": unique("R")})

    assert known["may_burn"] is True
    assert (first["earned_points"], quote["due_fen"]) == (128, 12_700)
    assert (order["burned_points"], order["earned_points"]) == (100, 127)
    assert (back["fen"], back["points_fen"]) == (12_800, 100)
    assert (back["restored_points"], back["clawed_points"]) == (100, 127)


def test_codes_of_one_member_do_not_end_each_other(vendor: Signer) -> None:
    phone = new_phone()
    codes = [_code(vendor, phone=phone)["member_code"] for _ in range(3)]

    answers = [
        vendor.post("/v1/pos/identify", {**HERE, "member_code": code}, key="") for code in codes
    ]
    again = vendor.post("/v1/pos/identify", {**HERE, "member_code": codes[0]}, key="")

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({(answer.json or {})["phone"] for answer in answers}) == 1
    assert (again.status_code, (again.json or {})["code"]) == (409, "member-code-used")


def test_an_earn_code_does_not_burn(vendor: Signer) -> None:
    """Reliability §9"""
    told = _code(vendor, mode="earn")

    known = _ask(vendor, "/v1/pos/identify", {"member_code": told["member_code"]})

    assert told["member_code"].startswith("91")
    assert known["may_burn"] is False


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"mode": "steal"}, 400), ({"phone": "12345678"}, 400), ({"terminal_id": "T9"}, 404)],
)
def test_what_cannot_be_is_refused(vendor: Signer, asked: dict[str, str], status: int) -> None:
    answer = vendor.post("/v1/pos/sandbox/member-codes", {**HERE, **asked}, key="")

    assert answer.status_code == status


def test_a_real_district_shows_nobody_s_code(till: Till, database: Database) -> None:
    answer = till.post("/v1/pos/sandbox/member-codes", HERE, key="")

    assert (answer.status_code, (answer.json or {})["code"]) == (404, "not-found")


def test_the_published_secret_proves_nothing_in_a_real_district(
    client: FlaskClient, vendor: Signer, district: str
) -> None:

    impostor = replace(vendor, key_id=keys.published_key_id(district))

    answer = impostor.get("/v1/pos/orders?terminal_id=T1&number=1")

    assert (answer.status_code, (answer.json or {})["code"]) == (401, "bad-signature")
