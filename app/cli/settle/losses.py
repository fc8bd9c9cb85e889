"""`plaza settle losses …`: who answers for merchants that leave and cannot pay, declared before."""

from dataclasses import replace
from datetime import datetime

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant, Yuan
from app.cli.settle.opening import settle
from app.errors import Invalid
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement.loss_policy import LOSSES
from config.database import now_of


@settle.group()
def losses() -> None:
    """退出商户损失的分担：押金 → 商圈基金 → 核销商户 / deposit, fund, then redeemers.

    \b
    plaza settle losses show
    plaza settle losses propose --fund 50000 --redeemer-months 12 --reason 年度 --as lin
    plaza settle losses approve chg_01J… --as wang
    """


@losses.command()
@as_json
@pass_command
def show(command: Command, *, in_json: bool) -> None:
    """查看现行规定 / show the policy that is in force."""
    with reading(command) as session:
        known = LOSSES.at(session, now_of(session))
    if in_json:
        echo_json(known.to_json())
        return
    click.echo(f"商圈基金上限 fund bears at most {yuan(known.fund_limit_fen)}")
    click.echo(f"核销商户按最近几个月分担 redeemers share by months: {known.redeemer_months}")


@losses.command()
@click.option("--fund", "fund_fen", type=Yuan(), help="基金上限（元） / most that the fund bears.")
@click.option(
    "--redeemer-months", type=int,
    help="核销商户按最近几个月分担，0 为不分担 / closed months that redeemers share by.",
)  # fmt: skip
@click.option("--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval.")
@because
@as_staff
@pass_command
def propose(
    command: Command,
    *,
    fund_fen: int | None,
    redeemer_months: int | None,
    begins: datetime | None,
    reason: str,
    login: str,
) -> None:
    """提出新规定；已开始的退出不变 / propose a policy; exits that have begun keep theirs."""
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        known = changed = LOSSES.at(session, now_of(session))
        if fund_fen is not None:
            changed = replace(changed, fund_limit_fen=fund_fen)
        if redeemer_months is not None:
            changed = replace(changed, redeemer_months=redeemer_months)
        if changed == known:
            raise Invalid("losses", "没有任何变化", "nothing would change")
        request = LOSSES.propose(session, changed, begins=begins, by=actor.public_id, reason=reason)
        echo_difference(request)
    click.echo(
        f"等待审批 / waits for approval: plaza settle losses approve {request.public_id} --as …"
    )


add_decisions(losses, kind=LOSSES.kind, approve=LOSSES.approve, reject=LOSSES.reject)
