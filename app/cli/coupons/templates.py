"""`plaza coupons template …`: what coupons give and how they live, by version."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path

import click

from app.campaigns import coupons as room
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.errors import Invalid
from app.merchants.staff import Permission
from coupons import batches, templates
from coupons.batches import ListedTemplate
from coupons.presets import PRESETS
from coupons.templates import Template


@coupons.group()
def template() -> None:
    """券模板：写下即不变，修改即新版本 / templates: an edit is a new version."""


@template.command()
@click.argument(
    "file",
    metavar="[FILE.json]",
    required=False,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--preset", type=click.Choice(list(PRESETS)), help="现成模板 / a ready one.")
@click.option(
    "--set", "wanted", multiple=True, metavar="NAME=VALUE", help="现成模板的参数 / its parameters."
)
@as_staff
@pass_command
def add(
    command: Command, *, file: Path | None, preset: str | None, wanted: tuple[str, ...], login: str
) -> None:
    """写下模板或其新版本 / write a template down, or its next version."""
    if (file is None) == (preset is None):
        raise click.UsageError("须给出文件或 --preset / either a file or --preset")
    made = _read(file) if file is not None else _made(preset or "", wanted)
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        added = room.add_template(session, made, by=actor.public_id)
    click.echo(f"✔ {made.code} v{added.version} · {made.title_zh} {made.title_en}")


@template.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出模板的最新版本 / list the newest version of every template."""
    with reading(command) as session:
        found = batches.list_templates(session)
    if in_json:
        echo_json([_facts(each) for each in found])
        return
    for each in found:
        ended = "" if each.retired_at is None else " · 已停用 retired"
        said = each.template
        click.echo(f"{said.code} v{each.version} · {said.title_zh} {said.title_en}{ended}")


@template.command()
@click.argument("code")
@as_json
@pass_command
def show(command: Command, *, code: str, in_json: bool) -> None:
    """查看模板的全部版本 / show a template with all its versions."""
    with reading(command) as session:
        found = batches.list_templates(session, code=code)
    if in_json:
        echo_json([_facts(each) for each in found])
        return
    for each in found:
        click.echo(f"{code} v{each.version} · {each.created_by} · {each.created_at:%Y-%m-%d}")
        click.echo(json.dumps(templates.dump(each.template), ensure_ascii=False, indent=2))


@template.command()
@click.argument("code")
@because
@as_staff
@pass_command
def retire(command: Command, *, code: str, reason: str, login: str) -> None:
    """停用模板并关闭其批次；已发的券仍可用 / end it and its batches; coupons stay good."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        closed = room.retire(session, code, by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · retired · {' '.join(closed)}")


def _read(file: Path) -> Template:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid("file", f"不是 JSON：{error}", f"not JSON: {error}") from error
    return templates.load(document)


def _made(preset: str, wanted: tuple[str, ...]) -> Template:
    """Return a preset with its parameters, read as the document of a template would be."""
    make = PRESETS[preset]
    known = inspect.signature(make).parameters
    given = dict([each.partition("=")[::2] for each in wanted])
    if set(given) != set(known):
        names = ", ".join(known)
        raise Invalid("set", f"须给出 {names}", f"these are wanted: {names}")
    values = {name: _value(name, given[name], known) for name in known}
    return templates.load(templates.dump(make(**values)))


def _value(name: str, written: str, known: Mapping[str, inspect.Parameter]) -> object:
    kind = known[name].annotation
    if kind is int:
        if not (written.isascii() and written.isdigit()) or len(written) > 12:
            raise Invalid(name, f"须为整数：{written}", f"a whole number is wanted: {written}")
        return int(written)
    return written if kind is str else written.split(",")


def _facts(each: ListedTemplate) -> dict[str, object]:
    return {
        "code": each.template.code,
        "version": each.version,
        "created_by": each.created_by,
        "created_at": each.created_at.isoformat(),
        "retired_at": None if each.retired_at is None else each.retired_at.isoformat(),
        "template": templates.dump(each.template),
    }
