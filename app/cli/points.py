"""`plaza points …`: the life of points by command: expiry, the change of day, their age."""

from datetime import date, datetime
from functools import partial

import click

from app import audit, day_change
from app.checkout import events
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.clock import GRACE, business_date
from app.day_change import Counts
from app.errors import Invalid
from app.members.identification import get_by_any
from app.merchants.directory import get_directory
from app.merchants.staff import Permission
from app.points import ageing, extending, lasting
from config.database import district_of, now_of

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def points() -> None:
    """积分的生命周期：到期入账、日切、账龄 / the life of points: expiry, the change of day, age.

    \b
    plaza points age
    plaza points expire --as-of 2027-01-01
    plaza points day-change --through 2027-01-31
    plaza points lasts mem_01J…
    plaza points extend mem_01J… --until 2028-06-30 --reason 补偿 --as wang
    plaza points activate ord_01J… --event order.collected --as lin
    """


@points.command()
@click.option("--as-of", type=_DAY, help="在该日之前到期的；默认今天 / expired before; today.")
@as_json
@pass_command
def expire(command: Command, *, as_of: datetime | None, in_json: bool) -> None:
    """把已到期未用的积分记入发行商户的过期收益 / book what has expired to the issuers' breakage.

    只影响账目，不影响可用余额；可随时重复，中断后再运行即可。每日 06:00 前只到前一天。

    Books only: no spendable balance changes. Repeat it at any time; one that was interrupted goes
    on when it is run again. Before 06:00 the day has not begun for it.
    """
    day = as_of.date() if as_of else None
    database = command.services().database
    with reading(command) as session:
        # Until 06:00 an activity of the day before may still be told, and keep its points.
        today, sandbox = business_date(now_of(session) - GRACE), district_of(session).sandbox
    day = day or today
    if day > today and not sandbox:
        raise Invalid("as-of", f"最晚为 {today}", f"{today} at the latest")
    counts = day_change.walk(
        partial(database.run, command.district), day_change.EXPIRE, day=day, tell=_tell
    )
    click.echo(err=True)
    if in_json:
        echo_json({"as_of": day, **counts})
        return
    click.echo(f"✔ {_said(counts)}")


@points.command("day-change")
@click.option("--through", type=_DAY, help="直到哪天；默认到期的日子 / through a day.")
@as_json
@pass_command
def change_days(command: Command, *, through: datetime | None, in_json: bool) -> None:
    """日切：生效、到期、提醒，按日补做 / change days over, in order, those that were missed too.

    沙盒可到将来任意一天；正式商圈到今天为止。

    A sandbox may go to any day; another district no further than today.
    """
    last = through.date() if through else None
    database = command.services().database
    days = day_change.change_days(partial(database.run, command.district), through=last, tell=_tell)
    click.echo(err=True)
    if in_json:
        echo_json({"days": days})
        return
    click.echo(f"✔ {len(days)} 天 days" + (f" · {days[0]} … {days[-1]}" if days else ""))


@points.command()
@click.argument("order")
@click.option("--event", required=True, help="订单事件，如 order.collected / the order's event.")
@as_staff
@pass_command
def activate(command: Command, *, order: str, event: str, login: str) -> None:
    """订单事件发生，其待生效积分生效 / an event of an order has come: its points become active."""
    with acting(command, login, Permission.ORDER_PLACE) as (session, actor):
        moved = events.tell(session, order=order, event=event)
        audit.record(
            session,
            actor=actor.public_id,
            action="points.activate",
            object=order,
            after={"event": event, "points": moved},
        )
    click.echo(f"✔ {order} · {event} · {moved:,}")


@points.command()
@click.argument("member")
@click.option("--until", type=_DAY, required=True, help="新的最后一天 / the later last day.")
@click.option("--issuer", help="只延长该商户发行的 / only those of a merchant (code).")
@because
@as_staff
@pass_command
def extend(
    command: Command, *, member: str, until: datetime, issuer: str | None, reason: str, login: str
) -> None:
    """延长会员积分有效期，记入审计；不能缩短 / let a member's points last longer, never less."""
    with acting(command, login, Permission.PROGRAMME_APPROVE) as (session, actor):
        moved = extending.extend(
            session,
            member=get_by_any(session, member),
            until=until.date(),
            issuer=None if issuer is None else get_directory(session).get_merchant(issuer),
            by=actor.public_id,
            reason=reason,
        )
    click.echo(f"✔ {moved:,} → {until.date()}")


@points.command()
@click.argument("member")
@as_json
@pass_command
def lasts(command: Command, *, member: str, in_json: bool) -> None:
    """会员的积分何时到期、因何延期 / until when a member's points last, and why so long."""
    with reading(command) as session:
        found = lasting.list_lasting(
            session,
            member_id=get_by_any(session, member).id,
            today=business_date(now_of(session)),
        )
    if in_json:
        echo_json([vars(each) for each in found])
        return
    for each in found:
        why = ""
        if each.activity is not None:
            why = f"  {each.own_day} ← {each.activity} {each.promised_on} {each.source}"
        until = each.last_day or "永久 never expires"
        click.echo(f"{each.issuer:<18}{each.points:>12,}  {until}{why}")


@points.command()
@as_json
@pass_command
def age(command: Command, *, in_json: bool) -> None:
    """未用积分：按发行商户与账龄 / outstanding points by issuer and age in days.

    过去任一时刻，及预计不用的部分：plaza liability / At an instant of the past, with the breakage
    to expect: plaza liability.
    """
    with reading(command) as session:
        found = ageing.outstanding(session)
    if in_json:
        echo_json([vars(each) for each in found])
        return
    click.echo(f"{'商户 issuer':<16}{'账龄 days':<12}{'批 lots':>10}{'积分 points':>16}")
    for each in found:
        click.echo(f"{each.issuer:<18}{each.band:<14}{each.lots:>10,}{each.points:>18,}")


def _tell(day: date, step: str, counts: Counts) -> None:
    """Show how far a step has come, in one line that is written over."""
    click.echo(f"\r{day} {step} · {_said(counts)}    ", nl=False, err=True)


def _said(counts: Counts) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in counts.items()) or "0"
