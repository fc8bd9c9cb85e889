"""`plaza member claim`: an order that somebody paid unknown becomes his (E8)."""

from datetime import datetime

import click

from app.checkout import claims
from app.checkout.claims import Receipt
from app.checkout.errors import NothingToClaim
from app.cli.acting import acting, as_staff, because
from app.cli.context import Command, pass_command
from app.members import identification
from app.merchants.staff import Permission


@click.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("--store", required=True, help="门店代码 / the store's code.")
@click.option("--number", required=True, help="小票单号 / the till's number.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), required=True,
              help="消费日期 / the day of the sale.")  # fmt: skip
@click.option("--amount-fen", type=click.IntRange(0), required=True,
              help="订单总额，分 / the sum of all lines, in fen.")  # fmt: skip
@because
@as_staff
@pass_command
def claim(
    command: Command,
    *,
    said: str,
    store: str,
    number: str,
    day: datetime,
    amount_fen: int,
    reason: str,
    login: str,
) -> None:
    """补登未识别会员的订单，按消费当时的规则积分 / give a member an order that he paid unknown.

    \b
    plaza member claim 13800138000 --store tea-1 --number T1-0001 --day 2026-11-27 \\
        --amount-fen 12800 --reason 忘带手机 --as lin
    """
    receipt = Receipt(store=store, number=number, day=day.date(), amount_fen=amount_fen)
    with acting(command, login, Permission.ORDER_PLACE) as (session, actor):
        member = identification.get_by_any(session, said)
        made = claims.claim(session, member, receipt, by=actor.public_id, reason=reason)
    if made is None:
        raise NothingToClaim
    click.echo(f"✔ {made.order} · {member.public_id} · 积分 points {made.earned_points:,}")
