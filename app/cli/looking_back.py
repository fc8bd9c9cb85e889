"""`plaza member balance`: what a member had and was at any instant of the past (L12)."""

from dataclasses import asdict
from datetime import date, datetime, timedelta

import click
from sqlalchemy.orm import Session

from app.cli.acting import as_json, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.parameters import DayOrInstant
from app.clock import SHANGHAI, day_start
from app.errors import Invalid
from app.members import identification, merges, standing
from app.points import statements
from app.points.statements import Balance
from config.database import now_of

_LAST_INSTANT = timedelta(microseconds=1)


@click.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option(
    "--as-of",
    "moment",
    type=DayOrInstant(),
    help="某日结束或某一时刻；默认现在 / the end of a day, or an instant; by default now.",
)
@as_json
@pass_command
def balance(command: Command, *, said: str, moment: date | datetime | None, in_json: bool) -> None:
    """会员当时看到的积分与等级 / the balance and tier that a member saw at an instant.

    当时未合并的会员各自显示。 / Who was not merged yet is shown by himself.
    """
    with reading(command) as session:
        at = _instant(session, moment)
        named = identification.get_named(session, said)
        person = merges.person_at(session, named, at=at)
        if person.joined_at > at:
            raise Invalid("as-of", "当时还不是会员", "not a member yet")
        held = statements.balance_at(session, person, at=at)
        tier = standing.tier_at(session, person, at)
    if in_json:
        echo_json({"member": person.public_id, "as_of": at, "tier": tier,
                   "balance": {**asdict(held), "pending_points": held.pending_points}})  # fmt: skip
        return
    click.echo(f"{person.public_id}  {at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}  {tier}")
    _show(held)


def _instant(session: Session, moment: date | datetime | None) -> datetime:
    """Return the instant to look at; a day that is not over yet is looked at as it stands now.

    Raises:
        Invalid: it has not come yet.
    """
    now = now_of(session)
    if moment is None:
        return now
    if isinstance(moment, datetime):
        at, begins = moment, moment
    else:
        at, begins = day_start(moment + timedelta(days=1)) - _LAST_INSTANT, day_start(moment)
    if begins > now:
        raise Invalid("as-of", "尚未到来", "has not come yet")
    return min(at, now)


def _show(held: Balance) -> None:
    click.echo(
        f"  可用 spendable {held.spendable_points:,}  冻结 held {held.held_points:,}"
        f"  欠分 owed {held.debt_points:,}  待生效 pending {held.pending_points:,}"
    )
    for bucket in held.buckets:
        until = bucket.expires_on or "永久 never expires"
        click.echo(f"  {bucket.points:>10,} 积分 · 有效至 valid to {until}")
