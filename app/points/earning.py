"""What an order earns: the rules in force, on the money that was paid (E1, E5, E10, E12). Pure.

Every base rule that matches gives points, and they add up. A rule's points are its rate times the
money it counts, each fen multiplied by what the matching multipliers make of each other (the
programme's combine mode), made whole once for the order (or once a line, where the rule says so).
They are shared to the rule's lines by the money they count, once (decision 17; semantics 16-18).
Exact: integers and fractions only.
"""

from calendar import isleap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from math import lcm, prod
from typing import assert_never

from app.clock import SHANGHAI
from app.points.definitions import (
    STORED_VALUE,
    Birthday,
    Conditions,
    Definition,
    Kind,
    Rounding,
    Scope,
)
from app.points.policy import Combine
from app.points.rulebook import Cut, EarnRule
from coupons.rules import spread


class Why(StrEnum):
    """Why a rule gave nothing, in the order in which it is asked: the later, the nearer."""

    NOT_IN_FORCE = "not-in-force"
    WRONG_WEEKDAY = "wrong-weekday"
    WRONG_HOUR = "wrong-hour"
    WRONG_TIER = "wrong-tier"
    NOT_BIRTHDAY = "not-birthday"
    WRONG_MERCHANT = "wrong-merchant"
    WRONG_TRADE = "wrong-trade"
    WRONG_CATEGORY = "wrong-category"
    EXCLUDED_CATEGORY = "excluded-category"
    MERCHANT_GIVES_NONE = "merchant-gives-none"
    NOTHING_PAID = "nothing-paid"
    WRONG_TENDER = "wrong-tender"
    LESS_THAN_A_POINT = "less-than-a-point"
    NOTHING_TO_MULTIPLY = "nothing-to-multiply"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaidLine:
    """The money on a line by tender, net of discounts and points (semantics 16).

    What was paid to a merchant that `gives` no points counts for no rule.
    """

    merchant: str
    trade: str
    category: str
    paid_fen: Mapping[str, int]
    gives: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class PaidOrder:
    """An order as rules see it: its business time, its lines, and whose it is.

    `birthday` is the member's month and day, where known.
    """

    occurred_at: datetime
    lines: Sequence[PaidLine]
    tier: str | None = None
    birthday: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleEarned:
    """What one base rule gave: cited by version in the journal (E10).

    `line_fen` is the money that it counted on each line. `factor` is what the multipliers made of
    the whole base, exact even where they matched only some of it.
    """

    rule: EarnRule
    line_fen: tuple[int, ...]
    factor: Fraction
    multipliers: tuple[EarnRule, ...]
    line_points: tuple[int, ...]

    @property
    def base_fen(self) -> int:
        """Money that the rule counted."""
        return sum(self.line_fen)

    @property
    def points(self) -> int:
        """Points that the rule gave."""
        return sum(self.line_points)

    def cut_to(self, points: int) -> "RuleEarned":
        """Return the rule giving no more than so many points, shared as they were."""
        return replace(self, line_points=tuple(spread(points, self.line_points)))

    def on(self, lines: Sequence[bool]) -> "RuleEarned":
        """Return what the rule gave on some of the lines: the same points there, elsewhere none."""
        return replace(
            self,
            line_fen=tuple([fen * kept for fen, kept in zip(self.line_fen, lines, strict=True)]),
            line_points=tuple([p * kept for p, kept in zip(self.line_points, lines, strict=True)]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Earned:
    """What an order earns in all, by line, and by rule that gave something; what caps cut off."""

    total_points: int
    line_points: tuple[int, ...]
    rules: tuple[RuleEarned, ...]
    cuts: tuple[Cut, ...] = ()

    @classmethod
    def of(cls, given: Iterable[RuleEarned], *, lines: int, cuts: Iterable[Cut] = ()) -> "Earned":
        """Add up what rules gave on so many lines; those that gave nothing are left out."""
        rules = tuple([rule for rule in given if rule.points])
        by_line = [rule.line_points for rule in rules] or [(0,) * lines]
        return cls(
            total_points=sum([rule.points for rule in rules]),
            line_points=by_line[0]
            if len(by_line) == 1
            else tuple(map(sum, zip(*by_line, strict=True))),
            rules=rules,
            cuts=tuple(cuts),
        )

    def on(self, lines: Sequence[bool]) -> "Earned":
        """Return what is earned on some of the lines alone; nothing is shared anew."""
        return Earned.of([rule.on(lines) for rule in self.rules], lines=len(lines), cuts=self.cuts)


def earn(rules: Iterable[EarnRule], order: PaidOrder, *, combine: Combine) -> Earned:
    """Return what an order earns under the versions in force at its business time.

    About 20 us for nine lines and one rule.
    """
    local = order.occurred_at.astimezone(SHANGHAI)
    running = [rule for rule in rules if blocked(rule.definition.conditions, order, local) is None]
    multipliers = [rule for rule in running if rule.definition.kind is Kind.MULTIPLIER]
    given = [
        _apply(rule, order, multipliers, combine)
        for rule in running
        if rule.definition.kind is Kind.BASE
    ]
    return Earned.of(given, lines=len(order.lines))


def blocked(conditions: Conditions, order: PaidOrder, local: datetime) -> Why | None:
    """Return why a rule does not run for an order, whatever is on it; None: it runs.

    `local` is the order's business time in Shanghai.
    """
    if conditions.weekdays and local.isoweekday() not in conditions.weekdays:
        return Why.WRONG_WEEKDAY
    minute = local.hour * 60 + local.minute
    if conditions.hours and not any(window.hold(minute) for window in conditions.hours):
        return Why.WRONG_HOUR
    if conditions.tiers and order.tier not in conditions.tiers:
        return Why.WRONG_TIER
    if conditions.birthday and not _is_birthday(conditions.birthday, order.birthday, local):
        return Why.NOT_BIRTHDAY
    return None


def passed_over(definition: Definition, line: PaidLine) -> Why | None:
    """Return why a rule does not look at a line; None: it does."""
    conditions = definition.conditions
    if conditions.merchants and line.merchant not in conditions.merchants:
        return Why.WRONG_MERCHANT
    if conditions.trades and line.trade not in conditions.trades:
        return Why.WRONG_TRADE
    if conditions.categories and line.category not in conditions.categories:
        return Why.WRONG_CATEGORY
    if definition.kind is Kind.BASE and line.category in definition.excluded_categories:
        return Why.EXCLUDED_CATEGORY
    return None if line.gives else Why.MERCHANT_GIVES_NONE


def counts(definition: Definition, tender: str) -> bool:
    """Whether a rule counts the money of a tender."""
    wanted = definition.conditions.tenders
    if wanted and tender not in wanted:
        return False
    if definition.kind is Kind.MULTIPLIER:
        return True
    counted = definition.counted_tenders
    return tender != STORED_VALUE if counted is None else tender in counted


def counted_fen(definition: Definition, line: PaidLine) -> int:
    """Return the money of a line that a rule counts."""
    if passed_over(definition, line) is not None:
        return 0
    return sum([fen for tender, fen in line.paid_fen.items() if counts(definition, tender)])


def _apply(
    rule: EarnRule, order: PaidOrder, multipliers: Sequence[EarnRule], combine: Combine
) -> RuleEarned:
    definition = rule.definition
    money = [counted_fen(definition, line) for line in order.lines]
    weights, scale, used = money, 1, frozenset[int]()
    if multipliers:
        weights, scale, used = _multiplied(definition, order, multipliers, combine)
    total = sum(weights)
    up, down = definition.rate.numerator, definition.rate.denominator * scale
    if definition.scope is Scope.LINE:
        shares = [_whole(weight * up, down, definition.rounding) for weight in weights]
    else:
        shares = spread(_whole(total * up, down, definition.rounding), weights)
    base = sum(money)
    return RuleEarned(
        rule=rule,
        line_fen=tuple(money),
        factor=Fraction(total, base * scale) if used else Fraction(1),
        multipliers=tuple([multipliers[index] for index in sorted(used)]),
        line_points=tuple(shares),
    )


def _multiplied(
    definition: Definition, order: PaidOrder, multipliers: Sequence[EarnRule], combine: Combine
) -> tuple[list[int], int, frozenset[int]]:
    """Multiply every counted fen; whole weights by line, their scale, and the multipliers used."""
    weights: list[Fraction] = []
    used: set[int] = set()
    for line in order.lines:
        weight = Fraction(0)
        if passed_over(definition, line) is None:
            near = [
                index
                for index, rule in enumerate(multipliers)
                if passed_over(rule.definition, line) is None
            ]
            for tender, fen in line.paid_fen.items():
                if not fen or not counts(definition, tender):
                    continue
                hits = [i for i in near if counts(multipliers[i].definition, tender)]
                used.update(hits)
                weight += fen * combined([multipliers[i].definition.rate for i in hits], combine)
        weights.append(weight)
    scale = lcm(*[weight.denominator for weight in weights])
    return [int(weight * scale) for weight in weights], scale, frozenset(used)


def combined(factors: Sequence[Fraction], mode: Combine) -> Fraction:
    """Return what multipliers make of each other; none: one (E5).

    Sum adds what each multiplier adds to one: 2 and 3/2 give 5/2, and never less than nothing.
    """
    if not factors:
        return Fraction(1)
    match mode:
        case Combine.MAX:
            return max(factors)
        case Combine.SUM:
            return max(Fraction(0), 1 + sum([factor - 1 for factor in factors], Fraction(0)))
        case Combine.PRODUCT:
            return prod(factors, start=Fraction(1))
    assert_never(mode)


def _whole(up: int, down: int, rounding: Rounding) -> int:
    """Make points of the exact quotient `up / down`: down, or to the nearest with halves up."""
    match rounding:
        case Rounding.FLOOR:
            return up // down
        case Rounding.HALF_UP:
            return (2 * up + down) // (2 * down)
    assert_never(rounding)


def _is_birthday(wanted: Birthday, born: tuple[int, int] | None, local: datetime) -> bool:
    if born is None:
        return False
    if wanted is Birthday.MONTH:
        return born[0] == local.month
    # Born on 29 February: kept on the 28th of other years (semantics 30).
    kept = (2, 28) if born == (2, 29) and not isleap(local.year) else born
    return kept == (local.month, local.day)
