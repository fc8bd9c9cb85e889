"""`plaza coupons batch …`: runs of coupons; two people where more than a little is promised."""

from dataclasses import asdict
from datetime import datetime

import click

from app.approvals import ChangeRequest
from app.campaigns import coupons as room
from app.cli.acting import (
    acting,
    as_json,
    as_staff,
    because,
    echo_difference,
    echo_json,
    reading,
)
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant
from app.clock import SHANGHAI
from app.merchants.staff import Permission
from coupons import batches


@coupons.group()
def batch() -> None:
    """批次：起止、库存与预算；超过一万元须两人 / batches; above ¥10,000 it takes two people."""


@batch.command("open")
@click.argument("code")
@click.option("--template", required=True, help="模板编号 / code of the template.")
@click.option("--from", "begins", type=Instant(), required=True, help="开始发放 / issues from.")
@click.option("--to", "ends", type=Instant(), required=True, help="停止发放 / until, half-open.")
@because
@as_staff
@pass_command
def open_(
    command: Command,
    *,
    code: str,
    template: str,
    begins: datetime,
    ends: datetime,
    reason: str,
    login: str,
) -> None:
    """按模板最新版本开批次 / open a batch of the template's newest version."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        opened = room.open_batch(
            session,
            code=code,
            template=template,
            starts_at=begins,
            ends_at=ends,
            by=actor.public_id,
            reason=reason,
        )
        if isinstance(opened, ChangeRequest):
            echo_difference(opened)
    if isinstance(opened, ChangeRequest):
        approve = f"plaza coupons batch approve {opened.public_id} --as …"
        click.echo(f"等待审批 / waits for approval: {approve}")
    else:
        click.echo(f"✔ {opened.code} · {template} v{opened.version} · {_local(opened.starts_at)}")


@batch.command("list")
@pass_command
def list_(command: Command) -> None:
    """列出批次 / list the batches, newest first."""
    with reading(command) as session:
        for each, closed_at in batches.list_batches(session):
            ended = "" if closed_at is None else " · 已关闭 closed"
            click.echo(
                f"{each.code} · {each.template.code} v{each.version} · "
                f"{_local(each.starts_at)} → {_local(each.ends_at)}{ended}"
            )


@batch.command()
@click.argument("code")
@as_json
@pass_command
def show(command: Command, *, code: str, in_json: bool) -> None:
    """批次的发放、预算与占用 / what a batch has issued, spent and set aside."""
    with reading(command) as session:
        stands = batches.standing(session, code)
    counts = [asdict(each) for each in stands.counts]
    if in_json:
        echo_json({"batch": code, "closed_why": stands.closed_why,
                   "coupons": stands.coupons, "counts": counts})  # fmt: skip
        return
    for state, number in stands.coupons.items():
        click.echo(f"{state:<10}{number:>10}")
    for each in stands.counts:
        click.echo(
            f"{each.what:<10}{each.scope:<6}{each.slot:<12}"
            f"占用 reserved {each.reserved} · 已用 used {each.used} · 上限 limit {each.ceiling}"
        )


@batch.command()
@click.argument("code")
@because
@as_staff
@pass_command
def close(command: Command, *, code: str, reason: str, login: str) -> None:
    """停止发放；已发的券仍可用 / issue nothing more; its coupons stay good."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        room.close(session, code, by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · closed")


add_decisions(
    batch,
    kind=room.KIND,
    approve=room.approve,
    reject=room.reject,
    title=lambda request: f"{request.subject} · {request.reason}",
    may_approve=Permission.COUPON_APPROVE,
    may_reject=Permission.COUPON_WRITE,
)


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
