"""`plaza migrate` and `plaza district …`."""

import click
from sqlalchemy import text

from app import audit
from app.cli.acting import SOURCE, as_staff, because
from app.cli.context import Command, pass_command
from app.cli.moving import export_district, import_district
from app.errors import StateConflict
from app.merchants import staff
from app.merchants.staff import Permission
from migrations import run


@click.command()
@pass_command
def migrate(command: Command) -> None:
    """把所有商圈升级到当前版本 / bring every district to this version."""
    for district in run.migrate(command.settings().database.owner_url):
        click.echo(f"✔ {district}")


@click.group()
def district() -> None:
    """商圈 / districts: create, list, export, import, resume."""


district.add_command(export_district)
district.add_command(import_district)


@district.command()
@click.argument("district_id", metavar="ID")
@click.option("--name", required=True, help="名称 / its name.")
@click.option(
    "--sandbox", is_flag=True, help="沙盒：自带时钟 / with a clock of its own, for trials."
)
@pass_command
def create(command: Command, district_id: str, name: str, *, sandbox: bool) -> None:
    """新建商圈 / open a district: its schema and empty books."""
    run.create_district(
        command.settings().database.owner_url, district_id, name=name, sandbox=sandbox
    )
    click.echo(f"✔ {district_id} · {name}")


@district.command("list")
@pass_command
def list_districts(command: Command) -> None:
    """列出商圈 / list the districts."""
    with command.services().database.connection() as connection:
        if connection.scalar(text("SELECT to_regclass('public.district')")) is None:
            return
        for row in connection.execute(
            text("SELECT id, name, sandbox, stopped FROM public.district ORDER BY id")
        ):
            notes = [*(["沙盒/sandbox"] if row.sandbox else []), *([row.stopped or ""])]
            click.echo(" ".join([row.id, row.name, *notes]).rstrip())


@district.command()
@as_staff
@because
@pass_command
def resume(command: Command, login: str, reason: str) -> None:
    """核对账目后恢复写入 / let a stopped district write again, once its books were checked."""
    database = command.services().database
    with database.transaction(command.district, even_stopped=True) as session:
        session.info["source"] = SOURCE
        acting = staff.acting(session, login, permission=Permission.DISTRICT_RESUME)
        stopped = session.scalar(_STOPPED, {"id": command.district})
        if stopped is None:
            raise StateConflict(
                "district", command.district, "open", "没有停止写入", "its writes are not stopped"
            )
        session.execute(_RESUME, {"id": command.district})
        audit.record(
            session,
            actor=acting.public_id,
            action="district.resumed",
            object=f"district:{command.district}",
            before={"stopped": stopped},
            reason=reason,
        )
    click.echo(f"✔ {command.district}")


_STOPPED = text("SELECT stopped FROM public.district WHERE id = :id FOR UPDATE")
_RESUME = text("UPDATE public.district SET stopped = NULL WHERE id = :id")
