"""The edge of the HTTP door: problems, security headers, health and metrics (reliability §15)."""

import dataclasses
import json
import logging
from collections.abc import Iterator

import pytest
import redis
from apiflask import APIFlask
from flask import request
from flask.testing import FlaskClient

from app.api.auth import Role, requires
from app.factory import create_app
from app.wiring import HEARTBEAT
from config.errors import DistrictStopped, UnknownDistrict
from config.settings import Settings


@pytest.fixture
def app(settings: Settings) -> Iterator[APIFlask]:
    made = create_app(settings)
    for endpoint in ("broken", "unknown_district", "stopped", "echo"):
        made.extensions["plaza_policy"][endpoint] = Role.SUPERVISOR

    @made.get("/broken")
    @requires(Role.SUPERVISOR)
    def broken() -> str:
        raise RuntimeError("call 13800138000")

    @made.get("/unknown-district")
    @requires(Role.SUPERVISOR)
    def unknown_district() -> str:
        raise UnknownDistrict("nowhere")

    @made.get("/stopped")
    @requires(Role.SUPERVISOR)
    def stopped() -> str:
        raise DistrictStopped("demo", "L1: journal 7")

    @made.post("/echo")
    @requires(Role.SUPERVISOR)
    def echo() -> str:
        return request.get_data(as_text=True)

    yield made
    made.extensions["plaza"].close()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/healthz", 405, "method-not-allowed"),
        ("GET", "/broken", 500, "internal"),
        ("GET", "/unknown-district", 404, "not-found"),
        ("GET", "/stopped", 503, "maintenance"),
    ],
)
def test_every_error_is_a_problem(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] == code
    assert answer.json["type"] == f"/problems/{code}"
    assert answer.json["status"] == status
    assert answer.json["instance"] == answer.headers["X-Request-Id"]


def test_a_wrong_method_is_told_the_right_ones(client: FlaskClient) -> None:
    assert "GET" in client.delete("/healthz").headers["Allow"]


def test_a_body_past_one_mebibyte_is_too_large(client: FlaskClient) -> None:
    answer = client.post("/echo", data=b"x" * (1024 * 1024 + 1))

    assert answer.status_code == 413
    assert answer.json is not None
    assert answer.json["code"] == "too-large"


def test_a_bug_tells_nothing_outside_and_no_phone_in_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.get("/broken")

    assert "13800138000" not in answer.text
    assert "RuntimeError" not in answer.text
    assert len(caplog.records) == 1


def test_a_stopped_district_says_when_to_come_again_but_not_why(client: FlaskClient) -> None:
    answer = client.get("/stopped")

    assert answer.headers["Retry-After"] == "60"
    assert answer.json is not None
    assert answer.json["retryable"] is True
    assert "journal 7" not in answer.text


def test_security_headers_are_on_every_answer(client: FlaskClient) -> None:
    for path in ("/healthz", "/nowhere", "/broken"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Request-Id"].startswith("req_")


def test_readiness_names_what_is_missing(settings: Settings) -> None:
    nowhere = dataclasses.replace(
        settings,
        redis_url="redis://127.0.0.1:1",
        database=dataclasses.replace(
            settings.database, url="postgresql://plaza_app:x@127.0.0.1:1/plaza"
        ),
    )
    app = create_app(nowhere)

    answer = app.test_client().get("/readyz")
    app.extensions["plaza"].close()

    assert answer.status_code == 503
    assert answer.json is not None
    assert [each["what"] for each in answer.json["missing"]] == ["database", "redis"]
    assert all(each["zh"] and each["en"] for each in answer.json["missing"])


def test_readiness_wants_enough_database_connections(settings: Settings) -> None:
    crowded = dataclasses.replace(settings, worker_processes=64)
    app = create_app(crowded)

    answer = app.test_client().get("/readyz")
    app.extensions["plaza"].close()

    assert answer.json is not None
    assert "connections" in [each["what"] for each in answer.json["missing"]]


def test_readiness_watches_the_heartbeat_of_the_worker(client: FlaskClient, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as connection:
        connection.delete(HEARTBEAT)
        without = client.get("/readyz").json
        connection.set(HEARTBEAT, "1", ex=30)
        beating = client.get("/readyz").json

    assert without is not None
    assert beating is not None
    assert "worker" in [each["what"] for each in without["missing"]]
    assert "worker" not in [each["what"] for each in beating["missing"]]


def test_metrics_tell_latency_refusals_outbox_and_pool(client: FlaskClient) -> None:
    client.get("/unknown-district")
    client.get("/readyz")

    shown = client.get("/metrics").text

    assert 'plaza_request_seconds_count{method="GET",route="/unknown-district"' in shown
    assert 'plaza_refusals_total{code="not-found",root="ConfigError"}' in shown
    assert "plaza_outbox_age_seconds" in shown
    assert "plaza_database_pool_size 8.0" in shown
    assert "plaza_database_pool_used 0.0" in shown


def test_aliveness_asks_nobody(client: FlaskClient) -> None:
    assert json.loads(client.get("/healthz").text) == {"alive": True}
