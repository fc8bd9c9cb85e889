"""`plaza settle donations …`: what becomes of points that leaving members gave away."""

from datetime import datetime

import click

from app import approvals
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.cli.parameters import Yuan
from app.cli.settle.opening import settle
from app.clock import business_date
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement import charity
from app.settlement import donations as room
from app.settlement.charity import Transfer
from app.settlement.donations import Purpose
from config.database import now_of


@settle.group()
def donations() -> None:
    """捐赠积分的去向：一人提出，另一人审批 / what becomes of donated points, by two people.

    \b
    plaza settle donations show
    plaza settle donations propose --to charity --reason 重阳节助老 --as wang
    plaza settle donations approve chg_01J… --as li
    plaza settle donations pay --yuan 100 --to 红十字会 --reference B9 --reason 助老 --as wang
    plaza settle donations pay-approve chg_01J… --as li
    """


@donations.command()
@as_json
@pass_command
def show(command: Command, *, in_json: bool) -> None:
    """列出待处理的捐赠积分 / list the donated points that wait for a purpose."""
    with reading(command) as session:
        found = room.list_waiting(session)
    if in_json:
        return echo_json([{**each.to_json(), "issuer": each.issuer.code} for each in found])
    if not found:
        click.echo("没有待处理的捐赠积分 / No donated points wait.")
    for each in found:
        click.echo(f"{each.issuer.code} · {each.points:,} 分 points · 成本 cost {each.cost} 分/点")
    return None


@donations.command()
@click.option(
    "--to", "purpose", required=True, type=click.Choice([each.value for each in Purpose]),
    help="退回发放商户，或转入公益 / back to the issuers, or to charity.",
)  # fmt: skip
@because
@as_staff
@pass_command
def propose(command: Command, *, purpose: str, reason: str, login: str) -> None:
    """提出去向，涵盖当前全部待处理积分 / ask for a purpose of all that waits now."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        request = room.propose(session, Purpose(purpose), by=actor.public_id, reason=reason)
    click.echo(
        "等待审批 / waits for a second person: "
        f"plaza settle donations approve {request.public_id} --as …"
    )


@donations.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批，立即入账 / post it, as the second person; the next close shows it."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        released = room.approve(session, request, by=actor.public_id)
    click.echo(f"✔ {request} · {sum(each.points for each in released):,} 分 points")


add_reject(donations, room.reject, may=Permission.SETTLEMENT_CLOSE)


@donations.command()
@click.option("--yuan", "fen", type=Yuan(), required=True, help="金额 / how much.")
@click.option("--to", "recipient", required=True, help="受助方 / who gets it.")
@click.option("--reference", required=True, help="银行流水号，只记一次 / the bank's, counted once.")
@click.option("--on", "paid", type=click.DateTime(["%Y-%m-%d"]), help="日期，缺省今天 / the day.")
@because
@as_staff
@pass_command
def pay(
    command: Command,
    *,
    fen: int,
    recipient: str,
    reference: str,
    paid: datetime | None,
    reason: str,
    login: str,
) -> None:
    """提出公益账户的一笔银行支出 / ask that a bank transfer to a cause is booked."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        transfer = Transfer(
            fen=fen,
            recipient=recipient.strip(),
            reference=reference.strip(),
            paid_on=paid.date() if paid else business_date(now_of(session)),
        )
        request = charity.propose(session, transfer, by=actor.public_id, reason=reason)
    click.echo(
        "等待审批 / waits for a second person: "
        f"plaza settle donations pay-approve {request.public_id} --as …"
    )


@donations.command("pay-approve")
@click.argument("request")
@as_staff
@pass_command
def pay_approve(command: Command, *, request: str, login: str) -> None:
    """审批支出，立即入账 / book it, as the second person; the next close shows it."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        paid = charity.approve(session, request, by=actor.public_id)
        left = charity.left_fen(session)
    click.echo(f"✔ {paid.public_id} · {yuan(paid.fen)} → {paid.recipient} · 余额 left {yuan(left)}")


add_reject(donations, charity.reject, may=Permission.SETTLEMENT_CLOSE, name="pay-reject")


@donations.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的提案 / list what is proposed."""
    with reading(command) as session:
        for request in approvals.list_open(session, kind=charity.KIND):
            asked = request.payload
            click.echo(
                f"{request.public_id} · {yuan(asked['fen'])} → {asked['recipient']} · "
                f"{asked['reference']} · {request.reason} · {request.proposed_by}"
            )
        for request in approvals.list_open(session, kind=room.KIND):
            asked = request.payload
            click.echo(
                f"{request.public_id} · {asked['purpose']} · {asked['points']:,} 分 points · "
                f"{request.reason} · {request.proposed_by}"
            )
