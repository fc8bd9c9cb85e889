"""`plaza settle pay | adjust | dispute`: what follows a close."""

from dataclasses import asdict
from datetime import date, datetime

import click

from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.parameters import Yuan
from app.cli.settle.opening import of_merchant, of_period, settle
from app.clock import SHANGHAI, business_date
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement import disputes, dues, statements
from app.settlement.captions import Caption
from app.settlement.dues import Adjustment
from app.settlement.spans import Span
from config.database import now_of


@settle.command()
@of_period
@of_merchant
@click.option(
    "--yuan", "fen", type=Yuan(), required=True,
    help="商户付款为正，付给商户为负 / above zero from the merchant, below to it.",
)  # fmt: skip
@click.option("--reference", required=True, help="银行流水号，只记一次 / the bank's, counted once.")
@click.option("--on", "paid", type=click.DateTime(["%Y-%m-%d"]), help="日期，缺省今天 / the day.")
@as_staff
@pass_command
def pay(
    command: Command,
    *,
    span: Span,
    merchant: str,
    fen: int,
    reference: str,
    paid: datetime | None,
    login: str,
) -> None:
    """登记一笔收付款 / record a bank transfer for a closed period."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        period = statements.get_period(session, span.code)
        day: date = paid.date() if paid else business_date(now_of(session))
        dues.pay(
            session, period, merchant=merchant, fen=fen, reference=reference, paid_on=day,
            by=actor.public_id,
        )  # fmt: skip
        found = statements.statement(session, period, merchant=merchant)
    click.echo(f"{merchant} {span.code}  应付 payable {yuan(found.payable_fen)}")


@settle.group()
def adjust() -> None:
    """调整或补贴：一人提出，另一人审批 / adjustments and subsidies, by two people."""


@adjust.command("propose")
@of_merchant
@click.option("--yuan", "fen", type=Yuan(), required=True, help="给商户为正 / above zero: for it.")
@click.option("--subsidy", is_flag=True, help="记为补贴 / a subsidy of the district.")
@because
@as_staff
@pass_command
def propose_adjustment(
    command: Command, *, merchant: str, fen: int, subsidy: bool, reason: str, login: str
) -> None:
    """提出调整 / ask for an adjustment of what a merchant is owed."""
    wanted = Adjustment(merchant=merchant, fen=fen, subsidy=subsidy, reason=reason)
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        request = dues.propose(session, wanted, by=actor.public_id)
    click.echo(
        "等待审批 / waits for a second person: "
        f"plaza settle adjust approve {request.public_id} --as …"
    )


@adjust.command("approve")
@click.argument("request")
@as_staff
@pass_command
def approve_adjustment(command: Command, *, request: str, login: str) -> None:
    """审批调整，立即入账 / agree to it; it is posted at once and shown by the next close."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        agreed = dues.approve(session, request, by=actor.public_id)
    click.echo(f"✔ {agreed.merchant} {yuan(agreed.fen)}")


@settle.group()
def dispute() -> None:
    """对账争议：标记、处理 / figures that a merchant does not accept."""


@dispute.command("open")
@of_period
@of_merchant
@click.option("--caption", type=click.Choice([each.value for each in Caption]), required=True)
@click.option("--yuan", "fen", type=Yuan(), required=True, help="与该行同号 / of the row's sign.")
@because
@as_staff
@pass_command
def open_command(
    command: Command,
    *,
    span: Span,
    merchant: str,
    caption: str,
    fen: int,
    reason: str,
    login: str,
) -> None:
    """标记争议金额，处理前不计入应付 / flag an amount; it is not payable until resolved."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        opened = disputes.open_dispute(
            session,
            statements.get_period(session, span.code),
            merchant=merchant,
            caption=Caption(caption),
            fen=fen,
            reason=reason,
            by=actor.public_id,
        )
        click.echo(f"{opened}  {yuan(fen)}")


@dispute.command()
@click.argument("number", metavar="DISPUTE")
@click.option(
    "--adjust", "fen", type=Yuan(), default=0, help="给商户的调整，缺省 0 / added to its due."
)
@because
@as_staff
@pass_command
def resolve(command: Command, *, number: str, fen: int, reason: str, login: str) -> None:
    """由另一人处理，可带调整 / end a dispute, as another person, with or without an adjustment."""
    with acting(command, login, Permission.SETTLEMENT_CLOSE) as (session, actor):
        disputes.resolve(session, number, adjust_fen=fen, resolution=reason, by=actor.public_id)
    click.echo(f"✔ {number} {yuan(fen)}")


@dispute.command("list")
@click.option("--open", "only_open", is_flag=True, help="未处理的 / those not resolved.")
@as_json
@pass_command
def list_command(command: Command, *, only_open: bool, in_json: bool) -> None:
    """列出争议 / list the disputes, the oldest first."""
    with reading(command) as session:
        found = disputes.list_disputes(session, only_open=only_open)
    if in_json:
        return echo_json([asdict(each) for each in found])
    if not found:
        click.echo("没有争议 / Nothing is disputed.")
    for each in found:
        state = "处理中 open" if each.resolved_at is None else f"已处理 {each.resolution}"
        click.echo(
            f"{each.id}  {each.period}  {each.merchant}  {each.caption}  {yuan(each.fen)}  "
            f"{each.opened_at.astimezone(SHANGHAI):%Y-%m-%d}  {each.reason}  {state}"
        )
    return None
