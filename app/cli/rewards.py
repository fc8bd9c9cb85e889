"""`plaza rewards …`: points for check-ins and referrals, and how late an order may be claimed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant
from app.errors import Invalid
from app.merchants.staff import Permission
from app.points import rewards as room
from config.database import now_of

_MEANING = {
    "issuer": "由哪家商户承担 / the merchant that bears the points",
    "check_in_points": "签到第 1、2… 天的积分 / of the first day of a streak, the second, …",
    "check_in_missed_days": "漏签几天不算中断 / missed days that break no streak",
    "check_in_late_minutes": "可补报几分钟 / minutes that a check-in is told late",
    "check_in_month_points": "每月签到积分上限 / a member gets a month at most",
    "referrer_points": "推荐人所得 / for who refers",
    "friend_points": "被推荐人所得 / for the friend",
    "referral_return_days": "首单后几天生效 / days after the first order",
    "referral_month_friends": "每月最多推荐几人 / friends a month that count",
    "claim_days": "几天内可补登 / days in which an order is claimed",
    "claim_tries_a_day": "每日可错几次 / wrong claims a day",
}


@click.group()
def rewards() -> None:
    """签到、推荐与补登的规则：一人提出，另一人审批 / points that no sale makes.

    \b
    plaza rewards show
    plaza rewards propose --set issuer=longjing --set check_in_points=1,1,2,2,5 \\
        --reason 春季签到 --as lin
    plaza rewards approve chg_01J… --as wang
    """


@rewards.command()
@as_json
@pass_command
def show(command: Command, *, in_json: bool) -> None:
    """查看现行规则 / show what is in force."""
    with reading(command) as session:
        known = room.rewards_at(session, now_of(session)).to_json()
    if in_json:
        echo_json(known)
        return
    for name, value in known.items():
        said = ",".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{name:<24}{said if said not in (None, '') else '—':>12}  {_MEANING[name]}")


@rewards.command()
@click.option("--set", "wanted", multiple=True, required=True, metavar="NAME=VALUE",
              help="一项，可重复；issuer 为商户代码 / one of them; repeat.")  # fmt: skip
@click.option("--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval.")
@because
@as_staff
@pass_command
def propose(
    command: Command, *, wanted: tuple[str, ...], begins: datetime | None, reason: str, login: str
) -> None:
    """提出新规则；未给出的不变 / propose a policy; what is not named stays as it is."""
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        known = room.rewards_at(session, now_of(session))
        changed = replace(known, **dict([_read(each) for each in wanted]))
        if changed == known:
            raise Invalid("rewards", "没有任何变化", "nothing would change")
        request = room.propose(session, changed, begins=begins, by=actor.public_id, reason=reason)
        echo_difference(request)
    click.echo(f"等待审批 / waits for approval: plaza rewards approve {request.public_id} --as …")


add_decisions(rewards, kind=room.KIND, approve=room.approve, reject=room.reject)


def _read(written: str) -> tuple[str, Any]:
    name, _, value = written.partition("=")
    refusal = Invalid("set", f"应为 名称=值：{written}", f"wanted NAME=VALUE: {written}")
    if name not in _MEANING:
        raise refusal
    try:
        return name, _READERS.get(name, int)(value)
    except ValueError as error:
        raise refusal from error


_READERS: Mapping[str, Callable[[str], object]] = {
    "issuer": lambda value: value or None,
    "check_in_points": lambda value: tuple([int(each) for each in value.split(",") if each]),
}
