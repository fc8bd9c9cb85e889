"""`plaza settle close` and what reads closed periods."""

from dataclasses import asdict
from datetime import UTC

import click

from app.cli.acting import (
    acting,
    as_json,
    as_staff_or_operator,
    echo_json,
    operator,
    reading,
)
from app.cli.context import Command, pass_command
from app.cli.settle.opening import of_merchant, of_period, settle
from app.cli.settle.papers import show_row
from app.clock import SHANGHAI
from app.merchants.staff import Permission
from app.money import yuan
from app.settlement import periods, statements
from app.settlement.captions import Caption
from app.settlement.models import Period
from app.settlement.spans import Span
from config.database import Database

_MOST = 5000


@settle.command()
@of_period
@as_staff_or_operator
@as_json
@pass_command
def close(command: Command, *, span: Span, login: str | None, in_json: bool) -> None:
    """结一个账期；按顺序，只结一次 / close a period, once and in order; from 06:00 after its end.

    中断后重跑即可；已结的不会再变。 / Killed anywhere, run it again; what is closed stays as it is.
    """
    by = operator()
    if login is not None:
        with acting(command, login, Permission.SETTLEMENT_CLOSE) as (_, actor):
            by = actor.public_id
    period = close_span(command.services().database, command.district, span, by=by)
    if in_json:
        echo_json(as_fields(period))
    else:
        _show(period)


@settle.command("list")
@as_json
@pass_command
def list_command(command: Command, *, in_json: bool) -> None:
    """列出已结账期 / list the closed periods."""
    with reading(command) as session:
        found = periods.list_closed(session)
        if in_json:
            return echo_json([as_fields(period) for period in found])
        if not found:
            click.echo("还没有结过账：plaza settle close --period … / Nothing is closed yet.")
        for period in found:
            _show(period)
    return None


@settle.command()
@of_period
@as_json
@pass_command
def parties(command: Command, *, span: Span, in_json: bool) -> None:
    """各方合计，总和为零 / every party's sum; together they are zero."""
    with reading(command) as session:
        found = statements.parties(session, statements.get_period(session, span.code))
    if in_json:
        return echo_json([asdict(party) for party in found])
    for party in found:
        show_row(party.name, party.points, party.fen)
    show_row("合计 sum", sum(party.points for party in found), sum(party.fen for party in found))
    return None


@settle.command()
@of_period
@as_json
@pass_command
def matrix(command: Command, *, span: Span, in_json: bool) -> None:
    """谁发的积分在谁那里核销 / whose points were redeemed where."""
    with reading(command) as session:
        found = statements.matrix(session, statements.get_period(session, span.code))
    if in_json:
        return echo_json([asdict(cell) for cell in found])
    if not found:
        click.echo("该账期没有核销 / No points were redeemed in it.")
    for cell in found:
        click.echo(
            f"{cell.issuer:<12} → {cell.redeemer:<12}{cell.points:>12} 分 points"
            f"{yuan(cell.cost_fen):>14} → {yuan(cell.redemption_fen)}"
        )
    return None


@settle.command()
@of_period
@of_merchant
@click.option(
    "--caption",
    type=click.Choice([each.value for each in Caption]),
    required=True,
    help="对账单上的一行 / a row of the statement.",
)
@click.option("--limit", type=click.IntRange(1, _MOST), default=50, show_default=True)
@click.option("--after", metavar="PLACE", help="接着上一页的最后一条 / the last place before.")
@as_json
@pass_command
def entries(
    command: Command,
    *,
    span: Span,
    merchant: str,
    caption: str,
    limit: int,
    after: str | None,
    in_json: bool,
) -> None:
    """一个数字背后的每一笔 / the transfers behind one figure."""
    with reading(command) as session:
        found = statements.entries(
            session,
            statements.get_period(session, span.code),
            merchant=merchant,
            caption=Caption(caption),
            limit=limit,
            after=_place(after),
        )
    if in_json:
        return echo_json([asdict(entry) for entry in found])
    for entry in found:
        when = entry.occurred_at.astimezone(SHANGHAI)
        click.echo(
            f"{when:%Y-%m-%d %H:%M}  {entry.points:>8}  {entry.journal}/{entry.line}"
            f"  {entry.debit} → {entry.credit}"
        )
    if len(found) == limit:
        journal, line = found[-1].place
        click.echo(f"… --after {journal}/{line}")
    return None


def close_span(database: Database, district: str, span: Span, *, by: str) -> Period:
    """Close a period in its three transactions: the days, the proof of the books, the close.

    Each is safe to repeat, so a run that was killed between them is simply run again.

    Raises:
        As `periods.close` and `periods.prove`.
    """
    with database.transaction(district) as session:
        periods.close_days(session, span)
    with database.transaction(district, repeatable_read=True) as session:
        periods.prove(session)
    with database.transaction(district) as session:
        period = periods.close(session, span, by=by)
        session.expunge(period)
    return period


def as_fields(period: Period) -> dict[str, object]:
    """Return the sums of a closed period as JSON fields."""
    return {
        "period": period.code,
        "parties": period.parties,
        "transfers": period.transfers,
        "sum_points": period.sum_points,
        "sum_fen": period.sum_fen,
        "gross_fen": period.gross_fen,
        "net_fen": period.net_fen,
        "closed_at": period.closed_at.astimezone(UTC).isoformat(),
    }


def _show(period: Period) -> None:
    click.echo(
        f"{period.code}  {period.parties} 方 parties  {period.transfers} 笔 transfers  "
        f"总额 gross {yuan(period.gross_fen)} → 净额 net {yuan(period.net_fen)}  "
        f"合计 sum {period.sum_points} / {period.sum_fen}"
    )


def _place(written: str | None) -> tuple[int, int]:
    if written is None:
        return (0, 0)
    journal, _, line = written.partition("/")
    try:
        return (int(journal), int(line))
    except ValueError:
        raise click.BadParameter(f"应为 123/1 / wanted: 123/1, not {written}") from None
