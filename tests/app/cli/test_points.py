"""`plaza points …`: what has expired, and how old the rest is."""

from datetime import timedelta

import pytest

from app.clock import business_date
from config.database import Database, now_of
from tests.app.checkout.shops import give_points, open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member


@pytest.fixture
def shop_code(database: Database, district: str) -> str:
    """A shop with points of three ages, some of them expired."""
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        now = now_of(session)
        for days, points in ((500, 30), (100, 20)):
            shop.sell(session, member, points * 100, at=now - timedelta(days=days))
        give_points(session, shop, member, 10)
    return shop.merchant.code


def test_points_are_listed_by_issuer_and_age_until_they_are_booked(
    plaza: Plaza, shop_code: str
) -> None:
    """L8"""

    def bands() -> dict[str, int]:
        found = plaza.json("points", "age")
        return {each["band"]: each["points"] for each in found if each["issuer"] == shop_code}

    before = bands()
    booked = plaza.json("points", "expire")
    after = bands()

    assert before == {"0-30": 10, "91-180": 20, "expired": 30}
    assert booked["points"] >= 30
    assert after == {"0-30": 10, "91-180": 20}
    assert plaza.json("points", "expire")["lots"] == 0
    assert shop_code in plaza("points", "age")


def test_a_day_that_has_not_come_is_refused(
    plaza: Plaza, database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        tomorrow = business_date(now_of(session)) + timedelta(days=1)

    assert "as-of" in plaza.refused("points", "expire", "--as-of", tomorrow.isoformat())
    assert "through" in plaza.refused("points", "day-change", "--through", tomorrow.isoformat())


def test_the_change_of_day_runs_once(plaza: Plaza) -> None:
    assert len(plaza.json("points", "day-change")["days"]) <= 1
    assert plaza.json("points", "day-change")["days"] == []
    assert "0 天" in plaza("points", "day-change")
