"""M5, G1: a scheme of tiers by command, and where a member stands."""

from collections.abc import Callable

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from migrations.run import create_district
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, make_staff

Hire = Callable[..., Staff]


def test_two_people_agree_on_tiers_and_a_member_rises(
    plaza: Plaza, database: Database, owner_url: str
) -> None:
    create_district(owner_url, "tiers", name="等级", sandbox=False)
    there = Plaza(environ=plaza.environ, district="tiers")
    with database.transaction("tiers") as session:
        one, two = [make_staff(session).login for _ in range(2)]
    said = ("--tier", "silver:1000:银卡:Silver", "--tier", "gold:5000:金卡:Gold")

    printed = there("tier", "set", *said, "--grace-days", "10", "--reason", "上线", "--as", one)
    request = next(word for word in printed.split() if word.startswith("chg_"))
    waiting = there("tier", "pending")
    assert "审批自己" in there.refused("tier", "approve", request, "--as", one)
    there("tier", "approve", request, "--as", two)

    assert request in waiting
    assert "gold" in there("tier", "list")
    scheme = there.json("tier", "list")
    assert [(each["code"], each["threshold"]) for each in scheme["tiers"]] == [
        ("basic", 0), ("silver", 1_000), ("gold", 5_000)
    ]  # fmt: skip
    with database.transaction("tiers") as session:
        member = make_member(session)
        open_shop(session).sell(session, member, 120_000)
    stands = there.json("member", "tier", member.public_id)
    assert (stands["tier"]["code"], stands["growth"], stands["missing"]) == ("silver", 1_200, 3_800)
    assert [each["step"] for each in stands["history"]] == ["upgraded"]
    assert "再 3800 升至" in there("member", "tier", member.public_id)
    assert there("member", "tier", member.public_id, "--at", "2026-01-01").endswith("· basic\n")


def test_what_changes_nothing_or_has_no_sense_is_refused(plaza: Plaza, hire: Hire) -> None:
    by = ("--reason", "x", "--as", hire().login)

    assert "nothing would change" in plaza.refused("tier", "set", *by)
    assert "wanted: CODE" in plaza.refused("tier", "set", "--tier", "gold", *by)
    assert "begin at 0" in plaza.refused("tier", "set", "--tier", "gold:0:金:Gold", *by)
    support = hire(Role.SUPPORT).login
    assert "没有权限" in plaza.refused("tier", "set", "--reason", "x", "--as", support)


def test_a_scheme_may_be_withdrawn(plaza: Plaza, hire: Hire) -> None:
    by = ("--reason", "x", "--as", hire().login)
    printed = plaza("tier", "set", "--period", "calendar", *by)
    request = next(word for word in printed.split() if word.startswith("chg_"))

    plaza("tier", "reject", request, *by)

    assert request not in plaza("tier", "pending")
    assert plaza.json("tier", "list")["period"] == "rolling"
