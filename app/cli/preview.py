"""`plaza rule preview`: what a basket would earn, and why every other rule gives nothing (E9)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from app.checkout.baskets import BasketLine
from app.checkout.sharing import SaleLine, share
from app.cli.acting import as_json, echo_json, reading
from app.cli.context import Command, pass_command
from app.cli.parameters import Instant, Line, PaidBy, parse_instant
from app.clock import business_date
from app.errors import Invalid
from app.members.birthdays import parse_birthday
from app.merchants.directory import Directory, ListedMerchant, get_directory
from app.money import yuan
from app.points import caps, explaining
from app.points.earning import PaidLine, PaidOrder
from app.points.explaining import Preview
from app.points.policy import LIMIT
from app.points.programme import programme_at
from app.points.rules import get_rule_book
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class _Line:
    amount_fen: int
    category: str = ""
    merchant: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Basket:
    """A basket as it was written; a tender without an amount pays what the others leave."""

    store: str
    lines: Sequence[_Line]
    tenders: Mapping[str, int | None]
    occurred_at: datetime | None = None
    tier: str | None = None
    birthday: str | None = None


class _Tender(click.ParamType[tuple[str, int | None]]):
    """NAME or NAME=YUAN; the one without an amount pays what the others leave."""

    name = "NAME[=YUAN]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        if "=" not in value:
            return value, None
        paid = PaidBy().convert(value, param, ctx)
        return paid.name, paid.fen


@click.command()
@click.option("--store", help="门店编号 / code of the store.")
@click.option("--line", "lines", type=Line(), multiple=True,
              help="商品行，同 plaza sell / a line, as for `plaza sell`; repeat.")  # fmt: skip
@click.option("--tender", "tenders", type=_Tender(), multiple=True, default=["wechat"],
              help="支付方式，其一可不写金额 / a tender; one may have no amount.")  # fmt: skip
@click.option("--at", type=Instant(), help="交易时刻，默认现在 / when; now by default.")
@click.option("--tier", help="会员等级 / the member's tier.")
@click.option("--birthday", metavar="MM-DD", help="会员生日 / the member's birthday.")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="JSON 文件，代替以上选项 / a JSON file instead of all these.")  # fmt: skip
@as_json
@pass_command
def preview(
    command: Command,
    *,
    store: str | None,
    lines: Sequence[BasketLine],
    tenders: Sequence[tuple[str, int | None]],
    at: datetime | None,
    tier: str | None,
    birthday: str | None,
    path: Path | None,
    in_json: bool,
) -> None:
    """试算积分，不留痕迹 / work out what a basket would earn; nothing is written.

    \b
    plaza rule preview --store tea-1 --line 12.50:bread --line 9.90x2 --tender wechat
    plaza rule preview --store tea-1 --line 50 --tender stored-value=20 --tender cash \\
        --at 2026-12-12T20:00+08:00 --tier gold --birthday 12-12
    plaza rule preview --file basket.json --json

    basket.json: {"store": "tea-1", "lines": [{"amount_fen": 1250, "category": "bread"}],
    "tenders": {"wechat": 1250}, "occurred_at": "2026-12-12T20:00+08:00", "tier": "gold"}
    """
    if path is not None:
        basket = _from_file(path)
    elif store is None:
        raise Invalid("store", "须给出 --store 或 --file", "either --store or --file")
    else:
        basket = _Basket(
            store=store,
            lines=[_line(each) for each in lines],
            tenders=dict(tenders),
            occurred_at=at,
            tier=tier,
            birthday=birthday,
        )
    with reading(command) as session:
        order = _order(get_directory(session), basket, now=now_of(session))
        combine = programme_at(session, order.occurred_at).combine
        found = explaining.preview(get_rule_book(session), order, combine=combine)
        # Of a member who has earned nothing yet: caps count for each one apart.
        day = business_date(order.occurred_at)
        found = replace(found, earned=caps.within(found.earned, {}, member_id=0, day=day))
    if in_json:
        echo_json(_facts(found))
    else:
        _tell(found)


def _order(directory: Directory, basket: _Basket, *, now: datetime) -> PaidOrder:
    if not basket.lines:
        raise Invalid("lines", "至少一行", "at least one")
    home = directory.get_store(basket.store).merchant
    merchants = [home if x.merchant is None else directory.get_merchant(x.merchant)
                 for x in basket.lines]  # fmt: skip
    return PaidOrder(
        occurred_at=basket.occurred_at or now,
        lines=[
            PaidLine(
                merchant=merchant.public_id,
                trade=merchant.trade,
                category=line.category,
                paid_fen=paid,
            )
            for line, merchant, paid in zip(
                basket.lines, merchants, _paid(basket, merchants), strict=True
            )
        ],
        tier=basket.tier,
        birthday=None if basket.birthday is None else parse_birthday(basket.birthday),
    )


def _paid(basket: _Basket, merchants: Sequence[ListedMerchant]) -> list[dict[str, int]]:
    """Share the tenders over the lines as a sale would."""
    total = sum(line.amount_fen for line in basket.lines)
    named = sum(fen for fen in basket.tenders.values() if fen is not None)
    open_ended = [name for name, fen in basket.tenders.items() if fen is None]
    if len(open_ended) > 1 or (named != total if not open_ended else named > total):
        raise Invalid(
            "tenders",
            f"支付合计须等于 {yuan(total)}，最多一种可不写金额",
            f"have to add up to {yuan(total)}; one of them may leave its amount out",
        )
    shared = share(
        [
            SaleLine(number=n, merchant_id=merchant.id, quantity=1, amount_fen=line.amount_fen)
            for n, (line, merchant) in enumerate(zip(basket.lines, merchants, strict=True), 1)
        ],
        tenders=[
            (name, total - named if fen is None else fen) for name, fen in basket.tenders.items()
        ],
    )
    return shared.paid_fen()


def _from_file(path: Path) -> _Basket:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        lines = [
            _Line(**{**line, "amount_fen": _fen(line["amount_fen"])})
            for line in fields.pop("lines")
        ]
        when = fields.pop("occurred_at", None)
        tenders = {name: _fen(fen) for name, fen in fields.pop("tenders").items()}
        return _Basket(
            lines=lines,
            tenders=tenders,
            occurred_at=None if when is None else parse_instant(when),
            **fields,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Invalid(str(path), f"不是可用的购物篮：{error}", f"not a basket: {error}") from error


def _line(typed: BasketLine) -> _Line:
    return _Line(
        amount_fen=_fen(typed.amount_fen), category=typed.category, merchant=typed.merchant
    )


def _fen(written: Any) -> int:
    """Read an amount; JSON may write 5 as 5.0, never as 5.5 or true."""
    text = str(written)
    amount = int(written) if isinstance(written, float) and written.is_integer() else -1
    if not isinstance(written, bool | float) and text.isascii() and text.isdecimal():
        amount = int(text)
    if not 0 <= amount <= LIMIT:
        raise Invalid("amount_fen", f"须为 0 到 2^53 的整数（分）：{text}",
                      f"an integer from 0 to 2^53 (fen): {text}")  # fmt: skip
    return amount


def _facts(found: Preview) -> dict[str, object]:
    return {
        "total_points": found.earned.total_points,
        "line_points": found.earned.line_points,
        "rules": [
            {
                "rule": given.rule.code,
                "version": given.rule.version,
                "name_zh": given.rule.name_zh,
                "name_en": given.rule.name_en,
                "base_fen": given.base_fen,
                "factor": str(given.factor),
                "multipliers": [f"{each.code} v{each.version}" for each in given.multipliers],
                "points": given.points,
                "line_points": given.line_points,
            }
            for given in found.earned.rules
        ],
        "cuts": [
            {
                "rule": each.rule.code,
                "version": each.rule.version,
                "desired_points": each.desired,
                "given_points": each.given,
                "cap": str(each.cap),
            }
            for each in found.earned.cuts
        ],
        "silent": [
            {
                "rule": each.rule.code,
                "version": each.rule.version,
                "why": each.why.value,
                "zh": each.zh,
                "en": each.en,
            }
            for each in found.silent
        ],
    }


def _tell(found: Preview) -> None:
    click.echo(f"共 {found.earned.total_points} 积分 / {found.earned.total_points} points in all")
    for given in found.earned.rules:
        factor = "" if given.factor == 1 else f" × {given.factor}"
        by = "".join(f" {each.code}" for each in given.multipliers)
        click.echo(
            f"✔ {given.rule.code} v{given.rule.version} · {given.rule.name_zh} "
            f"{given.rule.name_en} · {yuan(given.base_fen)}{factor}{by} → {given.points}"
        )
    for cut in found.earned.cuts:
        zh, en = caps.why(cut)
        click.echo(f"✂ {cut.rule.code} v{cut.rule.version} · {zh} / {en}")
    for each in found.silent:
        click.echo(f"✘ {each.rule.code} v{each.rule.version} · {each.zh} / {each.en}")
