"""`plaza perks …`: limits of adjustments and gifts, proposed by one and approved by another."""

from dataclasses import fields, replace
from datetime import datetime

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant
from app.errors import Invalid
from app.merchants.staff import Permission
from app.points import perks as room
from app.points.perks import Perks
from config.database import now_of

_MEANING = {
    "adjust_limit_points": "一人可调整某会员的积分（24 小时） / one person may adjust, in 24 hours",
    "gift_day_points": "会员每日可赠 / a member may give a day",
    "gift_month_points": "会员每月可赠 / a member may give a month",
    "gift_cooling_days": "受赠积分几天内不可转赠 / days before a gift may be given on",
    "gift_new_member_days": "新会员几天内不可赠 / days before a new member may give",
}


@click.group()
def perks() -> None:
    """人工调整与赠送的限额：一人提出，另一人审批 / limits of adjustments and gifts.

    \b
    plaza perks show
    plaza perks propose --set gift_day_points=500 --reason 防刷 --as lin
    plaza perks approve chg_01J… --as wang
    """


@perks.command()
@as_json
@pass_command
def show(command: Command, *, in_json: bool) -> None:
    """查看现行限额 / show the limits that are in force."""
    with reading(command) as session:
        known = room.perks_at(session, now_of(session)).to_json()
    if in_json:
        echo_json(known)
        return
    for name, value in known.items():
        click.echo(f"{name:<22}{value:>10}  {_MEANING[name]}")


@perks.command()
@click.option("--set", "wanted", multiple=True, required=True, metavar="NAME=NUMBER",
              help="限额，可重复 / a limit; repeat.")  # fmt: skip
@click.option("--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval.")
@because
@as_staff
@pass_command
def propose(
    command: Command, *, wanted: tuple[str, ...], begins: datetime | None, reason: str, login: str
) -> None:
    """提出新限额；未给出的不变 / propose limits; what is not named stays as it is."""
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        known = room.perks_at(session, now_of(session))
        changed = replace(known, **dict([_read(each) for each in wanted]))
        if changed == known:
            raise Invalid("perks", "没有任何变化", "nothing would change")
        request = room.propose(session, changed, begins=begins, by=actor.public_id, reason=reason)
        echo_difference(request)
    click.echo(f"等待审批 / waits for approval: plaza perks approve {request.public_id} --as …")


add_decisions(
    perks,
    kind=room.KIND,
    approve=room.approve,
    reject=room.reject,
)


def _read(written: str) -> tuple[str, int]:
    name, _, number = written.partition("=")
    if name not in {each.name for each in fields(Perks)} or not (
        number.isascii() and number.isdigit()
    ):
        raise Invalid("set", f"应为 限额=数字：{written}", f"wanted NAME=NUMBER: {written}")
    return name, int(number)
