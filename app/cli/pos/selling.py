"""`plaza pos identify`, `quote`, `sell`, `place`, `pay`, `extend`, `cancel`, `receipt`."""

from collections.abc import Sequence

import click
from plaza_client import Line, Quote, Till

from app.checkout.baskets import ALL_POINTS, BasketLine, Tender
from app.cli.parameters import PointsOrAll
from app.cli.pos import paper
from app.cli.pos.asking import (
    Command,
    Who,
    as_lines,
    as_tenders,
    at_till,
    find,
    head,
    identify,
    lines_option,
    member_options,
    once_tapped,
    ready,
    say,
    shown,
    sold_of,
    tenders_option,
)
from app.cli.pos.coupons import Wish, coupon_option
from app.cli.pos.desk import Desk
from app.cli.pos.paper import Sold

_burn_option = click.option(
    "--burn", type=PointsOrAll(), default=0, show_default=True, help="抵扣积分 / points to burn."
)


def _basket_options(function: Command) -> Command:
    return lines_option(member_options(_burn_option(coupon_option(function))))


@click.command("identify")
@click.option("--phone", help="手机号 / phone.")
@click.option("--code", help="会员码 / member code.")
@click.option("--card", help="卡号 / card number.")
@at_till
def identify_command(desk: Desk, *, phone: str | None, code: str | None, card: str | None) -> None:
    """识别会员，请核对姓名 / find a member; confirm the masked name.

    \b
    plaza pos identify --phone 13800138000
    """
    with desk.connect() as till:
        known = identify(till, phone=phone, code=code, card=card)
    if known is None:
        raise click.UsageError("需要 --phone、--code 或 --card / say who by one of these")
    burns = "可抵扣 may burn" if known.may_burn else "只积分 earns alone"
    say(
        desk,
        known,
        [
            paper.row("会员 Member", shown(known)),
            paper.row("等级 Tier", known.tier),
            paper.row("积分 Points", burns),
            known.identification_id,
        ],
    )


@click.command()
@_basket_options
@at_till
def quote(
    desk: Desk,
    *,
    lines: Sequence[BasketLine],
    burn: int,
    who: Who,
    coupons: Wish,
) -> None:
    """报价：应付、可抵、可得 / what a basket costs, may burn and would earn.

    \b
    plaza pos quote --line 128.50:tea:龙井 --phone 13800138000
    """
    with desk.connect() as till:
        _, named = who.find(till)
        quoted = _quoted(till, as_lines(lines), named=named, burn=burn, coupons=coupons)
    say(desk, quoted, paper.quote(quoted))


@click.command()
@_basket_options
@tenders_option
@at_till
def sell(
    desk: Desk,
    *,
    lines: Sequence[BasketLine],
    tenders: Sequence[Tender],
    burn: int,
    who: Who,
    coupons: Wish,
) -> None:
    """销售：识别、抵扣、收款、积分 / sell in one step.

    \b
    plaza pos sell --line 128.50:tea:龙井 --phone 13800138000
    plaza pos sell --line 60x3:food:片儿川 --code 92… --burn all --pay wechat=179
    plaza pos sell --line 128.50:tea:龙井 --code 92… --coupon best
    """
    wanted = as_lines(lines)
    with ready(desk) as till:
        known, named = who.find(till)
        due, quote_id = sum(line.amount_fen for line in wanted), None
        if burn or coupons.any:
            quoted = _quoted(till, wanted, named=named, burn=burn, coupons=coupons)
            burn, due, quote_id = _asked(quoted, burn), quoted.due_fen, quoted.quote_id
        paid = as_tenders(tenders, due_fen=due)
        number = desk.next_number()
        order = once_tapped(
            lambda confirmation: till.sell(
                number=number,
                lines=wanted,
                tenders=paid,
                identification_id=named,
                burn_points=burn,
                quote_id=quote_id,
                burn_confirmation=confirmation,
                **coupons.fields,
            )
        )
    say(
        desk,
        order,
        paper.sale(head(desk), order, Sold.of(wanted), tenders=paid, member=shown(known)),
    )


