"""`plaza replay`: the public data set through the real system, with progress and a report."""

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import Array, c_longlong
from multiprocessing import get_context, parent_process
from pathlib import Path
from signal import SIGKILL

import click
from sqlalchemy import text

from app.cli.context import Command, pass_command
from app.lab import dataset, replay
from app.lab.replay import DISTRICT, Event, Plan
from app.lab.report import write_report
from app.lab.summary import Summary, summarise
from app.tasks import audit_in_full
from config.database import Database
from config.embedded import die_with_parent
from config.settings import Settings
from ledger import upkeep

_QUIET_SECONDS = 10
_done: list["Array[c_longlong]"] = []  # In a worker: how many events each has done.


@click.command("replay")
@click.option(
    "--baskets",
    type=click.IntRange(1, dataset.BASKETS),
    default=2000,
    show_default=True,
    help="前 N 个购物篮，全年 155848 / the first N baskets; the year has 155848.",
)
@click.option("--resume", is_flag=True, help="接着上次中断处 / go on where a killed run was.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="虚构部分的种子 / of the dice."
)
@click.option(
    "--burn-share",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="用积分的订单占比（虚构） / share of orders that burn; made up.",
)
@click.option(
    "--refund-share",
    type=click.FloatRange(0, 1),
    default=0.03,
    show_default=True,
    help="退款的订单占比（虚构） / share of orders refunded; made up.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="进程数 / processes.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("reports/replay.html"),
    show_default=True,
    help="报告 / the report.",
)
@click.option("--json", "in_json", is_flag=True, help="最后一行为 JSON / the last line is JSON.")
@pass_command
@click.pass_context
def replay_command(
    ctx: click.Context,
    command: Command,
    *,
    baskets: int,
    resume: bool,
    seed: int,
    burn_share: float,
    refund_share: float,
    workers: int,
    report: Path,
    in_json: bool,
) -> None:
    """回放公开零售数据到沙盒商圈 replay，并核对账目 / replay a public retail year and audit it.

    \b
    plaza replay --baskets 5000
    plaza replay --baskets 155848 --json
    """
    plan = Plan(baskets=baskets, seed=seed, burn_share=burn_share, refund_share=refund_share)
    summary = replay_plan(command, plan, resume=resume, workers=workers, report=report)
    click.echo(json.dumps(summary.to_json()) if in_json else _shown(summary))
    ctx.exit(0 if summary.audit == "ok" and summary.trial_balance == 0 else 1)


def replay_plan(
    command: Command, plan: Plan, *, resume: bool, workers: int, report: Path
) -> Summary:
    """Replay a plan with progress, audit it, write the report; return the figures."""
    sold = dataset.read(plan.baskets)
    settings, database = command.settings(), command.services().database
    if not (resume and replay.begun(database, plan)):
        _tell("正在准备商圈 / preparing the district")
        replay.open_district(settings, sold, plan)
    began = time.perf_counter()
    took = _run(settings, database, replay.events(sold, plan), workers)
    seconds = time.perf_counter() - began
    summary = _finish(database, sold, took, seconds)
    write_report(database, DISTRICT, report, plan=plan, summary=summary, took=took)
    _tell(f"报告 / report: {report}")
    return summary


def _run(
    settings: Settings, database: Database, events: Sequence[Event], workers: int
) -> list[float]:
    """Share the events by household over processes; one member's stay in order."""
    parts = [
        [event for event in events if event.basket.household % workers == part]
        for part in range(workers)
    ]
    context = get_context("spawn")
    done = context.RawArray(c_longlong, workers)  # One writer each: no lock to die with it.
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin, initargs=(done,)
    ) as pool:
        futures = [pool.submit(_part, settings, part, n) for n, part in enumerate(parts)]
        try:
            _follow(database, futures, done, len(events))
            return [milliseconds for future in futures for milliseconds in future.result()]
        except BrokenProcessPool:
            raise click.ClickException(
                "一个进程被中断；加 --resume 接着跑 / a process was killed: go on with --resume"
            ) from None


def _begin(done: "Array[c_longlong]") -> None:
    """Begin a worker: it dies with its head, also with one that died while it was starting."""
    die_with_parent(SIGKILL)
    head = parent_process()
    if head is None or not head.is_alive():
        raise SystemExit
    _done.append(done)


def _part(settings: Settings, events: Sequence[Event], number: int) -> list[float]:
    (done,) = _done

    def tell() -> None:
        done[number] += 1

    return replay.work(settings, events, tell)


def _follow(
    database: Database,
    futures: Sequence["Future[list[float]]"],
    counts: "Array[c_longlong]",
    total: int,
) -> None:
    began = spoken = time.perf_counter()
    while True:
        running = wait(futures, timeout=1).not_done
        done = sum(counts)
        with database.transaction(DISTRICT) as session:
            upkeep.roll_up(session)
        rate = done / (time.perf_counter() - began)
        left = (total - done) / rate if rate else 0
        line = f"{done:>7}/{total}  {rate:6.0f}/s  剩余 left {left:5.0f} s"
        spoken = _progress(line, spoken, last=not running)
        if not running:
            return


def _finish(
    database: Database, sold: Sequence[dataset.SoldBasket], took: Sequence[float], seconds: float
) -> Summary:
    with database.transaction(DISTRICT) as session:
        upkeep.roll_up(session)
        session.execute(
            text("UPDATE public.district SET clock = :clock WHERE id = :id"),
            {"clock": sold[-1].sold_at + replay.LONGEST_RETURN, "id": DISTRICT},
        )
    _tell("正在核对账目 / auditing the books")
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        violations = audit_in_full(session)
        for each in violations:
            _tell(f"✘ {each}")
        return summarise(session, sold=len(took), seconds=seconds, sound=not violations)


def _progress(line: str, spoken: float, *, last: bool) -> float:
    """Show progress: over itself on a terminal, every ten seconds elsewhere; return when."""
    if sys.stderr.isatty():
        click.echo(f"\r{line}", err=True, nl=last)
    elif last or time.perf_counter() - spoken >= _QUIET_SECONDS:
        _tell(line)
        return time.perf_counter()
    return spoken


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _shown(summary: Summary) -> str:
    return "\n".join(f"{name:<18}{value}" for name, value in summary.to_json().items())
