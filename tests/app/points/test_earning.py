"""Earning by rules (E1, E5, E10, E12; semantics 16-18, 30, 54; decision 17)."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from app.points.definitions import Birthday, Conditions, Hours, Kind, Rounding, Scope
from app.points.earning import PaidOrder, combined, counted_fen, earn
from app.points.policy import Combine
from app.points.rulebook import EarnRule
from tests.app.points.rules import SHANGHAI, double, line, order, rule

TENDERS = ("wechat", "cash", "stored-value")
MERCHANTS = ("mch_a", "mch_b")
CATEGORIES = ("bread", "gift-card")


def points(*rules: EarnRule, of: PaidOrder, combine: Combine = Combine.MAX) -> int:
    return earn(rules, of, combine=combine).total_points


def test_a_point_for_each_whole_yuan_of_the_order() -> None:
    """semantics 17: floor per order, so two lines of 0.99 make a point together."""
    earned = earn([rule()], order(line(99), line(99), line(0)), combine=Combine.MAX)

    assert earned.total_points == 1
    assert earned.line_points == (1, 0, 0)
    assert [(x.rule.code, x.base_fen, x.points, x.factor) for x in earned.rules] == [
        ("base", 198, 1, Fraction(1))
    ]


def test_no_rule_no_points() -> None:
    earned = earn([], order(line(500), line(100)), combine=Combine.MAX)

    assert (earned.total_points, earned.line_points, earned.rules) == (0, (0, 0), ())


def test_stored_value_gift_cards_and_delivery_earn_nothing() -> None:
    """E12"""
    paid = order(line({"wechat": 1_000, "stored-value": 5_000}), line(9_000, category="gift-card"))

    assert points(rule(), of=paid) == 10


def test_what_never_earns_is_a_switch_of_the_rule() -> None:
    """E12, semantics 16"""
    paid = order(line({"wechat": 1_000, "stored-value": 5_000}), line(9_000, category="gift-card"))

    assert points(rule(excluded=frozenset()), of=paid) == 100
    assert points(rule(counted=frozenset({"stored-value"})), of=paid) == 50


def test_rounding_per_line_and_half_up_are_policies_of_the_rule() -> None:
    """semantics 17"""
    paid = order(line(150), line(150))

    assert points(rule(), of=paid) == 3
    assert points(rule(scope=Scope.LINE), of=paid) == 2
    assert points(rule(scope=Scope.LINE, rounding=Rounding.HALF_UP), of=paid) == 4
    assert points(rule(rate="3/200", rounding=Rounding.HALF_UP), of=order(line(100))) == 2


def test_base_rules_add_up_and_each_is_made_whole_alone() -> None:
    second = rule("members-day", rate="1/200")

    earned = earn([rule(), second], order(line(150), line(149)), combine=Combine.MAX)

    assert earned.total_points == 2 + 1
    assert [x.rule.code for x in earned.rules] == ["base", "members-day"]


@pytest.mark.parametrize(
    ("mode", "of_two", "of_three"),
    [(Combine.MAX, 30, 30), (Combine.SUM, 40, 45), (Combine.PRODUCT, 60, 90)],
)
def test_multipliers_combine_as_the_programme_says(
    mode: Combine, of_two: int, of_three: int
) -> None:
    """E5: a double, a triple, and half as much again, on ten points."""
    rules = [rule(), double(), double("triple", factor="3"), double("half", factor="3/2")]

    assert points(*rules[:3], of=order(line(1_000)), combine=mode) == of_two
    assert points(*rules, of=order(line(1_000)), combine=mode) == of_three


def test_a_multiplier_works_on_its_own_lines_and_tenders_only() -> None:
    """E5: twice on what was paid by cash at merchant b."""
    twice = double(when=Conditions(merchants=frozenset({"mch_b"}), tenders=frozenset({"cash"})))
    paid = order(line(1_000), line({"cash": 500, "wechat": 500}, merchant="mch_b"))

    earned = earn([rule(), twice], paid, combine=Combine.MAX)

    assert earned.total_points == 25
    assert earned.line_points == (10, 15)
    assert earned.rules[0].factor == Fraction(5, 4)
    assert [x.code for x in earned.rules[0].multipliers] == ["double"]


def test_conditions_choose_lines_and_money() -> None:
    """E1"""
    paid = order(
        line(100), line(200, merchant="mch_b"), line(400, trade="toys"), line({"cash": 800})
    )

    assert points(rule(conditions=Conditions(merchants=frozenset({"mch_b"}))), of=paid) == 2
    assert points(rule(conditions=Conditions(trades=frozenset({"toys"}))), of=paid) == 4
    assert points(rule(conditions=Conditions(tenders=frozenset({"cash"}))), of=paid) == 8
    assert points(rule(conditions=Conditions(categories=frozenset({"none"}))), of=paid) == 0


def test_tiers_weekdays_and_hours_are_those_of_the_business_time_in_shanghai() -> None:
    """E1, semantics 54: 17:30 UTC on Sunday is half past one on Monday."""
    late = order(line(100), at=datetime(2026, 11, 22, 17, 30, tzinfo=UTC), tier="gold")
    night = (Hours.parse("22:00-02:00"),)

    assert points(rule(conditions=Conditions(weekdays=frozenset({1}))), of=late) == 1
    assert points(rule(conditions=Conditions(weekdays=frozenset({7}))), of=late) == 0
    assert points(rule(conditions=Conditions(hours=night)), of=late) == 1
    assert points(rule(conditions=Conditions(tiers=frozenset({"gold"}))), of=late) == 1
    assert points(rule(conditions=Conditions(tiers=frozenset({"basic"}))), of=late) == 0


@pytest.mark.parametrize(
    ("day", "born", "wanted", "expected"),
    [
        ((2026, 5, 8), (5, 8), Birthday.DAY, 1),
        ((2026, 5, 9), (5, 8), Birthday.DAY, 0),
        ((2026, 5, 9), (5, 8), Birthday.MONTH, 1),
        ((2026, 5, 9), None, Birthday.MONTH, 0),
        ((2026, 2, 28), (2, 29), Birthday.DAY, 1),
        ((2028, 2, 28), (2, 29), Birthday.DAY, 0),
        ((2028, 2, 29), (2, 29), Birthday.DAY, 1),
    ],
)
def test_birthdays(
    day: tuple[int, int, int],
    born: tuple[int, int] | None,
    wanted: Birthday,
    expected: int,
) -> None:
    """E5, semantics 30: born on 29 February, kept on the 28th of other years."""
    paid = order(line(100), at=datetime(*day, 10, tzinfo=SHANGHAI), birthday=born)

    assert points(rule(conditions=Conditions(birthday=wanted)), of=paid) == expected


def test_sum_never_goes_below_nothing() -> None:
    assert combined([Fraction(1, 4)] * 3, Combine.SUM) == 0
    assert combined([], Combine.PRODUCT) == 1


RATES = st.fractions(min_value=Fraction(1, 1000), max_value=5, max_denominator=1000)


@st.composite
def orders(draw: DrawFn) -> PaidOrder:
    lines = [
        line(
            draw(st.dictionaries(st.sampled_from(TENDERS), st.integers(0, 60_000), max_size=3)),
            merchant=draw(st.sampled_from(MERCHANTS)),
            category=draw(st.sampled_from(CATEGORIES)),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]
    return order(*lines)


@st.composite
def rules_of_any_kind(draw: DrawFn) -> list[EarnRule]:
    return [
        rule(
            f"rule-{index}",
            rate=str(draw(RATES)),
            kind=draw(st.sampled_from(Kind)),
            rounding=draw(st.sampled_from(Rounding)),
            scope=draw(st.sampled_from(Scope)),
            conditions=Conditions(
                merchants=draw(st.frozensets(st.sampled_from(MERCHANTS), max_size=1)),
                tenders=draw(st.frozensets(st.sampled_from(TENDERS), max_size=2)),
            ),
        )
        for index in range(draw(st.integers(1, 5)))
    ]


@given(rules=rules_of_any_kind(), paid=orders(), combine=st.sampled_from(Combine))
def test_points_are_exact_and_every_point_lies_on_a_line(
    rules: list[EarnRule], paid: PaidOrder, combine: Combine
) -> None:
    """E1, decision 17: against the definition of the sum, fen by fen, in fractions."""
    earned = earn(rules, paid, combine=combine)

    assert earned.total_points == sum(earned.line_points) == sum(x.points for x in earned.rules)
    assert len(earned.line_points) == len(paid.lines)
    by_rule = {x.rule.version_id: x for x in earned.rules}
    for each in rules:
        if each.definition.kind is Kind.BASE:
            given = by_rule.get(each.version_id)
            expected = _by_definition(each, rules, paid, combine)
            assert (given.points if given else 0) == expected
            if given:
                assert sum(given.line_points) == given.points
                assert given.base_fen == sum(counted_fen(each.definition, x) for x in paid.lines)
                assert all(
                    not share or counted_fen(each.definition, x)
                    for share, x in zip(given.line_points, paid.lines, strict=True)
                )


def _by_definition(base: EarnRule, rules: list[EarnRule], paid: PaidOrder, combine: Combine) -> int:
    exact = []
    for each in paid.lines:
        worth = Fraction(0)
        for tender, fen in each.paid_fen.items():
            if each.category == "gift-card" or tender == "stored-value":
                continue
            if _matches(base, each.merchant, tender):
                factors = [
                    other.definition.rate
                    for other in rules
                    if other.definition.kind is Kind.MULTIPLIER
                    and _matches(other, each.merchant, tender)
                ]
                worth += fen * base.definition.rate * combined(factors, combine)
        exact.append(worth)
    if base.definition.scope is Scope.ORDER:
        exact = [sum(exact, Fraction(0))]
    half = Fraction(1, 2) if base.definition.rounding is Rounding.HALF_UP else 0
    return sum((worth + half).__floor__() for worth in exact)


def _matches(each: EarnRule, merchant: str, tender: str) -> bool:
    wanted = each.definition.conditions
    return (not wanted.merchants or merchant in wanted.merchants) and (
        not wanted.tenders or tender in wanted.tenders
    )
