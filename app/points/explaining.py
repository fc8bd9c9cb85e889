"""Why each rule gave points to an order, or gave none: the earn preview (E9). Pure.

Every rule of the book has its say: what it gave on how much, or the nearest it came to giving.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.clock import SHANGHAI
from app.points.definitions import Birthday, Definition, Kind
from app.points.earning import (
    Earned,
    PaidLine,
    PaidOrder,
    Why,
    blocked,
    counted_fen,
    counts,
    earn,
    passed_over,
)
from app.points.policy import Combine
from app.points.rulebook import EarnRule, RuleBook, version_at

_NEARER = {why: rank for rank, why in enumerate(Why)}
_DAYS_ZH = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
_DAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BIRTHDAY = {
    Birthday.DAY: ("会员生日当天", "the member's birthday"),
    Birthday.MONTH: ("会员生日当月", "the month of the member's birthday"),
    None: ("", ""),
}

_SENTENCES = {
    Why.WRONG_WEEKDAY: (
        "限{weekdays[0]}，订单在{weekday[0]}",
        "runs on {weekdays[1]}; the order is on {weekday[1]}",
    ),
    Why.WRONG_HOUR: ("限 {hours}，订单在 {time}", "runs at {hours}; the order is at {time}"),
    Why.WRONG_TIER: (
        "限会员等级 {tiers}，订单为 {tier}",
        "for tier {tiers}; the order is of tier {tier}",
    ),
    Why.NOT_BIRTHDAY: ("限{birthday[0]}", "only on {birthday[1]}"),
    Why.WRONG_MERCHANT: ("订单中没有适用商户的商品", "no line is of its merchants"),
    Why.WRONG_TRADE: ("限业态 {trades}", "for trades {trades}"),
    Why.WRONG_CATEGORY: ("限品类 {categories}", "for categories {categories}"),
    Why.EXCLUDED_CATEGORY: ("品类不参与积分：{excluded}", "categories that never earn: {excluded}"),
    Why.MERCHANT_GIVES_NONE: (
        "商户目前不发放积分（退出中或信用额度已用完）",
        "its merchant gives no points: it is leaving, or its credit is used up",
    ),
    Why.NOTHING_PAID: ("没有实付金额", "nothing was paid"),
    Why.WRONG_TENDER: ("支付方式不计积分：{tenders}", "does not count money paid by {tenders}"),
    Why.LESS_THAN_A_POINT: (
        "计分金额 {base_fen} 分，不足 1 积分",
        "counts {base_fen} fen: less than a point",
    ),
    Why.NOTHING_TO_MULTIPLY: (
        "没有基础规则给出积分，无可翻倍",
        "no base rule gave points on its lines",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Silent:
    """A rule that gave nothing, and why: a code for machines, a sentence for people."""

    rule: EarnRule
    why: Why
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an order would earn, and why every other rule gives nothing."""

    earned: Earned
    silent: tuple[Silent, ...]


def preview(book: RuleBook, order: PaidOrder, *, combine: Combine) -> Preview:
    """Work out what an order would earn, with a reason for each rule that does not fire (E9)."""
    at = order.occurred_at
    running = [rule for history in book.histories if (rule := version_at(history, at))]
    earned = earn(running, order, combine=combine)
    fired = {given.rule.version_id for given in earned.rules}
    for given in earned.rules:
        fired.update(rule.version_id for rule in given.multipliers)
    silent = []
    for history in book.histories:
        rule = version_at(history, at)
        if rule is None:
            silent.append(_outside(history, at))
        elif rule.version_id not in fired:
            silent.append(_silent(rule, order))
    return Preview(earned=earned, silent=tuple(silent))


def _outside(history: Sequence[EarnRule], at: datetime) -> Silent:
    begun = [rule for rule in history if rule.effective_from <= at]
    if not begun:
        rule = history[0]
        day = f"{rule.effective_from.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        zh, en = f"{day} 起生效", f"in force from {day} on"
    else:
        rule = begun[-1]
        ended = rule.effective_to or rule.effective_from
        day = f"{ended.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        zh, en = f"已于 {day} 结束", f"ended at {day}"
    return Silent(rule=rule, why=Why.NOT_IN_FORCE, zh=zh, en=en)


def _silent(rule: EarnRule, order: PaidOrder) -> Silent:
    local = order.occurred_at.astimezone(SHANGHAI)
    definition = rule.definition
    why = blocked(definition.conditions, order, local)
    if why is None:
        # The line that came nearest to earning tells most.
        reasons = [_why_not(definition, line) for line in order.lines]
        why = max(reasons, key=_NEARER.__getitem__, default=Why.NOTHING_PAID)
    facts = _facts(rule, order, local)
    zh, en = [sentence.format_map(facts) for sentence in _SENTENCES[why]]
    return Silent(rule=rule, why=why, zh=zh, en=en)


def _why_not(definition: Definition, line: PaidLine) -> Why:
    over = passed_over(definition, line)
    if over is not None:
        return over
    if not any(line.paid_fen.values()):
        return Why.NOTHING_PAID
    if not counted_fen(definition, line):
        return Why.WRONG_TENDER
    return Why.LESS_THAN_A_POINT if definition.kind is Kind.BASE else Why.NOTHING_TO_MULTIPLY


def _facts(rule: EarnRule, order: PaidOrder, local: datetime) -> dict[str, object]:
    definition, conditions = rule.definition, rule.definition.conditions
    weekdays = sorted(conditions.weekdays)
    used = {line.category for line in order.lines}
    tenders = {tender for line in order.lines for tender, fen in line.paid_fen.items() if fen}
    return {
        "weekdays": [_join(days[day - 1] for day in weekdays) for days in (_DAYS_ZH, _DAYS_EN)],
        "weekday": [days[local.weekday()] for days in (_DAYS_ZH, _DAYS_EN)],
        "hours": _join(map(str, conditions.hours)),
        "time": f"{local:%H:%M}",
        "tiers": _join(sorted(conditions.tiers)),
        "tier": order.tier or "-",
        "birthday": _BIRTHDAY[conditions.birthday],
        "trades": _join(sorted(conditions.trades)),
        "categories": _join(sorted(conditions.categories)),
        "excluded": _join(sorted(used & definition.excluded_categories)),
        "tenders": _join(sorted(name for name in tenders if not counts(definition, name))),
        "base_fen": sum(counted_fen(definition, line) for line in order.lines),
    }


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)
