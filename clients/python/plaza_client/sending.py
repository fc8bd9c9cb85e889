"""One request until it is answered: signed anew each time, always with the same key and bytes."""

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import requests

from plaza_client.errors import RateLimited, Refused, Unanswered, Unavailable, refusal
from plaza_client.signing import authorization, string_to_sign
from plaza_client.values import Write

TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0

_CLOCK_SKEW = "clock-skew"
_IN_FLIGHT = "idempotency-in-flight"
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 8.0

#: The line broke before the whole answer was there; what was asked may have been done.
_LOST = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A store's key as it was shown once: its id and the 32 bytes of its secret."""

    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer's JSON, and whether the same call had been answered before."""

    body: Mapping[str, Any]
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Call:
    """What is asked: made once, sent as often as it takes; `write` if it changes something."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    write: Write | None = None


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """One try that brought no answer, and how long the server wants to be left alone."""

    reason: str
    refused: Refused | None = None
    pause_seconds: float = 0.0


class Sender:
    """A connection that signs. It keeps the difference between its clock and the server's.

    `before_send` is told each write before its first send, for a till that keeps it over a power
    cut. `connection` is one that several tills share; it is closed by whoever made it.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: Key,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        before_send: Callable[[Write], None] | None = None,
        connection: requests.Session | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout_seconds
        self._patience = patience_seconds
        self._before_send = before_send
        self._session = connection or requests.Session()
        self._shared = connection is not None
        self._clock_error = 0.0

    def close(self) -> None:
        """Close the connection, unless it is shared."""
        if not self._shared:
            self._session.close()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Ask for something; safe to repeat by itself."""
        return self._until_answered(Call(method="GET", path=path, query=urlencode(query or {})))

    def ask(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Ask for something that needs a body, and no key."""
        return self._until_answered(Call(method="POST", path=path, body=_json(body)))

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None) -> Reply:
        """Send a write; its key is made, and told, before the first send."""
        write = Write(path=path, key=key or new_key(), body=_json(body))
        if self._before_send is not None:
            self._before_send(write)
        return self.repeat(write)

    def repeat(self, write: Write) -> Reply:
        """Send a write that was made before, be it for the first time."""
        return self._until_answered(
            Call(method="POST", path=write.path, body=write.body, write=write)
        )

    def set_clock(self) -> float:
        """Take the server's clock for signatures; return by how many seconds ours is off.

        Raises:
            Unanswered: it does not tell its time.
        """
        try:
            answer = self._session.get(f"{self._base_url}/v1/pos/time", timeout=self._timeout)
            answer.raise_for_status()
            self._clock_error = float(answer.json()["timestamp"]) - time.time()
        except (requests.RequestException, KeyError, ValueError) as error:
            raise Unanswered(reason=type(error).__name__) from error
        return -self._clock_error

    def _until_answered(self, call: Call) -> Reply:
        deadline = time.monotonic() + self._patience
        wait, clock_set = _FIRST_WAIT_SECONDS, False
        while True:
            outcome = self._try(call)
            if isinstance(outcome, Reply):
                return outcome
            refused, pause = outcome.refused, max(wait, outcome.pause_seconds)
            if refused is not None and refused.code == _CLOCK_SKEW and not clock_set:
                clock_set, pause = True, 0.0  # The refusal told the time: try again at once.
            elif refused is not None and not _worth_repeating(refused):
                raise refused
            if time.monotonic() + pause > deadline:
                raise Unanswered(reason=outcome.reason, write=call.write) from refused
            time.sleep(pause * random.uniform(1, 1.2))
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _try(self, call: Call) -> Reply | _Failure:
        try:
            answer = self._send(call)
            if answer.ok:
                return _reply(answer)
        except (*_LOST, requests.JSONDecodeError) as error:
            return _Failure(reason=type(error).__name__)
        refused = _refusal(answer)
        if refused.code == _CLOCK_SKEW:
            told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            self._clock_error = told - time.time()
        return _Failure(
            reason=f"{refused.status} {refused.code}",
            refused=refused,
            pause_seconds=_pause_seconds(answer.headers.get("Retry-After", "")),
        )

    def _send(self, call: Call) -> requests.Response:
        url = f"{self._base_url}{call.path}" + (f"?{call.query}" if call.query else "")
        request = requests.Request(call.method, url, data=call.body or None)
        prepared = self._session.prepare_request(request)
        # What is signed is what is sent: requests may have written the address anew.
        path, _, query = prepared.path_url.partition("?")
        timestamp, nonce = int(time.time() + self._clock_error), secrets.token_urlsafe(18)
        key = "" if call.write is None else call.write.key
        text = string_to_sign(
            key_id=self._key.key_id,
            timestamp=timestamp,
            nonce=nonce,
            method=call.method,
            path=path,
            query=query,
            idempotency_key=key,
            body=call.body,
        )
        prepared.headers["Authorization"] = authorization(
            self._key.secret, text, key_id=self._key.key_id, timestamp=timestamp, nonce=nonce
        )
        if call.body:
            prepared.headers["Content-Type"] = "application/json"
        if key:
            prepared.headers["Idempotency-Key"] = key
        return self._session.send(prepared, timeout=self._timeout, allow_redirects=False)


def new_key() -> str:
    """Return a fresh idempotency key."""
    return secrets.token_urlsafe(24)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _worth_repeating(refused: Refused) -> bool:
    return isinstance(refused, Unavailable | RateLimited) or refused.code == _IN_FLIGHT


def _pause_seconds(retry_after: str) -> float:
    """Return what `Retry-After` asks for; a date, as some proxies send, is passed over."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0


def _reply(answer: requests.Response) -> Reply:
    replayed = {"Idempotency-Replayed", "Business-Replayed"} & set(answer.headers)
    return Reply(body=answer.json(), replayed=bool(replayed))


def _refusal(answer: requests.Response) -> Refused:
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        problem = {}  # A proxy on the way answered, not Plaza.
    return refusal(
        status=answer.status_code,
        problem=problem if isinstance(problem, dict) else {},
        reason=answer.reason,
    )
