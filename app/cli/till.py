"""`plaza quote`, `sell`, `refund`: a till by hand, on the same functions as the API."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from app.checkout import orders, quotes, refunds, roll_backs
from app.checkout.baskets import BEST, Basket, BasketLine, Tender
from app.checkout.drafts import Sale
from app.checkout.models import Order, OrderKind
from app.checkout.pricing import price
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.checkout.roll_backs import RollBackRequest, Rolled
from app.cli.acting import as_json, as_staff, echo_json
from app.cli.context import Command, pass_command
from app.cli.parameters import Channel, Instant, Line, PaidBy, PointsOrAll, fen_of
from app.clock import SHANGHAI
from app.errors import NotFound
from app.members import enrolment
from app.members.arrivals import ChannelName
from app.members.identification import get_by_any
from app.merchants import staff
from app.merchants.directory import ListedTerminal, get_directory
from app.merchants.staff import Permission
from app.money import yuan
from config.database import new_id, now_of

till_options: Sequence[Any] = (
    click.option("--store", help="门店编号，缺省为第一家 / the store; the first one by default."),
    click.option("--terminal", help="收银机编号 / the till; the store's first one by default."),
)


def _at_a_till(function: Any) -> Any:
    for option in reversed(till_options):
        function = option(function)
    return function


_member_option = click.option(
    "--member", "said", help="手机号、卡号或会员号 / phone, card or member id."
)
_payer_option = click.option(
    "--payer", type=Channel(), help="付款人渠道身份，付款即会员 / who pays, known by a channel."
)
_lines_option = click.option(
    "--line", "lines", type=Line(), multiple=True, required=True, help="商品行 / a line; repeat."
)
_burn_option = click.option(
    "--burn", type=PointsOrAll(), default=0, show_default=True, help="抵扣积分 / points to burn."
)

_coupons_option = click.option(
    "--coupon", "coupons", multiple=True, metavar="ID|CODE|best",
    help="用券，可重复；best 为最省组合 / a coupon; repeat; best: those that save most.",
)  # fmt: skip


@click.command()
@_at_a_till
@_member_option
@_lines_option
@_burn_option
@_coupons_option
@as_json
@pass_command
def quote(
    command: Command,
    *,
    store: str | None,
    terminal: str | None,
    said: str | None,
    lines: Sequence[BasketLine],
    burn: int,
    coupons: tuple[str, ...],
    in_json: bool,
) -> None:
    """报价：应付、可抵、可得，以及每条规则的理由 / what a basket costs, may burn and would earn.

    \b
    plaza quote --member 13800138000 --line 128.50:food:拉面 --burn all --coupon best
    """
    asked = _Asked(
        store=store, terminal=terminal, said=said, lines=lines, burn=burn, coupons=coupons
    )
    with command.services().database.transaction(command.district) as session:
        basket = asked.basket(session, number=new_id("q"))
        answer = quotes.answer(quotes.quote(session, basket))
    if in_json:
        echo_json(answer)
        return
    click.echo(f"合计 total      {yuan(answer['total_fen'])}")
    for use in answer["coupons"]:
        click.echo(
            f"用券 coupon     {yuan(-use['fen'])}  {use['zh']} {use['en']}（{use['coupon_id']}）"
        )
    click.echo(f"抵扣 burn       {answer['burn_points']} 积分 = {yuan(answer['burn_fen'])}")
    click.echo(f"应付 due        {yuan(answer['due_fen'])}")
    click.echo(f"可抵 may burn   {answer['may_burn_points']} 积分")
    click.echo(f"可得 would earn {answer['earn_points']} 积分")
    for limit in answer["limits"]:
        click.echo(f"  · {limit['zh']} / {limit['en']}")
    for each in answer["left_out"]:
        click.echo(f"  · {each['coupon_id']}：{each['zh']} / {each['en']}")
    for rule in [*answer["cuts"], *answer["silent"]]:
        click.echo(f"  · {rule['rule']}：{rule['zh']} / {rule['en']}")
    until = datetime.fromisoformat(answer["until"]).astimezone(SHANGHAI)
    click.echo(f"报价 quote      {answer['quote']}（{until:%H:%M:%S} 前有效 / valid until then）")


@click.command()
@_at_a_till
@_member_option
@_payer_option
@_lines_option
@_burn_option
@_coupons_option
@click.option(
    "--pay", "tenders", type=PaidBy(), multiple=True,
    help="支付；缺省全部现金 / a tender; all in cash by default.",
)  # fmt: skip
@click.option("--number", help="收银单号，重复即重放 / the till's own number; again is a repeat.")
@click.option("--at", type=Instant(), help="业务时间 / business time; now by default.")
@click.option("--quote", "quoted", help="报价号 / the quote to honour.")
@as_staff
@as_json
@pass_command
def sell(
    command: Command,
    *,
    store: str | None,
    terminal: str | None,
    said: str | None,
    payer: ChannelName | None,
    lines: Sequence[BasketLine],
    burn: int,
    coupons: tuple[str, ...],
    tenders: Sequence[Tender],
    number: str | None,
    at: datetime | None,
    quoted: str | None,
    login: str,
    in_json: bool,
) -> None:
    """销售：抵扣、收款、积分一步完成 / sell: burn, pay and earn in one step.

    \b
    plaza sell --member 13800138000 --line 128.50:food:拉面 --burn 500 --as lin
    plaza sell --line 20x2 --pay wechat=30 --pay cash=10 --number T20261123-0001 --as lin
    """
    number = number or new_id("cli")
    asked = _Asked(
        store=store, terminal=terminal, said=said, lines=lines, burn=burn, coupons=coupons
    )

    def work(session: Session) -> Sale:
        staff.acting(session, login, permission=Permission.ORDER_PLACE)
        basket = asked.basket(session, number=number, at=at)
        member = basket.member
        if payer is not None and member is None:
            member = enrolment.enrol_by_payment(session, payer).member
        wallet = orders.lock_wallet(session, replace(basket, member=member))
        # First of all, and under the lock: a repeat needs neither a live quote nor the points.
        known = orders.find_by_number(session, terminal=basket.terminal, number=number)
        quote_id = None
        if known is None and quoted is not None:
            basket, quote_id = quotes.redeem(session, basket, quote=quoted)
        basket = replace(basket, member=member)
        paid = list(tenders)
        if not paid:
            due = price(session, basket, wallet).due_fen if known is None else known.due_fen
            paid = [Tender(name="cash", fen=due)]
        return orders.sell(session, basket, paid, quote_id=quote_id)

    sale = command.services().database.run(command.district, work)
    if in_json:
        fields = {name: value for name, value in vars(sale).items() if name != "stack"}
        echo_json({**fields, "coupons": sale.stack.dump() or []})
        return
    _show_sale(sale)


@click.command()
@click.argument("order")
@click.option("--line", type=int, help="只退第几行 / only this line.")
@click.option("--quantity", type=int, help="退几件（需 --line） / so many units of --line.")
@click.option("--amount", metavar="YUAN", help="退多少钱 / so much money.")
@click.option("--number", help="退款单号，重复即重放 / the till's own number; again is a repeat.")
@click.option("--at", type=Instant(), help="业务时间 / business time; now by default.")
@click.option("--try", "trying", is_flag=True, help="只试算 / only say what it would give.")
@as_staff
@as_json
@pass_command
def refund(
    command: Command,
    *,
    order: str,
    line: int | None,
    quantity: int | None,
    amount: str | None,
    number: str | None,
    at: datetime | None,
    trying: bool,
    login: str,
    in_json: bool,
) -> None:
    """退款：整单、按行、按件或按金额 / refund an order whole, by line, by units or by amount.

    \b
    plaza refund ord_01J… --as lin
    plaza refund ord_01J… --line 1 --quantity 1 --as lin
    plaza refund ord_01J… --amount 12.50 --as lin
    """
    part = _part(line, quantity, amount)
    number = number or new_id("cli")

    def work(session: Session) -> Refunded:
        staff.acting(session, login, permission=Permission.ORDER_REFUND)
        found = orders.get_locked(session, order)
        terminals = get_directory(session).terminals.values()
        request = RefundRequest(
            order=order,
            terminal=next(till for till in terminals if till.id == found.terminal_id),
            number=number,
            occurred_at=at or now_of(session),
            parts=[part],
        )
        if trying:
            return refunds.attempt(session, request)
        return refunds.give(session, request)

    refunded = command.services().database.run(command.district, work)
    if in_json:
        echo_json(asdict(refunded))
        return
    _show_refund(refunded, trying=trying)


@click.command("rollback")
@click.argument("order")
@click.argument("coupon")
@click.option("--line", type=int, help="只退第几行 / only this line.")
@click.option("--quantity", type=int, help="退几件（需 --line） / so many units of --line.")
@click.option("--amount", metavar="YUAN", help="退券的多少优惠 / so much of what it gave.")
@click.option(
    "--pay", "tenders", type=PaidBy(), multiple=True,
    help="补付；缺省全部现金 / what pays for it; all in cash by default.",
)  # fmt: skip
@click.option("--number", help="收银单号，重复即重放 / the till's own number; again is a repeat.")
@click.option("--try", "trying", is_flag=True, help="只试算 / only say what it would cost.")
@as_staff
@as_json
@pass_command
def roll_back(
    command: Command,
    *,
    order: str,
    coupon: str,
    line: int | None,
    quantity: int | None,
    amount: str | None,
    tenders: Sequence[Tender],
    number: str | None,
    trying: bool,
    login: str,
    in_json: bool,
) -> None:
    """单独退一张券，由顾客补付 / take one coupon of an order back alone; its customer pays it.

    \b
    plaza rollback ord_01J… cpn_01J… --try --as lin
    plaza rollback ord_01J… cpn_01J… --line 1 --quantity 1 --pay wechat=3.30 --as lin
    """
    part = _part(line, quantity, amount)
    number = number or new_id("cli")

    def work(session: Session) -> Rolled | roll_backs.Planned:
        staff.acting(session, login, permission=Permission.ORDER_REFUND)
        found = orders.get_locked(session, order)
        if trying:
            return roll_backs.plan(session, found, coupon=coupon, parts=[part])
        terminals = get_directory(session).terminals.values()
        request = RollBackRequest(
            order=order,
            coupon=coupon,
            terminal=next(till for till in terminals if till.id == found.terminal_id),
            number=number,
            occurred_at=now_of(session),
            parts=[part],
            tenders=tenders,
        )
        return roll_backs.give(session, request if tenders else _in_cash(session, found, request))

    done = command.services().database.run(command.district, work)
    if isinstance(done, Rolled):
        _show_roll_back(done, in_json=in_json)
    elif in_json:
        echo_json({"fen": done.fen, "remaining_fen": done.remaining_fen})
    else:
        click.echo(f"须补付 to pay  {yuan(done.fen)}")
        click.echo(f"券仍让 it still gives  {yuan(done.remaining_fen)}")


def _in_cash(session: Session, order: Order, request: RollBackRequest) -> RollBackRequest:
    """Return the request paid in cash, or as it was when its number is known."""
    known = orders.find_by_number(
        session, terminal=request.terminal, number=request.number, kind=OrderKind.ROLL_BACK.value
    )
    if known is not None:
        money = known.money or {}
        return replace(request, tenders=[Tender(name=name, fen=money[name]) for name in money])
    planned = roll_backs.plan(session, order, coupon=request.coupon, parts=request.parts)
    return replace(request, tenders=[Tender(name="cash", fen=planned.fen)])


def _show_roll_back(rolled: Rolled, *, in_json: bool) -> None:
    if in_json:
        echo_json(asdict(rolled))
        return
    click.echo(f"✔ {rolled.public_id}{'（重放 / replayed）' if rolled.replayed else ''}")
    for name, fen in rolled.money_fen.items():
        click.echo(f"补付 {name}  {yuan(fen)}")
    click.echo(f"券仍让 it still gives  {yuan(rolled.remaining_fen)}")
    if rolled.returned:
        click.echo("券已退回 the coupon is back")
    if rolled.reissued:
        click.echo(f"补发 instead  {rolled.reissued}")


def _part(line: int | None, quantity: int | None, amount: str | None) -> Request:
    if quantity is not None and (line is None or amount is not None):
        raise click.UsageError(
            "--quantity 需要 --line，且不能与 --amount 同用 / needs --line alone"
        )
    if quantity is not None and line is not None:
        return RefundQuantity(line=line, quantity=quantity)
    if amount is not None:
        try:
            return RefundAmount(fen=fen_of(amount), line=line)
        except ValueError:
            raise click.UsageError("--amount 应为金额，如 12.50 / wanted: yuan") from None
    return RefundWhole(line=line)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A basket as it was typed."""

    store: str | None
    terminal: str | None
    said: str | None
    lines: Sequence[BasketLine]
    burn: int
    coupons: tuple[str, ...]

    def basket(self, session: Session, *, number: str, at: datetime | None = None) -> Basket:
        return Basket(
            terminal=_terminal(session, self.store, self.terminal),
            number=number,
            occurred_at=at or now_of(session),
            lines=self.lines,
            member=get_by_any(session, self.said) if self.said else None,
            burn_points=self.burn,
            coupons=BEST if self.coupons == ("best",) else self.coupons,
        )


