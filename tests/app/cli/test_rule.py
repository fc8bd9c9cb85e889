"""Rules by command: proposed and approved by two people, listed, previewed, retired (E9, E10).

Every rule here is for a merchant of its own: other tests of the district earn nothing by it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.cli.conftest import Plaza
from tests.factories import make_merchant, unique

Hire = Callable[..., Staff]


@pytest.fixture
def shop(database: Database, district: str) -> str:
    """A merchant's code, which is its store's too."""
    with database.transaction(district) as session:
        return make_merchant(session).code


def propose(plaza: Plaza, login: str, shop: str, *words: str, code: str | None = None) -> str:
    printed = plaza(
        "rule", "add", code or unique("rule"), "--zh", "消费积分", "--en", "Points",
        "--merchant", shop, "--reason", "开业", "--as", login, *words,
    )  # fmt: skip
    return next(word for word in printed.split() if word.startswith("chg_"))


def agree(plaza: Plaza, hire: Hire, shop: str, *words: str, code: str | None = None) -> None:
    request = propose(plaza, hire(Role.MARKETER).login, shop, *words, code=code)
    plaza("rule", "approve", request, "--as", hire(Role.FINANCE).login)


def total(plaza: Plaza, shop: str, *words: str) -> int:
    found = plaza.json("rule", "preview", "--store", shop, *words)
    assert isinstance(found["total_points"], int)
    return found["total_points"]


def test_two_people_put_a_rule_in_force(plaza: Plaza, hire: Hire, shop: str) -> None:
    lin, code = hire(Role.MARKETER).login, unique("rule")
    request = propose(plaza, lin, shop, "--per-yuan", "1", code=code)

    assert total(plaza, shop, "--line", "12.50") == 0
    assert code in plaza("rule", "pending")
    assert "提出人不能审批" in plaza.refused("rule", "approve", request, "--as", lin)
    assert "没有权限" in plaza.refused("rule", "approve", request, "--as", hire(Role.SUPPORT).login)
    plaza("rule", "approve", request, "--as", hire(Role.FINANCE).login)

    assert total(plaza, shop, "--line", "12.50") == 12
    (listed,) = plaza.json("rule", "list", code)
    assert (listed["rate"], listed["state"], listed["version"]) == ("1/100", "approved", 1)
    assert "1/元" in plaza("rule", "list", code)


def test_a_preview_says_why_each_other_rule_gives_nothing(
    plaza: Plaza, hire: Hire, shop: str
) -> None:
    """E9"""
    night, twice, base = unique("night"), unique("twice"), unique("base")
    agree(plaza, hire, shop, "--per-yuan", "1", code=base)
    agree(plaza, hire, shop, "--per-yuan", "5", "--hours", "22:00-02:00", code=night)
    agree(plaza, hire, shop, "--factor", "2", "--tier", "gold", code=twice)
    noon = ("--line", "5x2:bread", "--line", "5.50", "--at", "2126-11-23T12:00+08:00")

    found = plaza.json("rule", "preview", "--store", shop, *noon)
    silent = {each["rule"]: (each["why"], each["zh"], each["en"]) for each in found["silent"]}
    printed = plaza("rule", "preview", "--store", shop, *noon, "--tier", "gold")

    assert (found["total_points"], found["line_points"]) == (15, [10, 5])
    assert silent[night] == (
        "wrong-hour", "限 22:00-02:00，订单在 12:00", "runs at 22:00-02:00; the order is at 12:00"
    )  # fmt: skip
    assert silent[twice][0] == "wrong-tier"
    assert f"✔ {base} v1 · 消费积分 Points · ¥15.50 × 2 {twice} → 31" in printed
    assert f"✘ {night} v1 · 限 22:00-02:00，订单在 12:00 / " in printed


def test_money_is_shared_to_lines_as_a_sale_would(plaza: Plaza, hire: Hire, shop: str) -> None:
    """E12: stored value and gift cards earn nothing."""
    agree(plaza, hire, shop, "--per-yuan", "1")
    agree(plaza, hire, shop, "--factor", "3", "--birthday", "day")
    basket = ("--line", "10", "--line", "10:gift-card")

    assert total(plaza, shop, *basket) == 10
    assert total(plaza, shop, *basket, "--tender", "stored-value=5", "--tender", "cash") == 7
    assert (
        total(plaza, shop, *basket, "--at", "2126-02-28T09:00+08:00", "--birthday", "02-29") == 30
    )


def test_a_basket_from_a_file(plaza: Plaza, hire: Hire, shop: str, tmp_path: Path) -> None:
    agree(plaza, hire, shop, "--per-yuan", "1", "--weekday", "1", "--exclude-nothing")
    path = tmp_path / "basket.json"
    basket = {
        "store": shop,
        "lines": [{"amount_fen": 1250.0, "category": "gift-card", "merchant": shop}],
        "tenders": {"cash": 1250},
        "occurred_at": "2126-11-25T00:30+08:00",
    }

    path.write_text(json.dumps(basket), encoding="utf-8")
    monday = plaza.json("rule", "preview", "--file", str(path))
    path.write_text(json.dumps({**basket, "colour": "red"}), encoding="utf-8")
    unknown = plaza.refused("rule", "preview", "--file", str(path))
    path.write_text("{", encoding="utf-8")
    torn = plaza.refused("rule", "preview", "--file", str(path))

    assert monday["total_points"] == 12
    assert "colour" in unknown
    assert "不是可用的购物篮" in torn


def test_a_change_is_a_new_version_and_a_retired_rule_ends(
    plaza: Plaza, hire: Hire, shop: str
) -> None:
    """E10, semantics 60"""
    code = unique("rule")
    agree(plaza, hire, shop, "--per-yuan", "1", code=code)
    agree(plaza, hire, shop, "--per-yuan", "2", "--from", "2126-01-01", code=code)

    assert total(plaza, shop, "--line", "10") == 10
    assert total(plaza, shop, "--line", "10", "--at", "2126-01-01T00:00+08:00") == 20
    plaza("rule", "retire", code, "--reason", "停用", "--as", hire(Role.FINANCE).login)

    assert total(plaza, shop, "--line", "10", "--at", "2126-01-01T00:00+08:00") == 0
    assert [each["state"] for each in plaza.json("rule", "list", code)] == ["retired", "retired"]
    assert total(plaza, shop, "--line", "10", "--at", "2016-01-01T00:00+08:00") == 0


def test_a_rejected_proposal_is_gone(plaza: Plaza, hire: Hire, shop: str) -> None:
    lin = hire(Role.MARKETER).login
    request = propose(plaza, lin, shop, "--per-yuan", "1")

    plaza("rule", "reject", request, "--reason", "写错了", "--as", lin)

    assert request not in plaza("rule", "pending")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--per-yuan", "1", "--factor", "2"),
        ("--per-yuan", "0"),
        ("--per-yuan", "one"),
        ("--per-yuan", "1", "--weekday", "8"),
        ("--per-yuan", "1", "--weekday", "Mon"),
        ("--per-yuan", "1", "--hours", "25:00-26:00"),
        ("--per-yuan", "1", "--birthday", "year"),
        ("--per-yuan", "1", "--trade", "no-such"),
        ("--per-yuan", "1", "--merchant", "no-such"),
        ("--per-yuan", "1", "--per", "shop"),
        ("--per-yuan", "1", "--from", "2126-01-01T00:00"),
        ("--per-yuan", "1", "--to", "2016-01-01"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_both_languages(
    plaza: Plaza, hire: Hire, shop: str, words: tuple[str, ...]
) -> None:
    printed = plaza.refused(
        "rule", "add", unique("rule"), "--zh", "消费积分", "--en", "Points", "--merchant", shop,
        "--reason", "试", "--as", hire(Role.MARKETER).login, *words,
    )  # fmt: skip

    assert " / " in printed


@pytest.mark.parametrize(
    "words",
    [
        ("--line", "-5"),
        ("--line", "12.505"),
        ("--line", str(2**53)),
        ("--line", "ten"),
        ("--line", "10", "--tender", "cash=9.99"),
        ("--line", "10", "--tender", "cash", "--tender", "card"),
        ("--line", "10", "--tender", "cash=10.01", "--tender", "card"),
        ("--line", "10:bread:面包:no-such-merchant"),
        ("--line", "10", "--birthday", "13-01"),
        ("--line", "10", "--at", "2026-13-01"),
        (),
    ],
)
def test_a_basket_that_makes_no_sense_is_refused(
    plaza: Plaza, shop: str, words: tuple[str, ...]
) -> None:
    assert " / " in plaza.refused("rule", "preview", "--store", shop, *words)


def test_a_preview_needs_a_store_or_a_file(plaza: Plaza) -> None:
    assert "--store" in plaza.refused("rule", "preview", "--line", "5")
