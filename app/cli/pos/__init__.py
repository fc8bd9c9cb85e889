"""`plaza pos`: a till in the terminal, over the tills' API like any other till."""

from pathlib import Path

import click

from app.cli.context import Command, pass_command
from app.cli.pos import coupons, offline, opening, returning, selling
from app.cli.pos.desk import Desk

_PROFILE = "pos/till.json"


@click.group()
@click.option(
    "--profile",
    type=click.Path(dir_okay=False, path_type=Path),
    help="收银机档案；缺省在数据文件夹 / the till's profile; by default in the data folder.",
)
@pass_command
@click.pass_context
def pos(ctx: click.Context, command: Command, *, profile: Path | None) -> None:
    """终端里的收银机，经 HTTP 连接服务 / a till in the terminal, over HTTP.

    \b
    plaza pos setup --url http://127.0.0.1:8000 --key-id pk_… --secret-file f --cashier 007
    plaza pos sell --line 128.50:tea:龙井 --phone 13800138000
    plaza pos refund T1-7KQ2-000001 --line 1
    plaza pos sell --line 128.50 --code 92… --coupon best
    plaza pos offline --line 20x2 --coupon OCT1.… && plaza pos upload
    """
    ctx.obj = Desk(profile or command.home / _PROFILE)


for _each in (
    opening.setup,
    selling.identify_command,
    selling.quote,
    selling.sell,
    selling.place,
    selling.pay,
    selling.extend,
    selling.cancel,
    selling.receipt,
    returning.refund,
    returning.void,
    returning.roll_back,
    returning.exchange,
    returning.totals,
    returning.repeat,
    offline.offline,
    offline.upload,
    coupons.keys,
):
    pos.add_command(_each)
