"""`plaza coupons codes …`: printed codes in one job, older ones taken over, runs called back."""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click

from app import audit
from app.campaigns import coupons as room
from app.cli.acting import acting, as_json, as_staff, because, echo_json
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.members.sealing import coupon_keys
from app.merchants.staff import Permission
from coupons import runs
from coupons.runs import Judged, Run, Verdict


@coupons.group()
def codes() -> None:
    """券码：制作、导入、作废 / codes: make, import, call back.

    \b
    plaza coupons codes make SPRING --name print-1 --count 1000000 --file spring.txt --as lin
    plaza coupons codes import SPRING old.txt --name legacy --dry-run --as lin
    """


@codes.command()
@click.argument("batch")
@click.option("--name", required=True, help="本次制作的名称 / names the run for ever.")
@click.option("--count", type=click.IntRange(1, runs.MOST), required=True, help="张数 / how many.")
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), required=True,
              help="每行一个码，仅本人可读 / one a line, for its owner's eyes.")  # fmt: skip
@as_staff
@pass_command
def make(command: Command, *, batch: str, name: str, count: int, file: Path, login: str) -> None:
    """制作券码；中断后再运行即续做 / make codes; killed, it is simply run again."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        keys = coupon_keys(session)
        run = runs.open_run(
            session, batch=batch, name=name, wanted=count, keys=keys, by=actor.public_id
        )
        audit.record(session, actor=actor.public_id, action="coupon.codes", object=run.public_id,
                     after={"batch": batch, "name": name, "count": count})  # fmt: skip
    database, done = command.services().database, 0
    while done < count:
        done = database.run(command.district, partial(runs.fill, run=run, keys=keys))
        click.echo(f"  {done:,} …", err=True)
    with open(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as out:
        _complete(out, run)
    click.echo(f"✔ {count:,} · {file}")


@codes.command("import")
@click.argument("batch")
@click.argument(
    "file", metavar="FILE.txt", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--name", required=True, help="来源名称 / names the source for ever.")
@click.option("--dry-run", "dry", is_flag=True, help="只检查 / check alone; nothing changes.")
@as_staff
@as_json
@pass_command
def import_(
    command: Command, *, batch: str, file: Path, name: str, dry: bool, login: str, in_json: bool
) -> None:
    """导入旧码，每行一个；结论写入 FILE.verdicts.csv / take older codes over, one a line."""
    counts: Counter[str] = Counter()
    written = file.with_suffix(".verdicts.csv")
    part = written.with_suffix(".part")
    with (
        file.open(encoding="utf-8-sig", errors="replace") as lines,
        part.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out)
        writer.writerow(["line", "verdict", "where"])
        for judged in _judged(command, enumerate(lines, start=1), batch, name, login, dry=dry):
            for each in judged:
                writer.writerow([each.line, each.verdict, each.where])
                counts[each.verdict] += 1
    os.replace(part, written)
    if in_json:
        echo_json({"dry_run": dry, **{each.value: counts[each] for each in Verdict},
                   "verdicts": str(written)})  # fmt: skip
        return
    said = " · ".join(f"{each} {counts[each]}" for each in Verdict)
    click.echo(f"✔ {'将导入 would be ' if dry else ''}{said}\n  {written}")


@codes.command()
@click.argument("batch")
@click.option("--name", help="某次制作；不给则整个批次 / one run; without it the whole batch.")
@because
@as_staff
@pass_command
def void(command: Command, *, batch: str, name: str | None, reason: str, login: str) -> None:
    """作废一次制作的码或整个批次；已用的列出，不动 / call a run, or a whole batch, back."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        audit.record(
            session,
            actor=actor.public_id,
            action="coupon.void",
            object=f"coupon-batch:{batch}",
            after={"run": name},
            reason=reason,
        )
    why, voided, after = audit.masked(reason), 0, 0
    while True:
        done = command.services().database.run(
            command.district, partial(room.void_some, batch=batch, run=name, why=why, after=after)
        )
        voided += done.voided
        for used in done.used:
            click.echo(f"已用 used {used}")
        if done.last_id is None:
            break
        after = done.last_id
    click.echo(f"✔ 作废 void {voided}")


def _complete(out: BinaryIO, run: Run) -> None:
    """Write the lines that a file lacks: what is there of this run is whole, and right."""
    whole = min(out.seek(0, os.SEEK_END) // run.line_bytes, run.wanted or 0)
    out.seek(0)
    if whole and out.read(run.line_bytes) != next(run.lines(start=0)):
        raise click.UsageError("文件是别的内容，请换一个 / the file is something else's")
    out.seek(whole * run.line_bytes)
    lines = run.lines(start=whole)
    while part := list(islice(lines, runs.AT_ONCE)):
        out.write(b"".join(part))
    out.truncate()


def _judged(
    command: Command,
    lines: Iterator[tuple[int, str]],
    batch: str,
    name: str,
    login: str,
    *,
    dry: bool,
) -> Iterator[list[Judged]]:
    """Judge lines part by part: each part a transaction; all in one that is undone if `dry`."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        keys = coupon_keys(session)
        run = runs.open_run(
            session, batch=batch, name=name, wanted=None, keys=keys, by=actor.public_id
        )
        if dry:
            while part := _part(lines):
                yield runs.take_over(session, run, part, keys=keys)
            session.rollback()
        else:
            audit.record(session, actor=actor.public_id, action="coupon.codes",
                         object=run.public_id, after={"batch": batch, "name": name})  # fmt: skip
    database = command.services().database
    while part := _part(lines):
        yield database.run(
            command.district, partial(runs.take_over, run=run, lines=part, keys=keys)
        )


def _part(lines: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(number, line.strip("\r\n")) for number, line in islice(lines, 1_000)]
