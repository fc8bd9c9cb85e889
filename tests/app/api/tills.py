"""A till that signs what it sends, against the application in this process."""

import base64
import json
import time
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api import signing
from app.api.signing import SCHEME, Signed
from app.merchants import keys
from app.merchants.directory import ListedStore
from app.merchants.keys import IssuedKey
from config.database import Database
from tests.app.checkout.shops import Shop, open_shop
from tests.factories import unique


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Whoever has a key, and a way to send."""

    client: FlaskClient
    key_id: str
    secret: bytes
    address: str
    clock_error: int = 0

    def get(self, path: str) -> TestResponse:
        return self.send("GET", path)

    def post(
        self, path: str, body: object, *, key: str | None = None, headers: Any = None
    ) -> TestResponse:
        """Send a write; `key` is the idempotency key, a fresh one by default."""
        sent = json.dumps(body, ensure_ascii=False).encode()
        return self.send("POST", path, sent, key=unique("idem-key-") if key is None else key,
                         headers=headers)  # fmt: skip

    def send(
        self, method: str, path: str, body: bytes = b"", *, key: str = "", headers: Any = None
    ) -> TestResponse:
        given = {**self.headers(method, path, body, key=key), **(headers or {})}
        return self.client.open(
            path, method=method, data=body, headers=given,
            environ_overrides={"REMOTE_ADDR": self.address},
        )  # fmt: skip

    def headers(
        self, method: str, path: str, body: bytes = b"", *, key: str = "", nonce: str | None = None
    ) -> dict[str, str]:
        """Return the headers of a signed request."""
        plain, _, query = path.partition("?")
        asked = Signed(method=method, path=plain, query=query, idempotency_key=key, body=body)
        timestamp = int(time.time()) + self.clock_error
        nonce = nonce or unique("nonce-")
        text = asked.string_to_sign(key_id=self.key_id, timestamp=timestamp, nonce=nonce)
        signature = base64.b64encode(signing.sign(self.secret, text)).decode()
        named = {
            "Authorization": f'{SCHEME} key_id="{self.key_id}",timestamp="{timestamp}",'
            f'nonce="{nonce}",signature="{signature}"'
        }
        if body or method == "POST":
            named["Content-Type"] = "application/json"
        if key:
            named["Idempotency-Key"] = key
        return named


@dataclass(frozen=True, kw_only=True)
class Till(Signer):
    """A till of a store that the test opened."""

    shop: Shop

    def with_key(self, issued: IssuedKey) -> "Till":
        return replace(self, key_id=issued.key_id, secret=issued.secret)

    @property
    def store(self) -> ListedStore:
        return self.shop.till.store


def open_till(client: FlaskClient, database: Database, district: str) -> Till:
    """Open a shop with a key; its requests come from an address of their own."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        request = keys.propose(session, store=shop.till.store.code, by="stf_lin", reason="接入")
        issued = keys.approve(session, request.public_id, by="stf_wang")
    return Till(
        client=client,
        key_id=issued.key_id,
        secret=issued.secret,
        shop=shop,
        address=unique("10."),
    )
