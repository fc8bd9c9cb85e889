"""`plaza merchant exit …`: a merchant leaves, by two people, and what it leaves behind runs off."""

from datetime import date, datetime
from fractions import Fraction

import click

from app import approvals
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.cli.parameters import Rate, Yuan
from app.clock import business_date
from app.merchants.directory import Directory, get_directory
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement import deposits, exits, losses, runoff, staying
from app.settlement.losses import Borne
from app.settlement.runoff import RunOff
from config.database import now_of


@click.group("exit")
def leaving() -> None:
    """商户退出：停发、照兑、押金、清结 / a merchant leaves; its points stay good everywhere.

    \b
    plaza merchant exit propose tea --breakage 1/10 --reason 租约到期 --as lin
    plaza merchant exit approve chg_01J… --as wang
    plaza merchant exit show tea
    plaza merchant exit deposit tea --yuan 181 --reference B7 --as lin
    plaza merchant exit loss tea --reason 破产 --as lin
    plaza merchant exit loss-approve chg_01J… --as wang
    plaza merchant exit recover tea --as lin
    plaza merchant exit finish tea --as lin
    plaza merchant exit cancel tea --reason 续约 --as lin
    plaza merchant exit cancel-approve chg_01J… --as wang
    """


@leaving.command()
@click.argument("merchant")
@click.option(
    "--breakage", required=True, type=Rate(),
    help="预计过期的比例，如 1/10 / share of its points that is expected to expire.",
)  # fmt: skip
@because
@as_staff
@pass_command
def propose(
    command: Command, *, merchant: str, breakage: Fraction, reason: str, login: str
) -> None:
    """提出商户退出 / ask that a merchant leaves; a second person agrees."""
    with acting(command, login, Permission.TERMS_PROPOSE) as (session, actor):
        request = exits.propose(
            session, merchant, breakage=breakage, by=actor.public_id, reason=reason
        )
    click.echo(
        f"等待审批 / waits for approval: plaza merchant exit approve {request.public_id} --as …"
    )


@leaving.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批退出：即刻停发积分，计算押金 / let it leave: no new points from now on."""
    with acting(command, login, Permission.TERMS_APPROVE) as (session, actor):
        made = exits.approve(session, request, by=actor.public_id)
        code = get_directory(session).merchants[made.merchant_id].code
        found = runoff.run_off(session, code)
        _tell(found)


add_reject(leaving, exits.reject, may=Permission.TERMS_PROPOSE)


@leaving.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的退出、撤销与损失分担 / list what waits for a second person."""
    with reading(command) as session:
        directory = get_directory(session)
        for kind in (exits.KIND, staying.KIND, losses.KIND):
            for request in approvals.list_open(session, kind=kind):
                code = directory.get_merchant(request.subject).code
                click.echo(f"{request.public_id} · {kind} · {code} · {request.reason}")


@leaving.command()
@click.argument("merchant")
@as_json
@pass_command
def show(command: Command, *, merchant: str, in_json: bool) -> None:
    """退出结算与各期余额 / the exit statement and how it runs off."""
    with reading(command) as session:
        found = runoff.run_off(session, merchant)
        if in_json:
            return echo_json(_facts(found))
        return _tell(found)


@leaving.command()
@click.argument("merchant")
@click.option(
    "--yuan", "fen", type=Yuan(), required=True,
    help="商户交纳为正，退还为负 / above zero from the merchant, below back to it.",
)  # fmt: skip
@click.option("--reference", required=True, help="银行流水号，只记一次 / the bank's, counted once.")
@click.option("--on", "paid", type=click.DateTime(["%Y-%m-%d"]), help="日期，缺省今天 / the day.")
@as_staff
@pass_command
def deposit(
    command: Command, *, merchant: str, fen: int, reference: str, paid: datetime | None, login: str
) -> None:
    """登记押金收付 / record a bank transfer of its deposit."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        day: date = paid.date() if paid else business_date(now_of(session))
        deposits.pay(
            session, merchant, fen=fen, reference=reference, paid_on=day, by=actor.public_id
        )
        found = runoff.run_off(session, merchant)
    click.echo(
        f"✔ {merchant} · 押金 held {yuan(found.held_fen)} · 待交 to pay {yuan(found.to_pay_fen)} · "
        f"可退 free {yuan(found.free_fen)}"
    )


@leaving.command()
@click.argument("merchant")
@because
@as_staff
@pass_command
def loss(command: Command, *, merchant: str, reason: str, login: str) -> None:
    """提出按规定分担其欠款 / ask that what it owes is borne as declared."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        request = losses.propose(session, merchant, by=actor.public_id, reason=reason)
        _tell_borne(get_directory(session), losses.plan(
            session, get_directory(session).get_merchant(merchant)
        ))  # fmt: skip
    click.echo(
        "等待审批 / waits for approval: "
        f"plaza merchant exit loss-approve {request.public_id} --as …"
    )


