"""B7: a gift over HTTP shows whom it goes to before it moves, and moves once."""

import psycopg
import pytest
from flask.testing import FlaskClient

from config.database import Database
from config.settings import Settings
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import give_points, open_shop
from tests.factories import new_phone, unique


@pytest.fixture
def giver(phone: Phone, database: Database, settings: Settings) -> Phone:
    """A phone whose member joined long ago and has 500 points."""
    member = phone.member(database)
    with database.transaction("test") as session:
        give_points(session, open_shop(session), member, 500)

    with psycopg.connect(settings.database.owner_url) as owner:
        owner.execute("UPDATE d_test.member SET joined_at = joined_at - interval '400 days' "
                      "WHERE public_id = %s", (member.public_id,))  # fmt: skip
    return phone


def test_a_gift_is_confirmed_by_name_and_made_once(giver: Phone, client: FlaskClient) -> None:
    friend = new_member(client)
    told(friend.send("PATCH", "profile", {"name": "张三"}))
    gift = {"phone": friend.number, "points": 120}

    asked = told(giver.post("gifts", gift))
    key = unique("gift-key-")
    made = told(giver.post("gifts", {**gift, "receiver_name": asked["receiver_name"]}, key=key))
    again = told(giver.post("gifts", {**gift, "receiver_name": asked["receiver_name"]}, key=key))

    assert (asked["given"], asked["receiver_name"], asked["gift_id"]) == (False, "张*", None)
    assert (made["given"], made["points"], made["balance_points"]) == (True, 120, 380)
    assert again == made
    assert told(friend.get("balance"))["spendable_points"] == 120
    (mine,) = told(giver.get("gifts"))["gifts"]
    (theirs,) = told(friend.get("gifts"))["gifts"]
    assert (mine["gift_id"], mine["given"], theirs["given"]) == (made["gift_id"], True, False)
    line = told(friend.get("statement"))["movements"][0]
    assert (line["kind"], line["reason_zh"]) == ("gift", "好友赠送")


def test_gifts_come_in_pages(giver: Phone, client: FlaskClient) -> None:
    friend = new_member(client)
    name = told(giver.post("gifts", {"phone": friend.number, "points": 1}))["receiver_name"]
    for points in (1, 2, 3):
        told(giver.post("gifts", {"phone": friend.number, "points": points, "receiver_name": name}))

    first = told(giver.get("gifts?limit=2"))
    second = told(giver.get(f"gifts?limit=2&cursor={first['next_cursor']}"))

    assert [each["points"] for each in (*first["gifts"], *second["gifts"])] == [3, 2, 1]
    assert second["next_cursor"] is None


def test_what_cannot_be_given_is_refused(giver: Phone, client: FlaskClient) -> None:
    friend = new_member(client)
    gift = {"phone": friend.number, "points": 1_001, "receiver_name": "王*"}

    assert told(giver.post("gifts", gift), 409)["code"] == "state-conflict"
    name = told(giver.post("gifts", {"phone": friend.number, "points": 1}))["receiver_name"]
    over = told(giver.post("gifts", {**gift, "receiver_name": name}), 409)
    assert "还可赠 1000" in over["detail"]
    assert told(giver.post("gifts", {"phone": new_phone(), "points": 1}), 404)["code"] == (
        "not-found"
    )
    assert giver.post("gifts", {"phone": friend.number, "points": 0}).status_code == 400
