"""`plaza member …`: enrol, find, show, correct, freeze. What is personal is masked."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

import click
from sqlalchemy.orm import Session

from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.adjusting import adjust, adjust_approve, adjust_pending, adjust_reject
from app.cli.claiming import claim
from app.cli.context import Command, pass_command
from app.cli.looking_back import balance
from app.cli.merge import merge
from app.cli.parameters import Channel, Instant
from app.clock import SHANGHAI, business_date
from app.members import (
    birthdays,
    enrolment,
    freezing,
    identification,
    memberships,
    privacy,
    standing,
)
from app.members.arrivals import ChannelName, NewMember
from app.members.identification import KnownMember
from app.members.models import Source, TierChange
from app.members.privacy import Person
from app.members.standing import Standing
from app.merchants.directory import get_directory
from app.merchants.staff import Permission
from app.points import statements
from app.points.statements import Balance, Movement
from config.database import now_of


@click.group()
def member() -> None:
    """会员 / members.

    \b
    plaza member enrol --phone 13800138000 --name 张小明 --as lin
    plaza member find 13800138000
    plaza member set-birthday 13800138000 05-20 --reason 本人补登 --as lin
    plaza member balance 13800138000 --as-of 2026-06-30
    plaza member show mem_01J… --reveal --reason 寄送奖品 --as lin
    """


member.add_command(merge)
member.add_command(balance)
member.add_command(claim)
member.add_command(adjust)
member.add_command(adjust_approve)
member.add_command(adjust_reject)
member.add_command(adjust_pending)


@member.command()
@click.option("--phone", help="手机号 / the phone number.")
@click.option("--card", "card_number", help="卡号 / a card number.")
@click.option("--channel", type=Channel(), help="渠道身份 / an identity in a channel's app.")
@click.option("--name", help="姓名 / the name.")
@click.option("--birthday", metavar="MM-DD", help="生日，不记年份 / the birthday, without a year.")
@click.option("--merchant", "merchant_code", help="同时入会的商户 / a merchant joined as well.")
@click.option("--consent", help="该商户营销同意书版本 / version of that merchant's consent text.")
@as_staff
@as_json
@pass_command
def enrol(
    command: Command,
    *,
    phone: str | None,
    card_number: str | None,
    channel: ChannelName | None,
    name: str | None,
    birthday: str | None,
    merchant_code: str | None,
    consent: str | None,
    login: str,
    in_json: bool,
) -> None:
    """入会；已是会员则找到原会员 / enrol; whoever is a member already is found."""
    if consent is not None and merchant_code is None:
        raise click.UsageError("--consent 需要 --merchant / --consent needs --merchant")
    new = NewMember(
        source=Source.COUNTER,
        phone=phone,
        card_number=card_number,
        identity=channel,
        name=name,
        birthday=birthday,
    )
    with acting(command, login, Permission.MEMBER_ENROL) as (session, actor):
        enrolled = enrolment.enrol(session, new, by=actor.public_id)
        if merchant_code is not None:
            memberships.register(
                session,
                member=enrolled.member,
                merchant=get_directory(session).get_merchant(merchant_code),
                source=Source.COUNTER,
                consent_version=consent,
            )
        person = privacy.masked_person(session, enrolled.member.public_id)
    _show(enrolled.member, person, in_json=in_json, created=enrolled.created)


@member.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@as_json
@pass_command
def find(command: Command, *, said: str, in_json: bool) -> None:
    """按手机号、卡号或会员号查找 / find by phone, card or id."""
    with reading(command) as session:
        found = identification.get_by_any(session, said)
        person = privacy.masked_person(session, found.public_id)
    _show(found, person, in_json=in_json)


@member.command()
@click.argument("public_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="显示明文，记入审计 / in clear; goes into the audit.")
@click.option("--reason", help="查看明文的理由 / why it is read in clear.")
@click.option("--as", "login", metavar="LOGIN", help="查看明文的员工 / who reads it in clear.")
@as_json
@pass_command
def show(
    command: Command,
    *,
    public_id: str,
    reason: str | None,
    login: str | None,
    reveal: bool,
    in_json: bool,
) -> None:
    """查看会员 / show a member, masked unless --reveal."""
    if not reveal:
        with reading(command) as session:
            found = identification.get_by_public_id(session, public_id)
            person = privacy.masked_person(session, public_id)
    elif reason is None or login is None:
        raise click.UsageError("--reveal 需要 --reason 和 --as / --reveal needs --reason and --as")
    else:
        with acting(command, login, Permission.MEMBER_REVEAL) as (session, actor):
            found = identification.get_by_public_id(session, public_id)
            person = privacy.reveal(session, public_id, by=actor.public_id, reason=reason)
    _show(found, person, in_json=in_json)


@member.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), help="起始日 / first day.")
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="截止日 / last day.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@as_json
@pass_command
def statement(
    command: Command,
    *,
    said: str,
    start: datetime | None,
    through: datetime | None,
    limit: int,
    in_json: bool,
) -> None:
    """积分账单：余额、到期、每一笔的来由 / balance, expiries, and each movement with its why."""
    with reading(command) as session:
        found = identification.get_by_any(session, said)
        today = business_date(now_of(session))
        first = start.date() if start else today - timedelta(days=365)
        last = through.date() if through else today
        held = statements.balance(session, found)
        moved = statements.movements(
            session, found, start=first, end=last + timedelta(days=1), limit=limit
        )
    if in_json:
        echo_json({"member": found.public_id, "balance": asdict(held),
                   "movements": [asdict(each) for each in moved]})  # fmt: skip
        return
    _show_statement(found, held, moved, limit)


@member.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@because
@as_staff
@pass_command
def freeze(command: Command, *, said: str, reason: str, login: str) -> None:
    """冻结会员：不能积分也不能用分 / stop a member from earning and burning."""
    with acting(command, login, Permission.MEMBER_FREEZE) as (session, actor):
        public_id = _meant(session, said)
        freezing.freeze(session, public_id, by=actor.public_id, reason=reason)
    click.echo(f"✔ {public_id} · frozen")


@member.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@because
@as_staff
@pass_command
def unfreeze(command: Command, *, said: str, reason: str, login: str) -> None:
    """解冻会员 / let a member earn and burn again."""
    with acting(command, login, Permission.MEMBER_FREEZE) as (session, actor):
        public_id = _meant(session, said)
        freezing.unfreeze(session, public_id, by=actor.public_id, reason=reason)
    click.echo(f"✔ {public_id} · active")


@member.command("set-birthday")
@click.argument("said", metavar="PHONE|CARD|ID")
@click.argument("birthday", metavar="MM-DD|none")
@because
@as_staff
@pass_command
def set_birthday(command: Command, *, said: str, birthday: str, reason: str, login: str) -> None:
    """登记或更正生日，none 为删除 / keep or correct a birthday; `none` removes it."""
    wanted = None if birthday == "none" else birthday
    with acting(command, login, Permission.MEMBER_CHANGE) as (session, actor):
        public_id = _meant(session, said)
        birthdays.set_birthday(session, public_id, wanted, by=actor.public_id, reason=reason)
    click.echo(f"✔ {public_id} · {birthdays.masked_birthday(wanted) or '—'}")


@member.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("--at", type=Instant(), help="当时的等级 / the tier at an instant.")
@as_json
@pass_command
def tier(command: Command, *, said: str, at: datetime | None, in_json: bool) -> None:
    """会员等级、成长值与变动历史 / tier, growth, and every step of the tier."""
    with reading(command) as session:
        found = identification.get_by_any(session, said)
        now = standing.standing(session, found)
        steps = standing.history(session, found)
        then = None if at is None else standing.tier_at(session, found, at)
    if in_json:
        echo_json({"member": found.public_id, **asdict(now), "at": then,
                   "history": [_step(each) for each in steps]})  # fmt: skip
        return
    if then is not None:
        click.echo(f"{found.public_id} · {then}")
        return
    _show_standing(found, now, steps)


def _step(change: TierChange) -> dict[str, object]:
    return {
        "at": change.at,
        "step": change.step,
        "tier_before": change.tier_before,
        "tier": change.tier,
        "growth": change.growth,
        "cycle_from": change.cycle_from,
        "cycle_to": change.cycle_to,
    }


def _show_standing(found: KnownMember, now: Standing, steps: Sequence[TierChange]) -> None:
    click.echo(f"{found.public_id}  {now.tier.code} {now.tier.name_zh} {now.tier.name_en}"
               f"  成长值 growth {now.growth}")  # fmt: skip
    if now.next_tier is not None:
        click.echo(
            f"  再 {now.missing} 升至 / more for {now.next_tier.code} {now.next_tier.name_zh}"
        )
    if now.until is not None:
        click.echo(f"  有效至 valid to {now.until}，宽限至 grace to {now.kept_until}")
    for each in steps:
        click.echo(
            f"  {each.at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}  {each.step:<12}"
            f"{each.tier_before} → {each.tier}  成长值 growth {each.growth}"
        )


def _meant(session: Session, said: str) -> str:
    return identification.get_by_any(session, said).public_id


def _show(
    found: KnownMember, person: Person, *, in_json: bool, created: bool | None = None
) -> None:
    facts: dict[str, object] = {
        "id": found.public_id,
        "phone": person.phone,
        "name": person.name,
        "birthday": person.birthday,
        "card_number": found.card_number,
        "kind": found.kind.value,
        "status": found.status.value,
        "tier": found.tier,
        "joined_at": found.joined_at.isoformat(),
    }
    if created is not None:
        facts["created"] = created
    if in_json:
        echo_json(facts)
        return
    facts["joined_at"] = f"{found.joined_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    for label, value in facts.items():
        click.echo(f"{label:<12}{'—' if value is None else value}")


def _show_statement(
    found: KnownMember, held: Balance, moved: Sequence[Movement], limit: int
) -> None:
    click.echo(
        f"{found.public_id}  可用 spendable {held.spendable_points}"
        f"  冻结 held {held.held_points}  欠分 owed {held.debt_points}"
    )
    for bucket in held.buckets:
        until = bucket.expires_on or "永久 never expires"
        click.echo(f"  {bucket.points:>10} 积分 · 有效至 valid to {until}")
    if not moved:
        click.echo("这段时间没有积分变动 / no movement of points in this period")
        return
    click.echo("")
    for each in moved:
        why = ", ".join(each.rules) or each.order or each.reason or ""
        owed = "（欠分 owed）" if each.owed else ""
        click.echo(
            f"{each.occurred_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}  {each.kind:<8}"
            f"{each.points:>+10}  {each.issuer}{owed}  {why}"
        )
    if len(moved) == limit:
        click.echo("… 还有更早的，用 --through 或 --limit / there is more: --through or --limit")
