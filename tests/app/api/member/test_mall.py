"""B3: the reward mall on a phone."""

from flask.testing import FlaskClient

from config.database import Database
from tests.app.api.phones import Phone, new_member, told
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.coupons.makers import make_batch
from tests.factories import unique


def offer(database: Database, phone: Phone, *, points: int = 1_200, **fields: object) -> str:
    """Put an item up for 500 points, and give the phone's member points of its shop."""
    member = phone.member(database)
    with database.transaction(phone.district) as session:
        shop = open_shop(session)
        if points:
            give_points(session, shop, member, points)
        return put_up(session, shop, **fields).code


def test_goods_are_taken_shown_and_given_up(phone: Phone, database: Database) -> None:
    item = offer(database, phone, cash_fen=990)
    listed = next(each for each in told(phone.get("mall"))["items"] if each["item"] == item)

    taken = told(phone.post("mall/takings", {"item": item, "points": 500}), 201)
    path = f"mall/takings/{taken['taking_id']}"
    code = told(phone.get(f"{path}/code"))["code"]
    gone = told(phone.post(f"{path}/cancellation"))

    assert (listed["points"], listed["cash_fen"], listed["left"]) == (500, 990, 10)
    assert (listed["gives"], listed["takeable"], listed["why_not"]) == ("goods", True, [])
    assert (taken["state"], taken["points"], taken["cash_fen"]) == ("waiting", 500, 990)
    assert len(code) == 20
    assert gone["state"] == "cancelled"
    assert told(phone.get(path)) == gone
    assert [each["taking_id"] for each in told(phone.get("mall/takings"))["takings"]] == [
        taken["taking_id"]
    ]
    lines = told(phone.get("statement"))["movements"]
    assert [(each["kind"], each["points"]) for each in lines][:2] == [
        ("reward_return", 500),
        ("reward", -500),
    ]
    assert told(phone.get(f"{path}/code"), 404)["code"] == "not-found"


def test_a_taking_sent_again_is_one_taking(phone: Phone, database: Database) -> None:
    """Semantics 39"""
    item, key = offer(database, phone, per_member=5), unique("idem-key-")
    wish = {"item": item, "points": 500}

    first = phone.post("mall/takings", wish, key=key)
    again = phone.post("mall/takings", wish, key=key)

    assert again.get_data() == first.get_data()
    assert again.headers["Idempotency-Replayed"] == "true"
    with database.transaction(phone.district) as session:
        assert points_of(session, phone.member(database)) == 700


def test_why_an_item_cannot_be_taken_is_told_before_and_after(
    phone: Phone, database: Database
) -> None:
    item = offer(database, phone, points=0)
    listed = next(each for each in told(phone.get("mall"))["items"] if each["item"] == item)

    assert [each["code"] for each in listed["why_not"]] == ["too-few-points"]
    wish = {"item": item, "points": 500}
    assert told(phone.post("mall/takings", wish), 409)["code"] == "insufficient-points"
    cheap = {"item": item, "points": 1}
    assert told(phone.post("mall/takings", cheap), 409)["code"] == "state-conflict"
    assert told(phone.post("mall/takings", {"item": "NONE", "points": 1}), 404)


def test_the_last_one_and_the_members_limit_have_their_slugs(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    item = offer(database, phone, points=1_200, stock=1)
    wish = {"item": item, "points": 500}
    told(phone.post("mall/takings", wish), 201)
    other = new_member(client)

    assert told(phone.post("mall/takings", wish), 409)["code"] == "sold-out"
    assert told(other.post("mall/takings", wish), 409)["code"] == "sold-out"
    once = offer(database, phone, points=0)
    told(phone.post("mall/takings", {"item": once, "points": 500}), 201)
    again = told(phone.post("mall/takings", {"item": once, "points": 500}), 409)
    assert again["code"] == "insufficient-points"


def test_a_coupon_of_the_mall_is_in_the_wallet_at_once(phone: Phone, database: Database) -> None:
    with database.transaction(phone.district) as session:
        batch = make_batch(session).code
    item = offer(database, phone, batch=batch)

    taken = told(phone.post("mall/takings", {"item": item, "points": 500}), 201)

    assert taken["state"] == "given"
    assert [each["coupon_id"] for each in told(phone.get("coupons"))["coupons"]] == [
        taken["coupon_id"]
    ]
    path = f"mall/takings/{taken['taking_id']}/cancellation"
    assert told(phone.post(path), 409)["code"] == "state-conflict"


def test_somebody_elses_taking_is_as_good_as_none(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    item = offer(database, phone)
    taken = told(phone.post("mall/takings", {"item": item, "points": 500}), 201)
    path = f"mall/takings/{taken['taking_id']}"
    stranger = new_member(client)

    assert told(stranger.get(path), 404)["code"] == "not-found"
    assert told(stranger.get(f"{path}/code"), 404)["code"] == "not-found"
    assert told(stranger.post(f"{path}/cancellation"), 404)["code"] == "not-found"
    assert told(stranger.get("mall/takings"))["takings"] == []


def test_what_was_taken_is_in_the_members_data(phone: Phone, database: Database) -> None:
    """G3"""
    item = offer(database, phone)
    taken = told(phone.post("mall/takings", {"item": item, "points": 500}), 201)
    export = told(phone.post("exports"), 201)["export_id"]

    assert told(phone.post(f"exports/{export}/download"))["rewards"] == [taken]
