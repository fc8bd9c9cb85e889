"""B1, P3, decision 24: points of sales that stay in the till's own system, through the door."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from app.members.identification import KnownMember
from app.members.presence import Mode
from config.database import Database
from tests.app.api.pos.test_orders import (
    AT,
    _balance,
    _end_identifications,
    cash,
    identified,
    order,
    told,
)
from tests.app.api.tills import Till, open_till
from tests.app.checkout.shops import give_points
from tests.factories import make_member, unique


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    """A member with 500 points."""
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, till.shop, made, 500)
    return made


@pytest.fixture
def known(database: Database, till: Till, member: KnownMember) -> str:
    return identified(database, till, member)


def burn(known: str, **fields: object) -> dict[str, Any]:
    given = {"number": unique("B"), "order_fen": 10_000, "points": 300}
    return {**AT, **given, "identification_id": known, **fields}


def test_points_are_authorised_captured_and_refunded(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    held = told(till.post("/v1/pos/burns", burn(known)))
    path = f"/v1/pos/burns/{held['burn_id']}"
    reserved = _balance(database, member)

    taken = told(till.post(f"{path}/capture", {**AT, "points": 200}), 200)
    back = told(till.post(f"/v1/pos/orders/{taken['order_id']}/refunds", {
        **AT, "number": unique("R"), "parts": [{"amount_fen": 50}]}))  # fmt: skip

    assert (held["state"], held["points"], held["worth_fen"]) == ("authorised", 300, 300)
    assert (held["order_id"], held["receipt"]["balance_points"], reserved) == (None, 200, 200)
    assert (taken["state"], taken["captured_points"], taken["captured_fen"]) == (
        "captured", 200, 200)  # fmt: skip
    assert taken["receipt"]["zh"][:2] == ["抵扣积分 200", "积分余额 300"]
    assert (back["restored_points"], back["tenders"]) == (50, [])
    assert told(till.get(path), 200)["captured_points"] == 200
    assert _balance(database, member) == 350


def test_a_burn_is_voided_and_told_again(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    held = told(till.post("/v1/pos/burns", burn(known)))
    path = f"/v1/pos/burns/{held['burn_id']}"

    gone = told(till.post(f"{path}/void", AT), 200)
    again = till.post(f"{path}/void", AT)
    late = told(till.post(f"{path}/capture", AT), 409)

    assert gone["state"] == "voided"
    assert again.headers["Business-Replayed"] == "true"
    assert late["code"] == "state-conflict"
    assert _balance(database, member) == 500


def test_a_burn_sent_again_by_key_or_by_number_is_one_burn(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """Semantics 38, 39; decision 21: after the identification is over too."""
    wish, key = burn(known), unique("idem-key-")
    first = till.post("/v1/pos/burns", wish, key=key)
    same = till.post("/v1/pos/burns", wish, key=key)
    _end_identifications(database, till)

    other_key = till.post("/v1/pos/burns", wish)
    other = told(till.post("/v1/pos/burns", {**wish, "points": 299}), 409)
    fresh = told(till.post("/v1/pos/burns", {**wish, "number": unique("B")}), 410)
    found = told(till.get(f"/v1/pos/burns?terminal_id=T1&number={wish['number']}"), 200)

    assert same.get_data() == first.get_data()
    assert other_key.headers["Business-Replayed"] == "true"
    assert told(other_key, 200)["burn_id"] == told(first)["burn_id"] == found["burn_id"]
    assert (other["code"], fresh["code"]) == ("business-key-conflict", "expired")
    assert _balance(database, member) == 200


def test_a_sale_and_a_burn_may_have_one_number(till: Till, known: str) -> None:
    number = unique("N")
    told(till.post("/v1/pos/orders", order(number=number, tenders=cash(10_000))))

    held = told(till.post("/v1/pos/burns", burn(known, number=number)))

    taken = told(till.post(f"/v1/pos/burns/{held['burn_id']}/capture", AT), 200)
    assert taken["number"] == number


def test_an_expired_burn_is_told_so(till: Till, owner_url: str, known: str) -> None:
    """Decision 20."""
    held = told(till.post("/v1/pos/burns", burn(known)))
    path = f"/v1/pos/burns/{held['burn_id']}"
    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test")
        owner.execute("UPDATE burn SET until = now() WHERE public_id = %s", (held["burn_id"],))

    late = told(till.post(f"{path}/capture", AT), 409)

    assert late["code"] == "lock-expired"
    assert told(till.get(path), 200)["state"] == "expired"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"points": 501}, 409, "insufficient-points"),
        ({"points": 0}, 400, "validation-failed"),
        ({"order_fen": 0}, 400, "validation-failed"),
        ({"identification_id": None}, 400, "validation-failed"),
        ({"terminal_id": "T9"}, 404, "not-found"),
        ({"burn_confirmation": "brn_" + "0" * 26}, 410, "expired"),
    ],
)
def test_what_cannot_be_held_is_refused(
    till: Till, known: str, fields: dict[str, object], status: int, code: str
) -> None:
    assert told(till.post("/v1/pos/burns", burn(known, **fields)), status)["code"] == code


def test_only_the_code_of_the_pay_screen_lets_points_be_burned(
    till: Till, database: Database, member: KnownMember
) -> None:
    by_phone = identified(database, till, member, mode=Mode.EARN)

    assert told(till.post("/v1/pos/burns", burn(by_phone)), 422)["code"] == "rule-not-met"


def test_another_store_s_burn_is_as_good_as_none(
    till: Till, database: Database, district: str, known: str
) -> None:
    """Reliability §11."""
    wish = burn(known)
    held = told(till.post("/v1/pos/burns", wish))
    elsewhere = open_till(till.client, database, district)
    path = f"/v1/pos/burns/{held['burn_id']}"

    assert elsewhere.get(path).status_code == 404
    query = f"terminal_id=T1&number={wish['number']}"
    assert elsewhere.get(f"/v1/pos/burns?{query}").status_code == 404
    for act in ("capture", "void"):
        assert elsewhere.post(f"{path}/{act}", AT).status_code == 404


def test_nobody_changes_a_burn_that_has_ended(till: Till, database: Database, known: str) -> None:
    held = told(till.post("/v1/pos/burns", burn(known)))
    told(till.post(f"/v1/pos/burns/{held['burn_id']}/void", AT), 200)

    with database.transaction("test") as session, pytest.raises(Exception, match="insert-only"):
        session.execute(
            text("UPDATE burn SET state = 'authorised', ended_at = NULL WHERE public_id = :id"),
            {"id": held["burn_id"]},
        )
