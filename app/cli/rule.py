"""`plaza rule …`: earning rules, proposed by one and approved by another; the earn preview."""

from datetime import datetime
from fractions import Fraction
from functools import partial

import click

from app import approvals
from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.cli.parameters import Instant, Rate
from app.cli.preview import preview
from app.clock import SHANGHAI
from app.errors import Invalid
from app.merchants.directory import Directory, get_directory
from app.merchants.staff import Permission
from app.points import rules as room
from app.points.definitions import (
    NEVER_EARN,
    Conditions,
    Definition,
    Kind,
    Rounding,
    Scope,
)
from app.points.rules import ListedVersion, Names

_many = partial(click.option, multiple=True)


@click.group()
def rule() -> None:
    """积分规则：一人提出，另一人审批 / earning rules: one proposes, another approves.

    \b
    plaza rule add base --per-yuan 1 --zh 消费积分 --en "Points for purchases" \\
        --reason 开业 --as lin
    plaza rule add weekend --factor 2 --weekday 6 --weekday 7 --hours 10:00-22:00 \\
        --zh 周末双倍 --en "Double weekend" --reason 拉动周末客流 --as lin
    plaza rule approve chg_01J… --as wang
    plaza rule preview --store tea-1 --line 12.50:bread --line 9.90 --tender wechat
    """


rule.add_command(preview)


@rule.command()
@click.argument("code")
@click.option("--per-yuan", type=Rate(), help="基础规则：每元积分 / base rule: points a yuan.")
@click.option("--factor", type=Rate(), help="倍数规则：倍数 / multiplier: its factor.")
@click.option("--zh", "name_zh", default="", help="中文名，新规则必填 / name of a new rule.")
@click.option("--en", "name_en", default="", help="英文名，新规则必填 / name of a new rule.")
@_many("--merchant", "merchants", help="适用商户 / only at a merchant (code).")
@_many("--trade", "trades", help="适用业态 / only in a trade.")
@_many("--category", "categories", help="适用品类 / only for a category of goods.")
@_many("--tender", "tenders", help="适用支付方式 / only money paid by a tender.")
@_many("--weekday", "weekdays", help="星期，1 为周一 / on a weekday, 1 is Monday.")
@_many(
    "--hours", help="时段，上海时间 / in a window of the Shanghai day: 18:00-21:00, 22:00-02:00."
)
@_many("--tier", "tiers", help="会员等级 / for members of a tier.")
@click.option("--birthday", help="day 生日当天，month 生日当月 / on the birthday, or in its month.")
@click.option("--rounding", default=Rounding.FLOOR.value, show_default=True, help="floor, half_up")
@click.option("--per", "scope", default=Scope.ORDER.value, show_default=True, help="order, line")
@_many("--exclude", "excluded", default=sorted(NEVER_EARN), show_default=True,
       help="不积分的品类 / a category that never earns.")  # fmt: skip
@click.option("--exclude-nothing", is_flag=True, help="所有品类都积分 / every category earns.")
@_many("--count", "counted", help="计分的支付方式；默认除储值外全部 / a tender that is counted.")
@click.option("--pending-days", type=click.IntRange(1), help="几天后生效 / active after days.")
@click.option(
    "--pending-until", type=click.DateTime(["%Y-%m-%d"]), help="某日生效 / from a day on."
)
@click.option("--pending-event", help="订单事件后生效，如 order.collected / at an order's event.")
@_many("--cap", "caps", metavar="PERIOD:POINTS[:cut|reject]",
       help="每位会员上限 / most for a member: day, week, month, campaign.")  # fmt: skip
@click.option("--campaign", help="活动编号 / code of the campaign whose cap is shared.")
@click.option("--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval.")
@click.option("--to", "ends", type=Instant(), help="结束 / until, half-open.")
@because
@as_staff
@pass_command
def add(
    command: Command,
    /,
    *,
    code: str,
    per_yuan: Fraction | None,
    factor: Fraction | None,
    name_zh: str,
    name_en: str,
    rounding: str,
    scope: str,
    excluded: tuple[str, ...],
    pending_days: int | None,
    pending_until: datetime | None,
    pending_event: str | None,
    exclude_nothing: bool,
    counted: tuple[str, ...],
    caps: tuple[str, ...],
    campaign: str | None,
    begins: datetime | None,
    ends: datetime | None,
    reason: str,
    login: str,
    birthday: str | None,
    **wanted: tuple[str, ...],
) -> None:
    """提出新规则或新版本，等待另一位员工审批 / propose a rule, or a new version of one.

    基础规则用 --per-yuan，各自相加；倍数规则用 --factor，按方案取最大、相加或相乘。

    Base rules (--per-yuan) add up; multipliers (--factor) work on them, combined as the programme
    says: the largest, the sum or the product.
    """
    with acting(command, login, Permission.RULE_PROPOSE) as (session, actor):
        fields: dict[str, object] = {
            "conditions": _conditions(get_directory(session), birthday, wanted).to_json(),
            "rounding": rounding,
            "scope": scope,
            "excluded_categories": () if exclude_nothing else excluded,
            "counted_tenders": counted or None,
            "pending": _pending(pending_days, pending_until, pending_event),
            "caps": caps,
            "campaign": campaign,
            **_rate(per_yuan, factor),
        }
        request = room.propose(
            session,
            code=code,
            names=Names(zh=name_zh, en=name_en),
            definition=Definition.from_json(fields),
            effective_from=begins,
            effective_to=ends,
            by=actor.public_id,
            reason=reason,
        )
        echo_difference(request)
    click.echo(f"等待审批 / waits for approval: plaza rule approve {request.public_id} --as …")


