"""`plaza pos refund`, `void`, `rollback`, `exchange`, `totals`, `repeat`."""

from collections.abc import Sequence
from datetime import date

import click
from plaza_client import RefundPart

from app.checkout.baskets import BasketLine, Tender
from app.cli.pos import paper
from app.cli.pos.asking import (
    as_lines,
    as_tenders,
    at_till,
    find,
    head,
    lines_option,
    papers,
    part_of,
    plain,
    ready,
    say,
    tenders_option,
)
from app.cli.pos.desk import Desk
from app.cli.pos.paper import Sold
from app.money import yuan


class Back(click.ParamType[RefundPart]):
    """LINE or LINExQUANTITY, such as 2x1: one piece of the second line."""

    name = "LINE[xQUANTITY]"

    def convert(
        self, value: str | RefundPart, param: click.Parameter | None, ctx: click.Context | None
    ) -> RefundPart:
        if isinstance(value, RefundPart):
            return value
        line, _, quantity = value.partition("x")
        try:
            return RefundPart(line=int(line), quantity=int(quantity) if quantity else None)
        except ValueError:
            self.fail("应为 行号 或 行号x件数 / wanted: LINE or LINExQUANTITY", param, ctx)


@click.command()
@click.argument("order")
@click.option("--line", type=int, help="只退第几行 / only this line.")
@click.option("--quantity", type=int, help="退几件（需 --line） / so many units of --line.")
@click.option("--amount", metavar="YUAN", help="退多少钱 / so much money.")
@at_till
def refund(
    desk: Desk, *, order: str, line: int | None, quantity: int | None, amount: str | None
) -> None:
    """退款：整单、按行、按件或按金额 / refund whole, by line, by units or by amount.

    \b
    plaza pos refund T1-7KQ2-000012
    plaza pos refund T1-7KQ2-000012 --line 1 --quantity 1
    plaza pos refund T1-7KQ2-000012 --amount 12.50
    """
    parts = part_of(line, quantity, amount)
    with ready(desk) as till:
        found = find(till, order)
        given = till.refund(found.order_id, number=desk.next_number(), parts=parts)
    say(desk, given, paper.refund(head(desk), given))


@click.command()
@click.argument("order")
@at_till
def void(desk: Desk, *, order: str) -> None:
    """撤销当日的整单 / undo a sale of this very day as a whole.

    \b
    plaza pos void T1-7KQ2-000012
    """
    with ready(desk) as till:
        found = find(till, order)
        given = till.void(found.order_id, number=desk.next_number())
    say(desk, given, paper.refund(head(desk), given, title="撤销小票 VOID"))


@click.command("rollback")
@click.argument("order")
@click.argument("coupon")
@click.option("--line", type=int, help="只退第几行 / only this line.")
@click.option("--quantity", type=int, help="退几件（需 --line） / so many units of --line.")
@click.option("--amount", metavar="YUAN", help="退券的多少优惠 / so much of what it gave.")
@click.option("--try", "trying", is_flag=True, help="只试算 / only say what it would cost.")
@tenders_option
@at_till
def roll_back(
    desk: Desk,
    *,
    order: str,
    coupon: str,
    line: int | None,
    quantity: int | None,
    amount: str | None,
    trying: bool,
    tenders: Sequence[Tender],
) -> None:
    """单独退一张券，由顾客补付 / take one coupon of an order back alone; its customer pays it.

    \b
    plaza pos rollback T1-7KQ2-000012 cpn_01J… --try
    plaza pos rollback T1-7KQ2-000012 cpn_01J… --line 1 --quantity 1 --pay wechat=3.30
    """
    parts = part_of(line, quantity, amount)
    with ready(desk) as till:
        found = find(till, order)
        due_fen = till.try_roll_back(found.order_id, coupon, parts=parts)
        if trying:
            say(desk, {"fen": due_fen}, [paper.row("应补付 To pay", yuan(due_fen))])
            return
        paid = as_tenders(tenders, due_fen=due_fen)
        done = till.roll_back(
            found.order_id, coupon, number=desk.next_number(), tenders=paid, parts=parts
        )
    say(desk, done, paper.roll_back(head(desk), done, tenders=paid))


@click.command()
@click.argument("order")
@click.option(
    "--back", "parts", type=Back(), multiple=True,
    help="退回的行或件；缺省整单 / what comes back; all of it by default.",
)  # fmt: skip
@lines_option
@tenders_option
@at_till
def exchange(
    desk: Desk,
    *,
    order: str,
    parts: Sequence[RefundPart],
    lines: Sequence[BasketLine],
    tenders: Sequence[Tender],
) -> None:
    """换货：退回旧的，卖出新的，一步完成 / parts go back and something else is sold, in one step.

    \b
    plaza pos exchange T1-7KQ2-000012 --back 1x1 --line 150:silk:丝巾
    """
    wanted = as_lines(lines)
    paid = as_tenders(tenders, due_fen=sum(line.amount_fen for line in wanted))
    with ready(desk) as till:
        found = find(till, order)
        done = till.exchange(
            found.order_id,
            refund_number=desk.next_number(),
            number=desk.next_number(),
            lines=wanted,
            tenders=paid,
            parts=parts,
        )
    say(desk, done, paper.exchange(head(desk), done, Sold.of(wanted), tenders=paid))


@click.command()
@click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), help="营业日，缺省今天 / today if not said."
)
@at_till
def totals(desk: Desk, *, day: date | None) -> None:
    """营业汇总，不结账 / what was taken and given on a day; closes nothing.

    \b
    plaza pos totals --day 2026-11-27
    """
    with desk.connect() as till:
        found = till.totals(day=date(day.year, day.month, day.day) if day else None)
    say(desk, found, paper.totals(head(desk), found))


@click.command()
@at_till
def repeat(desk: Desk) -> None:
    """查明没有应答的那一笔 / settle the write that had no answer.

    \b
    plaza pos repeat
    """
    with desk.alone(), desk.connect() as till:
        settled = desk.finish(till)
    if settled is None:
        say(desk, {"waited": False}, ["没有待查明的一笔 / nothing waits"])
    else:
        say(desk, {"waited": True, "answer": plain(settled)}, papers(desk, settled))
