"""All that `plaza bench` measures, in one run on one server; a function per group.

Ratios only: what one machine does in a second says nothing of another, what it does beside
pgbench does (docs/performance.md).
"""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from app.lab import bench_expiry, bench_ledger, bench_proofs, bench_sale, bench_settle
from app.lab.bench_books import Size
from app.lab.bench_ledger import Effort
from app.lab.bench_pgbench import Pgbench
from config.settings import Settings

FULL = Effort()
SHORT = Effort(
    rounds=1,
    seconds=0.1,
    turns=1,
    scale=1,
    transfers=1_200,
    size=Size(savers=200, burners=100, merchants=100),
    processes=1,
    warm_up=10,
)

LEDGER = (
    "post",
    "hot",
    "earn",
    "burn",
    "hold_capture",
    "service",
    "batch100",
    "at_5m",
    "reads_at_5m",
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found: the object that `plaza bench --json` ends with, and the reads beside it.

    Of `proofs`, two are a second and no ratios: they are held to a number (docs/performance.md).
    `settle` and `expiry` have what their ratios were made of with them.
    """

    tpcb_like_tps: float
    ledger: dict[str, float]
    reads: dict[str, float]
    sale: dict[str, float]
    proofs: dict[str, float]
    settle: dict[str, float]
    expiry: dict[str, float]


def run(
    settings: Settings,
    pgbench: Pgbench,
    effort: Effort,
    *,
    year: str | None,
    tell: Callable[[str], None],
) -> Report:
    """Measure every group; `year` names a sandbox district that has seen a year of sales."""
    whole = effort.rounds > 1
    pgbench.prepare(scale=effort.scale)
    try:
        found = bench_ledger.measure(settings, pgbench, effort, tell=tell)
        tell("orders / 订单 …")
        size = (457, 2469) if whole else (20, 220)
        sale = bench_sale.measure(
            settings,
            tpcb_tps=lambda: pgbench.tpcb_tps(seconds=effort.seconds),
            year=year,
            rounds=effort.rounds,
            seconds=effort.seconds,
            merchants=size[0],
            members=size[1],
            processes=effort.processes,
            warm_up=effort.warm_up,
        )
        sealed = bench_proofs.measure(settings, pgbench, effort, tell=tell)
        expired = bench_expiry.measure(
            settings,
            pgbench,
            lots=1_000_000 if whole else 400,
            seconds=10 if whole else effort.seconds,
            processes=2 if whole else 1,
            tell=tell,
        )
    finally:
        pgbench.drop()
    month = bench_settle.Size() if whole else bench_settle.SHORT
    settled = bench_settle.measure(settings, month, rounds=effort.rounds, tell=tell)
    return Report(
        tpcb_like_tps=statistics.median(found.tpcb_tps),
        ledger={name: found.ratios[name] for name in LEDGER},
        reads={name: found.ratios[name] for name in bench_ledger.READS},
        sale=sale,
        proofs=sealed,
        settle=asdict(settled),
        expiry=asdict(expired),
    )


def effort(*, short: bool, rounds: int | None = None, seconds: float | None = None) -> Effort:
    """Return how long to measure: for the figures, or only to see that everything runs."""
    chosen = SHORT if short else FULL
    if rounds is not None:
        chosen = replace(chosen, rounds=rounds)
    return chosen if seconds is None else replace(chosen, seconds=seconds)