@rule.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批规则 / put a proposed version in force, as the second person."""
    with acting(command, login, Permission.RULE_APPROVE) as (session, actor):
        agreed = room.approve(session, request, by=actor.public_id)
    begins = _local(agreed.effective_from)
    click.echo(f"✔ {agreed.code} v{agreed.version} · {begins} 起生效 / in force from then on")


add_reject(rule, room.reject, may=Permission.RULE_PROPOSE)


@rule.command()
@click.argument("code")
@because
@as_staff
@pass_command
def retire(command: Command, *, code: str, reason: str, login: str) -> None:
    """停用规则，立即生效 / end a rule now; earlier sales that arrive late still earn under it."""
    with acting(command, login, Permission.RULE_APPROVE) as (session, actor):
        room.retire(session, code, by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · retired")


@rule.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的规则及其变化 / list proposed versions and what they would change."""
    with reading(command) as session:
        names = {each.request: each.rule.code for each in room.list_versions(session)}
        for request in approvals.list_open(session, kind=room.KIND):
            click.echo(
                f"{request.public_id} · {names[request.public_id]} · {request.reason} · "
                f"{_local(request.expires_at)} 前有效 / open until then"
            )
            echo_difference(request)


@rule.command("list")
@click.argument("code", required=False)
@as_json
@pass_command
def list_(command: Command, *, code: str | None, in_json: bool) -> None:
    """列出规则及其全部版本 / list the rules with all their versions."""
    with reading(command) as session:
        versions = room.list_versions(session, code=code)
    if in_json:
        echo_json([_facts(each) for each in versions])
        return
    for each in versions:
        said = each.rule.definition
        rate = f"×{said.rate}" if said.kind is Kind.MULTIPLIER else f"{said.rate * 100}/元"
        ends = "" if each.rule.effective_to is None else _local(each.rule.effective_to)
        click.echo(
            f"{each.rule.code} v{each.rule.version} · {each.rule.name_zh} {each.rule.name_en} · "
            f"{rate} · {each.state.value} · {_local(each.rule.effective_from)} → {ends}"
        )
        waits = {} if said.pending is None else {"pending": said.pending.to_json()}
        for name, value in (said.conditions.to_json() | waits).items():
            click.echo(f"  {name}: {value}")
        for cap in sorted(said.caps):
            click.echo(f"  cap: {cap}" + (f" ({said.campaign})" if said.campaign else ""))


def _pending(
    days: int | None, until: datetime | None, event: str | None
) -> dict[str, object] | None:
    given = {"days": days, "on": until and until.date().isoformat(), "event": event}
    return {name: value for name, value in given.items() if value is not None} or None


def _rate(per_yuan: Fraction | None, factor: Fraction | None) -> dict[str, object]:
    if per_yuan is not None and factor is None:
        return {"kind": Kind.BASE, "rate": str(per_yuan / 100)}
    if factor is not None and per_yuan is None:
        return {"kind": Kind.MULTIPLIER, "rate": str(factor)}
    raise Invalid("rate", "须给出 --per-yuan 或 --factor 之一", "either --per-yuan or --factor")


def _conditions(
    directory: Directory, birthday: str | None, wanted: dict[str, tuple[str, ...]]
) -> Conditions:
    merchants = [directory.get_merchant(name).public_id for name in wanted["merchants"]]
    fields: dict[str, object] = {**wanted, "merchants": merchants}
    fields["weekdays"] = [_weekday(day) for day in wanted["weekdays"]]
    if birthday is not None:
        fields["birthday"] = birthday
    return Conditions.from_json(fields)


def _weekday(written: str) -> int:
    if not written.isdecimal():
        raise Invalid("weekdays", "须为 1（周一）到 7", "from 1 (Monday) to 7")
    return int(written)


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _facts(each: ListedVersion) -> dict[str, object]:
    rule = each.rule
    return {
        "id": rule.public_id,
        "code": rule.code,
        "version": rule.version,
        "name_zh": rule.name_zh,
        "name_en": rule.name_en,
        "state": each.state.value,
        "effective_from": rule.effective_from.isoformat(),
        "effective_to": None if rule.effective_to is None else rule.effective_to.isoformat(),
        "proposed_by": each.proposed_by,
        "approved_by": each.approved_by,
        "request": each.request,
        "hash": rule.definition.digest(),
        **rule.definition.to_json(),
    }
