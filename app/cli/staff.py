"""`plaza staff …`: who may act in the district, and what they sign in with over HTTP."""

import sys

import click

from app.cli.acting import SOURCE, acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.clock import server_now
from app.merchants import credentials
from app.merchants import staff as room
from app.merchants.staff import Permission, Role


@click.group()
def staff() -> None:
    """员工与角色 / staff and their roles.

    \b
    plaza staff add lin --name 林溪 --role admin
    plaza staff add wang --name 王珂 --role finance --as lin
    plaza staff enrol wang --as lin
    plaza staff list
    """


@staff.command()
@click.argument("new_login", metavar="LOGIN")
@click.option("--name", required=True, help="姓名 / the name.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="角色，可重复 / a role; may be repeated.",
)
@click.option(
    "--as",
    "login",
    metavar="LOGIN",
    help="以哪位员工的身份；第一位员工可省略 / who acts; may be left out for the first one.",
)
@pass_command
def add(
    command: Command, *, new_login: str, name: str, roles: tuple[str, ...], login: str | None
) -> None:
    """添加员工；第一位须为 admin / add a staff member; the first one is an admin."""
    wanted = [Role(role) for role in roles]
    if login is None:
        with command.services().database.transaction(command.district) as session:
            session.info["source"] = SOURCE
            added = room.add(session, login=new_login, name=name, roles=wanted, by=None)
    else:
        with acting(command, login, Permission.STAFF_WRITE) as (session, sponsor):
            added = room.add(
                session, login=new_login, name=name, roles=wanted, by=sponsor.public_id
            )
    click.echo(f"✔ {added.login} · {added.name} · {', '.join(added.roles)} · {added.public_id}")


@staff.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出员工 / list the staff."""
    with reading(command) as session:
        rows = room.list_staff(session)
    if in_json:
        echo_json(
            [
                {
                    "login": row.login,
                    "name": row.name,
                    "roles": row.roles,
                    "status": row.status,
                    "id": row.public_id,
                }
                for row in rows
            ]
        )
        return
    for row in rows:
        click.echo(f"{row.login} · {row.name} · {', '.join(row.roles)} · {row.status}")


@staff.command()
@click.argument("who", metavar="LOGIN")
@click.option(
    "--password-stdin",
    "from_stdin",
    is_flag=True,
    help="从标准输入读密码，一行 / read the password from standard input, one line.",
)
@as_staff
@pass_command
def enrol(command: Command, *, who: str, from_stdin: bool, login: str) -> None:
    """设置登录密码与动态码，只显示一次 / a password and the phone's key, shown this once.

    原有的密码、动态码和登录立即失效。把显示的地址做成二维码，用验证器应用扫描。

    What there was before ends at once. Let an authenticator app read the address as a QR code.
    """
    password = _password(from_stdin=from_stdin)
    with acting(command, login, Permission.STAFF_WRITE) as (session, actor):
        now = server_now(session)
        enrolled = credentials.enrol(session, who, password, by=actor.public_id, now=now)
    click.echo(enrolled.uri)


@staff.command()
@click.argument("leaver", metavar="LOGIN")
@because
@as_staff
@pass_command
def disable(command: Command, *, leaver: str, reason: str, login: str) -> None:
    """停用员工，立即生效 / take all rights from a staff member, at once."""
    with acting(command, login, Permission.STAFF_WRITE) as (session, actor):
        room.disable(session, leaver, by=actor.public_id, reason=reason)
    click.echo(f"✔ {leaver}")


def _password(*, from_stdin: bool) -> str:
    """Return the new password; it is never a word of the command, which others could list."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(
        click.prompt("新密码 / new password", hide_input=True, confirmation_prompt=True, err=True)
    )
