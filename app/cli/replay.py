"""`plaza replay`: the public data set through the real system, with progress and a report.

In process, or over HTTP as tills would send it; the books are the same.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from ctypes import Array, c_longlong
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from signal import SIGKILL

import click
from plaza_client import PlazaError
from sqlalchemy import text

from app.cli.context import Command, pass_command
from app.cli.serving import answers, served
from app.cli.settle.closing import as_fields, close_span
from app.lab import campaigns, coalition, dataset, replay, replay_coupons, replay_http
from app.lab.campaigns import Campaigns
from app.lab.coalition import Coalition
from app.lab.replay import DISTRICT, Event, Plan
from app.lab.report import write_report
from app.lab.summary import Summary, summarise
from app.settlement import periods
from app.tasks import audit_in_full
from config.database import Database, now_of
from config.embedded import die_with_parent
from config.settings import Settings
from ledger import upkeep

Runner = Callable[[Sequence[Event]], list[float]]

_QUIET_SECONDS = 10
_GO_ON = "；加 --resume 接着跑 / go on with --resume"
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
    "--http",
    "over_http",
    is_flag=True,
    help="像收银机一样发送签名请求 / by signed requests, as tills send them.",
)
@click.option(
    "--tills",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="同时工作的收银机（--http） / tills at work side by side, with --http.",
)
@click.option(
    "--url",
    metavar="ADDRESS",
    help="已在运行的服务，须用同一数据库；缺省临时启动 / a running server on this very database; "
    "else one is started.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("reports/replay.html"),
    show_default=True,
    help="报告 / the report.",
)
@click.option("--coupons", is_flag=True, help="发放并核销数据集的活动券 / run its campaigns too.")
@click.option("--settle", "settles", is_flag=True, help="结清每个月 / close every month of it.")
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
    over_http: bool,
    tills: int,
    url: str | None,
    report: Path,
    coupons: bool,
    settles: bool,
    in_json: bool,
) -> None:
    """回放公开零售数据到沙盒商圈 replay，并核对账目 / replay a public retail year and audit it.

    \b
    plaza replay --baskets 5000
    plaza replay --baskets 155848 --json
    plaza replay --baskets 5000 --http --tills 4
    plaza replay --baskets 155848 --settle --json
    plaza replay --baskets 155848 --coupons --json
    """
    if coupons and over_http:
        raise click.UsageError("--coupons 在进程内运行 / --coupons runs in process, not by --http")
    plan = Plan(
        baskets=baskets,
        seed=seed,
        burn_share=burn_share,
        refund_share=refund_share,
        coupons=coupons,
    )
    run = partial(_in_process, command, workers=workers)
    if over_http:
        run = partial(_over_http, command, tills=tills, url=url)
    summary = replay_plan(command, plan, resume=resume, run=run, settles=settles, report=report)
    click.echo(json.dumps(summary.to_json()) if in_json else _shown(summary))
    ctx.exit(0 if summary.audit == "ok" and summary.trial_balance == 0 else 1)


def replay_plan(
    command: Command,
    plan: Plan,
    *,
    resume: bool,
    report: Path,
    run: Runner | None = None,
    settles: bool = False,
) -> Summary:
    """Replay a plan with progress, close its months, audit it, write the report; return figures.

    `run` does the events and returns milliseconds of each sale: two processes by default.
    """
    sold = dataset.read(plan.baskets)
    settings, database = command.settings(), command.services().database
    if not (resume and replay.begun(database, plan)):
        _tell("正在准备商圈 / preparing the district")
        replay.open_district(settings, sold, plan)
    found = None
    if plan.coupons:
        found = campaigns.read(sold)
        replay_coupons.prepare(database, DISTRICT, found, tell=_tell)
    began = time.perf_counter()
    took = (run or partial(_in_process, command, workers=2))(replay.events(sold, plan, found))
    seconds = time.perf_counter() - began
    _let_time_pass(database, sold)
    closed = _settle(database) if settles else []
    seen = _look_back(database) if closed else None
    summary = _finish(database, took, seconds, closed, seen, campaigns=found)
    write_report(database, DISTRICT, report, plan=plan, summary=summary, took=took, coalition=seen)
    _tell(f"报告 / report: {report}")
    return summary


def _over_http(
    command: Command, events: Sequence[Event], *, tills: int, url: str | None
) -> list[float]:
    """Send the events to a server, one of our own unless one is named."""
    if url is not None and not answers(url):
        raise click.ClickException(f"{url} 没有应答{_GO_ON}")
    database = command.services().database
    progress = _Progress(database, total=len(events))
    with nullcontext(url) if url else served(command) as base_url:
        try:
            return replay_http.work(
                database, events, base_url=base_url, tills=tills, tell=progress.tell
            )
        except PlazaError as error:
            raise click.ClickException(f"{error}{_GO_ON}") from error


def _in_process(command: Command, events: Sequence[Event], *, workers: int) -> list[float]:
    """Share the events by household over processes; one member's stay in order."""
    settings, database = command.settings(), command.services().database
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
            progress = _Progress(database, total=len(events))
            while True:
                running = wait(futures, timeout=1).not_done
                progress.tell(sum(done))
                if not running:
                    break
            return [milliseconds for future in futures for milliseconds in future.result()]
        except BrokenProcessPool:
            raise click.ClickException(f"一个进程被中断 / a process was killed{_GO_ON}") from None


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


