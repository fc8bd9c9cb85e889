"""A whole story by command: a district opens, shops agree terms, a member earns, burns, returns.

M1, M11, E1, E10, B1, B4, L1, L6, S6, S7, G1; semantics 1, 3, 51, 56.
"""

from datetime import date, timedelta
from typing import Any

import pytest

from app.clock import business_date
from config.database import Database, now_of
from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture
from tests.factories import new_phone

plaza = plaza_fixture


@pytest.fixture
def lakeside(plaza: Plaza) -> Plaza:
    """A district opened by command, with its first staff: an admin, and a second one."""
    opened = Plaza(environ=plaza.environ, district="lakeside")
    opened("district", "create", "lakeside", "--name", "湖滨商圈")
    opened("staff", "add", "lin", "--name", "林店", "--role", "admin")
    opened("staff", "add", "mei", "--name", "梅会计", "--role", "finance", "--as", "lin")
    return opened


def test_a_district_opens_and_its_books_balance(lakeside: Plaza, database: Database) -> None:
    with database.transaction("lakeside") as session:
        today = business_date(now_of(session))
    for code, funding in (("tea", "postpaid"), ("noodles", "prepaid")):
        _open_shop(lakeside, code, funding, today.isoformat())
    _agree_rule(lakeside)
    lakeside("merchant", "prepay", "noodles", "50", "--reference", "BANK-1", "--as", "mei")
    phone = new_phone()
    lakeside("member", "enrol", "--phone", phone, "--name", "张小明", "--as", "lin")

    tea = _sell(lakeside, phone, "tea", "88.80x2:drinks:龙井")
    noodles = _sell(lakeside, phone, "noodles", "66:food:片儿川")
    burned = _sell(lakeside, phone, "noodles", "20:food:小菜", "--burn", "all")
    refund = lakeside.json(
        "refund", tea["public_id"], "--line", "1", "--quantity", "1", "--as", "lin"
    )
    again = lakeside.json("refund", tea["public_id"], "--as", "lin")

    assert tea["earned_points"] == 88
    assert noodles["earned_points"] == 0, "only 50 of 66 were bought: none are given"
    assert (burned["burned_points"], burned["due_fen"]) == (88, 1912)
    assert burned["earned_points"] == 19
    assert (refund["fen"], refund["clawed_points"]) == (8880, 44)
    assert (again["fen"], again["clawed_points"]) == (8880, 44)
    statement = lakeside.json("member", "statement", phone)
    assert statement["balance"]["spendable_points"] == 88 - 88 + 19 - 88
    assert statement["balance"]["debt_points"] == 69

    lakeside("member", "freeze", phone, "--reason", "挂失", "--as", "lin")
    lakeside.refused("sell", "--store", "tea-1", "--member", phone, "--line", "5", "--as", "lin")
    lakeside("member", "unfreeze", phone, "--reason", "找回", "--as", "lin")
    _sell(lakeside, phone, "tea", "200:drinks:碧螺春")
    assert lakeside.json("member", "statement", phone)["balance"] == {
        "spendable_points": 31,
        "held_points": 0,
        "debt_points": 0,
        "buckets": [{"expires_on": _expiry(today), "points": 31}],
        "pending": [],
    }


def test_one_person_alone_changes_no_rule(lakeside_again: Plaza) -> None:
    request = lakeside_again(
        "rule", "add", "double", "--factor", "2", "--zh", "双倍", "--en", "Double",
        "--reason", "试", "--as", "lin",
    )  # fmt: skip

    refusal = lakeside_again.refused("rule", "approve", _request_id(request), "--as", "lin")

    assert "提出人不能审批自己的变更" in refusal


@pytest.fixture
def lakeside_again(plaza: Plaza) -> Plaza:
    opened = Plaza(environ=plaza.environ, district="lakeside-two")
    opened("district", "create", "lakeside-two", "--name", "湖滨二期")
    opened("staff", "add", "lin", "--name", "林店", "--role", "admin")
    return opened


def _open_shop(district: Plaza, code: str, funding: str, today: str) -> None:
    names = {
        "tea": ("湖滨茶馆", "Lakeside Tea", "cafe"),
        "noodles": ("奎元馆", "Noodles", "dining"),
    }
    zh, en, trade = names[code]
    district("merchant", "add", code, "--zh", zh, "--en", en, "--trade", trade, "--as", "lin")
    district(
        "merchant", "store-add", code, f"{code}-1", "--name", "一号店", "--floor", "1F",
        "--terminal", "T1", "--as", "lin",
    )  # fmt: skip
    asked = district(
        "merchant", "terms", "set", code, "--from", today, "--cost", "1", "--redemption", "9/10",
        "--funding", funding, "--may-burn", "any", "--reason", "签约", "--as", "mei",
    )  # fmt: skip
    district("merchant", "terms", "approve", _request_id(asked), "--as", "lin")


def _agree_rule(district: Plaza) -> None:
    asked = district(
        "rule", "add", "base", "--per-yuan", "1/2", "--zh", "两元一分", "--en", "A point per ¥2",
        "--merchant", "tea", "--reason", "开业", "--as", "lin",
    )  # fmt: skip
    district("rule", "approve", _request_id(asked), "--as", "mei")
    asked = district(
        "rule", "add", "noodles", "--per-yuan", "1", "--zh", "一元一分", "--en", "A point per ¥1",
        "--merchant", "noodles", "--reason", "开业", "--as", "lin",
    )  # fmt: skip
    district("rule", "approve", _request_id(asked), "--as", "mei")


def _sell(district: Plaza, phone: str, shop: str, line: str, *more: str) -> dict[str, Any]:
    sold: dict[str, Any] = district.json(
        "sell", "--store", f"{shop}-1", "--member", phone, "--line", line, "--as", "lin", *more
    )
    return sold


def _request_id(printed: str) -> str:
    return next(word for word in printed.replace("·", " ").split() if word.startswith("chg_"))


def _expiry(today: date) -> str:
    following = (today.replace(day=1) + timedelta(days=396)).replace(day=1)
    return (following - timedelta(days=1)).isoformat()
