"""The commands by which a second person decides on what one proposed: approve, reject, pending."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import click
from sqlalchemy.orm import Session

from app import approvals
from app.approvals import ChangeRequest
from app.cli.acting import acting, as_staff, because, echo_difference, reading
from app.cli.context import Command, pass_command
from app.clock import SHANGHAI
from app.merchants.staff import Permission


class Approve(Protocol):
    """Puts a request in force and returns from when on."""

    def __call__(self, session: Session, request: str, /, *, by: str) -> datetime: ...


class Reject(Protocol):
    """Turns a request down."""

    def __call__(self, session: Session, request: str, /, *, by: str, reason: str) -> None: ...


def add_reject(
    group: click.Group, reject: Reject, *, may: Permission, name: str = "reject"
) -> None:
    """Give a group the command that turns a request of its room down."""

    @group.command(name)
    @click.argument("request")
    @because
    @as_staff
    @pass_command
    def reject_command(command: Command, *, request: str, reason: str, login: str) -> None:
        """驳回或撤回 / turn a proposal down, or withdraw one's own."""
        with acting(command, login, may) as (session, actor):
            reject(session, request, by=actor.public_id, reason=reason)
        click.echo(f"✔ {request}")


def add_decisions(
    group: click.Group,
    *,
    kind: str,
    approve: Approve,
    reject: Reject,
    title: Callable[[ChangeRequest], str] = lambda request: request.reason,
    may_approve: Permission = Permission.PROGRAMME_APPROVE,
    may_reject: Permission = Permission.PROGRAMME_PROPOSE,
) -> None:
    """Give a group the commands that decide on its room's requests of a kind."""

    @group.command("approve")
    @click.argument("request")
    @as_staff
    @pass_command
    def approve_command(command: Command, *, request: str, login: str) -> None:
        """审批，到时生效 / put what was proposed in force, as the second person."""
        with acting(command, login, may_approve) as (session, actor):
            begins = approve(session, request, by=actor.public_id)
        click.echo(f"✔ {begins.astimezone(SHANGHAI):%Y-%m-%d %H:%M} 起生效 / in force from then on")

    add_reject(group, reject, may=may_reject)

    add_pending(group, kind=kind, title=title)


def add_pending(group: click.Group, *, kind: str, title: Callable[[ChangeRequest], str]) -> None:
    """Give a group the command that lists its room's open requests of a kind."""

    @group.command("pending")
    @pass_command
    def pending_command(command: Command) -> None:
        """列出待审批的提案及其变化 / list what is proposed and what it would change."""
        with reading(command) as session:
            for request in approvals.list_open(session, kind=kind):
                click.echo(f"{request.public_id} · {title(request)}")
                echo_difference(request)
