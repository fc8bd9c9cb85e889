"""Whoever asks the application: tills that sign, members and staff with a token, and nobody.

The application runs in this process and is asked through its WSGI door, each time from another
address, so that limits by address hold nobody up who does not ask for it.
"""

import base64
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apiflask import APIFlask

from app.api import signing
from app.api.auth import Role
from app.api.signing import SCHEME, Signed
from config.database import new_id

_PATIENCE = 200


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of the body; empty if it is none."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def code(self) -> str:
        """Status and, of a problem, its code, such as `404 not-found`."""
        if self.status < 400:
            return str(self.status)
        return f"{self.status} {self.fields.get('code', '')}".strip()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A store's tills and the key that they sign with."""

    role = Role.STORE
    store: str
    store_code: str
    tills: tuple[str, ...]
    key_id: str
    secret: bytes = field(repr=False)

    @property
    def principal(self) -> str:
        """Whose idempotency keys these are."""
        return self.store

    def headers(
        self, method: str, path: str, body: bytes = b"", *, key: str = "", nonce: str | None = None
    ) -> dict[str, str]:
        """Return the headers of a signed request."""
        plain, _, query = path.partition("?")
        asked = Signed(method=method, path=plain, query=query, idempotency_key=key, body=body)
        timestamp, nonce = int(time.time()), nonce or new_id("n")
        text = asked.string_to_sign(key_id=self.key_id, timestamp=timestamp, nonce=nonce)
        signature = base64.b64encode(signing.sign(self.secret, text)).decode()
        signed = (
            f'{SCHEME} key_id="{self.key_id}",timestamp="{timestamp}",'
            f'nonce="{nonce}",signature="{signature}"'
        )
        return {"Authorization": signed, **_usual(method, key)}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A member who is signed in on a phone."""

    role = Role.MEMBER
    member: str
    phone: str
    device: str
    access: str = field(repr=False)

    @property
    def principal(self) -> str:
        """Whose idempotency keys these are."""
        return self.member

    def headers(
        self, method: str, _path: str, _body: bytes = b"", *, key: str = ""
    ) -> dict[str, str]:
        """Return the headers of a request with this member's token."""
        return {"Authorization": f"Bearer {self.access}", **_usual(method, key)}


@dataclass(frozen=True, kw_only=True)
class Console:
    """A staff member who is signed in, and may do everything."""

    role = Role.STAFF
    staff: str
    login: str
    token: str = field(repr=False)

    @property
    def principal(self) -> str:
        """Whose idempotency keys these are."""
        return self.staff

    def headers(
        self, method: str, _path: str, _body: bytes = b"", *, key: str = ""
    ) -> dict[str, str]:
        """Return the headers of a request with this staff member's token."""
        return {"Authorization": f"Bearer {self.token}", **_usual(method, key)}


@dataclass(frozen=True, kw_only=True)
class Nobody:
    """Somebody who proves nothing."""

    role = Role.ANYONE

    def headers(
        self, method: str, _path: str, _body: bytes = b"", *, key: str = ""
    ) -> dict[str, str]:
        """Return the headers of a request without any proof."""
        return _usual(method, key)


Caller = Desk | Person | Console | Nobody


class Door:
    """The application of this process; whoever is told to wait waits, unless he says otherwise."""

    def __init__(self, app: APIFlask) -> None:
        self._client = app.test_client(use_cookies=False)
        self._numbers = itertools.count(1)
        self.asked = 0
        self.failed: list[str] = []

    def address(self) -> str:
        """Return an address that nobody has asked from."""
        return f"lab-{new_id('x')[-12:]}-{next(self._numbers)}"

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        address: str | None = None,
        waits: bool = True,
    ) -> Answer:
        """Send bytes as they are and return the answer."""
        for _ in range(_PATIENCE):
            came = self._client.open(
                path, method=method, data=body, headers=dict(headers),
                environ_overrides={"REMOTE_ADDR": address or self.address()},
            )  # fmt: skip
            self.asked += 1
            answer = Answer(
                status=came.status_code, body=came.get_data(), headers=dict(came.headers)
            )
            if answer.status >= 500:
                self.failed.append(f"{method} {path} → {answer.code}")
            if answer.status != 429 or not waits:
                break
            time.sleep(min(int(answer.headers["Retry-After"]), 1))
        return answer

    def ask(
        self,
        caller: Caller,
        method: str,
        path: str,
        body: object | None = None,
        *,
        key: str | None = None,
        waits: bool = True,
    ) -> Answer:
        """Send JSON as a caller would: proven, and a write with a fresh key unless one is given."""
        data = b"" if body is None else written(body)
        key = (fresh_key() if body is not None else "") if key is None else key
        return self.send(
            method, path, headers=caller.headers(method, path, data, key=key), body=data,
            waits=waits,
        )  # fmt: skip


def fresh_key() -> str:
    """Return an idempotency key that nobody has used."""
    return new_id("lab")


def written(body: object) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, ensure_ascii=False).encode()


def _usual(method: str, key: str) -> dict[str, str]:
    named = {} if method == "GET" else {"Content-Type": "application/json"}
    return {**named, "Idempotency-Key": key} if key else named
