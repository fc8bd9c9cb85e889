"""`/docs/signing`: for keys of sandboxes alone, and it tells no secret (reliability §8, §12)."""

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.api.reading.signing import examples
from app.audit import AuditRecord
from app.merchants import keys
from config.database import Database
from tests.app.api.tills import Till
from tests.factories import unique


@pytest.fixture
def address() -> dict[str, str]:
    """Where somebody sits who debugs."""
    return {"REMOTE_ADDR": unique("10.")}


def _ask(client: FlaskClient, address: dict[str, str], **asked: object) -> TestResponse:
    return client.post("/docs/signing/explanations", json=asked, environ_overrides=address)


def _told(answer: TestResponse) -> dict[str, Any]:
    told: dict[str, Any] = answer.json or {}
    return told


def test_both_examples_of_the_page_are_explained(
    client: FlaskClient, sandbox: str, address: dict[str, str]
) -> None:
    right, wrong = (_told(_ask(client, address, **examples()[name])) for name in ("right", "wrong"))

    assert right["holds"] is True
    assert wrong["holds"] is False
    assert [each["code"] for each in wrong["mistakes"]] == ["no-last-newline"]
    assert wrong["expected_signature"] == right["expected_signature"]
    assert wrong["lines"][8]["at"] == 65


def test_no_answer_holds_the_secret(
    client: FlaskClient, sandbox: str, address: dict[str, str]
) -> None:
    answer = _ask(client, address, **examples()["wrong"])

    assert answer.status_code == 200
    for form in (
        keys.PUBLISHED_SECRET.decode(),
        base64.b64encode(keys.PUBLISHED_SECRET).decode(),
        keys.PUBLISHED_SECRET.hex(),
    ):
        assert form not in answer.text


def test_a_real_key_an_unknown_one_and_an_unknown_district_are_refused_alike(
    client: FlaskClient, till: Till, sandbox: str, address: dict[str, str]
) -> None:
    """An expected signature for a real key would be a signing oracle."""
    path = "/v1/pos/orders?terminal_id=T1&number=1"
    real = till.headers("GET", path)["Authorization"]
    answers = [
        _ask(client, address, method="GET", path=path, headers=f"Authorization: {header}")
        for header in (
            real,
            real.replace(till.key_id, "pk_sandbox_NOBODY"),
            real.replace(till.key_id, "pk_nowhere_NOBODY"),
            real.replace(till.key_id, "nonsense"),
        )
    ]

    told = [{**_told(answer), "instance": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [400] * 4
    assert told[0] == told[1] == told[2] == told[3]
    assert told[0]["errors"] == [{"pointer": "/headers", "code": "invalid"}]
    assert "expected" not in answers[0].text


def test_a_revoked_key_of_a_sandbox_is_explained_no_more(
    client: FlaskClient, database: Database, sandbox: str, address: dict[str, str]
) -> None:
    with database.transaction(sandbox) as session:
        asked = keys.propose(session, store="longjing-1", by="stf_lin", reason="接入")
        issued = keys.approve(session, asked.public_id, by="stf_wang")
    headers = f'Authorization: POS1-HMAC-SHA256 key_id="{issued.key_id}",signature="AAAA"'
    before = _ask(client, address, method="GET", path="/", headers=headers)
    with database.transaction(sandbox) as session:
        keys.revoke(session, key_id=issued.key_id, by="stf_lin", reason="test")
    after = _ask(client, address, method="GET", path="/", headers=headers)

    assert (before.status_code, after.status_code) == (200, 400)


def test_without_a_key_the_header_alone_is_judged(
    client: FlaskClient, address: dict[str, str]
) -> None:
    told = _told(_ask(client, address, method="POST", path="/v1/pos/orders", headers="X: y"))

    assert told["holds"] is False
    assert told["expected_signature"] is None
    assert told["checks"][0]["en"] == "there is no Authorization header"


def test_bytes_that_are_no_text_come_in_base64(
    client: FlaskClient, sandbox: str, address: dict[str, str]
) -> None:
    given = {
        **examples()["right"],
        "body": "",
        "body_base64": base64.b64encode(b"\xff\r\n").decode(),
    }

    told = _told(_ask(client, address, **given))
    refused = _ask(client, address, **{**given, "body_base64": "not base64!"})

    assert told["body_bytes"] == 3
    assert told["holds"] is False
    assert refused.status_code == 400
    assert _told(refused)["errors"] == [{"pointer": "/body_base64", "code": "wrong-form"}]


def test_nothing_is_kept(
    client: FlaskClient, database: Database, sandbox: str, address: dict[str, str]
) -> None:
    def written() -> int:
        with database.transaction(sandbox, read_only=True) as session:
            return session.scalar(select(func.count()).select_from(AuditRecord)) or 0

    before = written()
    _ask(client, address, **examples()["wrong"])

    assert written() == before


def test_thirty_in_a_minute_are_enough(
    client: FlaskClient, sandbox: str, address: dict[str, str]
) -> None:
    answers = [
        _ask(client, address, method="GET", path="/", headers="").status_code for _ in range(33)
    ]

    assert answers[:30] == [200] * 30
    assert answers[-1] == 429
