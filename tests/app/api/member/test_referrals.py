"""E6: a friend joins by a member's code, which counts once and never stops anybody from joining."""

from flask.testing import FlaskClient

from app.members import referring
from app.members.purposes import Purpose, current_text
from config.database import Database
from tests.app.api.phones import Phone, told
from tests.factories import make_member, new_phone, unique

VERSION = current_text(Purpose.MEMBERSHIP).version


def fresh(client: FlaskClient) -> Phone:
    return Phone(client=client, number=new_phone(), address=unique("10."))


def test_a_friend_joins_by_a_code_and_is_seen_without_a_name(
    phone: Phone, client: FlaskClient
) -> None:
    code = told(phone.post("referral-code"))["referral_code"]
    friend = fresh(client)

    joined = told(
        friend.sign_in(code=friend.code(), consent_version=VERSION, referral_code=code.lower())
    )

    assert (joined["is_new_member"], joined["referred"]) == (True, True)
    assert told(phone.post("referral-code"))["referral_code"] == code
    shown = told(phone.get("referrals"))
    assert (shown["referral_code"], shown["this_month"]) == (code, 1)
    (seen,) = shown["friends"]
    assert set(seen) == {"joined_at", "points", "active_on", "taken_back"}
    assert seen["points"] is None


def test_a_code_of_nobody_or_of_the_former_holder_is_passed_over(
    client: FlaskClient, database: Database
) -> None:
    """Semantics 47: a number that changed hands does not refer itself."""
    friend, taker = fresh(client), fresh(client)
    with database.transaction("test") as session:
        own = referring.code_of(session, make_member(session, phone=taker.number))

    joined = told(
        friend.sign_in(code=friend.code(), consent_version=VERSION, referral_code="NOBODY22")
    )
    taken_over = told(
        taker.sign_in(
            code=taker.code(), consent_version=VERSION, as_new_member=True, referral_code=own
        )
    )

    assert (joined["is_new_member"], joined["referred"]) == (True, False)
    assert (taken_over["is_new_member"], taken_over["referred"]) == (True, False)


def test_who_is_a_member_already_is_referred_by_nobody(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    code, known = told(phone.post("referral-code"))["referral_code"], fresh(client)
    with database.transaction("test") as session:
        make_member(session, phone=known.number)

    again = told(known.sign_in(code=known.code(), referral_code=code))

    assert (again["is_new_member"], again["referred"]) == (False, False)
    assert told(phone.get("referrals"))["friends"] == []
