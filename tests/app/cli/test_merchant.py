"""Merchants by command: register, open, agree terms by two people, freeze."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from app.clock import business_date
from app.merchants.models import Staff
from app.merchants.staff import Role
from tests.app.cli.conftest import Plaza
from tests.factories import unique

Hire = Callable[..., Staff]


def _add(plaza: Plaza, login: str) -> str:
    code = unique("m")
    plaza(
        "merchant", "add", code, "--zh", "湖滨茶馆", "--en", "Lakeside Tea", "--trade", "cafe",
        "--as", login,
    )  # fmt: skip
    return code


def _set_terms(plaza: Plaza, code: str, login: str, *, valid_from: str, cost: str = "1") -> str:
    printed = plaza(
        "merchant", "terms", "set", code, "--from", valid_from, "--cost", cost,
        "--redemption", "9/10", "--funding", "postpaid", "--may-burn", "any",
        "--reason", "签约", "--as", login,
    )  # fmt: skip
    return next(word for word in printed.split() if word.startswith("chg_"))


def test_a_merchant_is_registered_with_a_store_and_tills(plaza: Plaza, hire: Hire) -> None:
    admin = hire().login
    code, store = _add(plaza, admin), unique("s")

    plaza(
        "merchant", "store-add", code, store, "--name", "一号店", "--floor", "1F",
        "--terminal", "T1", "--as", admin,
    )  # fmt: skip
    plaza("merchant", "terminal-add", store, "T2", "--as", admin)
    plaza("merchant", "cashier-add", store, "007", "--name", "小周", "--as", admin)
    plaza("merchant", "rename", code, "--zh", "新茶馆", "--en", "New Tea", "--as", admin)

    shown = plaza.json("merchant", "show", code)
    assert (shown["name_zh"], shown["trade"], shown["terms"]) == ("新茶馆", "cafe", [])
    assert [till["code"] for till in shown["stores"][0]["terminals"]] == ["T1", "T2"]
    assert shown["code"] in [row["code"] for row in plaza.json("merchant", "list")]
    for word in (code, "新茶馆", "一号店", "T2"):
        assert word in plaza("merchant", "show", shown["id"])
    assert "新茶馆" in plaza("merchant", "list")


def test_terms_need_two_people(plaza: Plaza, hire: Hire) -> None:
    """G1: the proposer is not the approver, and the change is shown."""
    admin, one, two = hire().login, hire(Role.FINANCE).login, hire(Role.FINANCE).login
    code = _add(plaza, admin)
    today = business_date(datetime.now(UTC))
    request = _set_terms(plaza, code, one, valid_from=str(today))

    assert "cost_fen_per_point: — → 1" in plaza("merchant", "terms", "pending")
    refused = plaza.refused("merchant", "terms", "approve", request, "--as", one)
    assert "提出人不能审批" in refused
    assert plaza.json("merchant", "terms", "list", code) == []
    assert "起生效" in plaza("merchant", "terms", "approve", request, "--as", two)

    assert plaza.json("merchant", "terms", "list", code) == [
        {
            "valid_from": str(today),
            "cost_fen_per_point": "1",
            "redemption_fen_per_point": "9/10",
            "funding": "postpaid",
            "may_burn": "any",
            "alert_points": None,
            "credit_limit_fen": None,
        }
    ]
    assert "结算 redemption 9/10" in plaza("merchant", "terms", "list", code)


def test_rejected_terms_are_gone(plaza: Plaza, hire: Hire) -> None:
    admin, finance = hire().login, hire(Role.FINANCE).login
    code = _add(plaza, admin)
    tomorrow = business_date(datetime.now(UTC)) + timedelta(days=1)
    request = _set_terms(plaza, code, finance, valid_from=str(tomorrow), cost="0.5")

    plaza("merchant", "terms", "reject", request, "--reason", "价格不对", "--as", finance)

    assert request not in plaza("merchant", "terms", "pending")
    assert "已有决定" in plaza.refused("merchant", "terms", "approve", request, "--as", admin)


def test_freezing_stops_a_merchant_and_a_till(plaza: Plaza, hire: Hire) -> None:
    admin, support = hire().login, hire(Role.SUPPORT).login
    code, store = _add(plaza, admin), unique("s")
    plaza("merchant", "store-add", code, store, "--name", "店", "--terminal", "T1", "--as", admin)
    why = ("--reason", "客诉", "--as", support)

    plaza("merchant", "freeze", code, *why)
    plaza("merchant", "terminal-freeze", store, "T1", *why)

    shown = plaza.json("merchant", "show", code)
    assert shown["status"] == "frozen"
    assert shown["stores"][0]["terminals"][0]["status"] == "frozen"
    assert "不是营业状态" in plaza.refused("merchant", "freeze", code, *why)
    plaza("merchant", "terminal-unfreeze", store, "T1", *why)
    plaza("merchant", "unfreeze", code, *why)
    assert plaza.json("merchant", "show", code)["status"] == "active"


def test_a_trade_is_added_and_listed(plaza: Plaza, hire: Hire) -> None:
    code = unique("t").lower()

    plaza("merchant", "trade-add", code, "--zh", "书房", "--en", "Study", "--as", hire().login)

    assert f"{code} · 书房 · Study" in plaza("merchant", "trades")
    assert "dining · 餐饮 · Dining" in plaza("merchant", "trades")


def test_bad_input_is_refused_in_two_languages_and_changes_nothing(
    plaza: Plaza, hire: Hire
) -> None:
    admin = hire().login
    code = _add(plaza, admin)
    names = ("--zh", "茶", "--en", "Tea", "--as", admin)

    taken = plaza.refused("merchant", "add", code, "--trade", "cafe", *names)
    trade = plaza.refused("merchant", "add", unique("m"), "--trade", "bakery", *names)
    bad = plaza.refused("merchant", "add", "茶 馆", "--trade", "cafe", *names)
    rate = plaza.refused(
        "merchant", "terms", "set", code, "--from", "2030-01-01", "--cost", "1/0",
        "--redemption", "1", "--funding", "postpaid", "--may-burn", "any",
        "--reason", "x", "--as", admin,
    )  # fmt: skip
    day = plaza.refused("merchant", "terms", "set", code, "--from", "1 Jan 2030")

    assert "已被使用" in taken
    assert "is taken" in taken
    assert "找不到" in trade
    assert "编号须为" in bad
    assert "不是分数" in rate
    assert "1 Jan 2030" in day
