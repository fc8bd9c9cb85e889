"""G1: points by hand and their limits, by command."""

from collections.abc import Callable

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from migrations.run import create_district
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, make_staff

Hire = Callable[..., Staff]


def _request(printed: str) -> str:
    return next(word for word in printed.split() if word.startswith("chg_"))


def test_one_person_adjusts_a_little_and_two_more(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    support, finance = hire(Role.SUPPORT).login, hire(Role.FINANCE).login
    with database.transaction(plaza.district) as session:
        issuer, member = open_shop(session).merchant.code, make_member(session).public_id
    said = ("member", "adjust", member, "--issuer", issuer, "--reason", "系统故障补偿", "--as")

    assert "余额 balance 300" in plaza(*said, support, "--points", "300")
    request = _request(plaza(*said, support, "--points", "900"))
    waiting = plaza("member", "adjust-pending")
    refused = plaza.refused("member", "adjust-approve", request, "--as", support)
    printed = plaza("member", "adjust-approve", request, "--as", finance)

    assert f"{request} · {member} · +900" in waiting
    assert "没有权限" in refused
    assert "余额 balance 1200" in printed
    assert "系统故障补偿" in plaza("member", "statement", member)
    assert "没有权限" in plaza.refused(*said, finance, "--points", "1")


def test_an_adjustment_may_be_turned_down(plaza: Plaza, hire: Hire, database: Database) -> None:
    login = hire().login
    with database.transaction(plaza.district) as session:
        issuer, member = open_shop(session).merchant.code, make_member(session).public_id
    by = ("--reason", "误发", "--as", login)
    request = _request(
        plaza("member", "adjust", member, "--issuer", issuer, "--points", "5000", *by)
    )

    plaza("member", "adjust-reject", request, *by)

    assert request not in plaza("member", "adjust-pending")


def test_two_people_agree_on_the_limits(plaza: Plaza, database: Database, owner_url: str) -> None:
    create_district(owner_url, "perks", name="限额", sandbox=False)
    there = Plaza(environ=plaza.environ, district="perks")
    with database.transaction("perks") as session:
        one, two = [make_staff(session).login for _ in range(2)]
    by = ("--reason", "防刷", "--as", one)

    request = _request(there("perks", "propose", "--set", "gift_day_points=50", *by))
    other = _request(there("perks", "propose", "--set", "gift_day_points=60", *by))
    assert request in there("perks", "pending")
    there("perks", "approve", request, "--as", two)
    there("perks", "reject", other, *by)

    assert there.json("perks", "show")["gift_day_points"] == 50
    assert "gift_day_points" in there("perks", "show")
    assert "nothing would change" in there.refused(
        "perks", "propose", "--set", "gift_day_points=50", *by
    )
    assert "wanted NAME=VALUE" in there.refused("perks", "propose", "--set", "gift=5", *by)
