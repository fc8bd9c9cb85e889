"""S1, S6, G3: the member's own data, and of which merchants he is."""

import re
from datetime import UTC, datetime

import pytest

from app.clock import business_date
from app.members.purposes import Purpose, current_text
from config.database import Database
from tests.app.api.phones import Phone, told
from tests.app.checkout.shops import open_shop


def test_a_member_corrects_the_name(phone: Phone) -> None:
    before = told(phone.get("profile"))

    changed = told(phone.send("PATCH", "profile", {"name": " 李四 "}))

    assert changed == {"changed": True}
    assert told(phone.get("profile")) == {**before, "name": "李四"}
    assert (before["name"], before["phone"]) == (
        None,
        f"{phone.number[3:6]}****{phone.number[-4:]}",
    )
    assert phone.send("PATCH", "profile", {"name": "  "}).status_code == 400
    assert phone.send("PATCH", "profile", {"tier": "gold"}).status_code == 400


def test_a_member_says_the_birthday_once(phone: Phone) -> None:
    """E5: it is worth points, so another one is for the counter; the year is not kept."""
    before = told(phone.get("profile"))

    said = told(phone.send("PATCH", "profile", {"birthday": "1990-05-20", "name": "李四"}))
    same = told(phone.send("PATCH", "profile", {"birthday": "05-20"}))
    other = told(phone.send("PATCH", "profile", {"birthday": "05-21", "name": "王五"}), 409)

    after = told(phone.get("profile"))
    assert said == same == {"changed": True}
    assert other["code"] == "state-conflict"
    assert "服务台" in other["detail"]
    assert (before["birthday"], after["birthday"], after["name"]) == (None, "**-**", "李四")
    export = told(phone.post("exports"), 201)["export_id"]
    kept = told(phone.post(f"exports/{export}/download"))["profile"]
    assert kept["birthday"] == "05-20"
    assert not re.search(r"\b1990\b", str(kept)), "the year is not kept"


@pytest.mark.parametrize("birthday", ["05-32", "2030-05-20", "5-20", "1990-02-29", ""])
def test_what_is_no_birthday_is_refused(phone: Phone, birthday: str) -> None:
    assert phone.send("PATCH", "profile", {"birthday": birthday}).status_code == 400
    assert phone.send("PATCH", "profile", {}).status_code == 400


def test_a_child_agrees_to_nothing_alone(phone: Phone) -> None:
    """Reliability §13: under 14 only with a guardian; what was agreed to is taken back at once."""
    given = {"purpose": "marketing", "channel": "sms", "decision": "given",
             "version": current_text(Purpose.MARKETING).version}  # fmt: skip
    told(phone.post("consents", given))
    born = f"{business_date(datetime.now(UTC)).year - 13}-01-01"

    answer = told(phone.send("PATCH", "profile", {"birthday": born, "name": "小明"}), 422)

    assert answer["code"] == "rule-not-met"
    assert "监护人" in answer["detail"]
    stances = {
        (each["purpose"], each["channel"]): each["decision"]
        for each in told(phone.get("consents"))["consents"]
    }
    assert stances["marketing", "sms"] == "withdrawn"
    assert stances["membership", "any"] == "given"
    profile = told(phone.get("profile"))
    assert (profile["birthday"], profile["name"]) == (None, None)


def test_a_member_sees_of_which_merchants_he_is_and_what_they_know(
    phone: Phone, database: Database
) -> None:
    """Reliability §13: a pseudonym, until there is consent for that very merchant."""
    member = phone.member(database)
    with database.transaction("test") as session:
        shops = [open_shop(session), open_shop(session)]
        for shop in shops:
            shop.sell(session, member, 100)
    told(
        phone.post(
            "consents",
            {
                "purpose": "merchant_sharing",
                "channel": "any",
                "merchant_id": shops[0].merchant.public_id,
                "decision": "given",
                "version": current_text(Purpose.MERCHANT_SHARING).version,
            },
        )
    )

    shown = told(phone.get("memberships"))["memberships"]

    assert [(each["merchant_id"], each["source"], each["knows_me"]) for each in shown] == [
        (shops[0].merchant.public_id, "payment", True),
        (shops[1].merchant.public_id, "payment", False),
    ]
    assert "pseudonym" not in str(shown)


def test_a_member_sees_tier_and_growth(phone: Phone, database: Database) -> None:
    """M5, M6"""
    member = phone.member(database)
    with database.transaction("test") as session:
        open_shop(session).sell(session, member, 12_345)

    stands = told(phone.get("profile"))["standing"]

    assert (stands["tier"]["code"], stands["growth"], stands["until"]) == ("basic", 123, None)
    export = told(phone.post("exports"), 201)["export_id"]
    assert told(phone.post(f"exports/{export}/download"))["profile"]["standing"] == stands
