"""Tills in a race: many show the same codes at once.

A till whose line breaks asks again under the same key and number, as real ones do. What a coupon is
used for is an order of its own, paid in cash.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from plaza_client.errors import Refused, Unanswered, Unavailable
from plaza_client.sending import Key, Sender

from app.lab.races.district import FACE_FEN, Desk
from app.lab.races.over_http import PATIENCE_SECONDS, HttpDoor
from app.lab.races.running import Ask, Heard, Outcome, Verdict
from config.database import new_id

_PRICE_FEN = 2 * FACE_FEN


@dataclass(kw_only=True)
class TillsDoor(HttpDoor):
    """Orders with coupons at the tills of a server."""

    desks: Sequence[Desk]

    def send(self, asks: Sequence[Ask], heard: Heard) -> None:
        """Let every till show its codes one after the other, beside all other tills."""
        with ThreadPoolExecutor(len(self.desks)) as pool:
            futures = [
                pool.submit(self._show, desk, [ask for ask in asks if ask.party == number], heard)
                for number, desk in enumerate(self.desks)
            ]
            for future in futures:
                future.result()

    def _show(self, desk: Desk, asks: Sequence[Ask], heard: Heard) -> None:
        with self.line() as session:
            sender = Sender(
                base_url=self.address,
                key=Key(key_id=desk.key_id, secret=desk.secret),
                patience_seconds=PATIENCE_SECONDS,
                connection=session,
            )
            for ask in asks:
                began = time.perf_counter()
                verdict = _verdict(partial(_sell, sender, ask.name))
                heard(Outcome(verdict=verdict, milliseconds=(time.perf_counter() - began) * 1000))
                if verdict is Verdict.FAILED:
                    break  # The race is lost: its other asks would only wait as long.


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