class _Progress:
    """Keeps balances rolled up while events are done, and tells how far they are."""

    def __init__(self, database: Database, *, total: int) -> None:
        self._database = database
        self._total = total
        self._began = self._spoken = time.perf_counter()

    def tell(self, done: int) -> None:
        """Show it: over itself on a terminal, every ten seconds elsewhere, and at the end."""
        with self._database.transaction(DISTRICT) as session:
            upkeep.roll_up(session)
        now, last = time.perf_counter(), done == self._total
        rate = done / (now - self._began)
        left = (self._total - done) / rate if rate else 0
        line = f"{done:>7}/{self._total}  {rate:6.0f}/s  剩余 left {left:5.0f} s"
        if sys.stderr.isatty():
            click.echo(f"\r{line}", err=True, nl=last)
        elif last or now - self._spoken >= _QUIET_SECONDS:
            _tell(line)
            self._spoken = now


def _let_time_pass(database: Database, sold: Sequence[dataset.SoldBasket]) -> None:
    """Move the district's clock to when the last refund may have come."""
    with database.transaction(DISTRICT) as session:
        upkeep.roll_up(session)
        session.execute(
            text("UPDATE public.district SET clock = :clock WHERE id = :id"),
            {"clock": sold[-1].sold_at + replay.LONGEST_RETURN, "id": DISTRICT},
        )


def _settle(database: Database) -> list[Mapping[str, object]]:
    """Close every month that is over and was not closed before a kill; return all closed ones."""
    while True:
        with database.transaction(DISTRICT, read_only=True) as session:
            span = periods.next_period(session)
            over = now_of(session) >= span.closable_at
        if not over:
            break
        _tell(f"正在结账 / closing {span.code}")
        close_span(database, DISTRICT, span, by="system:replay")
    with database.transaction(DISTRICT) as session:
        upkeep.roll_up(session)
        return [as_fields(period) for period in periods.list_closed(session)]


def _look_back(database: Database) -> Coalition:
    _tell("正在回看各月积分负债 / looking back at each month's liability")
    with database.transaction(DISTRICT, read_only=True, repeatable_read=True) as session:
        return coalition.gather(session)


def _finish(
    database: Database,
    took: Sequence[float],
    seconds: float,
    closed: Sequence[Mapping[str, object]],
    seen: Coalition | None,
    *,
    campaigns: Campaigns | None,
) -> Summary:
    _tell("正在核对账目 / auditing the books")
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        violations = audit_in_full(session)
        for each in violations:
            _tell(f"✘ {each}")
        coupons = None
        if campaigns is not None:
            coupons = replay_coupons.figures(session, no_basket=campaigns.no_basket)
        return summarise(
            session,
            sold=len(took),
            seconds=seconds,
            sound=not violations,
            periods=closed,
            breakage=None if seen is None else seen.to_json(),
            coupons=coupons,
        )


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _shown(summary: Summary) -> str:
    return "\n".join(f"{name:<18}{value}" for name, value in summary.to_json().items())
