"""A receipt as it comes out of the till: Chinese first, English second, forty columns wide. Pure.

A Chinese character is two columns wide.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from plaza_client import (
    Exchange,
    Line,
    Order,
    Quote,
    Receipt,
    Refund,
    RolledBack,
    Tender,
    Totals,
    Verdict,
)

from app.clock import SHANGHAI
from app.money import yuan

WIDTH = 40

_RULE = "-" * WIDTH
_TENDERS: Mapping[str, str] = {
    "cash": "现金 Cash",
    "wechat": "微信支付 WeChat Pay",
    "alipay": "支付宝 Alipay",
    "card": "银行卡 Card",
}
_STATES: Mapping[str, str] = {
    "awaiting_payment": "待付款 Awaiting payment",
    "paid": "已付款 Paid",
    "cancelled": "已取消 Cancelled",
}


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands at the top of every paper of a till."""

    shop: str
    terminal_id: str
    cashier_id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Sold:
    """A line as it is printed."""

    name: str
    amount_fen: int
    quantity: int

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "list[Sold]":
        """Return the lines of a basket."""
        return [
            cls(name=line.name, amount_fen=line.amount_fen, quantity=line.quantity)
            for line in lines
        ]


def sale(
    head: Head,
    order: Order,
    lines: Sequence[Sold],
    *,
    tenders: Sequence[Tender] = (),
    title: str = "销售小票 SALE",
    member: str = "",
) -> list[str]:
    """Return the paper of an order."""
    paper = [*_top(head, title), row("单号 No.", order.number), row("订单", order.order_id)]
    if member:
        paper.append(row("会员 Member", member))
    paper += [_RULE, *_lines(lines), _RULE, row("合计 Total", yuan(order.total_fen))]
    if order.discount_fen:
        paper.append(row("优惠券 Coupons", yuan(-order.discount_fen)))
    if order.burned_points:
        paper.append(row(f"积分抵扣 {order.burned_points} Points", yuan(-order.burned_fen)))
    if order.refunded_fen:
        paper.append(row("已退 Refunded", yuan(-order.refunded_fen)))
    paper.append(row("应付 Due", yuan(order.due_fen)))
    paper += _paid(tenders)
    if order.state != "paid":
        paper.append(row("状态 State", _STATES.get(order.state, order.state)))
    if order.until is not None and order.state == "awaiting_payment":
        paper.append(row("请在此前付款 Pay before", f"{order.until.astimezone(SHANGHAI):%H:%M}"))
    paper += [f"· {rule.zh} / {rule.en}" for rule in order.silent]
    return [*paper, *_points(order.receipt), *_again(replayed=order.replayed)]


def refund(head: Head, given: Refund, *, title: str = "退款小票 REFUND") -> list[str]:
    """Return the paper of a refund."""
    paper = [
        *_top(head, title),
        row("单号 No.", given.number),
        row("退款", given.refund_id),
        row("原订单", given.order_id),
        _RULE,
        row("退款 Refund", yuan(given.fen)),
    ]
    paper += _paid(given.tenders)
    if given.unearned_fen:
        paper.append(row("已扣回优惠 Coupons taken back", yuan(-given.unearned_fen)))
    if given.restored_points:
        worth = yuan(given.points_fen)
        paper.append(row(f"退回积分 {given.restored_points} Points returned", worth))
    if given.debt_points:
        paper.append(row("欠积分 Points owed", str(given.debt_points)))
    return [*paper, *_points(given.receipt), *_again(replayed=given.replayed)]


def exchange(
    head: Head, done: Exchange, lines: Sequence[Sold], *, tenders: Sequence[Tender]
) -> list[str]:
    """Return the papers of an exchange, and what changes hands."""
    word = "应补 To pay" if done.to_pay_fen >= 0 else "应退 To give back"
    return [
        *refund(head, done.refund, title="换货·退回 EXCHANGE: BACK"),
        "",
        *sale(head, done.order, lines, tenders=tenders, title="换货·新购 EXCHANGE: NEW"),
        row(word, yuan(abs(done.to_pay_fen))),
    ]


def roll_back(head: Head, done: RolledBack, *, tenders: Sequence[Tender] = ()) -> list[str]:
    """Return the paper of a coupon that was taken back alone."""
    paper = [
        *_top(head, "退券小票 COUPON TAKEN BACK"),
        row("单号 No.", done.number),
        row("原订单", done.order_id),
        row("券 Coupon", done.coupon_id),
        _RULE,
        row("补付 Paid", yuan(done.fen)),
        *_paid(tenders),
        row("券仍让 It still gives", yuan(done.remaining_fen)),
    ]
    if done.returned:
        paper.append("券已退回会员 The member has it again")
    return [*paper, *_again(replayed=done.replayed)]


