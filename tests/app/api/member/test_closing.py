"""G3, semantics 49: closing an account through the door."""

import dataclasses
from datetime import datetime, timedelta

from app.members import closing
from config.database import Database, now_of
from tests.app.api.phones import Phone, told


def test_an_account_is_closed_and_undone(phone: Phone) -> None:
    begun = told(phone.post("closing", {"points": "burn"}), 201)["closing"]
    again = told(phone.post("closing", {"points": "burn"}), 409)
    seen = told(phone.get("closing"))["closing"]
    undone = told(phone.post("closing/undo"))

    asked, due = [datetime.fromisoformat(begun[name]) for name in ("asked_at", "due_at")]
    assert (begun["points"], due - asked) == ("burn", timedelta(days=7))
    assert again["code"] == "state-conflict"
    assert seen == begun
    assert undone == told(phone.get("closing")) == {"closing": None}
    assert phone.post("closing/undo").status_code == 404
    assert phone.post("closing", {"points": "keep"}).status_code == 400


def test_who_was_erased_is_signed_out_and_comes_back_as_somebody_new(
    phone: Phone, database: Database
) -> None:
    before = phone.member(database)
    phone.post("closing", {"points": "donate"})

    with database.transaction("test") as session:
        closing.erase_due(session, now=now_of(session) + timedelta(days=7))

    bare = dataclasses.replace(phone, access="")
    assert phone.get("profile").status_code == 401
    assert bare.post("tokens", {"refresh_token": phone.refresh}).status_code == 401
    back = bare.signed_in(bare.sign_in(code=bare.code(), consent_version="2026-11"))
    assert back.member(database).public_id != before.public_id
    assert told(back.get("orders"))["orders"] == []
