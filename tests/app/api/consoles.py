"""A staff member who is signed in, against the application here."""

import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.clock import server_now
from app.merchants import staff_sessions
from app.merchants.staff import Role
from config.database import Database
from tests.factories import make_staff, unique


@dataclass(frozen=True, kw_only=True)
class Console:
    """Whoever has a token of staff, and a way to send."""

    client: FlaskClient
    token: str
    address: str
    login: str = ""
    staff_id: str = ""

    def get(self, path: str, *, headers: Any = None) -> TestResponse:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: object, *, key: str | None = None) -> TestResponse:
        """Send a write; `key` is the idempotency key, a fresh one by default."""
        return self.send("POST", path, body, key=unique("idem-key-") if key is None else key)

    def send(
        self, method: str, path: str, body: object = None, *, key: str = "", headers: Any = None
    ) -> TestResponse:
        given = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = None
        if method != "GET":
            given |= {"Content-Type": "application/json"}
            data = json.dumps(body, ensure_ascii=False).encode()
        if key:
            given |= {"Idempotency-Key": key}
        return self.client.open(
            f"/v1/manage/{path}", method=method, data=data, headers={**given, **(headers or {})},
            environ_overrides={"REMOTE_ADDR": self.address},
        )  # fmt: skip


def signed_in(client: FlaskClient, database: Database, *roles: Role) -> Console:
    """Return a new staff member with these roles, signed in."""
    with database.transaction("test") as session:
        new = make_staff(session, roles=roles or (Role.ADMIN,))
        opened = staff_sessions.open_for(session, new, now=server_now(session))
        return Console(
            client=client,
            token=opened.token,
            address=unique("10."),
            login=new.login,
            staff_id=new.public_id,
        )
