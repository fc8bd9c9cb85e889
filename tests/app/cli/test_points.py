"""`plaza points …`: what has expired, and how old the rest is."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.clock import business_date, month_end
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database, now_of
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, unique


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


def test_a_member_is_told_until_when_points_last(
    plaza: Plaza, database: Database, district: str
) -> None:
    """Semantics 34; a reason stands there where an activity has made the day later."""
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 10)
        last = month_end(business_date(now_of(session)), months_ahead=12)

    assert plaza.json("points", "lasts", member.public_id) == [
        {
            "issuer": shop.merchant.code, "points": 10, "own_day": last.isoformat(),
            "last_day": last.isoformat(), "activity": None, "source": None, "promised_on": None,
        }
    ]  # fmt: skip
    assert last.isoformat() in plaza("points", "lasts", member.public_id)


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


def test_an_event_makes_the_points_of_its_order_active(
    plaza: Plaza, database: Database, district: str, hire: Callable[..., Staff]
) -> None:
    """E3, by command from the rule to the balance."""
    marketer, finance, support = hire(Role.MARKETER), hire(Role.FINANCE), hire(Role.SUPPORT)
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
    said = plaza(
        "rule", "add", unique("gift"), "--per-yuan", "2", "--merchant", shop.merchant.code,
        "--pending-event", "order.collected", "--zh", "取货积分", "--en", "Collected",
        "--reason", "test", "--as", marketer.login,
    )  # fmt: skip
    request = re.findall(r"chg_[0-9A-Z]{26}", said)[-1]
    plaza("rule", "approve", request, "--as", finance.login)
    with database.transaction(district) as session:
        order = shop.sell(session, member, 10_000).public_id
        before = points_of(session, member)

    told = plaza("points", "activate", order, "--event", "order.collected", "--as", support.login)

    with database.transaction(district) as session:
        assert (before, points_of(session, member)) == (100, 300)
    assert "200" in told
    assert "pending: {'event': 'order.collected'}" in plaza("rule", "list")


def test_points_last_longer_by_command_and_never_less(
    plaza: Plaza, database: Database, district: str, hire: Callable[..., Staff]
) -> None:
    """Semantics 29"""
    finance, support = hire(Role.FINANCE), hire(Role.SUPPORT)
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 40)
    words = ("points", "extend", member.public_id, "--until", "2031-06-30", "--reason", "补偿")

    assert "延长" in plaza.refused(*words[:3], "--until", "2026-12-01", *words[5:], "--as",
                                 finance.login)  # fmt: skip
    assert support.login in plaza.refused(*words, "--as", support.login)
    said = plaza(*words, "--issuer", shop.merchant.code, "--as", finance.login)

    assert "40 → 2031-06-30" in said
