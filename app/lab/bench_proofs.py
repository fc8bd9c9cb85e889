"""The seals' rows of the bench: how fast a day is sealed, what posting loses, how fast all is read.

`beside` is posting with sealing that keeps pace (as many transfers are sealed as are posted) to
posting alone: what a district pays in the long run. The sealed books are audited afterwards.
"""

import hashlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from app import sealing
from app.errors import StateConflict
from app.lab import bench_books
from app.lab.bench_books import BENCH
from app.lab.bench_ledger import Effort
from app.lab.bench_pgbench import Pgbench
from app.sealing import ProofKeys
from config.database import Database, now_of
from config.settings import Settings
from ledger import proofs, upkeep, verifying

DEMANDS = {"seal": 100_000.0, "beside": 0.95, "verify": 100_000.0}
_SHARE = 5  # Of the transfers that the ledger's rows are measured on: one great day, and a year.
_DAY = date(2017, 3, 5)


def measure(
    settings: Settings, pgbench: Pgbench, effort: Effort, *, tell: Callable[[str], None]
) -> dict[str, float]:
    """Return transfers sealed a second, the ratio of posting beside it, and entries verified."""
    transfers = effort.transfers // _SHARE
    bench_books.open_books(settings, effort.size)
    bench_books.load(settings, effort.size, transfers=transfers)
    great = date.today() - timedelta(days=500)  # noqa: DTZ011 - it only has to be before the year.
    bench_books.load_day(settings, effort.size, great, transfers=transfers)
    keys = sealing.keys_of(settings)
    database = Database(
        settings.database.url,
        pool_size=2,
        statement_timeout_seconds=1800,
        info={"proof_keys": keys},
    )
    with database.transaction(BENCH) as session:
        last = now_of(session).date() - timedelta(days=2)
        upkeep.close_days(session, through=last)
    began = time.perf_counter()
    count = _sealed(database, last)
    seconds = time.perf_counter() - began
    tell(f"seal          {count:,} transfers in {seconds:.1f} s")
    # Nothing was booked on the days between the great one and the year.
    _sealed(database, great + timedelta(days=130), most=400)
    ratios = [_beside(database, pgbench, effort, last, tell=tell) for _ in range(effort.rounds)]
    _prove(settings, database)
    database.dispose()
    bench_books.drop_books(settings)
    speed = verified_per_second(keys, entries=transfers)
    tell(f"verify        {transfers:,} entries, {speed:,.0f}/s")
    return {"seal": count / seconds, "beside": statistics.median(ratios), "verify": speed}


def verified_per_second(keys: ProofKeys, *, entries: int) -> float:
    """Return how many entries of a day of so many are verified a second."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "day.proof"
        _write_day(file, keys, entries=entries)
        with file.open("rb") as stream:
            began = time.perf_counter()
            verdict = verifying.verify(stream, keys.trusted)
            seconds = time.perf_counter() - began
    if verdict.entries != entries:
        raise StateConflict("bench", "verify", "failed", verdict.says, verdict.says)
    return entries / seconds


def _beside(
    database: Database,
    pgbench: Pgbench,
    effort: Effort,
    last: date,
    *,
    tell: Callable[[str], None],
) -> float:
    """Return posting while days are sealed at its own pace, to the mean of before and after."""

    def post() -> float:
        return pgbench.script_tps("post", district=BENCH, size=effort.size, seconds=effort.seconds)

    before = post()
    with _sealing_at(database, before, last) as sealed:
        beside = post()
    after = post()
    ratio = beside / statistics.mean([before, after])
    tell(f"beside        {sealed[0]:,} sealed meanwhile, {beside:,.0f}/s posted  {ratio:.2f}")
    return ratio


@contextmanager
def _sealing_at(database: Database, pace: float, last: date) -> Iterator[list[int]]:
    """Seal a day whenever as many transfers are due; the list's one item counts them."""
    ended, sealed, began = Event(), [0], time.monotonic()

    def work() -> None:
        while not ended.wait(0.05):
            if sealed[0] <= pace * (time.monotonic() - began):
                sealed[0] += _sealed(database, last)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield sealed
    finally:
        ended.set()
        thread.join()


def _sealed(database: Database, last: date, *, most: int = 1) -> int:
    """Seal some days; return how many transfers they have."""
    with database.transaction(BENCH) as session:
        sign = sealing.proof_keys(session).sign
        days = proofs.seal_days(session, through=last, sign=sign, most=most)
        return sum(proofs.transfers_of(session, day) for day in days or [])


def _prove(settings: Settings, database: Database) -> None:
    bench_books.prove(settings)
    with database.transaction(BENCH, repeatable_read=True) as session:
        broken = sealing.audit(session)
    if broken:
        raise StateConflict("bench", BENCH, "broken", f"封账有误 {broken}", f"seals: {broken}")


def _write_day(file: Path, keys: ProofKeys, *, entries: int) -> None:
    """Write an export such as `plaza proof export` writes, of a day that never was."""
    at = f"{_DAY}T04:00:00"
    tree = verifying.Tree()
    lines = []
    for number in range(entries):
        leaf = (
            f'{{"key":"ord_01KB2N7QX4T5W6Y8Z9{number:08}:earn","line":1,"kind":"earn",'
            f'"occurred_at":"{at}","recorded_at":"{at}","booked_on":"{_DAY}",'
            f'"debit":"issued:mch_01KB2N7QX4T5W6Y8Z9ABCDEFGH","credit":"lot:{number % 20_000:026}",'
            f'"unit":"points","amount":10,"details":"{number:064x}"}}'
        ).encode()
        digest = hashlib.sha256(verifying.LEAF + leaf).digest()
        tree.add(digest)
        lines.append(b"%d %s %s\n" % (number, digest.hex().encode(), leaf))
    record = {
        "district": BENCH, "day": str(_DAY), "number": 0, "transfers": entries,
        "points": 10 * entries, "fen": 0, "root": tree.root().hex(),
        "previous": verifying.NOTHING_BEFORE, "history": verifying.EMPTY.hex(),
    }  # fmt: skip
    with file.open("wb") as out:
        signed = keys.sign(verifying.RECORD + verifying.written(record))
        header = {"plaza": verifying.DAY, **proofs.envelope(record, signed)}
        out.write(verifying.written(header) + b"\n")
        out.writelines(lines)
