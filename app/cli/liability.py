"""`plaza liability`: what the points of members come to at any instant, and what will expire."""

from dataclasses import asdict
from datetime import date, datetime

import click
from sqlalchemy.orm import Session

from app.cli.acting import as_json, echo_json
from app.cli.context import Command, pass_command
from app.cli.parameters import DayOrInstant
from app.clock import SHANGHAI, business_date
from app.errors import Invalid
from app.money import yuan
from app.points import liability as reporting
from app.points.ageing import AsOf
from app.points.breakage import CONFIDENCE, Estimate
from app.points.liability import Breakage, Liability, Row
from app.points.survival import GROUPS, LEAST_STEPS, STEP_DAYS
from config.database import now_of

_CANNOT = (
    f"预计不用的积分无法估计：至少需要 {LEAST_STEPS * STEP_DAYS} 天的历史，"
    f"且 {GROUPS} 组会员中每组都有人用过积分",
    f"Breakage cannot be estimated: it takes {LEAST_STEPS * STEP_DAYS} days of history, and use of "
    f"points in each of {GROUPS} groups of members",
)


@click.command()
@click.option(
    "--as-of",
    "said",
    type=DayOrInstant(),
    help="某日结束（按记账日）或某一时刻（按记录时间）；默认现在 / "
    "the end of a day, by the days of booking, or an instant, by those of recording; or now.",
)
@as_json
@pass_command
def liability(command: Command, *, said: date | datetime | None, in_json: bool) -> None:
    """积分负债：按发行商户与账龄，及预计不会使用的部分 / points outstanding, and expected breakage.

    \b
    plaza liability --as-of 2017-06-30
    plaza liability --as-of 2017-06-30T15:00+08:00 --json
    """
    database = command.services().database
    with database.transaction(command.district, read_only=True, repeatable_read=True) as session:
        found = reporting.liability(session, _as_of(session, said))
    if in_json:
        echo_json(_fields(found))
    else:
        _show(found)


def _as_of(session: Session, said: date | datetime | None) -> AsOf:
    """Return when to look.

    Raises:
        Invalid: it has not come yet.
    """
    now = now_of(session)
    if said is None:
        return AsOf.now(session)
    late = said > now if isinstance(said, datetime) else said > business_date(now)
    if late:
        raise Invalid("as-of", "尚未到来", "has not come yet")
    return AsOf.at(said) if isinstance(said, datetime) else AsOf.end_of(said)


def _fields(found: Liability) -> dict[str, object]:
    cut = found.as_of.cut
    return {
        "day": found.as_of.day,
        "recorded_by": cut and cut.recorded_by,
        "total": _row(found.total),
        "owed": _row(found.owed),
        "booked_points": found.booked_points,
        "booked_owed_points": found.booked_owed_points,
        "confidence": CONFIDENCE,
        "seen_days": found.seen_days,
        "issuers": [_row(row) for row in found.issuers],
        "rows": [_row(row) for row in found.rows],
    }


def _row(row: Row) -> dict[str, object]:
    expected = row.breakage
    return {
        "issuer": row.issuer,
        "band": row.band,
        "lots": row.lots,
        "points": row.points,
        "fen": row.fen,
        "breakage": expected and {"points": asdict(expected.points), "fen": asdict(expected.fen)},
    }


def _show(found: Liability) -> None:
    cut = found.as_of.cut
    when = "现在 now" if cut is None else f"{found.as_of.day} 结束 at its end"
    if cut is not None and cut.recorded_by is not None:
        when = f"{cut.recorded_by.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    click.echo(f"积分负债 liability · {when}")
    click.echo(
        f"{'商户 issuer':<14}{'账龄 days':<9}{'积分 points':>14}{'成本 cost':>14}"
        f"   预计不用 expected breakage ({CONFIDENCE:.0%})"
    )
    for row in found.rows:
        _show_row(row.issuer or "", row.band or "", row)
    for name, row in (("合计 total", found.total), ("欠分 owed", found.owed)):
        _show_row(name, "", row)
    agrees = (found.booked_points, found.booked_owed_points) == (
        found.total.points,
        found.owed.points,
    )
    click.echo(
        f"{'✔' if agrees else '✘'} 试算平衡 trial balance: lot {found.booked_points:,}"
        f" · debt {found.booked_owed_points:,}"
    )
    if found.seen_days is None:
        click.echo("\n".join(_CANNOT))
    else:
        click.echo(f"估计依据的账龄至 / estimated from ages up to {found.seen_days} 天 days")


def _show_row(name: str, band: str, row: Row) -> None:
    wide = sum(ord(letter) > 0x2E80 for letter in name)  # A Chinese letter is two wide.
    click.echo(
        f"{name:<{16 - wide}}{band:<11}{row.points:>16,}{yuan(row.fen):>16}   {_said(row.breakage)}"
    )


def _said(expected: Breakage | None) -> str:
    if expected is None:
        return ""
    return f"{_range(expected.points)} · {yuan(expected.fen.expected)}"


def _range(estimate: Estimate) -> str:
    return f"{estimate.expected:,} [{estimate.low:,} – {estimate.high:,}]"
