"""The earn preview: every rule has its say (E9)."""

import re
from datetime import UTC, datetime

import pytest

from app.points.definitions import Birthday, Conditions, Hours
from app.points.earning import PaidOrder, Why
from app.points.explaining import Silent, preview
from app.points.policy import Combine
from app.points.rulebook import EarnRule, RuleBook
from tests.app.points.rules import double, line, order, rule


def silent(only: EarnRule, paid: PaidOrder) -> Silent:
    found = preview(RuleBook.of([only]), paid, combine=Combine.MAX)
    assert found.earned.total_points == 0
    return found.silent[0]


PAID = order(line(550), line(0))


@pytest.mark.parametrize(
    ("conditions", "why", "zh", "en"),
    [
        (Conditions(weekdays=frozenset({2, 7})), Why.WRONG_WEEKDAY, "限周二, 周日，订单在周一",
         "runs on Tue, Sun; the order is on Mon"),
        (Conditions(hours=(Hours.parse("22:00-02:00"),)), Why.WRONG_HOUR,
         "限 22:00-02:00，订单在 12:00", "runs at 22:00-02:00; the order is at 12:00"),
        (Conditions(tiers=frozenset({"gold"})), Why.WRONG_TIER, "限会员等级 gold，订单为 basic",
         "for tier gold; the order is of tier basic"),
        (Conditions(birthday=Birthday.DAY), Why.NOT_BIRTHDAY, "限会员生日当天",
         "only on the member's birthday"),
        (Conditions(merchants=frozenset({"mch_z"})), Why.WRONG_MERCHANT,
         "订单中没有适用商户的商品", "no line is of its merchants"),
        (Conditions(trades=frozenset({"toys"})), Why.WRONG_TRADE, "限业态 toys", "for trades toys"),
        (Conditions(categories=frozenset({"tea"})), Why.WRONG_CATEGORY, "限品类 tea",
         "for categories tea"),
        (Conditions(tenders=frozenset({"cash"})), Why.WRONG_TENDER, "支付方式不计积分：wechat",
         "does not count money paid by wechat"),
    ],
)  # fmt: skip
def test_a_rule_says_which_condition_failed(
    conditions: Conditions, why: Why, zh: str, en: str
) -> None:
    found = silent(rule(conditions=conditions), PAID)

    assert (found.why, found.zh, found.en) == (why, zh, en)


def test_the_line_that_came_nearest_speaks() -> None:
    wanted = rule(conditions=Conditions(trades=frozenset({"toys"})))
    toys = order(line(550), line(550, trade="toys", category="gift-card"))

    assert silent(wanted, toys).why is Why.EXCLUDED_CATEGORY
    assert "gift-card" in silent(wanted, toys).en


def test_too_little_and_nothing_paid_and_nothing_to_multiply() -> None:
    assert silent(rule(), order(line(99))).zh == "计分金额 99 分，不足 1 积分"
    assert silent(rule(), order(line(0))).why is Why.NOTHING_PAID
    assert silent(rule(), order()).why is Why.NOTHING_PAID
    assert silent(double(), PAID).why is Why.NOTHING_TO_MULTIPLY


def test_a_rule_out_of_its_time_says_when() -> None:
    soon = rule(since=datetime(2026, 11, 30, 16, tzinfo=UTC))
    gone = rule(until=datetime(2026, 10, 31, 16, tzinfo=UTC))

    assert silent(soon, PAID).zh == "2026-12-01 00:00 起生效"
    assert silent(gone, PAID).en == "ended at 2026-11-01 00:00"


def test_what_fires_is_not_silent() -> None:
    book = RuleBook.of([rule(), double(), rule("never", conditions=Conditions(
        trades=frozenset({"toys"})))])  # fmt: skip

    found = preview(book, PAID, combine=Combine.MAX)

    assert found.earned.total_points == 11
    assert [each.rule.code for each in found.silent] == ["never"]


def test_every_reason_has_words() -> None:
    for why in Why:
        assert re.fullmatch(r"[a-z-]+", why)
