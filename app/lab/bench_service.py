"""The ledger as the rooms call it: processes that post through `Database.transaction`."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from sqlalchemy.orm import Session

import ledger
from app.errors import StateConflict
from app.lab.bench_books import BENCH
from config.database import Database, new_id
from config.settings import Settings
from ledger import Journal, LedgerError, Posting

BATCH = 100
_WARM_UP = 30
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One process's share: for so long, that many journals a transaction."""

    url: str
    seconds: float
    batch: int


def service_tps(settings: Settings, *, seconds: float) -> float:
    """Return postings per second of 4 processes, each posting in a transaction of its own."""
    return _together(settings, processes=4, batch=1, seconds=seconds)


def batch_tps(settings: Settings, *, seconds: float) -> float:
    """Return transfers per second of 2 processes that post a hundred journals a transaction."""
    return _together(settings, processes=2, batch=BATCH, seconds=seconds)


def _together(settings: Settings, *, processes: int, batch: int, seconds: float) -> float:
    """Start the processes, let them wait until all are warm, and add up what they did."""
    context = get_context("spawn")
    shift = Shift(url=settings.database.url, seconds=seconds, batch=batch)
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


def _work(shift: Shift, barrier: Barrier, done: "SimpleQueue[float]") -> None:
    database = Database(shift.url, pool_size=1)
    dice = random.Random()
    call = _one if shift.batch == 1 else partial(_many, shift.batch)
    for _ in range(_WARM_UP):
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


def _one(session: Session, dice: random.Random) -> None:
    ledger.post(session, [_journal(dice)])


def _many(count: int, session: Session, dice: random.Random) -> None:
    for outcome in ledger.post_many(session, [_journal(dice) for _ in range(count)]):
        if isinstance(outcome, LedgerError):
            raise outcome


def _journal(dice: random.Random) -> Journal:
    """The posting of scripts/post.sql: a guarded merchant to a lot, each one of many."""
    posting = Posting(
        debit_id=1 << 60 | (2_000_000 + dice.randint(1, 10_000)) << 4 | 8,
        credit_id=dice.randint(1, 20_000) << 4 | 8,
        amount=10,
    )
    return Journal(
        key=f"sto_{dice.randint(1, 400)}:{new_id('b')}-earn",
        kind="earn",
        occurred_at=datetime.now(UTC),
        postings=[posting],
    )
