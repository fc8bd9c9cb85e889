"""The ledger's rows of the bench: each beside tpcb-like, on empty books and on five million.

A round runs a row in turns with tpcb-like, which begins and ends, and takes the ratio of their
means: a disk that is slow for some seconds is slow for both. The figure is the median of the
rounds. The books are proved afterwards, or there is no figure.
"""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from app.lab import bench_books, bench_service
from app.lab.bench_books import BENCH, Size
from app.lab.bench_pgbench import Pgbench
from app.lab.bench_service import Shift
from config.settings import Settings

SCRIPTS = ("post", "hot", "earn", "burn", "hold_capture")
READS = ("balance", "statement")
PAGES = ("read_balance", "read_page")

FEW = 50  # Of the transfers, members and merchants, one in so many.

#: What ledger.md §4 asks for, as `plaza bench` prints it beside the figure.
DEMANDS = {
    "post": 1.1,
    "hot": 0.85,
    "earn": 0.8,
    "burn": 0.45,
    "hold_capture": 0.45,
    "service": 0.5,
    "batch100": 2.2,
    "at_5m": 0.85,
    "reads_at_5m": 0.833,  # Within 1.2 times the time.
    "balance": 8.0,
    "statement": 3.0,
}


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a run of the bench takes, and on how much; the defaults are those of the figures.

    A row's `seconds` of a round are divided into `turns` with tpcb-like. `processes` post (half as
    many in batches) and sell; each first sells `warm_up` orders, or posts a tenth of that.
    """

    rounds: int = 3
    seconds: float = 6
    turns: int = 3
    scale: int = 20
    transfers: int = 5_000_000
    size: Size = field(default_factory=Size)
    processes: int = 4
    warm_up: int = 300


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured: row → ratio, and transactions per second of every tpcb-like."""

    ratios: Mapping[str, float]
    tpcb_tps: list[float]


Row = Callable[[], float]


def measure(
    settings: Settings, pgbench: Pgbench, effort: Effort, *, tell: Callable[[str], None]
) -> Found:
    """Return the ratios of every row; `tell` hears how it goes."""
    size, seconds = effort.size, effort.seconds / effort.turns
    tpcb = partial(pgbench.tpcb_tps, seconds=seconds)
    few = _few(settings, effort, tpcb, tell=tell)
    bench_books.open_books(settings, size)
    script = partial(pgbench.script_tps, district=BENCH, size=size, seconds=seconds)
    rows: dict[str, Row] = {name: partial(script, name) for name in SCRIPTS}
    rows["service"] = _called(settings, effort, size, "service", effort.processes)
    rows["batch100"] = _called(settings, effort, size, "batch100", (effort.processes + 1) // 2)
    reads: dict[str, Row] = {name: partial(script, name) for name in READS}

    with bench_books.rolled_up(settings):
        empty = _rounds({**rows, **reads}, tpcb, effort, tell=tell)
    _prove(settings, tell)
    tell(f"{effort.transfers:,} transfers …")
    bench_books.load(settings, size, transfers=effort.transfers)
    with bench_books.rolled_up(settings):
        full = _rounds({**_pages(settings, effort, size), **rows}, tpcb, effort, tell=tell)
    _prove(settings, tell)
    bench_books.drop_books(settings)

    ratios = dict(empty.ratios)
    ratios["hot"] = empty.ratios["hot"] / empty.ratios["post"]
    ratios["at_5m"] = min(full.ratios[name] / empty.ratios[name] for name in rows)
    ratios["reads_at_5m"] = min(full.ratios[name] / few.ratios[name] for name in PAGES)
    return Found(ratios=ratios, tpcb_tps=[*few.tpcb_tps, *empty.tpcb_tps, *full.tpcb_tps])


def _few(settings: Settings, effort: Effort, tpcb: Row, *, tell: Callable[[str], None]) -> Found:
    """Return what a member's reads take in books of a fiftieth, each member's year as long."""
    size, transfers = effort.size.part(FEW), effort.transfers // FEW
    tell(f"{transfers:,} transfers …")
    bench_books.open_books(settings, size)
    bench_books.load(settings, size, transfers=transfers)
    with bench_books.rolled_up(settings):
        found = _rounds(_pages(settings, effort, size), tpcb, effort, tell=tell)
    _prove(settings, tell)
    return found


def _pages(settings: Settings, effort: Effort, size: Size) -> dict[str, Row]:
    return {name: _called(settings, effort, size, name, effort.processes) for name in PAGES}


def _called(settings: Settings, effort: Effort, size: Size, call: str, processes: int) -> Row:
    """Return the row of processes that call the ledger as the rooms do."""
    shift = Shift(
        url=settings.database.url,
        seconds=effort.seconds / effort.turns,
        call=call,
        size=size,
        warm_up=effort.warm_up // 10,
    )
    return partial(bench_service.tps, shift, processes=processes)


def _prove(settings: Settings, tell: Callable[[str], None]) -> None:
    bench_books.prove(settings)
    tell("✔ 账目无误 / the books are sound")


def _rounds(
    rows: Mapping[str, Row], tpcb: Row, effort: Effort, *, tell: Callable[[str], None]
) -> Found:
    ratios: dict[str, list[float]] = {name: [] for name in rows}
    beside = [tpcb()]
    for _ in range(effort.rounds):
        for name, row in rows.items():
            turns = []
            for _ in range(effort.turns):
                turns.append(row())
                beside.append(tpcb())
            tps, usual = statistics.mean(turns), statistics.mean(beside[-effort.turns - 1 :])
            ratios[name].append(tps / usual)
            tell(f"{name:<14}{tps:>9,.0f}/s  tpcb-like {usual:>7,.0f}  {ratios[name][-1]:.2f}")
    return Found(
        ratios={name: statistics.median(found) for name, found in ratios.items()}, tpcb_tps=beside
    )
