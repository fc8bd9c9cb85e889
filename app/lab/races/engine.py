"""The coupon engine as the door of a race: several processes, each with a connection of its own.

A process that dies under its claims is followed by another, which asks again for what was not
answered: as a phone does, under the same natural key.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from signal import SIGKILL

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.lab.races.running import Ask, Heard, Outcome, Verdict
from app.members.sealing import coupon_keys
from app.wiring import build
from config.embedded import die_with_parent
from config.settings import Settings
from coupons import codes, issuing
from coupons.errors import CouponError


class Act(StrEnum):
    """What claimants do: take a coupon of a batch, or turn a printed code into one."""

    CLAIM = "claim"
    EXCHANGE = "exchange"


@dataclass(kw_only=True)
class _Worker:
    """A process, the line to it, and the asks that it has not answered yet."""

    asks: list[Ask]
    process: SpawnProcess
    line: "Connection[object, object]"


@dataclass(kw_only=True)
class EngineDoor:
    """Claims in a district, by so many processes."""

    settings: Settings
    district: str
    act: Act
    processes: int
    errors: int = 0
    _workers: list[_Worker] = field(default_factory=list)

    def send(self, asks: Sequence[Ask], heard: Heard) -> None:
        """Let the processes take turns at the asks, all from the same moment on."""
        self._workers = [self._start(asks[n :: self.processes]) for n in range(self.processes)]
        for worker in self._workers:
            worker.line.recv()  # It is connected and waits for the others.
        for worker in self._workers:
            worker.line.send("go")
        while self._workers:
            ready = connection.wait([worker.line for worker in self._workers])
            for worker in [each for each in self._workers if each.line in ready]:
                self._hear(worker, heard)

    def kill_worker(self) -> None:
        """Kill the process that has most to do still."""
        max(self._workers, key=lambda worker: len(worker.asks)).process.kill()

    def _hear(self, worker: _Worker, heard: Heard) -> None:
        try:
            outcome = worker.line.recv()
        except EOFError:
            self._follow(worker)
            return
        assert isinstance(outcome, Outcome)
        worker.asks.pop(0)
        self.errors += outcome.verdict is Verdict.FAILED
        heard(outcome)

    def _follow(self, worker: _Worker) -> None:
        """Let go of a process that has ended; another one takes what it has not answered."""
        worker.process.join()
        self._workers.remove(worker)
        if worker.asks:
            successor = self._start(worker.asks)
            successor.line.recv()
            successor.line.send("go")
            self._workers.append(successor)

    def _start(self, asks: Sequence[Ask]) -> _Worker:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=_work, args=(self.settings, self.district, self.act, list(asks), there)
        )
        process.start()
        there.close()  # Or its end would not be the end of the line.
        return _Worker(asks=list(asks), process=process, line=here)


def _work(
    settings: Settings,
    district: str,
    act: Act,
    asks: Sequence[Ask],
    line: "Connection[object, object]",
) -> None:
    die_with_parent(SIGKILL)
    services = build(settings, pool_size=1)
    try:
        services.database.run(district, lambda _: None)
        line.send("ready")
        line.recv()
        for ask in asks:
            began = time.perf_counter()
            try:
                services.database.run(district, _ACTS[act](ask))
                verdict = Verdict.ACCEPTED
            except CouponError:
                verdict = Verdict.REFUSED
            except DBAPIError:
                verdict = Verdict.FAILED
            milliseconds = (time.perf_counter() - began) * 1000
            line.send(Outcome(verdict=verdict, milliseconds=milliseconds))
    finally:
        services.close()
        line.close()


def _claim(ask: Ask) -> Callable[[Session], object]:
    return lambda session: issuing.claim(session, batch=ask.name, holder=f"mem_{ask.party}")


def _exchange(ask: Ask) -> Callable[[Session], object]:
    return lambda session: issuing.exchange(
        session,
        index=codes.index_of(coupon_keys(session), ask.name),
        holder=f"mem_{ask.party}",
    )


_ACTS = {Act.CLAIM: _claim, Act.EXCHANGE: _exchange}
