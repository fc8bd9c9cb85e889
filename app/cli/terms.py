"""`plaza merchant terms …`: contract terms, proposed by one and approved by another."""

from datetime import date, datetime
from fractions import Fraction

import click

from app import approvals
from app.approvals import ChangeRequest
from app.cli.acting import acting, as_json, as_staff, because, echo_difference, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.cli.parameters import Rate, Yuan
from app.clock import SHANGHAI
from app.merchants import terms as room
from app.merchants.directory import get_directory
from app.merchants.models import Funding, MayBurn
from app.merchants.staff import Permission
from app.merchants.terms import Terms
from app.money import yuan


@click.group()
def terms() -> None:
    """合同条款：一人提出，另一人审批 / contract terms: one proposes, another approves.

    \b
    plaza merchant terms set tea --from 2026-12-01 --cost 1 --redemption 9/10 \\
        --funding postpaid --may-burn any --reason 续约 --as lin
    plaza merchant terms pending
    plaza merchant terms approve chg_01J… --as wang
    """


@terms.command("set")
@click.argument("merchant")
@click.option(
    "--from",
    "valid_from",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="生效日 / the first business day.",
)
@click.option("--cost", required=True, type=Rate(), help="每积分成本（分） / fen a point costs.")
@click.option(
    "--redemption", required=True, type=Rate(), help="每积分核销结算（分） / fen a point pays."
)
@click.option(
    "--funding",
    required=True,
    type=click.Choice([each.value for each in Funding]),
    help="预付或后付 / how issued points are paid.",
)
@click.option(
    "--may-burn",
    required=True,
    type=click.Choice([each.value for each in MayBurn]),
    help="可用谁的积分 / whose points may be burned there.",
)
@click.option(
    "--alert-points", type=int, help="预付余额低于此数即提醒 / warn a prepaid merchant below it."
)
@click.option(
    "--credit-limit", "credit_limit_fen", type=Yuan(),
    help="后付欠款上限（元），达到即停发 / a postpaid one that owes it gives no points.",
)  # fmt: skip
@because
@as_staff
@pass_command
def set_(
    command: Command,
    *,
    merchant: str,
    valid_from: datetime,
    cost: Fraction,
    redemption: Fraction,
    funding: str,
    may_burn: str,
    alert_points: int | None,
    credit_limit_fen: int | None,
    reason: str,
    login: str,
) -> None:
    """提出新条款，等待另一位员工审批 / propose terms; they wait for a second person."""
    wanted = Terms(
        valid_from=valid_from.date(),
        cost_fen_per_point=cost,
        redemption_fen_per_point=redemption,
        funding=Funding(funding),
        may_burn=MayBurn(may_burn),
        alert_points=alert_points,
        credit_limit_fen=credit_limit_fen,
    )
    with acting(command, login, Permission.TERMS_PROPOSE) as (session, actor):
        request = room.propose(
            session, merchant=merchant, terms=wanted, by=actor.public_id, reason=reason
        )
        _show(request, merchant)
    click.echo(
        f"等待审批 / waits for approval: plaza merchant terms approve {request.public_id} --as …"
    )


@terms.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批条款 / agree to proposed terms, as the second person."""
    with acting(command, login, Permission.TERMS_APPROVE) as (session, actor):
        agreed = room.approve(session, request, by=actor.public_id)
    click.echo(f"✔ {request} · {agreed.valid_from} 起生效 / in force from {agreed.valid_from}")


add_reject(terms, room.reject, may=Permission.TERMS_PROPOSE)


@terms.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的条款及其变化 / list proposed terms and what they would change."""
    with reading(command) as session:
        directory = get_directory(session)
        for request in approvals.list_open(session, kind=room.KIND):
            _show(request, directory.get_merchant(request.subject).code)


@terms.command("list")
@click.argument("merchant")
@as_json
@pass_command
def list_(command: Command, *, merchant: str, in_json: bool) -> None:
    """列出商户的全部条款 / list all terms of a merchant, past and to come."""
    with reading(command) as session:
        agreed = get_directory(session).get_merchant(merchant).terms
    if in_json:
        echo_json([each.to_json() for each in agreed])
        return
    for each in agreed:
        click.echo(described(each))


def described(each: Terms) -> str:
    """Return terms as one line for a person."""
    begin: date = each.valid_from
    levels = ""
    if each.alert_points is not None:
        levels = f" · 提醒 alert {each.alert_points:,}"
    if each.credit_limit_fen is not None:
        levels = f" · 信用额度 credit {yuan(each.credit_limit_fen)}"
    return (
        f"{begin} 起 / from {begin} · 成本 cost {each.cost_fen_per_point} 分/点 · "
        f"结算 redemption {each.redemption_fen_per_point} 分/点 · "
        f"{each.funding.value} · burn {each.may_burn.value}{levels}"
    )


def _show(request: ChangeRequest, merchant: str) -> None:
    click.echo(
        f"{request.public_id} · {merchant} · {request.reason} · "
        f"{request.expires_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 前有效 / open until then"
    )
    echo_difference(request)
