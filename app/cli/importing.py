"""`plaza import …`: what other systems kept before, with a verdict for every row (O1)."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import click
from sqlalchemy.orm import Session

from app.cli.acting import SOURCE, acting, as_json, as_staff, echo_json, reading
from app.cli.context import Command, pass_command
from app.merchants.staff import Permission
from app.points import openings
from app.points.opening_rows import Judged, OpeningLine, Verdict, read


@click.group("import")
def importing() -> None:
    """导入其他系统的数据 / import what other systems kept.

    \b
    plaza import opening old.csv --dry-run --as lin
    plaza import opening old.csv --as lin
    """


@importing.command()
@click.argument(
    "file", metavar="FILE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--source",
    default="legacy",
    show_default=True,
    help="来源系统；行号在其中唯一 / the older programme; keys of rows are unique in it.",
)
@click.option("--dry-run", "dry", is_flag=True, help="只检查 / check alone; nothing changes.")
@as_staff
@as_json
@pass_command
def opening(
    command: Command, *, file: Path, source: str, dry: bool, login: str, in_json: bool
) -> None:
    """导入旧会员及其积分余额 / take over the members and points of an older programme.

    列：row,phone,card_number,channel,name,issuer,points,expires_on；结论写入 FILE.verdicts.csv。

    Columns: row, phone, card_number, channel (CHANNEL:APP:ID), name, issuer, points, expires_on (a
    day or `never`). The verdict of each row goes into FILE.verdicts.csv. What was imported before
    is told so: after a kill, simply run it again.
    """
    with reading(command) as session:
        before = openings.totals(session)
    counts: Counter[str] = Counter()
    written = file.with_suffix(".verdicts.csv")
    part = written.with_suffix(".part")
    with file.open("rb") as lines, part.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "row", "verdict", "reason_zh", "reason_en"])
        for judged in _judged(command, read(lines), source=source, login=login, dry=dry):
            for each in judged:
                writer.writerow([each.line, each.row, each.verdict, each.zh, each.en])
                counts[each.verdict] += 1
                counts["points"] += each.points if each.verdict is Verdict.IMPORTED else 0
            click.echo(f"  {sum(counts[each] for each in Verdict):,} …", err=True)
    os.replace(part, written)
    with reading(command) as session:
        after = openings.totals(session)
    facts = {"dry_run": dry, **{each.value: counts[each] for each in Verdict},
             "points": counts["points"], "verdicts": str(written),
             "before": asdict(before), "after": asdict(after)}  # fmt: skip
    if in_json:
        echo_json(facts)
        return
    would = "将导入 would import" if dry else "已导入 imported"
    click.echo(
        f"✔ {would} {counts['imported']} 行 rows · {counts['points']} 积分 points · "
        f"此前已导入 already {counts['already']} · 拒绝 refused {counts['refused']}"
    )
    click.echo(f"  会员 members {before.members} → {after.members}")
    click.echo(f"  积分 points {before.points} → {after.points}")
    click.echo(f"  {written}")


def _judged(
    command: Command,
    rows: Iterator[OpeningLine | Judged],
    *,
    source: str,
    login: str,
    dry: bool,
) -> Iterator[list[Judged]]:
    """Judge rows part by part: each part a transaction; all in one that is undone if `dry`."""
    with acting(command, login, Permission.OPENING_IMPORT) as (session, actor):
        by = actor.public_id
        if dry:
            seen: dict[str, bytes] = {}
            for part in _parts(rows):
                yield _judge(session, part, source=source, by=by, seen=seen, dry=True)
            session.rollback()
    database = command.services().database
    for part in _parts(rows):
        yield database.run(command.district, _work(part, source=source, by=by))


def _work(
    part: list[OpeningLine | Judged], *, source: str, by: str
) -> Callable[[Session], list[Judged]]:
    def work(session: Session) -> list[Judged]:
        session.info["source"] = SOURCE
        # What earlier parts took over the database knows; a part run again has seen nothing.
        return _judge(session, part, source=source, by=by, seen={}, dry=False)

    return work


def _judge(
    session: Session,
    part: list[OpeningLine | Judged],
    *,
    source: str,
    by: str,
    seen: dict[str, bytes],
    dry: bool,
) -> list[Judged]:
    bad = [each for each in part if isinstance(each, Judged)]
    good = [each for each in part if isinstance(each, OpeningLine)]
    judged = openings.take_over(session, good, source=source, by=by, seen=seen, dry=dry)
    return sorted([*bad, *judged], key=lambda each: each.line)


def _parts(rows: Iterator[OpeningLine | Judged]) -> Iterator[list[OpeningLine | Judged]]:
    while part := list(islice(rows, openings.AT_ONCE)):
        yield part
