"""`plaza reconcile …`: the tills' day against the gateways' bills, and what differs (L10)."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from app.cli.acting import SOURCE, acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.clock import business_date
from app.merchants import staff
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement import bills, breaks, reconciling
from app.settlement.bill_files import Gateway
from app.settlement.breaks import Day
from config.database import now_of

#: How far back a new bill may explain what is open.
_LOOKS_BACK = timedelta(days=31)


class _Gateway(click.ParamType[Gateway]):
    """`wechat` or `alipay`."""

    name = "wechat|alipay"

    def convert(
        self, value: str | Gateway, param: click.Parameter | None, ctx: click.Context | None
    ) -> Gateway:
        if value not in [each.value for each in Gateway]:
            self.fail(f"应为 wechat 或 alipay / wechat or alipay, not {value}", param, ctx)
        return Gateway(value)


_gateway = click.argument("gateway", type=_Gateway(), metavar="wechat|alipay")
_date = click.option(
    "--date", "day", type=click.DateTime(["%Y-%m-%d"]), required=True, help="账单日 / the day."
)


@click.group()
def reconcile() -> None:
    """每日三方对账：收银、支付渠道、账本 / tills, gateways and books, day by day.

    \b
    plaza reconcile import wechat bill.csv --date 2026-11-27 --as wang
    plaza reconcile days
    plaza reconcile list
    plaza reconcile own brk_01J… --to li --as wang
    plaza reconcile close brk_01J… --reason 已补登 --as li
    """


@reconcile.command("import")
@_gateway
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_date
@as_staff
@as_json
@pass_command
def import_(
    command: Command, *, gateway: Gateway, file: Path, day: datetime, login: str, in_json: bool
) -> None:
    """导入渠道账单并对账 / take in a gateway's bill as downloaded, and reconcile.

    同一账单可重复导入；不完整的账单整份拒绝。此前 31 天内未关闭的差异一并重对。

    The same bill again changes nothing, a torn one is refused whole. Days of the last 31 that have
    open breaks are run again, for this bill may explain them.
    """
    with acting(command, login, Permission.RECONCILE) as (session, actor):
        taken = bills.take_in(
            session, file.read_bytes(), gateway=gateway, day=day.date(), by=actor.public_id
        )
        since = day.date() - _LOOKS_BACK
        again = breaks.open_days(session, gateway=gateway, since=since)
    days = [day.date(), *(each for each in again if each != day.date()), day.date()]
    done = [_run(command, gateway, each) for each in days]
    if in_json:
        echo_json({**asdict(taken), "days": [_facts(each) for each in done[1:]]})
        return
    click.echo(f"✔ {taken.bill} · 新增 added {taken.added} · 已有 already {taken.already}")
    for each in done[1:]:
        _show(each)


@reconcile.command()
@_gateway
@_date
@as_staff
@as_json
@pass_command
def run(command: Command, *, gateway: Gateway, day: datetime, login: str, in_json: bool) -> None:
    """对账一天 / compare a day again."""
    with acting(command, login, Permission.RECONCILE):
        pass
    done = _run(command, gateway, day.date())
    if in_json:
        echo_json(_facts(done))
        return
    _show(done)


@reconcile.command()
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="起始日 / first day.")
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="截止日 / last day.")
@as_json
@pass_command
def days(
    command: Command, *, start: datetime | None, through: datetime | None, in_json: bool
) -> None:
    """列出各日三方合计 / list days with their three sums."""
    with reading(command) as session:
        today = business_date(now_of(session))
        first = start.date() if start else today - _LOOKS_BACK
        last = through.date() if through else today
        found = breaks.list_days(session, start=first, end=last)
    if in_json:
        echo_json([_facts(each) for each in found])
        return
    for each in found:
        _show(each)


@reconcile.command("list")
@click.option("--gateway", type=_Gateway(), help="渠道 / one gateway alone.")
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="账单日 / one day alone.")
@click.option("--all", "closed", is_flag=True, help="含已关闭 / closed ones too.")
@as_json
@pass_command
def list_(
    command: Command,
    *,
    gateway: Gateway | None,
    day: datetime | None,
    closed: bool,
    in_json: bool,
) -> None:
    """列出差异、账龄与负责人 / list breaks with age and owner, oldest first."""
    one: date | None = None if day is None else day.date()
    with reading(command) as session:
        found = breaks.list_breaks(session, gateway=gateway, day=one, closed=closed)
    if in_json:
        echo_json([asdict(each) for each in found])
        return
    for each in found:
        what = each.order or each.refund or each.order_number or each.reference
        end = f"已关闭 closed：{each.reason}" if each.closed else (each.owner or "无人负责 unowned")
        click.echo(
            f"{each.public_id} · {each.gateway} {each.day} · {each.kind} · {yuan(each.fen)} · "
            f"{what} · {each.age} 天 days · {end}"
        )
    if not found:
        click.echo("没有差异 / no breaks")


@reconcile.command()
@click.argument("break_id", metavar="BREAK")
@click.option("--to", "owner", required=True, metavar="LOGIN", help="负责人 / who looks into it.")
@as_staff
@pass_command
def own(command: Command, *, break_id: str, owner: str, login: str) -> None:
    """指定差异的负责人 / say who looks into a break."""
    with acting(command, login, Permission.RECONCILE) as (session, actor):
        responsible = staff.acting(session, owner, permission=Permission.RECONCILE)
        breaks.own(session, break_id, owner=responsible.public_id, by=actor.public_id)
    click.echo(f"✔ {break_id} · {owner}")


@reconcile.command()
@click.argument("break_id", metavar="BREAK")
@because
@as_staff
@pass_command
def close(command: Command, *, break_id: str, reason: str, login: str) -> None:
    """说明原因并关闭差异 / close a break as explained."""
    with acting(command, login, Permission.RECONCILE) as (session, actor):
        breaks.close(session, break_id, by=actor.public_id, reason=reason)
    click.echo(f"✔ {break_id}")


def _run(command: Command, gateway: Gateway, day: date) -> Day:
    database = command.services().database
    with database.transaction(command.district) as session:
        session.info["source"] = SOURCE
        return reconciling.run(session, gateway=gateway, day=day)


def _facts(day: Day) -> dict[str, object]:
    return {**asdict(day), "reconciled": day.reconciled}


def _show(day: Day) -> None:
    state = "已平 reconciled" if day.reconciled else f"差异 open breaks {day.open_breaks}"
    click.echo(
        f"{day.day} {day.gateway.value} · 收银 tills {yuan(day.pos_fen)} · "
        f"账本 books {yuan(day.ledger_fen)} · 账单 bill {yuan(day.bill_fen)} · "
        f"差额 breaks {yuan(day.break_fen)} · {state}"
    )
