"""`plaza coupons pay-gift …`: coupons that paid orders give (支付有礼)."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.campaigns import pay_gifts
from app.campaigns.pay_gifts import ListedPayGift
from app.cli.acting import acting, as_json, as_staff, because, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.coupons.group import coupons
from app.cli.parameters import Instant, Yuan
from app.clock import SHANGHAI
from app.errors import Invalid
from app.merchants.staff import Permission
from app.money import yuan


@coupons.group("pay-gift")
def pay_gift() -> None:
    """支付有礼：付满多少送一张券 / coupons that a paid order gives."""


@pay_gift.command("open")
@click.argument("code")
@click.option("--batch", required=True, help="送哪个批次的券 / of which batch.")
@click.option("--least", type=Yuan(), default=0, help="实付满多少元 / what is paid at least.")
@click.option(
    "--conditions",
    "file",
    metavar="FILE.json",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="scope、when、who、tenders、threshold，写法同券模板 / as a template's offer writes them.",
)
@click.option("--from", "begins", type=Instant(), required=True, help="开始 / from.")
@click.option("--to", "ends", type=Instant(), required=True, help="结束 / until, half-open.")
@because
@as_staff
@pass_command
def open_(
    command: Command,
    *,
    code: str,
    batch: str,
    least: int,
    file: Path | None,
    begins: datetime,
    ends: datetime,
    reason: str,
    login: str,
) -> None:
    """开始赠送；批次须先开好 / begin to give coupons of a batch that is open."""
    conditions: dict[str, Any] = {} if file is None else _read(file)
    if least:
        conditions["threshold"] = {**conditions.get("threshold", {}), "min_fen": least}
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        opened = pay_gifts.open_gift(
            session,
            code=code,
            batch=batch,
            conditions=conditions,
            starts_at=begins,
            ends_at=ends,
            by=actor.public_id,
            reason=reason,
        )
    click.echo(f"✔ {_line(opened)}")


@pay_gift.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出支付有礼 / list them, newest first."""
    with reading(command) as session:
        found = pay_gifts.list_gifts(session)
    if in_json:
        echo_json(
            [
                {"code": each.code, "batch": each.batch, "starts_at": each.starts_at,
                 "ends_at": each.ends_at, "ended_at": each.ended_at}
                for each in found
            ]
        )  # fmt: skip
        return
    for each in found:
        ended = "" if each.ended_at is None else " · 已停止 ended"
        click.echo(f"{_line(each)}{ended}")


@pay_gift.command()
@click.argument("code")
@because
@as_staff
@pass_command
def end(command: Command, *, code: str, reason: str, login: str) -> None:
    """停止赠送；已送的券仍可用 / give no more; what was given stays."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        pay_gifts.end(session, code, by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · ended")


def _read(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Invalid("conditions", "不是 JSON", "not JSON") from error
    if not isinstance(read, dict):
        raise Invalid("conditions", "须为对象", "an object is wanted")
    return read


def _line(gift: ListedPayGift) -> str:
    least = gift.conditions.threshold.min_fen
    begins, ends = [
        f"{each.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" for each in (gift.starts_at, gift.ends_at)
    ]
    return f"{gift.code} · {gift.batch} · 满 from {yuan(least)} · {begins} → {ends}"
