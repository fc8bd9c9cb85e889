"""A member's phone: signs in by code and sends its token, against the application here."""

import json
from dataclasses import dataclass, replace
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.members.identification import KnownMember, find_by_phone
from app.members.purposes import Purpose, current_text
from config.database import Database
from tests.factories import new_phone, unique


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A phone and what it is signed in with."""

    client: FlaskClient
    number: str
    address: str
    access: str = ""
    refresh: str = ""
    district: str = "test"

    def get(self, path: str) -> TestResponse:
        return self.send("GET", path)

    def post(
        self, path: str, body: object | None = None, *, key: str | None = None
    ) -> TestResponse:
        return self.send("POST", path, {} if body is None else body, key=key)

    def send(
        self, method: str, path: str, body: object | None = None, *, key: str | None = None
    ) -> TestResponse:
        """Send a request, a write with a fresh idempotency key unless one is given."""
        headers = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        data = None
        if method != "GET":
            headers |= {"Idempotency-Key": key or unique("idem-key-")}
            headers |= {"Content-Type": "application/json"}
            data = json.dumps(body, ensure_ascii=False).encode()
        return self.client.open(
            f"/v1/member/{path}", method=method, data=data, headers=headers,
            environ_overrides={"REMOTE_ADDR": self.address},
        )  # fmt: skip

    def code(self) -> str:
        """Ask for a sign-in code and return it, as a demonstration shows it."""
        answer = self.post("sign-in/code", {"district": self.district, "phone": self.number})
        return str(told(answer, 201)["code"])

    def sign_in(self, **fields: object) -> TestResponse:
        return self.post("sign-in", {"district": self.district, "phone": self.number, **fields})

    def signed_in(self, answer: TestResponse) -> "Phone":
        """Return this phone with the tokens of an answer."""
        said = told(answer, 200)
        return replace(self, access=said["access_token"], refresh=said["refresh_token"])

    def member(self, database: Database) -> KnownMember:
        """Return the member whose phone it is."""
        with database.transaction(self.district) as session:
            found = find_by_phone(session, self.number)
        assert found is not None
        return found


def told(answer: TestResponse, status: int = 200) -> dict[str, Any]:
    """Return an answer's JSON, which must have this status."""
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


def new_member(client: FlaskClient, *, district: str = "test") -> Phone:
    """Return the phone of a member who has just joined."""
    phone = Phone(client=client, number=new_phone(), address=unique("10."), district=district)
    version = current_text(Purpose.MEMBERSHIP).version
    return phone.signed_in(phone.sign_in(code=phone.code(), consent_version=version))
