"""`plaza tier …`: the scheme of tiers, proposed by one and approved by another."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant, Rate
from app.errors import Invalid
from app.members import tiers as room
from app.members.tiers import TIERS, Period, Scheme, Tier
from app.merchants.staff import Permission
from config.database import now_of


class _Tier(click.ParamType[Tier]):
    """CODE:GROWTH:中文:English, such as gold:5000:金卡会员:Gold."""

    name = "CODE:GROWTH:中文:ENGLISH"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Tier:
        code, _, rest = value.partition(":")
        threshold, _, names = rest.partition(":")
        name_zh, _, name_en = names.partition(":")
        if not (threshold.isascii() and threshold.isdigit()):
            self.fail("应为 代码:门槛:中文:英文 / wanted: CODE:GROWTH:中文:ENGLISH", param, ctx)
        return Tier(code=code, threshold=int(threshold), name_zh=name_zh, name_en=name_en)


@click.group()
def tier() -> None:
    """会员等级方案：一人提出，另一人审批 / the tiers: one proposes, another approves.

    \b
    plaza tier list
    plaza tier set --tier silver:2000:银卡会员:Silver --tier gold:8000:金卡会员:Gold \\
        --grace-days 30 --reason 会员体系上线 --as lin
    plaza tier approve chg_01J… --as wang
    """


@tier.command("list")
@click.option("--at", type=Instant(), help="何时，默认现在 / when; now by default.")
@as_json
@pass_command
def list_(command: Command, *, at: datetime | None, in_json: bool) -> None:
    """列出等级、门槛与方案 / list the tiers, what they take, and how they are judged."""
    with reading(command) as session:
        scheme = TIERS.at(session, at or now_of(session))
    if in_json:
        echo_json(scheme.to_json())
        return
    for each in scheme.tiers:
        click.echo(f"{each.code:<12}{each.threshold:>10}  {each.name_zh} {each.name_en}")
    period = {Period.ROLLING: "最近 12 个月 / the last 12 months",
              Period.CALENDAR: "自然年 / the calendar year"}[scheme.period]  # fmt: skip
    click.echo(f"成长值 growth: {scheme.growth_per_yuan}/元 yuan · {period} · "
               f"宽限 grace {scheme.grace_days} 天 days")  # fmt: skip


@tier.command("set")
@click.option("--tier", "wanted", type=_Tier(), multiple=True,
              help="新增或修改一个等级，可重复 / add or change a tier; repeat.")  # fmt: skip
@click.option("--growth-per-yuan", type=Rate(), help="每元成长值 / growth for a yuan paid.")
@click.option("--period", type=click.Choice([each.value for each in Period]),
              help="最近 12 个月或自然年 / twelve months, or the calendar year.")  # fmt: skip
@click.option("--grace-days", type=click.IntRange(0, 366),
              help="周期结束后的宽限天数 / days of grace after a cycle.")  # fmt: skip
@click.option("--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval.")
@because
@as_staff
@pass_command
def set_(
    command: Command,
    *,
    wanted: Sequence[Tier],
    growth_per_yuan: Fraction | None,
    period: str | None,
    grace_days: int | None,
    begins: datetime | None,
    reason: str,
    login: str,
) -> None:
    """提出新方案；未给出的项不变 / propose a scheme; what is not named stays as it is."""
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        known = TIERS.at(session, now_of(session))
        scheme = replace(
            known,
            tiers=_changed(known, wanted),
            growth_per_yuan=known.growth_per_yuan if growth_per_yuan is None else growth_per_yuan,
            period=known.period if period is None else Period(period),
            grace_days=known.grace_days if grace_days is None else grace_days,
        )
        if scheme == known:
            raise Invalid("tier", "没有任何变化", "nothing would change")
        request = room.propose(session, scheme, begins=begins, by=actor.public_id, reason=reason)
        echo_difference(request)
    click.echo(f"等待审批 / waits for approval: plaza tier approve {request.public_id} --as …")


add_decisions(
    tier,
    kind=TIERS.kind,
    approve=TIERS.approve,
    reject=TIERS.reject,
    title=lambda request: f"{request.reason} · {TIERS.proposed(request).period}",
)


def _changed(known: Scheme, wanted: Sequence[Tier]) -> tuple[Tier, ...]:
    """Return the tiers with those that were given in place of their namesakes, lowest first."""
    tiers = {each.code: each for each in known.tiers} | {each.code: each for each in wanted}
    return tuple(sorted(tiers.values(), key=lambda each: each.threshold))
