"""`plaza coupons claim|grant|wallet|make-out|void …`: coupons of members."""

from datetime import datetime

import click

from app import audit
from app.campaigns import coupons as room
from app.checkout import offline
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.clock import SHANGHAI
from app.members import identification
from app.merchants.directory import get_directory
from app.merchants.staff import Permission
from app.money import yuan
from coupons import wallets
from coupons.wallets import Held


@coupons.command()
@click.argument("batch")
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("-n", "number", type=click.IntRange(1), default=1, show_default=True,
              help="该会员的第几张；重复则返回同一张 / which of his; again: the same.")  # fmt: skip
@as_staff
@as_json
@pass_command
def claim(
    command: Command, *, batch: str, said: str, number: int, login: str, in_json: bool
) -> None:
    """为会员领券 / claim for a member."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        member = identification.get_by_any(session, said)
        given = room.claim(session, batch=batch, holder=member.public_id, n=number)
        audit.record(
            session,
            actor=actor.public_id,
            action="coupon.claim",
            object=member.public_id,
            after={"batch": batch, "coupons": [each.coupon for each in given]},
        )
    if in_json:
        echo_json([{"coupon": each.coupon, "batch": each.batch, "repeated": each.repeated,
                    "valid_until": each.valid_until.isoformat()} for each in given])  # fmt: skip
        return
    for each in given:
        again = "（已领 had before）" if each.repeated else ""
        click.echo(f"✔ {each.coupon} · {each.batch}{again}")


@coupons.command()
@click.argument("batch")
@click.argument("people", metavar="PHONE|CARD|ID…", nargs=-1, required=True)
@click.option("--key", required=True, help="事由编号；同一编号不重复发 / names the grant for ever.")
@because
@as_staff
@pass_command
def grant(
    command: Command, *, batch: str, people: tuple[str, ...], key: str, reason: str, login: str
) -> None:
    """向会员发券 / give members a coupon each."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        members = [identification.get_by_any(session, said) for said in people]
        given = room.grant(
            session, batch=batch, members=members, key=key, by=actor.public_id, reason=reason
        )
    for each in given:
        click.echo(f"{each.holder} · {each.verdict} · {each.coupon or '—'}")


@coupons.command()
@click.argument("said", metavar="PHONE|CARD|ID")
@as_json
@pass_command
def wallet(command: Command, *, said: str, in_json: bool) -> None:
    """会员的券，可用的在前 / a member's coupons, usable ones first."""
    with reading(command) as session:
        member = identification.get_by_any(session, said)
        held = wallets.wallet(session, holders=[member.public_id])
    if in_json:
        echo_json([_facts(each) for each in held])
        return
    for each in held:
        where = ""
        if each.made_out_for is not None and each.made_out_until is not None:
            where = f" · 离线 offline {each.made_out_for} {_minute(each.made_out_until)}"
        click.echo(
            f"{each.coupon} · {each.template.title_zh} {each.template.title_en} · "
            f"{each.standing} · 有效至 until {_minute(each.valid_until)}{where}"
        )


@coupons.command("make-out")
@click.argument("coupon", metavar="COUPON")
@click.argument("said", metavar="PHONE|CARD|ID")
@click.option("--store", "code", required=True, metavar="CODE", help="在哪家门店用 / the store.")
@as_staff
@as_json
@pass_command
def make_out(
    command: Command, *, coupon: str, said: str, code: str, login: str, in_json: bool
) -> None:
    """为会员激活离线券 / make a coupon out for a store, to be used there without the network."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        member = identification.get_by_any(session, said)
        store = get_directory(session).get_store(code)
        made = offline.make_out(session, member=member, coupon=coupon, store=store)
        audit.record(
            session,
            actor=actor.public_id,
            action="coupon.make-out",
            object=member.public_id,
            after={"coupon": coupon, "store": store.public_id, "fen": made.fen},
        )
    if in_json:
        echo_json({"coupon": made.coupon, "store": made.store, "fen": made.fen,
                   "token": made.token, "ends_at": made.ends_at.isoformat(),
                   "locked_until": made.until.isoformat(), "repeated": made.repeated})  # fmt: skip
        return
    click.echo(
        f"✔ {made.coupon} · {code} · {yuan(made.fen)} · 离线可用至 until {_minute(made.ends_at)} · "
        f"未上传则解锁于 free again at {_minute(made.until)}"
    )
    click.echo(made.token)


@coupons.command()
@click.argument("names", metavar="COUPON…", nargs=-1, required=True)
@because
@as_staff
@pass_command
def void(command: Command, *, names: tuple[str, ...], reason: str, login: str) -> None:
    """作废券；已用的列出，不动 / call coupons back; used ones are named and left alone."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        done = room.void(session, names, by=actor.public_id, reason=reason)
    click.echo(f"✔ 作废 void {done.voided} · 已用 used {' '.join(done.used) or '—'}")


def _minute(at: datetime) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def _facts(each: Held) -> dict[str, object]:
    return {
        "coupon": each.coupon,
        "batch": each.batch,
        "template": each.template.code,
        "version": each.version,
        "standing": each.standing.value,
        "valid_from": each.valid_from.isoformat(),
        "valid_until": each.valid_until.isoformat(),
        "uses_left": each.uses_left,
        "value_fen": each.value_fen,
        "order": each.order,
        "made_out_for": each.made_out_for,
        "made_out_until": each.made_out_until and each.made_out_until.isoformat(),
    }
