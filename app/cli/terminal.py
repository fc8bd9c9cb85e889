"""`plaza terminal key …`: the keys that tills sign with, made by two people."""

import base64

import click

from app import approvals
from app.approvals import ChangeRequest
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.deciding import add_reject
from app.clock import SHANGHAI
from app.merchants import keys
from app.merchants.staff import Permission


@click.group()
def terminal() -> None:
    """收银机接入 / tills that speak to the API."""


@terminal.group()
def key() -> None:
    """门店密钥：一人提出，另一人审批，密钥只显示一次 / keys of stores: two people, shown once.

    \b
    plaza terminal key add tea-1 --reason 新店接入 --as lin
    plaza terminal key approve chg_01J… --as mei
    plaza terminal key rotate tea-1 --reason 年度轮换 --as lin
    plaza terminal key revoke pk_demo_01J… --reason 泄露 --as lin
    """


@key.command()
@click.argument("store")
@because
@as_staff
@pass_command
def add(command: Command, *, store: str, reason: str, login: str) -> None:
    """提出新密钥，等待另一位员工审批 / ask for a store's key; it waits for a second person."""
    with acting(command, login, Permission.KEY_WRITE) as (session, actor):
        request = keys.propose(session, store=store, by=actor.public_id, reason=reason)
    _waits(request)


@key.command()
@click.argument("store")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, keys.LIMIT_OVERLAP_HOURS),
    default=keys.OVERLAP_HOURS,
    show_default=True,
    help="旧密钥继续有效的小时数 / hours that the old key stays valid.",
)
@because
@as_staff
@pass_command
def rotate(command: Command, *, store: str, overlap_hours: int, reason: str, login: str) -> None:
    """提出轮换，新旧密钥并行一段时间 / ask for a new key; the old one works on for a while."""
    with acting(command, login, Permission.KEY_WRITE) as (session, actor):
        request = keys.propose(
            session, store=store, by=actor.public_id, reason=reason, overlap_hours=overlap_hours
        )
    _waits(request)


@key.command()
@click.argument("request")
@as_staff
@as_json
@pass_command
def approve(command: Command, *, request: str, login: str, in_json: bool) -> None:
    """审批并显示密钥，仅此一次 / agree, and see the secret this once."""
    with acting(command, login, Permission.KEY_APPROVE) as (session, actor):
        issued = keys.approve(session, request, by=actor.public_id)
    secret = base64.b64encode(issued.secret).decode()
    if in_json:
        echo_json({"key_id": issued.key_id, "secret": secret})
        return
    click.echo(f"✔ {issued.key_id}")
    click.echo(f"密钥（仅显示一次） / secret, shown once: {secret}")


add_reject(key, keys.reject, may=Permission.KEY_WRITE)


@key.command()
@click.argument("key_id")
@because
@as_staff
@pass_command
def revoke(command: Command, *, key_id: str, reason: str, login: str) -> None:
    """吊销密钥，立即生效 / end a key at once."""
    with acting(command, login, Permission.KEY_WRITE) as (session, actor):
        keys.revoke(session, key_id=key_id, by=actor.public_id, reason=reason)
    click.echo(f"✔ {key_id} · revoked")


@key.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的密钥 / list the keys that wait for a second person."""
    with reading(command) as session:
        for request in approvals.list_open(session, kind=keys.KIND):
            _show(request)


@key.command("list")
@click.argument("store")
@as_json
@pass_command
def list_(command: Command, *, store: str, in_json: bool) -> None:
    """列出门店的全部密钥，不含密钥内容 / list a store's keys, never their secrets."""
    with reading(command) as session:
        rows = keys.list_keys(session, store=store)
    facts = [
        {
            "key_id": row.key_id,
            "state": row.state,
            "created_at": row.created_at,
            "valid_until": row.valid_until,
            "ended_at": row.ended_at,
        }
        for row in rows
    ]
    if in_json:
        echo_json(facts)
        return
    for row in rows:
        until = row.ended_at or row.valid_until
        end = f" · {until.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 止 / ends" if until else ""
        click.echo(f"{row.key_id} · {row.state}{end}")


def _waits(request: ChangeRequest) -> None:
    _show(request)
    click.echo(
        f"等待审批 / waits for approval: plaza terminal key approve {request.public_id} --as …"
    )


def _show(request: ChangeRequest) -> None:
    click.echo(
        f"{request.public_id} · {request.payload['store']} · {request.reason} · "
        f"{request.expires_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 前有效 / open until then"
    )
