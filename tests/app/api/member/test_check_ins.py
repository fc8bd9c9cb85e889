"""E6: a member checks in by phone, sees the streak, and reads in the statement why."""

from collections.abc import Iterator

import psycopg
import pytest

from config.database import Database
from config.settings import Settings
from tests.app.api.phones import Phone, told
from tests.app.checkout.shops import open_shop
from tests.app.points.rewarding import agree


@pytest.fixture
def offered(database: Database, settings: Settings, district: str) -> Iterator[None]:
    """A district in which the first day gives 3 points, until the test is over."""
    with database.transaction(district) as session:
        agree(session, open_shop(session), check_in_points=(3, 4))
    yield
    with psycopg.connect(settings.database.owner_url) as owner:
        owner.execute("DELETE FROM d_test.policy WHERE kind = 'points.rewards'")


def test_a_check_in_is_shown_told_again_and_stands_in_the_statement(
    phone: Phone, offered: None
) -> None:
    before = told(phone.get("check-ins"))

    made = told(phone.post("check-ins"))
    again = told(phone.post("check-ins"))

    assert (before["offered"], before["days"], before["today"]) == (True, 0, None)
    assert (before["next_points"], before["cycle"]) == (3, [3, 4])
    assert made == again
    assert (made["streak"], made["points"]) == (1, 3)
    stands = told(phone.get("check-ins"))
    assert (stands["days"], stands["today"], stands["next_points"]) == (1, made, 4)
    export = told(phone.post("exports"), 201)["export_id"]
    assert told(phone.post(f"exports/{export}/download"))["check_ins"] == [made]
    (line,) = told(phone.get("statement"))["movements"]
    assert (line["kind"], line["points"], line["reason_zh"]) == ("check_in", 3, "签到")


def test_without_a_policy_nothing_is_offered(phone: Phone) -> None:
    assert told(phone.get("check-ins"))["offered"] is False
    assert told(phone.post("check-ins"), 409)["code"] == "state-conflict"


def test_an_instant_long_ago_is_refused(phone: Phone, offered: None) -> None:
    body = {"occurred_at": "2026-11-01T00:00:00Z"}

    assert told(phone.post("check-ins", body), 400)["code"] == "validation-failed"
