"""`plaza bench`: the speed of the ledger, of whole orders and of HTTP, as ratios in one run."""

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from sqlalchemy import text

from app.cli.acting import as_json
from app.cli.context import Command, pass_command
from app.cli.replay import replay_plan
from app.cli.serving import served
from app.errors import StateConflict
from app.lab import bench as lab
from app.lab import (
    bench_claims,
    bench_coupons,
    bench_expiry,
    bench_http,
    bench_ledger,
    bench_proofs,
    bench_settle,
)
from app.lab.bench_pgbench import Pgbench
from app.lab.bench_wrk import find_wrk
from app.lab.replay import DISTRICT as YEAR
from app.lab.replay import Plan
from config import servers
from migrations import run

DEMANDS = {
    **{name: f"≥ {least}" for name, least in (bench_ledger.DEMANDS | bench_proofs.DEMANDS).items()},
    **bench_settle.DEMANDS,
    **bench_expiry.DEMANDS,
}
WHOLE_YEAR = 155_848
SLICE = 60


@click.group(invoke_without_command=True)
@click.option(
    "--short", is_flag=True, help="几秒的缩影，只验证能跑 / seconds, to see that it runs."
)
@click.option("--rounds", type=click.IntRange(1), help="轮数，取中位数 / rounds; medians count.")
@click.option("--seconds", type=click.FloatRange(1), help="每次测量的秒数 / of each measurement.")
@as_json
@pass_command
@click.pass_context
def bench(
    context: click.Context,
    command: Command,
    *,
    short: bool,
    rounds: int | None,
    seconds: float | None,
    in_json: bool,
) -> None:
    """性能：与同一服务器上的 pgbench tpcb-like 之比 / ratios to pgbench on the same server.

    先回放全年数据（若尚未回放），再测量；方法见 docs/performance.md。

    The year is replayed first where it is not there yet; the method is in docs/performance.md.
    """
    if context.invoked_subcommand is not None:
        return
    settings = command.settings()
    _replay_year(command, baskets=SLICE if short else WHOLE_YEAR)
    found = lab.run(
        settings,
        Pgbench(
            binary=servers.postgres_binaries(command.home / "postgres") / "pgbench",
            owner_url=settings.database.owner_url,
            app_url=settings.database.url,
        ),
        lab.effort(short=short, rounds=rounds, seconds=seconds),
        year=YEAR,
        tell=_tell,
    )
    if in_json:
        figures = {
            "tpcb_like_tps": round(found.tpcb_like_tps),
            "ledger": _rounded(found.ledger),
            "sale": _rounded(found.sale),
            "proofs": _rounded(found.proofs),
            "settle": _rounded(found.settle),
            "expiry": _rounded(found.expiry),
        }
        click.echo(json.dumps(figures))
        return
    click.echo(f"tpcb-like {found.tpcb_like_tps:,.0f}/s")
    for group, ratios in asdict(found).items():
        if isinstance(ratios, dict):
            for name, ratio in ratios.items():
                wanted = f"（要求 demand {DEMANDS[name]}）" if name in DEMANDS else ""
                click.echo(f"{group:<8}{name:<24}{ratio:12,.3f}  {wanted}")


@bench.command("http")
@click.option("--short", is_flag=True, help="每次两秒，只验证能跑 / two seconds each.")
@click.option("--rounds", type=click.IntRange(1), default=3, help="轮数，取中位数 / rounds.")
@click.option("--seconds", type=click.FloatRange(1), default=6, help="每次测量的秒数 / of each.")
@as_json
@pass_command
def over_http(command: Command, *, short: bool, rounds: int, seconds: float, in_json: bool) -> None:
    """经 HTTP 的订单、试算与上传：与同一 gunicorn 中空白 Flask 之比 / orders, quotes and uploads
    over HTTP, as ratios to a bare Flask in the same gunicorn.

    需要 wrk；方法见 docs/performance.md。/ Needs wrk; the method is in docs/performance.md.
    """
    wrk = find_wrk()
    settings = command.settings()
    counters = bench_http.open_district(settings)
    with (
        TemporaryDirectory() as folder,
        served(command, app="app.lab.hello:both()") as address,
    ):
        found = bench_http.measure(
            bench_http.Bench(
                wrk=wrk,
                address=address,
                folder=Path(folder),
                seconds=2 if short else seconds,
                counters=counters,
                tell=_tell,
            ),
            rounds=1 if short else rounds,
        )
    _tell(f"{bench_http.prove(settings)} orders, books proved / 单已入账，账目无误")
    if in_json:
        told = {"hello_rps": round(found.hello_rps), "http": _rounded(found.http)}
        click.echo(json.dumps(told))
        return
    click.echo(f"hello {found.hello_rps:,.0f}/s")
    for name, ratio in found.http.items():
        click.echo(f"http    {name:<14}{ratio:8.3f}  （要求 demand {bench_http.DEMANDS[name]}）")


@bench.command("settle")
@click.option("--short", is_flag=True, help="小样，只验证能跑 / a few rows, to see that it runs.")
@click.option("--rounds", type=click.IntRange(1), default=3, help="轮数，取中位数 / rounds.")
@as_json
@pass_command
def settling(command: Command, *, short: bool, rounds: int, in_json: bool) -> None:
    """结账一个月：与同样数据上一次聚合之比（要求 ≤ 4） / closing a month, as a ratio to one plain
    aggregate over the same rows (demand ≤ 4)."""
    size = bench_settle.SHORT if short else bench_settle.Size()
    found = bench_settle.measure(
        command.settings(), size, rounds=1 if short else rounds, tell=_tell
    )
    if in_json:
        click.echo(json.dumps({"settle": _rounded(asdict(found))}))
        return
    for name, figure in asdict(found).items():
        wanted = bench_settle.DEMANDS.get(name)
        click.echo(
            f"settle  {name:<18}{figure:8.3f}" + (f"  （要求 demand {wanted}）" if wanted else "")
        )


