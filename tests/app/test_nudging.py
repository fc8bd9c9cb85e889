"""Decision 26: news is handed on at once; a broker that is down or slow costs nobody anything."""

import json
import logging
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from sqlalchemy.exc import IntegrityError

from app import outbox
from app.nudging import TASK, Nudge
from app.tasks import create_celery
from app.wiring import Services, build
from config.database import Database
from config.embedded import wait_until
from config.settings import Settings
from migrations.run import create_district
from tests.factories import unique


@pytest.fixture
def broker_url(redis_url: str) -> str:
    return f"{redis_url}/5"


@pytest.fixture
def broker(broker_url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(broker_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def nudged(owner_url: str) -> str:
    district = unique("n").lower()
    create_district(owner_url, district, name="提醒", sandbox=True)
    return district


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A broker that takes a connection and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/1"


def sent(broker: "redis.Redis", district: str) -> int:
    """Return how many nudges for a district lie in the queue."""
    messages = [json.loads(each) for each in broker.lrange("plaza", 0, -1)]
    arguments = [
        (each["headers"]["task"], json.loads(b64decode(each["body"]))[0]) for each in messages
    ]
    return arguments.count((TASK, [district]))


def write_news(services: Services, district: str, *, topic: str = "test.said") -> None:
    with services.database.transaction(district) as session:
        outbox.add(session, topic=topic, aggregate=unique("x_"), payload={})


def test_a_commit_with_news_nudges_the_worker_and_others_do_not(
    settings: Settings, broker_url: str, broker: "redis.Redis", nudged: str
) -> None:
    services = build(replace(settings, broker_url=broker_url), pool_size=1)
    with services.database.transaction(nudged) as session:
        assert not outbox.has_news(session)
    with pytest.raises(IntegrityError):
        write_news(services, nudged, topic="no topic")
    time.sleep(0.1)
    assert sent(broker, nudged) == 0

    write_news(services, nudged)

    assert wait_until(lambda: sent(broker, nudged) == 1, seconds=10)
    services.close()


def test_many_commits_send_few_nudges_and_the_last_one_is_not_lost(
    broker_url: str, broker: "redis.Redis"
) -> None:
    district, nudge = unique("d"), Nudge(broker_url)

    began = time.monotonic()
    for _ in range(500):
        nudge.tell(district)
        time.sleep(0.001)
    nudge.close()
    intervals = (time.monotonic() - began) / 0.2

    assert 2 <= sent(broker, district) <= intervals + 2


def test_word_left_just_before_the_end_is_sent(broker_url: str, broker: "redis.Redis") -> None:
    """A command that sells and ends."""
    district, nudge = unique("d"), Nudge(broker_url)

    nudge.tell(unique("d"))
    assert wait_until(lambda: broker.llen("plaza") > 0, seconds=10)
    nudge.tell(district)
    nudge.close()

    assert sent(broker, district) == 1


@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_broker_that_is_down_or_slow_delays_and_fails_nobody(
    settings: Settings,
    nudged: str,
    silent_url: str,
    kind: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = silent_url if kind == "silent" else "redis://127.0.0.1:1/1"
    services = build(replace(settings, broker_url=url), pool_size=1)
    write_news(services, nudged)  # Connects to the database.
    began = time.monotonic()

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            write_news(services, nudged)
        waited = time.monotonic() - began
        assert wait_until(lambda: bool(caplog.records), seconds=10)
        write_news(services, nudged)
        time.sleep(0.3)
        services.close()

    assert waited < 0.4
    assert [record.getMessage() for record in caplog.records] == ["nudge_failed"]


def test_a_nudged_worker_relays_that_district_alone(
    settings: Settings, database: Database, district: str, nudged: str
) -> None:
    for each in (district, nudged):
        with database.transaction(each) as session:
            outbox.add(session, topic="test.said", aggregate=unique("x_"), payload={})

    create_celery(settings).tasks[TASK](nudged)

    with database.transaction(nudged) as session:
        assert outbox.oldest_pending(session) is None
    with database.transaction(district) as session:
        assert outbox.oldest_pending(session) is not None
