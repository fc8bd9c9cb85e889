"""Staff who act by command: `--as LOGIN`, checked for each act and written into the audit."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.orm import Session

from app import audit
from app.approvals import ChangeRequest
from app.cli.context import Command
from app.merchants import staff
from app.merchants.errors import NotPermitted
from app.merchants.models import Staff
from app.merchants.staff import Permission

SOURCE = "cli"

as_staff = click.option(
    "--as",
    "login",
    metavar="LOGIN",
    required=True,
    help="以哪位员工的身份 / the staff member who acts.",
)
as_staff_or_operator = click.option(
    "--as",
    "login",
    metavar="LOGIN",
    help="以哪位员工的身份；省略则记为操作系统用户 / the staff member who acts; else the user of "
    "the operating system does.",
)
as_json = click.option("--json", "in_json", is_flag=True, help="输出 JSON / print JSON.")
because = click.option("--reason", required=True, help="原因，记入审计 / why; goes into the audit.")


@contextmanager
def acting(command: Command, login: str, permission: Permission) -> Iterator[tuple[Session, Staff]]:
    """Open a transaction in which a staff member acts, if his roles allow it.

    A refusal is put on record in a transaction of its own, for the first one is rolled back.

    Raises:
        NotFound: nobody has this login.
        StateConflict: the login is disabled.
        NotPermitted: none of the roles allows it.
    """
    database = command.services().database
    try:
        with database.transaction(command.district) as session:
            session.info["source"] = SOURCE
            yield session, staff.acting(session, login, permission=permission)
    except NotPermitted as refused:
        with database.transaction(command.district) as session:
            session.info["source"] = SOURCE
            audit.record(
                session,
                actor=f"login:{refused.login}",
                action="staff.refused",
                object=f"permission:{refused.permission}",
            )
        raise


def operator() -> str:
    """Return who acts where no staff is named, as the audit writes it: who runs the command.

    A timer on the server has no login. Its user is the process's own, which no variable names.
    """
    number = os.geteuid()
    try:
        return f"system:cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:  # A container may run under a number that has no name.
        return f"system:cli:{number}"


@contextmanager
def reading(command: Command) -> Iterator[Session]:
    """Open a transaction that only reads."""
    database = command.services().database
    with database.transaction(command.district, read_only=True) as session:
        yield session


def echo_json(value: object) -> None:
    """Print a value as JSON on one line, dates as ISO text."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def echo_difference(request: ChangeRequest) -> None:
    """Print what a change request would change, a field a line."""
    for change in request.difference():
        click.echo(f"  {change.field}: {_shown(change.before)} → {_shown(change.after)}")


def _shown(value: object) -> object:
    return value if value or value == 0 else "—"
