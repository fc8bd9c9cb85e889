"""The door as gunicorn serves it: what Flask's own client cannot show (reliability §8, §12)."""

import dataclasses
import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from app.factory import create_app
from config.database import Database
from config.settings import Settings
from tests.app.api.pos.test_orders import cash, order
from tests.app.api.tills import Till, open_till
from tests.factories import unique
from tests.serving import served


@pytest.fixture(scope="module")
def address(settings: Settings, district: str) -> Iterator[str]:
    with served(settings, workers=1) as base_url:
        yield urlsplit(base_url).netloc


@pytest.fixture
def connection(address: str) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(address, timeout=10)
    yield made
    made.close()


@pytest.fixture
def till(settings: Settings, database: Database, district: str) -> Iterator[Till]:
    app = create_app(settings)
    yield open_till(app.test_client(), database, district)
    app.extensions["plaza"].close()


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: object, headers: object
) -> tuple[http.client.HTTPResponse, dict[str, object]]:
    connection.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_a_clock_that_is_off_is_told_the_time_in_one_date_header(
    connection: http.client.HTTPConnection, till: Till
) -> None:
    late = dataclasses.replace(till, clock_error=-400)
    path = "/v1/pos/orders/ord_" + "0" * 26

    answer, problem = _ask(connection, "GET", path, None, late.headers("GET", path))

    assert (answer.status, problem["code"]) == (401, "clock-skew")
    assert len(answer.headers.get_all("Date") or []) == 1


def test_the_path_is_signed_as_it_was_sent(
    connection: http.client.HTTPConnection, till: Till
) -> None:
    path = "/v1/pos/%6Frders?terminal_id=%541&number=%E8%8C%B6"

    answer, problem = _ask(connection, "GET", path, None, till.headers("GET", path))

    assert (answer.status, problem["code"]) == (404, "not-found")


def test_a_body_in_chunks_is_signed_and_sold_like_any_other(
    connection: http.client.HTTPConnection, till: Till
) -> None:
    body = json.dumps(order(tenders=cash(10_000))).encode()
    headers = till.headers("POST", "/v1/pos/orders", body, key=unique("idem-key-"))
    chunks = iter([body[:40], body[40:]])

    answer, sold = _ask(connection, "POST", "/v1/pos/orders", chunks, headers)

    assert (answer.status, sold["state"]) == (201, "paid")


def test_a_body_past_one_mebibyte_is_refused_in_chunks_too(
    connection: http.client.HTTPConnection, till: Till
) -> None:
    headers = till.headers("POST", "/v1/pos/orders", b"x", key=unique("idem-key-"))
    chunks = (b" " * 65_536 for _ in range(17))

    answer, problem = _ask(connection, "POST", "/v1/pos/orders", chunks, headers)

    assert (answer.status, problem["code"]) == (413, "too-large")


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}, {"Content-Type": ""}]
)
def test_a_body_that_is_not_plain_json_is_refused(
    connection: http.client.HTTPConnection, till: Till, headers: dict[str, str]
) -> None:
    body = json.dumps(order(tenders=cash(10_000))).encode()
    signed = till.headers("POST", "/v1/pos/orders", body, key=unique("idem-key-"))

    answer, problem = _ask(connection, "POST", "/v1/pos/orders", body, {**signed, **headers})

    assert (answer.status, problem["code"]) == (415, "unsupported-media-type")


def test_the_clock_is_told_to_anybody(connection: http.client.HTTPConnection) -> None:
    answer, told = _ask(connection, "GET", "/v1/pos/time", None, {})

    assert answer.status == 200
    assert str(told["now"]).endswith("+00:00")
    assert len(str(told["timestamp"])) == 10
