"""B3, G1: `plaza mall …`: put up by one, agreed to by another, listed and ended."""

from collections.abc import Callable

import pytest

from app.checkout import takings
from app.members.identification import find_by_phone
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, new_phone, unique

Hire = Callable[..., Staff]


@pytest.fixture
def shop(database: Database, district: str) -> Shop:
    with database.transaction(district) as session:
        return open_shop(session)


@pytest.fixture
def marketer(hire: Hire) -> str:
    return hire(Role.MARKETER).login


def _add(shop: Shop, login: str, *more: str, points: str = "500") -> tuple[str, ...]:
    code = unique("I")
    return (
        "mall", "add", code, "--title", "马克杯", "A mug", "--merchant", shop.merchant.code,
        "--points", points, "--stock", "10", "--from", "2026-01-01", "--to", "2099-01-01",
        "--reason", "年终", "--as", login, *more,
    )  # fmt: skip


def test_an_item_is_put_up_taken_listed_and_ended(
    plaza: Plaza, database: Database, district: str, shop: Shop, marketer: str
) -> None:
    words = _add(shop, marketer, "--tier", "basic=400", "--cash", "9.90")
    phone = new_phone()

    assert "10/10" in plaza(*words)
    with database.transaction(district) as session:
        give_points(session, shop, make_member(session, phone=phone), 400)
        member = find_by_phone(session, phone)
        assert member is not None
        takings.take(session, member, item=words[2], points=400)

    listed = next(each for each in plaza.json("mall", "list") if each["code"] == words[2])
    assert (listed["left"], listed["cash_fen"], listed["tier_points"]) == (9, 990, {"basic": 400})
    assert "waiting" in plaza("mall", "takings", phone)
    plaza("mall", "end", words[2], "--reason", "下架", "--as", marketer)
    assert "已下架" in next(
        line for line in plaza("mall", "list").splitlines() if line.startswith(words[2])
    )


def test_what_moves_many_points_waits_for_a_second_person(
    plaza: Plaza, hire: Hire, shop: Shop, marketer: str
) -> None:
    """G1"""
    words = _add(shop, marketer, points="100001")
    asked = plaza(*words)
    request = next(word for word in asked.split() if word.startswith("chg_"))

    assert words[2] in plaza("mall", "pending")
    assert "没有权限" in plaza.refused("mall", "approve", request, "--as", marketer)
    plaza("mall", "approve", request, "--as", hire(Role.FINANCE).login)

    assert words[2] in plaza("mall", "list")


@pytest.mark.parametrize("more", [("--tier", "gold"), ("--tier", "unheard-of=5"), ("--batch", "X")])
def test_what_cannot_be_put_up_is_refused(
    plaza: Plaza, shop: Shop, marketer: str, more: tuple[str, str]
) -> None:
    assert "Error" in plaza.refused(*_add(shop, marketer, *more))
