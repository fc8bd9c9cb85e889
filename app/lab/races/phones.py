"""Phones in a race: members who are signed in claim coupons, or exchange the same printed code.

Each claimant asks for himself, under his own token. One whose line breaks, or who is told to come
again, does so under the same key, as the members' client does. Fifty are on the line at a time.
"""

import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

import requests

from app.lab.races.over_http import PATIENCE_SECONDS, SERVER_ERROR, HttpDoor
from app.lab.races.running import Ask, Heard, Outcome, Verdict
from config.database import new_id

LINES = 50

_TIMEOUT_SECONDS = 10
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


#: The line broke before the whole answer was there; what was asked may have been done.
_LOST = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Act(StrEnum):
    """What claimants do: take a coupon of a batch, or turn a printed code into one."""

    CLAIM = "claim"
    EXCHANGE = "exchange"


_PATHS = {Act.CLAIM: "/v1/member/coupons/claims", Act.EXCHANGE: "/v1/member/coupons/exchanges"}
_FIELDS = {Act.CLAIM: "batch", Act.EXCHANGE: "code"}
_TOO_LATE = {Act.CLAIM: "sold-out", Act.EXCHANGE: "not-found"}


@dataclass(kw_only=True)
class PhonesDoor(HttpDoor):
    """Claims by the members of a server; `tokens` are theirs, by party."""

    act: Act
    tokens: Sequence[str]

    def send(self, asks: Sequence[Ask], heard: Heard) -> None:
        """Let claimants ask one after the other on each line, beside all other lines."""
        with ThreadPoolExecutor(LINES) as pool:
            futures = [pool.submit(self._ask, asks[line::LINES], heard) for line in range(LINES)]
            for future in futures:
                future.result()

    def _ask(self, asks: Sequence[Ask], heard: Heard) -> None:
        with self.line() as session:
            for ask in asks:
                began = time.perf_counter()
                verdict = self._verdict(self._until_answered(session, ask))
                heard(Outcome(verdict=verdict, milliseconds=(time.perf_counter() - began) * 1000))
                if verdict is Verdict.FAILED:
                    break  # The race is lost: its other asks would only wait as long.

    def _until_answered(self, session: requests.Session, ask: Ask) -> requests.Response | None:
        """Send a claim, as often as it takes; None where nobody answered in good time."""
        headers = {
            "Authorization": f"Bearer {self.tokens[ask.party]}",
            "Idempotency-Key": new_id("race"),
        }
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = session.post(
                    f"{self.address}{_PATHS[self.act]}",
                    json={_FIELDS[self.act]: ask.name},
                    headers=headers,
                    timeout=_TIMEOUT_SECONDS,
                )
            except _LOST:
                told = 0.0
            else:
                if not _comes_again(answer):
                    return answer
                told = float(answer.headers.get("Retry-After", "0"))
            time.sleep(max(pause, told) * random.uniform(1, 1.2))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        return None

    def _verdict(self, answer: requests.Response | None) -> Verdict:
        if answer is None:
            return Verdict.FAILED
        if answer.ok:
            return Verdict.ACCEPTED
        # Any other refusal is a fault of the race.
        late = answer.json()["code"] == _TOO_LATE[self.act]
        return Verdict.REFUSED if late else Verdict.FAILED


def _comes_again(answer: requests.Response) -> bool:
    if answer.status_code == HTTPStatus.CONFLICT:
        return bool(answer.json()["code"] == "idempotency-in-flight")
    return answer.status_code >= SERVER_ERROR or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
