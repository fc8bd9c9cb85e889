"""The ledger as the rooms call it: processes that post and read through `Database.transaction`."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from sqlalchemy.orm import Session

import ledger
from app.clock import business_date
from app.errors import StateConflict
from app.lab.bench_books import BENCH, Size
from config.database import Database, new_id, now_of
from ledger import Journal, LedgerError, Posting

BATCH = 100
Call = Callable[[Session, Size, random.Random], None]
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Shift:
    """One process's share: for so long, one of `CALLS` a transaction."""

    url: str
    seconds: float
    call: str
    size: Size
    warm_up: int


def tps(shift: Shift, *, processes: int) -> float:
    """Return transfers, or reads, per second of processes.

    They start, wait until all are warm, and work side by side.
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
    call, worth = CALLS[shift.call]
    for _ in range(shift.warm_up):
        _do(database, call, shift.size, dice)
    barrier.wait(_PATIENCE_SECONDS)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < shift.seconds:
        _do(database, call, shift.size, dice)
        count += worth
    done.put(count / (time.perf_counter() - began))
    database.dispose()


def _do(database: Database, call: Call, size: Size, dice: random.Random) -> None:
    with database.transaction(BENCH) as session:
        call(session, size, dice)


def _post(session: Session, size: Size, dice: random.Random) -> None:
    ledger.post(session, [_journal(size, dice)])


def _post_many(session: Session, size: Size, dice: random.Random) -> None:
    for outcome in ledger.post_many(session, [_journal(size, dice) for _ in range(BATCH)]):
        if isinstance(outcome, LedgerError):
            raise outcome


def _read_balance(session: Session, size: Size, dice: random.Random) -> None:
    ledger.statements.balances(session, [_lot(size, dice)])


def _read_page(session: Session, size: Size, dice: random.Random) -> None:
    """Read the newest fifty entries of the month before this one."""
    end = business_date(now_of(session)).replace(day=1)
    start = (end - timedelta(days=1)).replace(day=1)
    ledger.statements.statement(session, [_lot(size, dice)], start=start, end=end)


def _lot(size: Size, dice: random.Random) -> int:
    return dice.randint(1, size.savers) << 4 | 8


def _journal(size: Size, dice: random.Random) -> Journal:
    """The posting of scripts/post.sql: a guarded merchant to a lot, each one of many."""
    posting = Posting(
        debit_id=1 << 60 | (2_000_000 + dice.randint(1, size.merchants)) << 4 | 8,
        credit_id=_lot(size, dice),
        amount=10,
    )
    return Journal(
        key=f"sto_{dice.randint(1, 400)}:{new_id('b')}-earn",
        kind="earn",
        occurred_at=datetime.now(UTC),
        postings=[posting],
    )


#: What a process may do in each of its transactions, and what that counts for.
CALLS: Mapping[str, tuple[Call, int]] = {
    "service": (_post, 1),
    "batch100": (_post_many, BATCH),
    "read_balance": (_read_balance, 1),
    "read_page": (_read_page, 1),
}