def _terminal(session: Session, store: str | None, terminal: str | None) -> ListedTerminal:
    directory = get_directory(session)
    if store is not None and terminal is not None:
        return directory.get_terminal(directory.get_store(store), terminal)
    wanted = directory.get_store(store).id if store is not None else None
    for till in directory.terminals.values():
        if wanted in (None, till.store.id) and terminal in (None, till.code):
            return till
    raise NotFound("terminal", terminal or store or "?")


def _show_sale(sale: Sale) -> None:
    click.echo(f"✔ {sale.public_id}{'（重放 / replayed）' if sale.replayed else ''}")
    click.echo(f"合计 total   {yuan(sale.total_fen)}")
    for use in sale.stack.uses:
        click.echo(f"用券 coupon  {yuan(-use.fen)}  {use.zh} {use.en}（{use.coupon}）")
    click.echo(f"抵扣 burned  {sale.burned_points} 积分 = {yuan(sale.burned_fen)}")
    click.echo(f"实付 paid    {yuan(sale.due_fen)}")
    click.echo(f"获得 earned  {sale.earned_points} 积分")
    for gift in sale.gifts:
        click.echo(f"赠券 gift    {gift.zh} {gift.en}（{gift.coupon or gift.why}）")


def _show_refund(refunded: Refunded, *, trying: bool) -> None:
    done = f"✔ {refunded.public_id}{'（重放 / replayed）' if refunded.replayed else ''}"
    click.echo("试算，未退款 / tried; nothing was given" if trying else done)
    for name, fen in refunded.money_fen.items():
        click.echo(f"退 {name}  {yuan(fen)}")
    if refunded.unearned_fen:
        click.echo(f"追回优惠 unearned    {yuan(refunded.unearned_fen)}")
    click.echo(f"退回积分 returned    {refunded.restored_points}（{yuan(refunded.points_fen)}）")
    click.echo(f"收回积分 taken back  {refunded.clawed_points}")
    if refunded.made_good_points:
        click.echo(f"其中补还商户 made good {refunded.made_good_points}")
    if refunded.debt_points:
        click.echo(f"欠分 now owed        {refunded.debt_points}")
    if refunded.written_off_points:
        click.echo(f"商户承担 written off {refunded.written_off_points}")
