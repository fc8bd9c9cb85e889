"""M8, reliability §13: consents through the door."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.members.purposes import Purpose, current_text
from tests.app.api.phones import Phone, told
from tests.factories import unique

OFFERS = {
    "purpose": "marketing",
    "channel": "sms",
    "version": current_text(Purpose.MARKETING).version,
}


def stances(phone: Phone) -> dict[tuple[str, str], dict[str, Any]]:
    shown = told(phone.get("consents"))["consents"]
    return {(each["purpose"], each["channel"]): each for each in shown}


def test_nothing_but_membership_is_agreed_to_at_first(phone: Phone) -> None:
    decided = {matter: each["decision"] for matter, each in stances(phone).items()}

    assert decided.pop(("membership", "any")) == "given"
    assert set(decided.values()) == {None}
    assert ("marketing", "sms") in decided


def test_every_purpose_shows_its_text_and_hash(phone: Phone) -> None:
    texts = {each["purpose"]: each for each in told(phone.get("consents"))["texts"]}

    assert set(texts) == set(Purpose)
    assert texts["marketing"]["sha256"] == current_text(Purpose.MARKETING).sha256.hex()


def test_a_consent_is_withdrawn_as_easily_as_given_and_at_once(phone: Phone) -> None:
    told(phone.post("consents", {**OFFERS, "decision": "given"}))
    given = stances(phone)["marketing", "sms"]
    told(phone.post("consents", {**OFFERS, "decision": "withdrawn"}))
    taken = stances(phone)["marketing", "sms"]

    assert (given["decision"], given["may_be_asked_from"]) == ("given", None)
    assert taken["decision"] == "withdrawn"
    decided, again = [datetime.fromisoformat(taken[name])
                      for name in ("decided_at", "may_be_asked_from")]  # fmt: skip
    assert again - decided == timedelta(hours=48)
    assert stances(phone)["membership", "any"]["decision"] == "given"


def test_a_decision_that_is_sent_twice_is_one(phone: Phone) -> None:
    key = unique("idem-key-")

    first, second = [
        phone.post("consents", {**OFFERS, "decision": "given"}, key=key) for _ in range(2)
    ]

    assert first.get_data() == second.get_data()
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({}, 400),
        ({"decision": "perhaps"}, 400),
        ({"decision": "given", "version": "1999"}, 400),
        ({"decision": "given", "channel": "any"}, 400),
        ({"decision": "given", "purpose": "everything"}, 400),
        ({"decision": "given", "merchant_id": "mch_" + "0" * 26}, 404),
        ({"decision": "withdrawn"}, 409),
        ({"decision": "withdrawn", "purpose": "membership", "channel": "any"}, 409),
    ],
)
def test_what_makes_no_sense_is_refused(phone: Phone, wrong: dict[str, str], status: int) -> None:
    assert phone.post("consents", {**OFFERS, **wrong}).status_code == status
