"""S1, S6, G3: the member's own data, and of which merchants he is."""

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
