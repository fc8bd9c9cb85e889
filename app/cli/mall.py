"""`plaza mall …`: what members may take for points; two people where many points would move."""

from datetime import datetime

import click

from app.approvals import ChangeRequest
from app.campaigns import mall as room
from app.campaigns.mall import ListedItem, NewItem
from app.checkout import takings
from app.cli.acting import (
    acting,
    as_json,
    as_staff,
    because,
    echo_difference,
    echo_json,
    reading,
)
from app.cli.context import Command, pass_command
from app.cli.deciding import add_decisions
from app.cli.parameters import Instant, Yuan
from app.clock import SHANGHAI
from app.errors import Invalid
from app.members import identification
from app.merchants.staff import Permission


@click.group()
def mall() -> None:
    """积分商城：上架、下架与审批 / the reward mall: put up, end, and the second person.

    \b
    plaza mall add MUG --title 马克杯 "A mug" --merchant longjing --points 500 --stock 100 \\
        --tier gold=400 --cash 9.90 --from 2026-12-01 --to 2027-01-01 --reason 年终 --as lin
    plaza mall add TEA5 --title 五元券 "5 off" --merchant longjing --batch SPRING --points 300 \\
        --stock 1000 --from 2026-12-01 --to 2027-01-01 --reason 年终 --as lin
    plaza mall approve chg_01J… --as wang
    plaza mall list
    """


@mall.command()
@click.argument("code")
@click.option(
    "--title", "titles", nargs=2, required=True, metavar="中文 ENGLISH", help="名称 / name."
)
@click.option("--merchant", required=True, help="由哪家商户给出并收取积分 / who gives it.")
@click.option("--points", type=click.IntRange(1), required=True, help="价格 / its price.")
@click.option("--stock", type=click.IntRange(1), required=True, help="库存 / how many there are.")
@click.option("--from", "begins", type=Instant(), required=True, help="开始 / from.")
@click.option("--to", "ends", type=Instant(), required=True, help="结束 / until, half-open.")
@click.option(
    "--batch", help="发该批次的券；省略为到店自提的商品 / the coupon's batch; else goods."
)
@click.option(
    "--tier", "tiers", multiple=True, metavar="TIER=POINTS", help="等级价 / a tier's price."
)
@click.option("--cash", type=Yuan(), default=0, help="自提时另付现金 / paid at the pick-up beside.")
@click.option("--per-member", type=click.IntRange(1), default=1, show_default=True,
              help="每人限换 / a member may have.")  # fmt: skip
@click.option("--pick-up-days", type=click.IntRange(1), default=30, show_default=True,
              help="几天内自提 / days to pick it up.")  # fmt: skip
@because
@as_staff
@pass_command
def add(
    command: Command,
    *,
    code: str,
    titles: tuple[str, str],
    merchant: str,
    points: int,
    stock: int,
    begins: datetime,
    ends: datetime,
    batch: str | None,
    tiers: tuple[str, ...],
    cash: int,
    per_member: int,
    pick_up_days: int,
    reason: str,
    login: str,
) -> None:
    """上架商品或券 / put up goods or a coupon."""
    new = NewItem(
        code=code,
        title_zh=titles[0],
        title_en=titles[1],
        merchant=merchant,
        points=points,
        stock=stock,
        starts_at=begins,
        ends_at=ends,
        batch=batch,
        tier_points=dict(map(_tier, tiers)),
        cash_fen=cash,
        per_member=per_member,
        pick_up_days=pick_up_days,
    )
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        made = room.put_up(session, new, by=actor.public_id, reason=reason)
        if isinstance(made, ChangeRequest):
            echo_difference(made)
    if isinstance(made, ChangeRequest):
        click.echo(f"等待审批 / waits for approval: plaza mall approve {made.public_id} --as …")
    else:
        click.echo(f"✔ {_line(made)}")


@mall.command("list")
@as_json
@pass_command
def list_(command: Command, *, in_json: bool) -> None:
    """列出商品与剩余库存 / list the items and what is left of them, newest first."""
    with reading(command) as session:
        found = room.list_items(session)
    if in_json:
        echo_json([_facts(each) for each in found])
        return
    for each in found:
        ended = "" if each.ended_at is None else " · 已下架 ended"
        click.echo(f"{_line(each)}{ended}")


@mall.command()
@click.argument("code")
@because
@as_staff
@pass_command
def end(command: Command, *, code: str, reason: str, login: str) -> None:
    """下架；已换购的不变 / let it be taken no more; what was taken stays so."""
    with acting(command, login, Permission.COUPON_WRITE) as (session, actor):
        room.end(session, code, by=actor.public_id, reason=reason)
    click.echo(f"✔ {code} · ended")


@mall.command("takings")
@click.argument("said", metavar="PHONE|CARD|ID")
@pass_command
def list_takings(command: Command, *, said: str) -> None:
    """会员换购的，新的在前 / what a member took, newest first."""
    with reading(command) as session:
        member = identification.get_by_any(session, said)
        found = takings.list_own(session, member, limit=100)
    for each in found:
        click.echo(
            f"{each.public_id} · {each.item} · {each.points} 积分 points · {each.state} · "
            f"{_local(each.taken_at)} → {_local(each.until)}"
        )


add_decisions(
    mall,
    kind=room.KIND,
    approve=room.approve,
    reject=room.reject,
    title=lambda request: f"{request.subject} · {request.reason}",
    may_approve=Permission.COUPON_APPROVE,
    may_reject=Permission.COUPON_WRITE,
)


def _tier(written: str) -> tuple[str, int]:
    code, _, points = written.partition("=")
    if not code or not points.isdecimal():
        raise Invalid("tier", f"应为 等级=积分：{written}", f"wanted TIER=POINTS: {written}")
    return code, int(points)


def _line(item: ListedItem) -> str:
    return (
        f"{item.code} · {item.title_zh} {item.title_en} · {item.points} 积分 points · "
        f"余 left {item.left}/{item.stock} · {_local(item.starts_at)} → {_local(item.ends_at)}"
    )


def _facts(item: ListedItem) -> dict[str, object]:
    return {**vars(item), "merchant": item.merchant.code}


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