@click.command()
@_basket_options
@at_till
def place(
    desk: Desk,
    *,
    lines: Sequence[BasketLine],
    burn: int,
    who: Who,
    coupons: Wish,
) -> None:
    """下单待付款，积分先冻结 / place an order that waits for payment; its points are held.

    \b
    plaza pos place --line 128.50:tea:龙井 --code 92… --burn 100
    """
    wanted = as_lines(lines)
    with ready(desk) as till:
        known, named = who.find(till)
        if burn == ALL_POINTS:
            quoted = _quoted(till, wanted, named=named, burn=burn, coupons=coupons)
            burn = quoted.burn_points
        number = desk.next_number()
        order = once_tapped(
            lambda confirmation: till.place(
                number=number,
                lines=wanted,
                identification_id=named,
                burn_points=burn,
                burn_confirmation=confirmation,
                **coupons.fields,
            )
        )
    say(
        desk,
        order,
        paper.sale(head(desk), order, Sold.of(wanted), title="订单 ORDER", member=shown(known)),
    )


@click.command()
@click.argument("order")
@tenders_option
@at_till
def pay(desk: Desk, *, order: str, tenders: Sequence[Tender]) -> None:
    """支付已下的订单 / pay a placed order, by its id or number.

    \b
    plaza pos pay T1-7KQ2-000012 --pay wechat=127.50
    """
    with ready(desk) as till:
        found = find(till, order)
        paid = as_tenders(tenders, due_fen=found.due_fen)
        done = till.pay(found.order_id, tenders=paid)
    say(desk, done, paper.sale(head(desk), done, sold_of(found), tenders=paid))


@click.command()
@click.argument("order")
@at_till
def extend(desk: Desk, *, order: str) -> None:
    """延长待付时限 / give a placed order more time to be paid.

    \b
    plaza pos extend T1-7KQ2-000012
    """
    with ready(desk) as till:
        found = find(till, order)
        done = till.extend(found.order_id)
    say(desk, done, paper.sale(head(desk), done, sold_of(found), title="延长 EXTENDED"))


@click.command()
@click.argument("order")
@at_till
def cancel(desk: Desk, *, order: str) -> None:
    """取消未付款的订单 / give up an order before payment.

    \b
    plaza pos cancel T1-7KQ2-000012
    """
    with ready(desk) as till:
        found = find(till, order)
        done = till.cancel(found.order_id)
    say(desk, done, paper.sale(head(desk), done, sold_of(found), title="取消 CANCELLED"))


@click.command()
@click.argument("order")
@at_till
def receipt(desk: Desk, *, order: str) -> None:
    """查询并补打小票 / look an order up and print it again.

    \b
    plaza pos receipt T1-7KQ2-000012
    """
    with desk.connect() as till:
        found = find(till, order)
    printed = head(desk, at=found.occurred_at)
    say(desk, found, paper.sale(printed, found, sold_of(found), title="补打 REPRINT"))


def _quoted(
    till: Till, lines: Sequence[Line], *, named: str | None, burn: int, coupons: Wish
) -> Quote:
    """Return the quote of a basket; of all points, that of as many as it may take."""
    if burn and named is None:
        raise click.UsageError("没有会员，不能用积分 / there is no member to burn for")
    if burn == ALL_POINTS:
        full = till.quote(lines=lines, identification_id=named, **coupons.fields)
        burn = full.may_burn_points
    return till.quote(lines=lines, identification_id=named, burn_points=burn, **coupons.fields)


def _asked(quoted: Quote, burn: int) -> int:
    """Return the points that the quote was asked for: a sale keeps it by asking for the same."""
    return quoted.burn_points if burn == ALL_POINTS else burn
