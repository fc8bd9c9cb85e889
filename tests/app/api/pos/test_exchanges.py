"""Semantics 13: an exchange through the door is a refund and a new order, all or nothing."""

import pytest

from app.members.identification import KnownMember
from app.members.presence import Mode
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
from tests.app.api.tills import Till
from tests.app.checkout.shops import give_points
from tests.factories import make_member, unique

SILK = {"sku": "S9", "name": "丝巾", "amount_fen": 15_000}


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, till.shop, made, 500)
    return made


@pytest.fixture
def path(till: Till, database: Database, member: KnownMember) -> str:
    wish = order(
        identification_id=identified(database, till, member), lines=[TEA], tenders=cash(10_000)
    )
    return f"/v1/pos/orders/{told(till.post('/v1/pos/orders', wish))['order_id']}/exchange"


def wanted(**fields: object) -> dict[str, object]:
    given = {"refund_number": unique("R"), "number": unique("N"), "lines": [SILK]}
    return {**AT, **given, "tenders": cash(15_000), **fields}


def test_tea_is_exchanged_for_silk_and_the_difference_is_paid(
    till: Till, database: Database, member: KnownMember, path: str
) -> None:
    done = told(till.post(path, wanted()))

    assert done["refund"]["fen"] == 10_000
    assert (done["order"]["earned_points"], done["to_pay_fen"]) == (150, 5_000)
    assert done["order"]["receipt"]["balance_points"] == 650
    assert _balance(database, member) == 650


def test_an_exchange_sent_again_moves_nothing(
    till: Till, database: Database, member: KnownMember, path: str
) -> None:
    asked, key = wanted(), unique("idem-key-")
    first = till.post(path, asked, key=key)

    same = till.post(path, asked, key=key)
    other_key = till.post(path, asked)

    assert same.get_data() == first.get_data()
    assert other_key.headers["Business-Replayed"] == "true"
    assert told(other_key, 200)["order"]["order_id"] == told(first)["order"]["order_id"]
    assert _balance(database, member) == 650


def test_points_are_burned_by_their_owner_alone(
    till: Till, database: Database, district: str, member: KnownMember, path: str
) -> None:
    with database.transaction(district) as session:
        stranger = make_member(session)
    asked = wanted(burn_points=300, tenders=cash(14_700))
    by_phone = identified(database, till, member, mode=Mode.EARN)

    nobody = told(till.post(path, asked), 422)
    earning = told(till.post(path, {**asked, "identification_id": by_phone}), 422)
    other = identified(database, till, stranger)
    wrong = told(till.post(path, {**asked, "identification_id": other}), 410)
    own = identified(database, till, member)
    done = told(till.post(path, {**asked, "identification_id": own}))

    _end_identifications(database, till)
    again = told(till.post(path, {**asked, "identification_id": own}), 200)

    assert again["order"]["order_id"] == done["order"]["order_id"]
    assert (nobody["code"], earning["code"]) == ("rule-not-met", "rule-not-met")
    assert wrong["code"] == "expired"
    assert done["order"]["burned_points"] == 300


def test_a_refused_half_undoes_the_other(
    till: Till, database: Database, member: KnownMember, path: str
) -> None:
    refused = told(till.post(path, wanted(tenders=cash(1))), 409)

    assert refused["code"] == "state-conflict"
    assert _balance(database, member) == 600
    assert till.get(path.removesuffix("/exchange")).json["refunded_fen"] == 0  # type: ignore[index]
