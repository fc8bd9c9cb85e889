"""`plaza member merge …`: two members who are one person; one asks for it, another agrees."""

from dataclasses import asdict

import click

from app import approvals
from app.approvals import ChangeRequest
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.clock import SHANGHAI
from app.members import merges
from app.merchants.staff import Permission
from app.points import merging
from app.points.models import LotKind


@click.group()
def merge() -> None:
    """合并同一人的两个会员，30 天内可撤销 / merge two members who are one person.

    \b
    plaza member merge preview 13800138000 mem_01J…
    plaza member merge do 13800138000 mem_01J… --reason 本人换号 --as lin
    plaza member merge approve chg_01J… --as wang
    plaza member merge undo mrg_01J… --reason 并非同一人 --as lin
    """


_loser = click.argument("loser", metavar="LOSER")
_survivor = click.argument("survivor", metavar="SURVIVOR")


@merge.command()
@_loser
@_survivor
@as_json
@pass_command
def preview(command: Command, *, loser: str, survivor: str, in_json: bool) -> None:
    """查看合并的结果，不作改动 / say what a merge would do; nothing changes."""
    with reading(command) as session:
        found = merging.preview(session, loser=loser, survivor=survivor)
    if in_json:
        echo_json(asdict(found))
        return
    click.echo(f"{found.loser} → {found.survivor}")
    for lot in found.lots:
        kind = "欠分 owed" if lot.kind is LotKind.DEBT else "积分 points"
        until = lot.expires_on or "永久 never expires"
        held = f" · 冻结中 held {lot.held}" if lot.held else ""
        click.echo(f"  {lot.points:>10} {kind} · {lot.issuer} · {until}{held}")
    click.echo(
        f"  入会商户 memberships {found.memberships}"
        f"（双方都有 of both {found.memberships_of_both}）"
        f" · 渠道身份 identities {found.identities} · 登录设备 devices {found.devices}"
    )
    click.echo(f"  等级 tier {found.tier}")
    for purpose, channel in found.stricter:
        click.echo(f"  同意从严 consent becomes stricter: {purpose} · {channel}")
    if found.over_limit:
        click.echo(f"  今日已超限额 over the limit of today by {found.over_limit}")


@merge.command("do")
@_loser
@_survivor
@because
@as_staff
@pass_command
def do_(command: Command, *, loser: str, survivor: str, reason: str, login: str) -> None:
    """提出合并，LOSER 并入 SURVIVOR / ask that LOSER become SURVIVOR."""
    with acting(command, login, Permission.MEMBER_MERGE) as (session, actor):
        request = merging.propose(
            session, loser=loser, survivor=survivor, by=actor.public_id, reason=reason
        )
        _show(request)
    _next(request)


@merge.command()
@click.argument("merge_id", metavar="MERGE")
@because
@as_staff
@pass_command
def undo(command: Command, *, merge_id: str, reason: str, login: str) -> None:
    """提出撤销合并 / ask that a merge be undone."""
    with acting(command, login, Permission.MEMBER_MERGE) as (session, actor):
        request = merging.propose_undo(session, merge_id, by=actor.public_id, reason=reason)
        _show(request)
    _next(request)


@merge.command()
@click.argument("request")
@as_staff
@as_json
@pass_command
def approve(command: Command, *, request: str, login: str, in_json: bool) -> None:
    """审批合并或撤销，立即执行 / agree to a merge or an undo; it is done at once."""
    with acting(command, login, Permission.MEMBER_MERGE) as (session, actor):
        done = merging.approve(session, request, by=actor.public_id)
    if in_json:
        echo_json(asdict(done))
        return
    arrow = "←" if done.undone else "→"
    click.echo(f"✔ {done.merge} · {done.loser} {arrow} {done.survivor} · 积分 points {done.points}")


add_reject(merge, merging.reject, may=Permission.MEMBER_MERGE)


@merge.command("list")
@pass_command
def list_(command: Command) -> None:
    """列出待审批的申请和有效的合并 / list what waits for approval, and merges that stand."""
    with reading(command) as session:
        for request in approvals.list_open(session, kind=merging.KIND):
            _show(request)
        for row, loser, survivor in merges.list_standing(session):
            day = f"{row.merged_at.astimezone(SHANGHAI):%Y-%m-%d}"
            click.echo(f"{row.public_id} · {loser} → {survivor} · {day}")


def _show(request: ChangeRequest) -> None:
    what = request.payload.get("undo") or f"{request.payload['loser']} → {request.subject}"
    click.echo(
        f"{request.public_id} · {what} · {request.reason} · "
        f"{request.expires_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 前有效 / open until then"
    )


def _next(request: ChangeRequest) -> None:
    click.echo(
        f"等待审批 / waits for approval: plaza member merge approve {request.public_id} --as …"
    )
