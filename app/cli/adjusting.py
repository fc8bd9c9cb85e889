"""`plaza member adjust …`: points given or taken by hand, by two people above a limit."""

import click

from app import approvals
from app.cli.acting import acting, as_staff, because, reading
from app.cli.context import Command, pass_command
from app.members import identification
from app.merchants.staff import Permission
from app.points import adjusting
from app.points.adjusting import Adjusted


@click.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("--points", type=int, required=True, help="正数补发，负数扣回 / to give, or below 0.")
@click.option("--issuer", required=True, help="由哪个商户承担 / whose points they are.")
@because
@as_staff
@pass_command
def adjust(
    command: Command, *, said: str, points: int, issuer: str, reason: str, login: str
) -> None:
    """人工补发或扣回积分；原因会员可见 / give or take points; the member reads the reason.

    \b
    plaza member adjust 13800138000 --points 200 --issuer tea --reason 系统故障补偿 --as lin
    plaza member adjust 13800138000 --points=-50 --issuer tea --reason 误发更正 --as lin
    """
    with acting(command, login, Permission.POINTS_ADJUST) as (session, actor):
        member = identification.get_by_any(session, said)
        made = adjusting.adjust(
            session, member, points=points, issuer=issuer, reason=reason, by=actor.public_id
        )
        request = None if isinstance(made, Adjusted) else made.public_id
    if isinstance(made, Adjusted):
        _tell(made)
    else:
        click.echo("超过一人限额，等待审批 / above what one person may, waits for approval: "
                   f"plaza member adjust-approve {request} --as …")  # fmt: skip


@click.command("adjust-approve")
@click.argument("request")
@as_staff
@pass_command
def adjust_approve(command: Command, *, request: str, login: str) -> None:
    """审批积分调整 / post an adjustment, as the second person."""
    with acting(command, login, Permission.POINTS_APPROVE) as (session, actor):
        made = adjusting.approve(session, request, by=actor.public_id)
    _tell(made)


@click.command("adjust-reject")
@click.argument("request")
@because
@as_staff
@pass_command
def adjust_reject(command: Command, *, request: str, reason: str, login: str) -> None:
    """驳回积分调整 / turn an adjustment down."""
    with acting(command, login, Permission.POINTS_APPROVE) as (session, actor):
        adjusting.reject(session, request, by=actor.public_id, reason=reason)
    click.echo(f"✔ {request}")


@click.command("adjust-pending")
@pass_command
def adjust_pending(command: Command) -> None:
    """列出待审批的积分调整 / list adjustments that wait for a second person."""
    with reading(command) as session:
        for request in approvals.list_open(session, kind=adjusting.KIND):
            asked = request.payload
            click.echo(f"{request.public_id} · {asked['member']} · {asked['points']:+} · "
                       f"{asked['issuer']} · {request.reason} · {request.proposed_by}")  # fmt: skip


def _tell(made: Adjusted) -> None:
    click.echo(f"✔ {made.public_id} · {made.points:+} · 余额 balance {made.balance_points}")
