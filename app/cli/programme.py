"""`plaza programme …`: the points policy, proposed by one and approved by another."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from fractions import Fraction
from typing import Any, TypeVar

import click

from app import approvals
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
from app.cli.deciding import add_reject
from app.cli.parameters import Activities, Instant, Rate
from app.clock import SHANGHAI
from app.errors import Invalid
from app.merchants.directory import Directory, get_directory
from app.merchants.staff import Permission
from app.points import programme as room
from app.points.policy import BestBy, BurnTerms, Combine, NegativePolicy, Programme, ReturnFirst
from app.points.programme import Decided
from config.database import now_of

F = TypeVar("F", bound=Callable[..., Any])

_MEANING = {
    "expiry_months": "有效期，满月数后的月底到期 / months that points last, to a month's end",
    "point_value_fen": "每积分抵扣多少分 / fen that a burned point pays for",
    "combine": "多个倍数如何合并 / what several multipliers make of each other",
    "negative_policy": "退款时积分已花掉怎么办 / a refund whose points are spent",
    "debt_floor_points": "欠分下限，不大于 0 / how deep a debt may go, not above 0",
    "courtesy_days": "过期后退回的积分再有效几天 / days for points that return after expiry",
    "return_first": "按金额退款先退什么 / what a refund of an amount eats first",
    "hold_minutes": "待付订单保留积分的分钟数 / minutes that an unpaid order holds points",
    "quote_minutes": "报价有效分钟数 / minutes that a quote keeps its price",
    "breakage_share": "过期积分成本退还发放方的比例 / share of expired points' cost issuers get",
    "extend_months": "活动后至少再有效几个月 / months that points last at least after an activity",
    "extended_by": "使积分延期的活动 / activities that let points last longer",
    "best_by": "最优券组合：优惠最多，或应付最少（计入积分与储值）"
    " / the best coupons: most discount, or least to pay, points counted in",
    "coupons_at_most": "每单最多用几张券 / how many coupons an order takes",
    "min_unit_points": "抵扣须为其整数倍 / burned in multiples of it",
    "max_share": "最多抵扣订单的几成，如 1/2 / the largest share of an order, like 1/2",
    "daily_limit_points": "每位会员每日上限 / what a member may burn a day",
}
_RANGE = click.IntRange(0)


def _field(name: str, kind: click.ParamType[Any]) -> Callable[[F], F]:
    """Return the option that sets one field of a policy."""
    return click.option(f"--{name.replace('_', '-')}", name, type=kind, help=_MEANING[name] + ".")


def _choice(kind: Iterable[str]) -> click.Choice[str]:
    return click.Choice([str(each) for each in kind])


_begins = click.option(
    "--from", "begins", type=Instant(), help="生效；默认审批时 / from; else at approval."
)


@click.group()
def programme() -> None:
    """积分方案与抵扣条款：一人提出，另一人审批 / the points policy: one proposes, another approves.

    \b
    plaza programme show
    plaza programme propose --expiry-months 24 --from 2027-01-01 --reason 年度方案 --as lin
    plaza programme burn-terms propose --merchant tea --max-share 1/2 --reason 试行 --as lin
    plaza programme approve chg_01J… --as wang
    """


@programme.command()
@_field("expiry_months", _RANGE)
@click.option("--never-expires", is_flag=True, help="积分永久有效 / points never expire.")
@_field("point_value_fen", Rate())
@_field("combine", _choice(Combine))
@_field("negative_policy", _choice(NegativePolicy))
@_field("debt_floor_points", click.IntRange(max=0))
@click.option("--no-debt-floor", is_flag=True, help="欠分不设下限 / a debt may go to any depth.")
@_field("courtesy_days", _RANGE)
@_field("return_first", _choice(ReturnFirst))
@_field("hold_minutes", _RANGE)
@_field("quote_minutes", _RANGE)
@_field("breakage_share", Rate())
@_field("extend_months", click.IntRange(1))
@_field("extended_by", Activities())
@click.option("--no-extension", is_flag=True, help="活动不再使积分延期 / nothing extends points.")
@_field("best_by", _choice(BestBy))
@_field("coupons_at_most", click.IntRange(1, 30))
@click.option(
    "--any-coupons", is_flag=True, help="不限张数 / an order takes any number of coupons."
)
@_begins
@because
@as_staff
@pass_command
def propose(
    command: Command,
    /,
    *,
    never_expires: bool,
    no_debt_floor: bool,
    no_extension: bool,
    any_coupons: bool,
    begins: datetime | None,
    reason: str,
    login: str,
    **given: object,
) -> None:
    """提出新方案；未给出的项不变 / propose a policy; what is not named stays as it is."""
    lifted = {
        "expiry_months": never_expires,
        "debt_floor_points": no_debt_floor,
        "extend_months": no_extension,
        "extended_by": no_extension,
        "coupons_at_most": any_coupons,
    }
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        at = room.beginning(session, begins)
        unset = {
            "extend_months": None, "extended_by": None, "best_by": BestBy.DISCOUNT.value,
            "coupons_at_most": None,
        }  # fmt: skip
        known = {**unset, **room.programme_at(session, at).to_json()}
        changed = _changed(known, given, lifted=lifted)
        wanted = Programme.from_json({**changed, "effective_from": at.isoformat()})
        request = room.propose(session, wanted, by=actor.public_id, reason=reason)
        echo_difference(request)
    _tell_next(request.public_id)


@programme.group("burn-terms")
def burn_terms() -> None:
    """抵扣条款：按商户和会员等级 / burn terms, for a merchant and tier or for all.

    审批用 plaza programme approve。 / They are approved with `plaza programme approve`.
    """


@burn_terms.command("propose")
@click.option("--merchant", help="商户编号，缺省为全部 / a merchant's code; all by default.")
@click.option("--tier", help="会员等级，缺省为全部 / a tier; all by default.")
@_field("min_unit_points", click.IntRange(1))
@_field("max_share", Rate())
@_field("daily_limit_points", _RANGE)
@click.option("--no-daily-limit", is_flag=True, help="每日不设上限 / any number a day.")
@_begins
@because
@as_staff
@pass_command
def propose_terms(
    command: Command,
    /,
    *,
    merchant: str | None,
    tier: str | None,
    no_daily_limit: bool,
    begins: datetime | None,
    reason: str,
    login: str,
    **given: object,
) -> None:
    """提出抵扣条款；未给出的项不变 / propose burn terms; what is not named stays as it is.

    某商户或等级首次单独约定时，其余各项取自目前适用于它的条款。

    The first terms of a merchant or tier take the rest from those that hold there so far.
    """
    with acting(command, login, Permission.PROGRAMME_PROPOSE) as (session, actor):
        at = room.beginning(session, begins)
        directory = get_directory(session)
        public_id = None if merchant is None else directory.get_merchant(merchant).public_id
        known = room.burn_terms_at(session, merchant=public_id, tier=tier, at=at).to_json()
        changed = _changed(known, given, lifted={"daily_limit_points": no_daily_limit})
        key = {"merchant": public_id, "tier": tier, "effective_from": at.isoformat()}
        wanted = BurnTerms.from_json({**changed, **key})
        request = room.propose(session, wanted, by=actor.public_id, reason=reason)
        echo_difference(request)
    _tell_next(request.public_id)


@programme.command()
@click.argument("request")
@as_staff
@pass_command
def approve(command: Command, *, request: str, login: str) -> None:
    """审批方案或条款 / put a proposed policy in force, as the second person."""
    with acting(command, login, Permission.PROGRAMME_APPROVE) as (session, actor):
        agreed = room.approve(session, request, by=actor.public_id)
        title = _title(get_directory(session), agreed)
    begins = _local(agreed.effective_from)
    click.echo(f"✔ {title} · {begins} 起生效 / in force from then on")


add_reject(programme, room.reject, may=Permission.PROGRAMME_PROPOSE)


@programme.command()
@pass_command
def pending(command: Command) -> None:
    """列出待审批的方案和条款及其变化 / list what is proposed and what it would change."""
    with reading(command) as session:
        directory = get_directory(session)
        for request in approvals.list_open(session, kind=room.KIND):
            title = _title(directory, room.proposed(request))
            click.echo(
                f"{request.public_id} · {title} · {request.reason} · "
                f"{_local(request.expires_at)} 前有效 / open until then"
            )
            echo_difference(request)


@programme.command()
@click.option("--at", type=Instant(), help="何时，默认现在 / when; now by default.")
@as_json
@pass_command
def show(command: Command, *, at: datetime | None, in_json: bool) -> None:
    """查看生效中的方案和抵扣条款 / show the policy and the burn terms that are in force."""
    with reading(command) as session:
        when = at or now_of(session)
        policy = room.programme_at(session, when)
        terms = room.burn_terms_in_force(session, at=when)
        directory = get_directory(session)
    if in_json:
        echo_json({"programme": policy.to_json(), "burn_terms": [each.to_json() for each in terms]})
        return
    _show(directory, policy)
    for each in terms:
        _show(directory, each)


@programme.command()
@as_json
@pass_command
def history(command: Command, *, in_json: bool) -> None:
    """列出全部方案和条款，含将生效的 / list all policies, past and to come, and who decided."""
    with reading(command) as session:
        decided = room.history(session)
        directory = get_directory(session)
    if in_json:
        echo_json([_facts(each) for each in decided])
        return
    for each in decided:
        _show(directory, each.change)
        if each.request is not None:
            request = each.request
            click.echo(f"  {request.public_id} · {request.reason} · "
                       f"{request.proposed_by} → {request.decided_by}")  # fmt: skip


def _changed(
    known: Mapping[str, Any], given: Mapping[str, object], *, lifted: Mapping[str, bool]
) -> dict[str, Any]:
    """Return what stands with what was given in its place; `lifted` limits are none at all."""
    named = {name: _plain(value) for name, value in given.items() if value is not None}
    gone: dict[str, object] = {name: None for name, flag in lifted.items() if flag}
    for name in sorted(named.keys() & gone.keys()):
        raise Invalid(name, "不能同时设定和取消", "is both set and lifted")
    changed = {**known, **named, **gone}
    if changed == known:
        raise Invalid("programme", "没有任何变化", "nothing would change")
    return changed


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Fraction) else value


def _title(directory: Directory, change: Programme | BurnTerms) -> str:
    if isinstance(change, Programme):
        return "积分方案 programme"
    merchant = directory.get_merchant(change.merchant).code if change.merchant else "*"
    return f"抵扣条款 burn terms · 商户 merchant {merchant} · 等级 tier {change.tier or '*'}"


def _show(directory: Directory, change: Programme | BurnTerms) -> None:
    begins = _local(change.effective_from)
    click.echo(f"{_title(directory, change)} · {begins} 起 / from then on")
    written = change.to_json()
    for field in fields(change):
        if field.name in _MEANING:
            value = written.get(field.name)
            shown = "—" if value is None else ",".join(value) if isinstance(value, list) else value
            click.echo(f"  {field.name:<20}{shown!s:<13}{_MEANING[field.name]}")


def _facts(each: Decided) -> dict[str, object]:
    request = each.request
    return {
        "kind": "programme" if isinstance(each.change, Programme) else "burn-terms",
        **each.change.to_json(),
        "request": request and request.public_id,
        "reason": request and request.reason,
        "proposed_by": request and request.proposed_by,
        "approved_by": request and request.decided_by,
    }


def _tell_next(request: str) -> None:
    click.echo(f"等待审批 / waits for approval: plaza programme approve {request} --as …")


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
