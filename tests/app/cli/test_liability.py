"""`plaza liability`: the report of any instant, by command (L8)."""

from datetime import timedelta

import pytest

from app.clock import business_date
from config.database import Database, now_of
from migrations.run import create_district
from tests.app.checkout.shops import give_points, open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member


@pytest.fixture
def owing(plaza: Plaza, database: Database, owner_url: str) -> Plaza:
    """A district in which a member was given 30 points and then, another time, 12."""
    create_district(owner_url, "owing", name="负债", sandbox=False)
    for points in (30, 12):
        with database.transaction("owing") as session:
            give_points(session, open_shop(session), make_member(session), points)
    return Plaza(environ=plaza.environ, district="owing")


def test_the_liability_of_a_day_and_of_an_instant(owing: Plaza, database: Database) -> None:
    with database.transaction("owing") as session:
        now = now_of(session)
    today = business_date(now)

    told = owing.json("liability", "--as-of", today.isoformat())
    before = owing.json("liability", "--as-of", (now - timedelta(days=2)).isoformat())
    shown = owing("liability")

    assert (told["total"]["points"], told["total"]["fen"], told["booked_points"]) == (42, 42, 42)
    assert [(row["band"], row["points"]) for row in told["rows"]] == [
        ("0-30", row["points"]) for row in told["issuers"]
    ]
    assert (told["recorded_by"], told["seen_days"], told["confidence"]) == (None, None, 0.8)
    assert (before["total"]["points"], before["rows"]) == (0, [])
    assert before["recorded_by"] is not None
    assert "✔ 试算平衡 trial balance: lot 42 · debt 0" in shown
    assert "cannot be estimated" in shown
    assert "合计 total" in shown

    tomorrow = (today + timedelta(days=1)).isoformat()
    assert "尚未到来" in owing.refused("liability", "--as-of", tomorrow)
    assert "has not come yet" in owing.refused(
        "liability", "--as-of", (now + timedelta(hours=1)).isoformat()
    )
    assert "with offset" in owing.refused("liability", "--as-of", "yesterday")
