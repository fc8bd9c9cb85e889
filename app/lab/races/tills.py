"""HTTP as the door of a race: tills that show codes at once, to a server of several processes.

A till whose line breaks asks again under the same key and number, as real ones do. What a coupon is
used for is an order of its own, paid in cash.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGKILL
from threading import Lock

import requests
from plaza_client.errors import Refused, Unanswered, Unavailable
from plaza_client.sending import Key, Sender

from app.lab.races.district import FACE_FEN, Desk
from app.lab.races.running import Ask, Heard, Outcome, Verdict
from config.database import new_id

_PRICE_FEN = 2 * FACE_FEN
_SERVER_ERROR = 500
_PATIENCE_SECONDS = 30.0


@dataclass(kw_only=True)
class TillsDoor:
    """Orders with coupons at the tills of a server, whose first process is `server`."""

    address: str
    server: int
    desks: Sequence[Desk]
    errors: int = 0
    _lock: Lock = field(default_factory=Lock)

    def send(self, asks: Sequence[Ask], heard: Heard) -> None:
        """Let every till show its codes one after the other, beside all other tills."""
        with ThreadPoolExecutor(len(self.desks)) as pool:
            futures = [
                pool.submit(self._show, desk, [ask for ask in asks if ask.party == number], heard)
                for number, desk in enumerate(self.desks)
            ]
            for future in futures:
                future.result()

    def kill_worker(self) -> None:
        """Kill one of the server's workers; the server starts another."""
        os.kill(children(self.server)[0], SIGKILL)

    def _show(self, desk: Desk, asks: Sequence[Ask], heard: Heard) -> None:
        with requests.Session() as session:
            session.trust_env = False  # No proxy stands between this machine and itself.
            session.hooks["response"].append(self._look)
            sender = Sender(
                base_url=self.address,
                key=Key(key_id=desk.key_id, secret=desk.secret),
                patience_seconds=_PATIENCE_SECONDS,
                connection=session,
            )
            for ask in asks:
                began = time.perf_counter()
                verdict = _verdict(partial(_sell, sender, ask.name))
                heard(Outcome(verdict=verdict, milliseconds=(time.perf_counter() - began) * 1000))
                if verdict is Verdict.FAILED:
                    break  # The race is lost: its other asks would only wait as long.

    def _look(self, answer: requests.Response, **_: object) -> None:
        if answer.status_code >= _SERVER_ERROR:
            with self._lock:
                self.errors += 1


def children(pid: int) -> list[int]:
    """Return the processes that a process of this machine has started and that still run."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _sell(sender: Sender, code: str) -> object:
    body = {
        "terminal_id": "T1",
        "cashier_id": "race",
        "number": new_id("n"),
        "lines": [{"sku": "1", "name": "商品", "amount_fen": _PRICE_FEN}],
        "tenders": [{"name": "cash", "fen": _PRICE_FEN - FACE_FEN}],
        "coupons": [code],
    }
    return sender.post("/v1/pos/orders", body, key=None)


def _verdict(sell: Callable[[], object]) -> Verdict:
    try:
        sell()
    except (Unanswered, Unavailable):
        return Verdict.FAILED
    except Refused:
        return Verdict.REFUSED
    return Verdict.ACCEPTED