def quote(asked: Quote) -> list[str]:
    """Return what a basket would cost, with every reason."""
    paper = [
        row("合计 Total", yuan(asked.total_fen)),
        *(row(f"券 {use.zh}", yuan(-use.fen)) for use in asked.coupons),
        row(f"抵扣 {asked.burn_points} 积分 Burned", yuan(asked.burn_fen)),
        row("应付 Due", yuan(asked.due_fen)),
        row("最多可抵 May burn", f"{asked.may_burn_points} = {yuan(asked.may_burn_fen)}"),
        row("可得积分 Would earn", str(asked.earn_points)),
    ]
    paper += [f"· {each.coupon_id}：{each.zh} / {each.en}" for each in asked.left_out]
    paper += [f"· {limit.zh} / {limit.en}" for limit in asked.limits]
    paper += [f"· {cut.rule}：{cut.zh} / {cut.en}" for cut in asked.cuts]
    paper += [f"· {rule.rule}：{rule.zh} / {rule.en}" for rule in asked.silent]
    return [*paper, row("有效至 Valid until", f"{asked.until.astimezone(SHANGHAI):%H:%M:%S}")]


def captured(
    head: Head,
    number: str,
    lines: Sequence[Sold],
    *,
    tenders: Sequence[Tender],
    discount_fen: int = 0,
) -> list[str]:
    """Return the paper of a sale that was made while the line was down."""
    total_fen = sum(line.amount_fen for line in lines)
    coupon = [
        row("离线券 Offline coupon", yuan(-discount_fen)),
        row("应付 Due", yuan(total_fen - discount_fen)),
    ]
    return [
        *_top(head, "离线小票 OFFLINE SALE"),
        row("单号 No.", number),
        _RULE,
        *_lines(lines),
        _RULE,
        row("合计 Total", yuan(total_fen)),
        *(coupon if discount_fen else []),
        *_paid(tenders),
        _RULE,
        "网络恢复后上传，积分随后到账",
        "Sent when the line is back; points follow",
    ]


def verdict(number: str, judged: Verdict) -> list[str]:
    """Return what became of a sale that was uploaded."""
    if judged.order is not None:
        known = "已有 known" if judged.status == 200 else "✔"
        said = [row(f"{known} {number}", yuan(judged.order.total_fen))]
        coupon = judged.order.offline_coupon
        if coupon is not None and coupon.honoured:
            said.append(row("  离线券 Offline coupon", yuan(-coupon.given_fen)))
        elif coupon is not None:
            said.append(row("  ✘ 离线券由门店承担 Borne by the store", yuan(coupon.given_fen)))
            said.append(f"    {coupon.kind} {coupon.break_id}")
        return said
    return [f"✘ {number}", *(f"  {half}" for half in judged.detail.split(" / ", 1))]


def totals(head: Head, found: Totals) -> list[str]:
    """Return what a terminal took and gave on a day, by cashier."""
    paper = _top(head, "营业汇总 X TOTALS")
    if found.day is not None:
        paper.append(row("营业日 Day", found.day.isoformat()))
    if found.since is not None:
        paper.append(row("自 Since", f"{found.since.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"))
    for cashier in found.cashiers:
        paper += [
            _RULE,
            row("收银员 Cashier", cashier.cashier_id or "—"),
            row(f"销售 Sales {cashier.orders}", yuan(cashier.sold_fen)),
            row(f"退款 Refunds {cashier.refunds}", yuan(-cashier.refunded_fen)),
            row("发出积分 Earned", str(cashier.earned_points)),
            row("抵扣积分 Burned", str(cashier.burned_points)),
        ]
        paper += [
            row(_TENDERS.get(each.name, each.name), yuan(each.taken_fen - each.given_fen))
            for each in cashier.tenders
        ]
    if not found.cashiers:
        paper += [_RULE, "没有交易 / nothing was sold"]
    return paper


def row(left: str, right: str) -> str:
    """Return two texts at the ends of a line; what is too long takes a line more."""
    space = WIDTH - columns(left) - columns(right)
    if space > 0:
        return left + " " * space + right
    return f"{left}\n" + " " * max(WIDTH - columns(right), 0) + right


def columns(text: str) -> int:
    """Return how wide a text is on paper."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _top(head: Head, title: str) -> list[str]:
    paper = [_centred(head.shop)] if head.shop else []
    when = f"{head.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    return [
        *paper,
        _centred(title),
        row(f"收银机 {head.terminal_id}  收银员 {head.cashier_id}", when),
    ]


def _lines(lines: Sequence[Sold]) -> list[str]:
    paper = []
    for line in lines:
        paper.append(row(line.name, yuan(line.amount_fen)))
        if line.quantity > 1:
            paper.append(f"  × {line.quantity}")
    return paper


def _paid(tenders: Sequence[Tender]) -> list[str]:
    return [row(_TENDERS.get(each.name, each.name), yuan(each.fen)) for each in tenders]


def _points(receipt: Receipt) -> list[str]:
    return [_RULE, *receipt.zh, *receipt.en]


def _again(*, replayed: bool) -> list[str]:
    return ["（此前已完成 / was done before）"] if replayed else []


def _centred(text: str) -> str:
    return " " * max((WIDTH - columns(text)) // 2, 0) + text
