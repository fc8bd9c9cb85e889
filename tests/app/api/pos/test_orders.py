"""P2, P3, decisions 20-24: orders at the tills' door, on the real application."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

import ledger
from app.members import presence
from app.members.identification import KnownMember
from app.members.presence import Mode
from config.database import Database, now_of
from tests.app.api.tills import Till, open_till
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.counting import sent_by_all
from tests.factories import make_member, new_phone, unique

AT = {"terminal_id": "T1", "cashier_id": "007"}
TEA = {"sku": "S1", "name": "龙井", "category": "food", "amount_fen": 10_000}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    """A member with 500 points."""
    with database.transaction(district) as session:
        made = make_member(session, phone=new_phone(), name="张三")
        give_points(session, till.shop, made, 500)
    return made


def identified(
    database: Database, till: Till, member: KnownMember, *, mode: Mode = Mode.SPEND
) -> str:
    """Let a till know a member as the member code will."""
    with database.transaction("test") as session:
        return presence.identify(
            session, member, terminal_id=till.shop.till.id, mode=mode
        ).public_id


def order(**fields: object) -> dict[str, Any]:
    return {**AT, "number": unique("N"), "lines": [TEA], **fields}


def cash(fen: int) -> list[dict[str, object]]:
    return [{"name": "cash", "fen": fen}]


def told(answer: TestResponse, status: int = 201) -> Mapping[str, Any]:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def _balance(database: Database, member: KnownMember) -> int:
    with database.transaction("test") as session:
        return points_of(session, member)


def _count(database: Database, till: Till) -> int:
    with database.transaction("test") as session:
        counted = session.scalar(
            text('SELECT count(*) FROM "order" WHERE store_id = :store'),
            {"store": till.store.id},
        )
    return int(counted or 0)


def test_a_member_found_by_phone_earns(till: Till, database: Database, district: str) -> None:
    """Decision 24: by phone one earns alone, and the cashier sees a masked name."""
    phone = new_phone()
    with database.transaction(district) as session:
        make_member(session, phone=phone, name="张三")
    found = told(till.post("/v1/pos/identify", {**AT, "phone": phone}, key=""), 201)

    sold = told(
        till.post("/v1/pos/orders", order(
            identification_id=found["identification_id"], tenders=cash(10_000)))
    )  # fmt: skip

    assert (found["name"], found["may_burn"]) == ("张*", False)
    assert phone[-8:-4] not in str(found)
    assert "mem_" not in str(found)
    assert (sold["state"], sold["earned_points"], sold["due_fen"]) == ("paid", 100, 10_000)
    assert sold["receipt"]["earned_points"] == 100
    assert sold["receipt"]["balance_points"] == 100
    assert "获得积分 100" in sold["receipt"]["zh"]
    assert "Points balance 100" in sold["receipt"]["en"]
    assert sold["receipt"]["next_expiry"]["points"] == 100


def test_an_unknown_phone_is_not_repeated(till: Till) -> None:
    phone = new_phone()

    answer = till.post("/v1/pos/identify", {**AT, "phone": phone}, key="")

    assert told(answer, 404)["code"] == "not-found"
    assert phone not in answer.text


def test_who_was_found_by_phone_cannot_burn(
    till: Till, database: Database, member: KnownMember
) -> None:
    by_phone = identified(database, till, member, mode=Mode.EARN)

    answer = till.post("/v1/pos/orders", order(
        identification_id=by_phone, burn_points=100, tenders=cash(9_900)))  # fmt: skip
    asked = {**AT, "lines": [TEA], "identification_id": by_phone}
    quoted = told(till.post("/v1/pos/quotes", asked, key=""))

    assert told(answer, 422)["code"] == "rule-not-met"
    assert "会员码" in told(answer, 422)["detail"]
    assert (quoted["may_burn_points"], quoted["limits"][0]["code"]) == (0, "earn-only")
    assert _balance(database, member) == 500


def test_a_quote_promises_what_the_order_then_takes(
    till: Till, database: Database, member: KnownMember
) -> None:
    known = identified(database, till, member)
    asked = {"lines": [TEA], "identification_id": known, "burn_points": 200}
    quoted = told(till.post("/v1/pos/quotes", {**AT, **asked}, key=""))

    sold = told(till.post("/v1/pos/orders", order(
        **asked, quote_id=quoted["quote_id"], tenders=cash(quoted["due_fen"]))))  # fmt: skip

    assert (quoted["burn_fen"], quoted["due_fen"], quoted["may_burn_points"]) == (200, 9_800, 500)
    assert (sold["burned_points"], sold["earned_points"]) == (200, quoted["earn_points"])
    assert sold["receipt"]["balance_points"] == 500 - 200 + sold["earned_points"]


def test_a_sale_without_a_member_is_a_sale(till: Till) -> None:
    sold = told(till.post("/v1/pos/orders", order(tenders=cash(10_000))))

    assert (sold["earned_points"], sold["receipt"]["balance_points"]) == (0, None)
    assert sold["receipt"]["zh"] == ["未识别会员，不积分"]


def test_an_order_is_placed_and_paid(till: Till, database: Database, member: KnownMember) -> None:
    known = identified(database, till, member)
    placed = told(till.post("/v1/pos/orders", order(identification_id=known, burn_points=300)))
    path = f"/v1/pos/orders/{placed['order_id']}"
    held = _balance(database, member)

    paid = told(till.post(f"{path}/payment", {**AT, "tenders": cash(9_700)}), 200)
    again = till.post(f"{path}/payment", {**AT, "tenders": cash(9_700)})

    assert (placed["state"], placed["due_fen"], held) == ("awaiting_payment", 9_700, 200)
    assert placed["until"] is not None
    assert (paid["state"], paid["earned_points"]) == ("paid", 97)
    assert again.headers["Business-Replayed"] == "true"
    assert told(again, 200)["earned_points"] == 97
    assert _balance(database, member) == 297


def test_an_order_is_placed_given_more_time_and_cancelled(
    till: Till, database: Database, member: KnownMember
) -> None:
    """Semantics 12"""
    known = identified(database, till, member)
    placed = told(till.post("/v1/pos/orders", order(identification_id=known, burn_points=300)))
    path = f"/v1/pos/orders/{placed['order_id']}"

    longer = told(till.post(f"{path}/extension", AT), 200)
    cancelled = told(till.post(f"{path}/cancellation", AT), 200)
    over = told(till.post(f"{path}/extension", AT), 409)
    late = told(till.post(f"{path}/payment", {**AT, "tenders": cash(9_700)}), 409)

    assert (cancelled["state"], cancelled["receipt"]["balance_points"]) == ("cancelled", 500)
    assert longer["until"] > placed["until"]
    assert late["code"] == over["code"] == "state-conflict"
    assert "订单已不能支付" in late["detail"]
    assert "不能延长" in over["detail"]
    assert _balance(database, member) == 500


def test_a_sale_sent_twice_with_one_key_is_one_sale(
    till: Till, database: Database, member: KnownMember
) -> None:
    """Semantics 39"""
    known, key = identified(database, till, member), unique("idem-key-")
    wish = order(identification_id=known, tenders=cash(10_000))

    first, second = [till.post("/v1/pos/orders", wish, key=key) for _ in range(2)]

    assert first.get_data() == second.get_data()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert _balance(database, member) == 600


def test_a_till_s_number_with_another_key_is_the_same_sale(
    till: Till, database: Database, member: KnownMember
) -> None:
    """Semantics 38, decision 21: a fresh identification is no other sale."""
    wish = order(identification_id=identified(database, till, member), tenders=cash(10_000))
    first = told(till.post("/v1/pos/orders", wish))

    wish["identification_id"] = identified(database, till, member)
    second = till.post("/v1/pos/orders", wish)
    other = told(till.post("/v1/pos/orders", {**wish, "tenders": [
        {"name": "card", "fen": 10_000}]}), 409)  # fmt: skip

    assert second.headers["Business-Replayed"] == "true"
    assert told(second, 200)["order_id"] == first["order_id"]
    assert other["code"] == "business-key-conflict"
    assert _balance(database, member) == 600


def test_a_known_number_is_answered_after_the_identification_ended(
    till: Till, database: Database, member: KnownMember
) -> None:
    """Decision 21: the business key is looked up before anything is used up or over."""
    wish = order(identification_id=identified(database, till, member), tenders=cash(10_000))
    first = told(till.post("/v1/pos/orders", wish))
    _end_identifications(database, till)

    second = till.post("/v1/pos/orders", wish)
    fresh = told(till.post("/v1/pos/orders", {**wish, "number": unique("N")}), 410)

    assert told(second, 200)["order_id"] == first["order_id"]
    assert fresh["code"] == "expired"


def _end_identifications(database: Database, till: Till) -> None:
    with database.transaction("test") as session:
        session.execute(
            text(
                "WITH gone AS ("
                "DELETE FROM identification WHERE terminal_id = :terminal RETURNING *)"
                " INSERT INTO identification (public_id, member_id, terminal_id, mode, until)"
                " SELECT public_id, member_id, terminal_id, mode, now() - interval '1 second'"
                " FROM gone"
            ),
            {"terminal": till.shop.till.id},
        )


def test_an_identification_is_bound_to_its_terminal(
    till: Till, database: Database, district: str, member: KnownMember
) -> None:
    elsewhere = open_till(till.client, database, district)
    known = identified(database, till, member)

    answer = elsewhere.post("/v1/pos/orders", order(identification_id=known, tenders=cash(10_000)))

    assert told(answer, 410)["code"] == "expired"


def test_a_refusal_is_plain_text_for_the_cashier_and_changes_nothing(
    till: Till, database: Database, member: KnownMember
) -> None:
    known = identified(database, till, member)
    asked = [
        (order(identification_id=known, burn_points=501, tenders=cash(9_499)),
         409, "insufficient-points"),
        (order(identification_id=known, tenders=cash(9_999)), 409, "state-conflict"),
        (order(terminal_id="T9", tenders=cash(10_000)), 404, "not-found"),
        (order(burn_points=1, tenders=cash(9_999)), 400, "validation-failed"),
        (order(quote_id="quo_" + "0" * 26, tenders=cash(10_000)), 410, "expired"),
        (order(tenders=cash(10_000), lines=[{**TEA, "amount_fen": 5.5}]), 400, "bad-request"),
        (order(tenders=cash(10_000), lines=[{**TEA, "colour": 1}]), 400, "unknown-field"),
        (order(tenders=cash(10_000), lines=[]), 400, "validation-failed"),
    ]  # fmt: skip

    answers = [till.post("/v1/pos/orders", wish) for wish, _, _ in asked]

    for answer, (_, status, code) in zip(answers, asked, strict=True):
        problem = told(answer, status)
        assert problem["code"] == code
        assert " / " in problem["detail"]
        assert answer.content_type == "application/problem+json"
    assert _count(database, till) == 1  # The one that gave the points.
    assert _balance(database, member) == 500


@pytest.mark.parametrize("minutes", [20, -60, -72 * 60 - 5])
def test_business_time_is_bounded(
    till: Till, database: Database, member: KnownMember, minutes: int
) -> None:
    """Semantics 40: late is allowed for 72 hours, burning offline never."""
    known = identified(database, till, member)
    with database.transaction("test") as session:
        at = (now_of(session) + timedelta(minutes=minutes)).isoformat()

    plain = till.post("/v1/pos/orders", order(
        identification_id=known, occurred_at=at, tenders=cash(10_000)))  # fmt: skip
    burning = till.post("/v1/pos/orders", order(
        identification_id=known, occurred_at=at, burn_points=10, tenders=cash(9_990)))  # fmt: skip

    assert plain.status_code == (201 if minutes == -60 else 400)
    assert told(burning, 400)["code"] == "validation-failed"


def test_an_order_is_found_by_id_and_by_number_in_its_own_store_alone(
    till: Till, database: Database, district: str, member: KnownMember
) -> None:
    """Reliability §11: foreign is absent."""
    wish = order(identification_id=identified(database, till, member), tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))
    path, query = f"/v1/pos/orders/{sold['order_id']}", f"terminal_id=T1&number={wish['number']}"
    elsewhere = open_till(till.client, database, district)

    by_id = told(till.get(path), 200)
    by_number = told(till.get(f"/v1/pos/orders?{query}"), 200)

    assert by_id == by_number
    assert by_id["lines"][0]["name"] == "龙井"
    assert (by_id["terminal_id"], by_id["cashier_id"], by_id["refunded_fen"]) == ("T1", "007", 0)
    assert elsewhere.get(path).status_code == 404
    assert elsewhere.get(f"/v1/pos/orders?{query}").status_code == 404
    for act, body in (
        ("payment", {**AT, "tenders": []}),
        ("cancellation", AT),
        ("extension", AT),
        ("refunds", {**AT, "number": unique("R")}),
        ("void", {**AT, "number": unique("R")}),
    ):
        assert elsewhere.post(f"{path}/{act}", body).status_code == 404
    assert till.get("/v1/pos/orders?number=1&number=2").status_code == 400
    made_up = told(till.get("/v1/pos/orders?a%1B=1&a%1B=2"), 400)
    assert made_up["errors"] == [{"pointer": "/a\ufffd", "code": "repeated"}]
    assert till.get("/v1/pos/orders/nonsense").status_code == 404


def test_an_order_through_the_door_takes_few_round_trips(
    till: Till, database: Database, district: str, member: KnownMember
) -> None:
    """The dearest case: a member's first order here, with points, in a new lot."""
    with database.transaction(district) as session:
        newcomer = make_member(session)
        give_points(session, open_shop(session), newcomer, 500)
    known, usual = identified(database, till, newcomer), identified(database, till, member)
    warming = order(identification_id=usual, burn_points=1, tenders=cash(9_999))
    told(till.post("/v1/pos/orders", warming))
    inside = till.client.application.extensions["plaza"].database

    burning = order(identification_id=known, burn_points=50, tenders=cash(9_950))
    with sent_by_all(inside) as dearest:
        told(till.post("/v1/pos/orders", burning))
    with sent_by_all(inside) as common:
        told(till.post("/v1/pos/orders", order(identification_id=usual, tenders=cash(10_000))))

    assert len(dearest) + 1 <= 13  # and COMMIT
    assert len(common) + 1 <= 11


def test_the_books_balance_after_all_this(database: Database, district: str) -> None:
    with database.transaction(district, repeatable_read=True) as session:
        assert ledger.upkeep.audit_all(session) == []
