"""`plaza segment …`: lists of members, for coupons that only they may use."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import click
from sqlalchemy.orm import Session

from app.campaigns import segments as room
from app.campaigns.segments import MOST_AT_ONCE, Verdict
from app.cli.acting import SOURCE, acting, as_json, as_staff, echo_json, reading
from app.cli.context import Command, pass_command
from app.clock import SHANGHAI
from app.merchants.staff import Permission

Change = Callable[..., list[Verdict]]

_file = click.argument(
    "file", metavar="FILE.txt", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.group()
def segment() -> None:
    """人群：建立、加入、移出 / segments: begin one, put members in, take them out.

    文件每行一个手机号、卡号或会员编号；结论写入 FILE.verdicts.csv，可重复执行。

    A file has a phone, card or id a line; the verdict of each goes into FILE.verdicts.csv. After a
    kill, simply run it again.

    \b
    plaza segment open vip --title 贵宾 "VIP" --as lin
    plaza segment put vip people.txt --as lin
    plaza segment list
    """


@segment.command("open")
@click.argument("code")
@click.option(
    "--title", "titles", nargs=2, required=True, metavar="中文 ENGLISH", help="名称 / name."
)
@as_staff
@pass_command
def open_(command: Command, *, code: str, titles: tuple[str, str], login: str) -> None:
    """建立一个空人群 / begin an empty one."""
    zh, en = titles
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        room.open_segment(session, code=code, title_zh=zh, title_en=en, by=actor.public_id)
    click.echo(f"✔ {code} · {zh} {en}")


@segment.command()
@click.argument("code")
@_file
@as_staff
@as_json
@pass_command
def put(command: Command, *, code: str, file: Path, login: str, in_json: bool) -> None:
    """把会员加入人群 / put members in."""
    _change(command, room.put_in, code, file, login, in_json=in_json)


@segment.command("take-out")
@click.argument("code")
@_file
@as_staff
@as_json
@pass_command
def take_out(command: Command, *, code: str, file: Path, login: str, in_json: bool) -> None:
    """把会员移出人群；已用的券不变 / take members out; what they used stays used."""
    _change(command, room.take_out, code, file, login, in_json=in_json)


@segment.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出人群及其人数 / list them, and how many members each has."""
    with reading(command) as session:
        found = room.list_segments(session)
    if in_json:
        echo_json([{**vars(each), "opened_at": each.opened_at.isoformat()} for each in found])
        return
    if not found:
        click.echo("尚无人群 / none yet: plaza segment open --help")
    for each in found:
        click.echo(
            f"{each.code:<20}{each.members:>10}  {each.title_zh} {each.title_en} · "
            f"{each.opened_at.astimezone(SHANGHAI):%Y-%m-%d}"
        )


def _change(
    command: Command, change: Change, code: str, file: Path, login: str, *, in_json: bool
) -> None:
    """Change a segment part by part, each a transaction, and say what became of every line."""
    with acting(command, login, Permission.COUPON_WRITE) as (_, actor):
        by = actor.public_id
    database, counts = command.services().database, Counter[Verdict]()
    written = file.with_suffix(".verdicts.csv")
    part = written.with_suffix(".part")
    with (
        file.open(encoding="utf-8-sig", errors="replace") as lines,
        part.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out)
        writer.writerow(["line", "verdict"])
        for numbers, said in _parts(enumerate(lines, start=1)):
            work = partial(_changed, change=change, code=code, said=said, by=by)
            verdicts = database.run(command.district, work)
            writer.writerows(zip(numbers, verdicts, strict=True))
            counts.update(verdicts)
            click.echo(f"  {counts.total():,} …", err=True)
    os.replace(part, written)
    if in_json:
        echo_json({**{each.value: counts[each] for each in Verdict}, "verdicts": str(written)})
        return
    told = " · ".join(f"{each} {counts[each]}" for each in Verdict if counts[each])
    click.echo(f"✔ {code} · {told or '空文件 no lines'}\n  {written}")


def _changed(
    session: Session, *, change: Change, code: str, said: list[str], by: str
) -> list[Verdict]:
    session.info["source"] = SOURCE
    return change(session, code, said, by=by)


def _parts(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[list[int], list[str]]]:
    """Return the lines that say something, with their numbers, so many at once."""
    said = ((number, line.strip()) for number, line in lines if line.strip())
    while part := list(islice(said, MOST_AT_ONCE)):
        yield [number for number, _ in part], [line for _, line in part]
