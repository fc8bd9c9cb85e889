"""Reliability §9, decision 24: a till asks the member on the phone before dear points go."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from app.clock import server_now
from app.members import confirming
from app.members.identification import KnownMember
from config.database import Database
from tests.app.api.pos.test_orders import (
    AT,
    TEA,
    _balance,
    _end_identifications,
    cash,
    identified,
    order,
    told,
)
from tests.app.api.tills import Till, open_till
from tests.app.checkout.shops import give_points
from tests.counting import sent_by_all
from tests.factories import make_member, unique

ROBE = {"sku": "S7", "name": "旗袍", "amount_fen": 50_000}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    """A member with 30,000 points."""
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, till.shop, made, 30_000)
    return made


@pytest.fixture
def known(database: Database, till: Till, member: KnownMember) -> str:
    return identified(database, till, member)


def robe(known: str | None, **fields: object) -> dict[str, Any]:
    given = {"lines": [ROBE], "burn_points": 20_000, "tenders": cash(30_000)}
    named = {} if known is None else {"identification_id": known}
    return order(**given | named | fields)


def refused(till: Till, path: str, wish: object) -> Mapping[str, Any]:
    """Return the problem of a call for which the member is asked."""
    problem = told(till.post(path, wish), 409)
    assert problem["code"] == "burn-not-confirmed"
    assert "请会员在手机上确认" in problem["detail"]
    return problem


def tap(database: Database, member: KnownMember, burn_id: str) -> None:
    with database.transaction("test") as session:
        confirming.confirm(session, burn_id, member=member, now=server_now(session))


def test_a_dear_burn_waits_for_the_tap_and_needs_no_second_scan(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    wish = robe(known)
    asked = refused(till, "/v1/pos/orders", wish)
    again = {**robe(None, number=wish["number"]), "burn_confirmation": asked["burn_id"]}
    early = refused(till, "/v1/pos/orders", again)
    tap(database, member, asked["burn_id"])
    _end_identifications(database, till)

    sold = told(till.post("/v1/pos/orders", again))
    twice = till.post("/v1/pos/orders", again)

    assert early["burn_id"] == asked["burn_id"]
    assert (sold["burned_points"], sold["due_fen"]) == (20_000, 30_000)
    assert twice.headers["Business-Replayed"] == "true"
    assert _balance(database, member) == 30_000 - 20_000 + sold["earned_points"]


def test_the_refusal_stands_with_the_question_and_is_told_again(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """Semantics 39: the same key gets the same answer, another the same thing to tap."""
    wish, key = robe(known), unique("idem-key-")

    first, second = [till.post("/v1/pos/orders", wish, key=key) for _ in range(2)]
    third = refused(till, "/v1/pos/orders", wish)

    assert first.get_data() == second.get_data()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert told(first, 409)["burn_id"] == third["burn_id"]
    with database.transaction("test") as session:
        waiting = confirming.list_waiting(session, member, now=server_now(session))
    assert [(each.public_id, each.points) for each in waiting] == [(third["burn_id"], 20_000)]
    assert _balance(database, member) == 30_000


def test_a_tap_is_good_for_its_member_till_and_points_alone(
    till: Till, database: Database, district: str, member: KnownMember, known: str
) -> None:
    asked = refused(till, "/v1/pos/orders", robe(known))
    tap(database, member, asked["burn_id"])
    named = {"burn_confirmation": asked["burn_id"]}
    elsewhere = open_till(till.client, database, district)
    with database.transaction(district) as session:
        stranger = make_member(session)

    other_till = told(elsewhere.post("/v1/pos/orders", robe(None, **named)), 410)
    other_member = told(till.post("/v1/pos/orders", robe(
        identified(database, till, stranger), **named)), 410)  # fmt: skip
    more = robe(None, burn_points=20_001, tenders=cash(29_999), **named)
    too_much = refused(till, "/v1/pos/orders", more)

    assert (other_till["code"], other_member["code"]) == ("expired", "expired")
    assert too_much["burn_id"] == asked["burn_id"]
    assert told(till.post("/v1/pos/orders", robe(None, **named)))["burned_points"] == 20_000


def test_placed_orders_exchanges_and_burns_are_asked_for_too(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    sold = told(till.post("/v1/pos/orders", order(
        identification_id=known, tenders=cash(10_000))))  # fmt: skip
    exchange = {
        **AT, "identification_id": known, "refund_number": unique("R"), "number": unique("N"),
        "lines": [ROBE], "burn_points": 20_000, "tenders": cash(30_000),
    }  # fmt: skip
    burn = {
        **AT, "identification_id": known, "number": unique("B"), "order_fen": 50_000,
        "points": 10_001,
    }  # fmt: skip
    placed = order(identification_id=known, burn_points=10)

    for path, wish in (
        (f"/v1/pos/orders/{sold['order_id']}/exchange", exchange),
        ("/v1/pos/burns", burn),
    ):
        asked = refused(till, path, wish)
        tap(database, member, asked["burn_id"])
        told(till.post(path, {**wish, "burn_confirmation": asked["burn_id"]}))
    refused(till, "/v1/pos/orders", placed)

    assert _balance(database, member) == 30_000 - 20_000 - 10_001 + 300


def test_tills_side_by_side_take_two_burns_in_an_hour_and_ask_for_the_third(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    """Counted under the wallet's lock: of many at once no third slips through."""
    wishes = [order(identification_id=known, burn_points=10, tenders=cash(9_990)) for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda wish: till.post("/v1/pos/orders", wish), wishes))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    assert {told(answer, 409)["code"] for answer in answers if answer.status_code == 409} == {
        "burn-not-confirmed"
    }


def test_after_ten_minutes_a_tap_is_over(
    till: Till, database: Database, member: KnownMember, known: str
) -> None:
    asked = refused(till, "/v1/pos/orders", robe(known))
    tap(database, member, asked["burn_id"])
    with database.transaction("test") as session:
        moved = session.execute(
            text(
                "INSERT INTO burn_confirmation (public_id, member_id, terminal_id, points,"
                " worth_fen, asked_at, until, confirmed_at)"
                " SELECT 'brn_' || repeat('9', 26), member_id, terminal_id, points, worth_fen,"
                " asked_at, now(), confirmed_at FROM burn_confirmation WHERE public_id = :id"
                " RETURNING public_id"
            ),
            {"id": asked["burn_id"]},
        ).scalar_one()

    late = told(till.post("/v1/pos/orders", robe(None, burn_confirmation=moved)), 410)

    assert late["code"] == "expired"


def test_a_burn_that_needs_no_tap_costs_no_further_round_trip(
    till: Till, database: Database, known: str
) -> None:
    wish = order(identification_id=known, burn_points=10, tenders=cash(9_990))
    told(till.post("/v1/pos/orders", wish))
    inside = till.client.application.extensions["plaza"].database

    with sent_by_all(inside) as plain:
        told(till.post("/v1/pos/orders", order(identification_id=known, tenders=cash(10_000))))
    with sent_by_all(inside) as burning:
        told(till.post("/v1/pos/orders", {**wish, "number": unique("N"), "lines": [TEA]}))

    assert len(burning) == len(plain)
