"""Logs: one JSON object per line, bound to its request, without personal data (G11)."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from config.logging import JsonLines, bound


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("plaza.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger, stream
    logger.removeHandler(handler)


def test_an_event_is_one_line_with_its_fields_and_its_request(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = written

    with bound(request="req_1"), bound(order="ord_2"):
        logger.info("order_paid", extra={"amount_fen": 1280, "note": "two\nlines 商圈"})

    line = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert {key: line[key] for key in ("level", "logger", "event", "request", "order")} == {
        "level": "info",
        "logger": "plaza.test",
        "event": "order_paid",
        "request": "req_1",
        "order": "ord_2",
    }
    assert line["amount_fen"] == 1280
    assert line["note"] == "two\nlines 商圈"


@pytest.mark.parametrize(
    "canary",
    [
        "13800138000",
        "+8613800138000",
        "91012345678938913552",
        "postgresql://plaza_app:hunter2canary@127.0.0.1/plaza",
        "Bearer eyJhbGciOiJFZERTQSJ9.payload.signature",
    ],
)
def test_personal_data_and_secrets_never_reach_the_log(
    written: tuple[logging.Logger, io.StringIO], canary: str
) -> None:
    logger, stream = written
    try:
        int(canary + "x")
    except ValueError:
        logger.exception(f"failed for {canary}", extra={"seen": [canary], "deep": {"x": canary}})

    logger.info("plain", extra={"phone": "0571-0000", "access_token": "abc", "body": "{}"})

    assert "13800138000" not in stream.getvalue()
    assert "91012345678938913552" not in stream.getvalue()
    assert "hunter2canary" not in stream.getvalue()
    assert "payload.signature" not in stream.getvalue()
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["phone"], last["access_token"], last["body"]) == ("[secret]",) * 3


def test_ids_and_amounts_stay_readable(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written

    logger.info("order_placed", extra={"order": "ord_0123456789", "at_ms": 1768464000123})

    line = json.loads(stream.getvalue())
    assert (line["order"], line["at_ms"]) == ("ord_0123456789", 1768464000123)
