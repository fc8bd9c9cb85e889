"""How many points an order may take: conversion, unit, share and daily limit (B2). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from app.errors import Invalid
from app.points.errors import InsufficientPoints, NoBurnTerms
from app.points.policy import LIMIT, BurnTerms


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Why fewer points were taken than asked: a code for machines, a sentence for people."""

    code: str
    points: int
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Burn:
    """Points that an order takes and what they pay for; `limits` say what cut the ask.

    A point that pays for less than its worth leaves the rest to its issuer (semantics 20).
    """

    points: int
    value_fen: int
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Burning:
    """What is known of an order when points are asked for.

    `order_fen` is its worth before points, `burnable_fen` the part of it that points may pay for.
    `burned_today_points` are the member's of the order's business date, this order's not included.
    """

    order_fen: int
    burnable_fen: int
    point_value_fen: Fraction
    terms: BurnTerms
    burned_today_points: int = 0


def most_specific(
    terms: Iterable[BurnTerms], *, merchant: str, tier: str | None, at: datetime
) -> BurnTerms:
    """Return the terms for a merchant's order and a member's tier at an instant.

    Terms that name the merchant win over those that do not, then those that name the tier; of
    equals, those that began last.

    Raises:
        NoBurnTerms: none had begun.
    """
    fitting = [
        each
        for each in terms
        if each.merchant in (None, merchant)
        and each.tier in (None, tier)
        and each.effective_from <= at
    ]
    if not fitting:
        raise NoBurnTerms(merchant, at)
    return max(fitting, key=_specificity)


def may_burn(order: Burning, *, balance_points: int) -> Burn:
    """Return the most that the order may take from a balance: what a quote offers."""
    burn, balance = _cut(order, LIMIT), max(balance_points, 0)
    if burn.points <= balance:
        return burn
    held_back = Limit(
        code="cut-to-balance",
        points=balance,
        zh=f"可用积分为 {balance}",
        en=f"{balance} points are spendable",
    )
    less = _cut(order, balance)
    return Burn(points=less.points, value_fen=less.value_fen, limits=(held_back, *less.limits))


def burn(order: Burning, *, asked_points: int, balance_points: int) -> Burn:
    """Return what an order takes of the points asked for; asks above the order are cut to it.

    Share, daily limit and unit cut too, never refuse. Where points pay for the whole order, the
    least number that covers it is taken (semantics 20).

    Raises:
        InsufficientPoints: what is left of the ask is above the spendable balance.
        Invalid: a negative ask.
    """
    if asked_points < 0:
        raise Invalid("burn_points", "不能小于 0", "at least 0")
    taken, spendable = _cut(order, asked_points), max(balance_points, 0)
    if taken.points > spendable:
        raise InsufficientPoints(needed=taken.points, spendable=spendable)
    return taken


def worth_fen(points: int, *, point_value_fen: Fraction) -> int:
    """Return the whole fen that points pay for, rounded down."""
    return points * point_value_fen.numerator // point_value_fen.denominator


def points_for(fen: int, *, point_value_fen: Fraction) -> int:
    """Return the least points that pay for an amount: rounded up, over-cover below one point."""
    return -(-fen * point_value_fen.denominator // point_value_fen.numerator)


def _specificity(terms: BurnTerms) -> tuple[bool, bool, datetime]:
    return terms.merchant is not None, terms.tier is not None, terms.effective_from


def _cut(order: Burning, asked: int) -> Burn:
    """Cut an ask to what the order and its terms allow; the reasons in the order they cut."""
    rate, terms = order.point_value_fen, order.terms
    limits: list[Limit] = []
    points = asked
    cover = points_for(order.burnable_fen, point_value_fen=rate)
    if points > cover:
        points = cover
        limits.append(
            Limit(
                code="cut-to-order",
                points=points,
                zh=f"订单可用积分支付 {order.burnable_fen} 分，最多 {points} 积分",
                en=f"points may pay {order.burnable_fen} fen of the order: {points} points",
            )
        )
    share_fen = order.order_fen * terms.max_share.numerator // terms.max_share.denominator
    # Below the whole order the share is a ceiling: points that would step over it are left out.
    within = points_for(share_fen + 1, point_value_fen=rate) - 1
    if share_fen < order.burnable_fen and points > within:
        points = within
        limits.append(
            Limit(
                code="cut-to-share",
                points=points,
                zh=f"积分最多抵扣订单的 {terms.max_share}，即 {points} 积分",
                en=f"at most {terms.max_share} of the order: {points} points",
            )
        )
    return _cut_to_day_and_unit(order, points, limits)


def _cut_to_day_and_unit(order: Burning, points: int, limits: list[Limit]) -> Burn:
    terms, rate = order.terms, order.point_value_fen
    if terms.daily_limit_points is not None:
        left = max(terms.daily_limit_points - order.burned_today_points, 0)
        if points > left:
            points = left
            limits.append(
                Limit(
                    code="cut-to-daily-limit",
                    points=points,
                    zh=f"每日上限 {terms.daily_limit_points} 积分，今日还可用 {points} 积分",
                    en=f"{terms.daily_limit_points} points a day, of which {points} are left",
                )
            )
    unit = terms.min_unit_points
    if points % unit:
        points -= points % unit
        limits.append(
            Limit(
                code="cut-to-unit",
                points=points,
                zh=f"须为 {unit} 积分的整数倍，即 {points} 积分",
                en=f"in multiples of {unit}: {points} points",
            )
        )
    value = min(worth_fen(points, point_value_fen=rate), order.burnable_fen)
    least = -(-points_for(value, point_value_fen=rate) // unit) * unit
    if points > least:
        points = least
        limits.append(
            Limit(
                code="cut-to-worth",
                points=points,
                zh=f"{points} 积分已足够抵扣 {value} 分",
                en=f"{points} points pay for the same {value} fen",
            )
        )
    return Burn(points=points, value_fen=value, limits=tuple(limits))
