"""One request until it is answered: signed anew each time, always with the same key and bytes."""

import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from plaza_client.errors import Refused, Unanswered
from plaza_client.signing import authorization, string_to_sign

TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 60.0

_CLOCK_SKEW = "clock-skew"
_IN_FLIGHT = "idempotency-in-flight"
_TOO_MANY = 429
_SERVER_ERROR = 500
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 8.0


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
    """What is asked: made once, sent as often as it takes."""

    method: str
    path: str
    query: str
    body: bytes
    key: str


class Sender:
    """A connection that signs. It keeps the difference between its clock and the server's.

    `before_send` is told the idempotency key and the body before the first send of a write, for a
    till that keeps them over a power cut.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key: Key,
        timeout_seconds: float = TIMEOUT_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
        before_send: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout_seconds
        self._patience = patience_seconds
        self._before_send = before_send
        self._session = requests.Session()
        self._clock_error = 0.0

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        """Ask for something; safe to repeat by itself."""
        call = Call(method="GET", path=path, query=urlencode(query or {}), body=b"", key="")
        return self._until_answered(call)

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None, keyed: bool) -> Reply:
        """Send a write; its key is made, and told, before the first send."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        made = (key or new_key()) if keyed else ""
        if keyed and self._before_send is not None:
            self._before_send(made, content)
        return self._until_answered(
            Call(method="POST", path=path, query="", body=content, key=made)
        )

    def set_clock(self) -> float:
        """Take the server's clock for signatures; return by how many seconds ours is off."""
        answer = self._session.get(f"{self._base_url}/v1/pos/time", timeout=self._timeout)
        answer.raise_for_status()
        self._clock_error = float(answer.json()["timestamp"]) - time.time()
        return -self._clock_error

    def _until_answered(self, call: Call) -> Reply:
        deadline = time.monotonic() + self._patience
        wait, reason, clock_set = _FIRST_WAIT_SECONDS, "", False
        while True:
            pause = wait
            try:
                answer = self._send(call)
            except (requests.ConnectionError, requests.Timeout) as error:
                reason = type(error).__name__
            else:
                if answer.ok:
                    return _reply(answer)
                refused = _refusal(answer)
                if refused.code == _CLOCK_SKEW and not clock_set:
                    self.set_clock()
                    clock_set, pause = True, 0.0
                elif not _worth_repeating(refused):
                    raise refused
                pause = max(pause, float(answer.headers.get("Retry-After", 0)))
                reason = f"{refused.status} {refused.code}"
            if time.monotonic() + pause > deadline:
                raise Unanswered(key=call.key, reason=reason)
            time.sleep(pause * random.uniform(0.8, 1.2))
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _send(self, call: Call) -> requests.Response:
        url = f"{self._base_url}{call.path}" + (f"?{call.query}" if call.query else "")
        request = requests.Request(call.method, url, data=call.body or None)
        prepared = self._session.prepare_request(request)
        # What is signed is what is sent: requests may have written the address anew.
        path, _, query = prepared.path_url.partition("?")
        timestamp, nonce = int(time.time() + self._clock_error), secrets.token_urlsafe(18)
        text = string_to_sign(
            key_id=self._key.key_id,
            timestamp=timestamp,
            nonce=nonce,
            method=call.method,
            path=path,
            query=query,
            idempotency_key=call.key,
            body=call.body,
        )
        prepared.headers["Authorization"] = authorization(
            self._key.secret, text, key_id=self._key.key_id, timestamp=timestamp, nonce=nonce
        )
        if call.body:
            prepared.headers["Content-Type"] = "application/json"
        if call.key:
            prepared.headers["Idempotency-Key"] = call.key
        return self._session.send(prepared, timeout=self._timeout, allow_redirects=False)


def new_key() -> str:
    """Return a fresh idempotency key."""
    return secrets.token_urlsafe(24)


def _worth_repeating(refused: Refused) -> bool:
    return (
        refused.status >= _SERVER_ERROR or refused.status == _TOO_MANY or refused.code == _IN_FLIGHT
    )


def _reply(answer: requests.Response) -> Reply:
    replayed = {"Idempotency-Replayed", "Business-Replayed"} & set(answer.headers)
    return Reply(body=answer.json(), replayed=bool(replayed))


def _refusal(answer: requests.Response) -> Refused:
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        problem = {}  # A proxy on the way answered, not Plaza.
    return Refused(
        status=answer.status_code,
        code=problem.get("code", "unknown"),
        detail=problem.get("detail") or problem.get("title") or answer.reason,
        instance=problem.get("instance", ""),
        faults=problem.get("errors", ()),
    )