@bench.command("expiry")
@click.option("--short", is_flag=True, help="几百批，只验证能跑 / some hundred lots.")
@click.option("--lots", type=click.IntRange(400), default=1_000_000, help="积分批数 / lots.")
@click.option("--seconds", type=click.FloatRange(1), default=10, help="每次测量的秒数 / of each.")
@as_json
@pass_command
def of_expiry(command: Command, *, short: bool, lots: int, seconds: float, in_json: bool) -> None:
    """到期入账：单独运行与 tpcb-like 之比，以及与收银同时运行 / expiry, alone as a ratio to
    tpcb-like, and beside tills that sell.

    方法见 docs/performance.md。/ The method is in docs/performance.md.
    """
    settings = command.settings()
    pgbench = Pgbench(
        binary=servers.postgres_binaries(command.home / "postgres") / "pgbench",
        owner_url=settings.database.owner_url,
        app_url=settings.database.url,
    )
    pgbench.prepare(scale=1 if short else lab.FULL.scale)
    try:
        found = bench_expiry.measure(
            settings,
            pgbench,
            lots=400 if short else lots,
            seconds=1 if short else seconds,
            processes=1 if short else 2,
            tell=_tell,
        )
    finally:
        pgbench.drop()
    if in_json:
        click.echo(json.dumps({"expiry": _rounded(asdict(found))}))
        return
    for name, value in asdict(found).items():
        wanted = bench_expiry.DEMANDS.get(name)
        click.echo(
            f"expiry  {name:<24}{value:12,.3f}" + (f"  （要求 demand {wanted}）" if wanted else "")
        )


@bench.command("coupons")
@click.option("--short", is_flag=True, help="小样，不经 HTTP / a few, nothing over HTTP.")
@click.option("--claims", is_flag=True, help="只测领取与可领券 / claims and offers alone.")
@click.option("--rounds", type=click.IntRange(1), default=3, help="轮数，取中位数 / rounds.")
@click.option("--seconds", type=click.FloatRange(1), default=6, help="每次测量的秒数 / of each.")
@as_json
@pass_command
def of_coupons(
    command: Command, *, short: bool, claims: bool, rounds: int, seconds: float, in_json: bool
) -> None:
    """选券的 CPU 时间、印码与 COPY 之比、热门批次与多批次之比、可领券与读券包之比 / CPU of a quote,
    printed codes to a raw COPY, claims on one hot batch to claims on many, offers to a wallet.

    经 HTTP 的领取需要 wrk；方法见 docs/performance.md。

    Claims over HTTP need wrk; the method is in docs/performance.md.
    """
    wrk = "" if short else find_wrk()
    found: dict[str, float] = {}
    if not claims:
        size = bench_coupons.SHORT if short else bench_coupons.Size()
        found |= asdict(bench_coupons.measure(command.settings(), size, tell=_tell))
    found |= _claims(command, wrk, rounds=rounds, seconds=seconds)
    if in_json:
        click.echo(json.dumps({"coupons": _rounded(found)}))
        return
    demands = bench_coupons.DEMANDS | bench_claims.DEMANDS
    for name, figure in found.items():
        wanted = demands.get(name)
        click.echo(
            f"coupons {name:<18}{figure:8.3f}" + (f"  （要求 demand {wanted}）" if wanted else "")
        )


def _claims(command: Command, wrk: str, *, rounds: int, seconds: float) -> dict[str, float]:
    """Measure claims over HTTP, where there is a wrk, and offers beside a wallet."""
    settings = command.settings()
    members = bench_claims.open_district(settings, members=bench_claims.MEMBERS if wrk else 10)
    try:
        found = {
            "offers": bench_claims.offers_to_wallet(
                settings, members, rounds=300 if wrk else 10, tell=_tell
            )
        }
        if wrk:
            with (
                TemporaryDirectory() as folder,
                served(command, app="app.lab.hello:both()") as address,
            ):
                bench = bench_claims.Bench(
                    wrk=wrk, address=address, folder=Path(folder), seconds=seconds,
                    settings=settings, claims=members, tell=_tell,
                )  # fmt: skip
                found |= bench_claims.measure(bench, rounds=rounds)
        if not bench_claims.prove(settings):
            raise StateConflict("bench", "claims", "broken", "账目有误", "the books are broken")
        return found
    finally:
        bench_claims.drop_district(settings)


def _replay_year(command: Command, *, baskets: int) -> None:
    """See that the replay's district has seen so many baskets."""
    settings, database = command.settings(), command.services().database
    if YEAR in run.migrate(settings.database.owner_url):
        with database.transaction(YEAR, read_only=True) as session:
            if (session.scalar(text('SELECT count(*) FROM "order"')) or 0) >= baskets:
                return
    plan = Plan(baskets=baskets, seed=1, burn_share=0.05, refund_share=0.03)
    replay_plan(command, plan, resume=False, report=Path("reports/replay.html"))


def _rounded(ratios: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in ratios.items()}


def _tell(line: str) -> None:
    click.echo(line, err=True)
