"""G1: what members get without buying, agreed by two people by command."""

import re
from collections.abc import Callable

import psycopg

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from config.settings import Settings
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza

Hire = Callable[..., Staff]


def test_rewards_are_proposed_shown_and_approved(
    plaza: Plaza, hire: Hire, database: Database, settings: Settings
) -> None:
    marketer, finance = hire(Role.MARKETER).login, hire(Role.FINANCE).login
    with database.transaction(plaza.district) as session:
        merchant = open_shop(session).merchant
    words = ("--set", f"issuer={merchant.code}", "--set", "check_in_points=1,1,2")

    said = plaza("rewards", "propose", *words, "--reason", "签到", "--as", marketer)
    request = re.findall(r"chg_\w+", said)[-1]
    assert request in plaza("rewards", "pending")
    plaza("rewards", "approve", request, "--as", finance)

    try:
        shown = plaza.json("rewards", "show")
        assert (shown["issuer"], shown["check_in_points"]) == (merchant.public_id, [1, 1, 2])
        assert "1,1,2" in plaza("rewards", "show")
        assert "没有任何变化" in plaza.refused(
            "rewards", "propose", *words[:2], "--set", "claim_days=7", "--set",
            f"issuer={merchant.public_id}", "--reason", "x", "--as", marketer,
        )  # fmt: skip
    finally:
        with psycopg.connect(settings.database.owner_url) as owner:
            owner.execute("DELETE FROM d_test.policy WHERE kind = 'points.rewards'")


def test_what_is_not_understood_is_refused(plaza: Plaza, hire: Hire) -> None:
    login = hire(Role.MARKETER).login

    for wrong in ("gift=1", "claim_days=x", "check_in_points=a"):
        assert "NAME=VALUE" in plaza.refused(
            "rewards", "propose", "--set", wrong, "--reason", "x", "--as", login
        )