@leaving.command("loss-approve")
@click.argument("request")
@as_staff
@pass_command
def loss_approve(command: Command, *, request: str, login: str) -> None:
    """审批损失分担，立即入账 / post it, as the second person; the next close shows it."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        found = losses.approve(session, request, by=actor.public_id)
        _tell_borne(get_directory(session), found)


add_reject(leaving, losses.reject, may=Permission.SETTLEMENT_CLOSE, name="loss-reject")


@leaving.command()
@click.argument("merchant")
@as_staff
@pass_command
def recover(command: Command, *, merchant: str, login: str) -> None:
    """把收回的款项还给分担方 / give what came back to it to those who bore its loss."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        found = losses.recover(session, merchant, by=actor.public_id)
        _tell_borne(get_directory(session), found)


@leaving.command()
@click.argument("merchant")
@as_staff
@pass_command
def finish(command: Command, *, merchant: str, login: str) -> None:
    """全部清结后了结；未清的逐项列出 / end it once nothing is out, or say what still is."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        out = runoff.finish(session, merchant, by=actor.public_id)
    if not out:
        click.echo(f"✔ {merchant} · exited")
        return
    for zh, en in out:
        click.echo(f"{zh} / {en}")
    raise click.ClickException(f"{merchant} 尚未清结 / {merchant} cannot leave yet")


@leaving.command()
@click.argument("merchant")
@because
@as_staff
@pass_command
def cancel(command: Command, *, merchant: str, reason: str, login: str) -> None:
    """提出撤销退出；他方分担欠款后不可撤销 / ask that it stays, while nothing is for good."""
    with acting(command, login, Permission.TERMS_PROPOSE) as (session, actor):
        request = staying.propose(session, merchant, by=actor.public_id, reason=reason)
    click.echo(
        "等待审批 / waits for approval: "
        f"plaza merchant exit cancel-approve {request.public_id} --as …"
    )


@leaving.command("cancel-approve")
@click.argument("request")
@as_staff
@pass_command
def cancel_approve(command: Command, *, request: str, login: str) -> None:
    """审批撤销：即刻恢复发放积分 / let it stay: it gives points again from now on."""
    with acting(command, login, Permission.TERMS_APPROVE) as (session, actor):
        code = staying.approve(session, request, by=actor.public_id)
        held = deposits.held_fen(session, get_directory(session).get_merchant(code))
    click.echo(f"✔ {code} · active · 押金待退 deposit to pay back {yuan(held)}")


add_reject(leaving, staying.reject, may=Permission.TERMS_PROPOSE, name="cancel-reject")


def _facts(found: RunOff) -> dict[str, object]:
    begun, now = found.leaving, found.now
    return {
        "merchant": found.merchant.code,
        "status": found.merchant.status.value,
        "begun_on": begun.begun_on,
        "breakage": str(Fraction(begun.breakage_num, begun.breakage_den)),
        "breakage_share": str(Fraction(begun.share_num, begun.share_den)),
        "begun": {name: getattr(begun, name) for name in (*vars(now), "deposit_fen")},
        "steps": [vars(step) for step in found.steps],
        "now": {
            **vars(now),
            "balance_fen": now.balance_fen,
            "paid_fen": now.paid_fen,
            "deposit_fen": now.deposit_fen,
        },
        "held_fen": found.held_fen,
        "to_pay_fen": found.to_pay_fen,
        "free_fen": found.free_fen,
        "borne": found.borne.to_json(),
    }


def _tell(found: RunOff) -> None:
    begun, now = found.leaving, found.now
    click.echo(
        f"{found.merchant.code} {found.merchant.name_zh} · {found.merchant.status.value} · "
        f"{begun.begun_on} 起退出 / leaving since then"
    )
    for step in found.steps:
        click.echo(
            f"  {step.period} · 核销 redeemed {step.redeemed_points:,} · "
            f"过期 expired {step.expired_points:,} · 在外 out {step.out_points:,} 分 "
            f"{yuan(step.out_fen)} · 往来 due {yuan(step.due_fen)}"
        )
    rows = {
        "在外积分成本 its points out had cost": now.out_fen,
        "减 预计过期返还 less what should expire": -now.breakage_fen,
        "退出余额 exit balance": now.balance_fen,
        "减 已付 less what is paid for": -now.paid_fen,
        "应留押金 deposit": now.deposit_fen,
        "已有押金 held": found.held_fen,
        "待交 to pay": found.to_pay_fen,
        "可退 free to go back": found.free_fen,
    }
    for name, fen in rows.items():
        click.echo(f"  {name}: {yuan(fen)}")


def _tell_borne(directory: Directory, found: Borne) -> None:
    click.echo(f"押金 deposit {yuan(found.deposit_fen)} · 商圈基金 fund {yuan(found.fund_fen)}")
    for who, fen in found.shares.items():
        click.echo(f"  {directory.merchants_by_public_id[who].code} {yuan(fen)}")
    if found.left_fen:
        click.echo(f"无人分担 borne by nobody, still owed: {yuan(found.left_fen)}")
