"""C7, semantics 44, 45: a coupon goes to a friend by a link, on two phones."""

from flask.testing import FlaskClient
from sqlalchemy import text

from app.api.guessing import MISSES
from config.database import Database
from tests.app.api.member.test_coupons import opened
from tests.app.api.phones import Phone, new_member, told


def _claimed(phone: Phone, database: Database) -> str:
    batch = opened(database, transfer=1)
    (got,) = told(phone.post("coupons/claims", {"batch": batch}), 201)["coupons"]
    return str(got["coupon_id"])


def test_a_friend_takes_the_coupon_of_a_link_and_is_told_again(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    coupon, friend = _claimed(phone, database), new_member(client)

    link = told(phone.post(f"coupons/{coupon}/shares"))
    got = told(friend.post("coupons/shares/acceptances", {"token": link["token"]}))
    again = told(friend.post("coupons/shares/acceptances", {"token": link["token"]}))

    assert got == again
    assert got["coupon_id"] == coupon
    assert told(phone.get("coupons"))["coupons"] == []
    assert [each["coupon_id"] for each in told(friend.get("coupons"))["coupons"]] == [coupon]
    third = new_member(client)
    late = third.post("coupons/shares/acceptances", {"token": link["token"]})
    assert told(late, 404)["code"] == "not-found"


def test_a_link_is_ended_and_its_token_stored_nowhere(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    coupon, friend = _claimed(phone, database), new_member(client)
    link = told(phone.post(f"coupons/{coupon}/shares"))

    ended = told(phone.post(f"coupons/{coupon}/shares/revocation"))
    again = told(phone.post(f"coupons/{coupon}/shares/revocation"))

    assert (ended["ended"], again["ended"]) == (True, False)
    refused = friend.post("coupons/shares/acceptances", {"token": link["token"]})
    assert told(refused, 404)["code"] == "not-found"
    with database.transaction(phone.district) as session:
        stored = session.scalar(
            text("SELECT count(*) FROM idempotency WHERE body LIKE :token"),
            {"token": f"%{link['token']}%".encode()},
        )
    assert stored == 0


def test_somebody_elses_coupon_is_not_shared(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    coupon, stranger = _claimed(phone, database), new_member(client)

    assert told(stranger.post(f"coupons/{coupon}/shares"), 404)["code"] == "not-found"
    assert told(stranger.post(f"coupons/{coupon}/shares/revocation"), 404)["code"] == "not-found"


def test_who_guesses_tokens_waits(phone: Phone, client: FlaskClient, database: Database) -> None:
    """C17"""
    link = told(phone.post(f"coupons/{_claimed(phone, database)}/shares"))
    guesser = new_member(client)

    answers = {
        str(told(guesser.post("coupons/shares/acceptances", {"token": f"guess{n}"}), 404)["title"])
        for n in range(MISSES)
    }

    assert len(answers) == 1
    late = guesser.post("coupons/shares/acceptances", {"token": link["token"]})
    assert told(late, 429)["code"] == "rate-limited"
