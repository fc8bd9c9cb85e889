"""`plaza audit`: prove the books; a broken invariant stops the district's writes."""

from collections import Counter
from dataclasses import asdict

import click

from app.cli.acting import as_json, echo_json
from app.cli.context import Command, pass_command
from app.tasks import audit_in_full, stop_when_broken
from ledger import statements, upkeep


@click.command()
@click.option("--quick", is_flag=True, help="只查上次之后的 / only what came since the last look.")
@as_json
@click.pass_context
@pass_command
def audit(command: Command, ctx: click.Context, *, quick: bool, in_json: bool) -> None:
    """核对账目；有误则列出并停止写入，退出码 1 / prove the books; exit 1 names what is broken.

    发现错误会停止该商圈写入，核对后用 plaza district resume 恢复。

    A broken invariant stops the writes of the district until `plaza district resume`.
    """
    database = command.services().database
    with database.transaction(command.district, even_stopped=True, repeatable_read=True) as session:
        found = upkeep.audit_recent(session) if quick else audit_in_full(session)
        totals = statements.trial_balance(session)
    if found:
        with database.transaction(command.district, even_stopped=True) as session:
            stop_when_broken(session, found)
    if in_json:
        echo_json(
            {
                "audit": "broken" if found else "ok",
                "trial_balance": totals,
                "violations": [asdict(each) for each in found],
            }
        )
    else:
        _show(found, totals)
    ctx.exit(1 if found else 0)


def _show(found: list[upkeep.Violation], totals: dict[str, int]) -> None:
    for unit, total in totals.items():
        click.echo(f"试算平衡 trial balance  {unit}: {total}")
    if not found:
        click.echo("✔ ok")
        return
    for invariant, count in Counter(each.invariant for each in found).items():
        click.echo(f"✘ {invariant}（{count}）", err=True)
        for each in found:
            if each.invariant == invariant:
                click.echo(
                    f"    {each.subject}: 应为 expected {each.expected}，实为 found {each.found}",
                    err=True,
                )
