"""The ledger as the rooms call it: processes that post through `Database.transaction`."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from sqlalchemy.orm import Session

import ledger
from app.errors import StateConflict
from app.lab.bench_books import BENCH, Size
from config.database import Database, new_id
from ledger import Journal, LedgerError, Posting

BATCH = 100
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One process's share: for so long, that many journals a transaction."""

    url: str
    seconds: float
    batch: int
    size: Size
    warm_up: int


def posted_tps(shift: Shift, *, processes: int) -> float:
    """Return transfers per second of processes that post in transactions of `batch` journals.

    They start, wait until all are warm, and post side by side.
    """
    context = crew_context()
    barrier, done = context.Barrier(processes), context.SimpleQueue()
    crew = [
        context.Process(target=_work, args=(shift, barrier, done), daemon=True)
        for _ in range(processes)
    ]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    if any(each.exitcode for each in crew):
        raise StateConflict("bench", BENCH, "failed", "测量进程失败", "a measuring process failed")
    return float(sum(done.get() for _ in crew))


def crew_context() -> ForkServerContext:
    """Return how the bench starts processes: from one that has imported all and connected nothing.

    Fresh ones would each spend a second on imports before they are measured.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, "app.lab.bench_sale"])
    return context


def _work(shift: Shift, barrier: Barrier, done: "SimpleQueue[float]") -> None:
    database = Database(shift.url, pool_size=1)
    dice = random.Random()
    call = partial(_one if shift.batch == 1 else _many, shift)
    for _ in range(shift.warm_up):
        _post(database, call, dice)
    barrier.wait(_PATIENCE_SECONDS)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < shift.seconds:
        _post(database, call, dice)
        count += shift.batch
    done.put(count / (time.perf_counter() - began))
    database.dispose()


def _post(
    database: Database, call: Callable[[Session, random.Random], None], dice: random.Random
) -> None:
    with database.transaction(BENCH) as session:
        call(session, dice)


def _one(shift: Shift, session: Session, dice: random.Random) -> None:
    ledger.post(session, [_journal(shift.size, dice)])


def _many(shift: Shift, session: Session, dice: random.Random) -> None:
    journals = [_journal(shift.size, dice) for _ in range(shift.batch)]
    for outcome in ledger.post_many(session, journals):
        if isinstance(outcome, LedgerError):
            raise outcome


def _journal(size: Size, dice: random.Random) -> Journal:
    """The posting of scripts/post.sql: a guarded merchant to a lot, each one of many."""
    posting = Posting(
        debit_id=1 << 60 | (2_000_000 + dice.randint(1, size.merchants)) << 4 | 8,
        credit_id=dice.randint(1, size.savers) << 4 | 8,
        amount=10,
    )
    return Journal(
        key=f"sto_{dice.randint(1, 400)}:{new_id('b')}-earn",
        kind="earn",
        occurred_at=datetime.now(UTC),
        postings=[posting],
    )
