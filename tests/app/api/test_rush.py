"""Reliability §6, §12; E04, E12: the gate for a rush says no early, and never a wrong no."""

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGKILL

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import text

from app.api import limits
from app.api.errors import RateLimited
from app.api.rush import RushGate
from app.api.tokens import MemberClaim
from app.factory import create_app
from app.wiring import build
from config import servers
from config.database import Database
from config.servers import Running
from config.settings import PROJECT, Settings
from coupons import issuing
from coupons.errors import SoldOut
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.test_coupons import off, open_batch
from tests.counting import sent_by_all
from tests.factories import unique


@pytest.fixture(scope="module")
def valkey() -> Iterator[Running]:
    """A Redis-protocol server that may be killed; its keeper starts it again, empty."""
    folder = servers.home_of(PROJECT) / f"rush-valkey-{os.getpid()}"
    with servers.attach_valkey(folder, durable=False) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own(settings: Settings, valkey: Running) -> Settings:
    """The settings of a process on that server, emptied."""
    url = f"{valkey.addresses['url']}/0"
    with redis.Redis.from_url(url) as connection:
        connection.flushall()
    return dataclasses.replace(settings, redis_url=url, shows_codes=True)


@pytest.fixture
def client(own: Settings, district: str) -> Iterator[FlaskClient]:
    app = create_app(own)
    yield app.test_client()
    app.extensions["plaza"].close()


@contextmanager
def process(settings: Settings) -> Iterator[RushGate]:
    """Return the gates of a process that has just begun."""
    services = build(settings)
    yield RushGate(services)
    services.close()


def rushed(database: Database, total: int, *, rush: bool = True) -> str:
    """Open a batch of so many coupons for a rush, and return its code."""
    with database.transaction("test") as session:
        batch = open_batch(session, off(100), claim=True, rush=rush, limits={"total": total})
        return batch.code


def take(database: Database, batch: str) -> str:
    """Let somebody have a coupon past the gate, as a grant would; return who."""
    with database.transaction("test") as session:
        holder = unique("mem_")
        issuing.claim(session, batch=batch, holder=holder)
        return holder


def somebody(member: str = "") -> MemberClaim:
    return MemberClaim(district="test", member=member or unique("mem_"), device="ses_1")


def let_in(gate: RushGate, batch: str, times: int) -> int:
    """Return how many of so many different members are let in."""
    return sum(not refuses(gate, batch, somebody(), RateLimited) for _ in range(times))


def refuses(gate: RushGate, batch: str, who: MemberClaim, why: type[Exception]) -> bool:
    try:
        gate.admit(who, batch)
    except why:
        return True
    return False


def kill(valkey: Running) -> None:
    keeper = valkey.addresses["keeper_pid"]
    (server,) = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    os.kill(int(server), SIGKILL)


def until_back(url: str) -> None:
    """Wait until the keeper has started the killed server again."""
    deadline = time.monotonic() + 10
    with redis.Redis.from_url(url) as connection:
        while time.monotonic() < deadline:
            try:
                if connection.ping():
                    return
            except redis.RedisError:
                time.sleep(0.05)
    raise AssertionError("the killed server was not started again")


def test_twice_the_stock_is_let_in_and_the_others_come_again(
    own: Settings, database: Database
) -> None:
    batch = rushed(database, 3)
    with process(own) as gate:
        first = let_in(gate, batch, 20)
        time.sleep(1.05)  # The count of that second is over: nobody is kept out for good.

        assert first == 6
        assert let_in(gate, batch, 20) == 6


def test_who_was_let_in_is_let_in_again(own: Settings, database: Database) -> None:
    """His repeat gets the stored answer of his key; the gate knows nothing of keys."""
    batch, who = rushed(database, 1), somebody()
    with process(own) as gate:
        gate.admit(who, batch)
        assert let_in(gate, batch, 9) == 1

        gate.admit(who, batch)


def test_once_the_stock_is_gone_all_hear_so_but_those_who_have_some(
    own: Settings, database: Database
) -> None:
    batch = rushed(database, 2)
    takers = [take(database, batch), take(database, batch)]
    with process(own) as gate:
        assert refuses(gate, batch, somebody(), SoldOut)
        for taker in takers:
            gate.admit(somebody(taker), batch)


def test_a_gate_that_was_built_while_there_was_stock_learns_that_it_is_gone(
    own: Settings, database: Database
) -> None:
    batch = rushed(database, 1)
    with process(own) as gate:
        assert let_in(gate, batch, 5) == 2
        take(database, batch)
        time.sleep(1.05)

        assert refuses(gate, batch, somebody(), SoldOut)


def test_a_batch_that_does_not_ask_for_it_has_no_gate(own: Settings, database: Database) -> None:
    batch = rushed(database, 1, rush=False)
    with process(own) as gate, redis.Redis.from_url(own.redis_url) as connection:
        assert let_in(gate, batch, 20) == 20
        assert connection.keys("plaza:rush:*") == []


def test_no_gate_is_kept_for_ever(own: Settings, database: Database) -> None:
    batch = rushed(database, 1)
    with process(own) as gate, redis.Redis.from_url(own.redis_url) as connection:
        gate.admit(somebody(), batch)

        (name,) = connection.keys("plaza:rush:*")
        assert 3_500 < int(connection.ttl(name)) <= 3_600


def test_a_redis_that_lost_all_is_told_anew_what_is_left(
    own: Settings, valkey: Running, database: Database
) -> None:
    """E04: killed and empty again, it neither oversells nor keeps anybody from the rest."""
    batch, gone = rushed(database, 2), rushed(database, 1)
    first, winner = take(database, batch), take(database, gone)
    with process(own) as gate:
        assert let_in(gate, batch, 9) == 2
        assert refuses(gate, gone, somebody(), SoldOut)
    kill(valkey)
    until_back(own.redis_url)

    with process(own) as gate:
        assert let_in(gate, batch, 9) == 2
        assert refuses(gate, gone, somebody(), SoldOut)
        gate.admit(somebody(winner), gone)
        take(database, batch)
        time.sleep(1.05)
        assert refuses(gate, batch, somebody(), SoldOut)
        gate.admit(somebody(first), batch)


def test_without_redis_a_process_lets_in_a_quarter_of_its_own_limit(
    own: Settings, database: Database
) -> None:
    batch = rushed(database, 1)
    with process(dataclasses.replace(own, redis_url="redis://127.0.0.1:1/0")) as gate:
        assert let_in(gate, batch, 60) in range(limits.RUSH.burst // 4, 56)


def test_a_redis_that_dies_midway_keeps_nobody_out(
    own: Settings, valkey: Running, database: Database
) -> None:
    batch = rushed(database, 1)
    with process(own) as gate:
        assert let_in(gate, batch, 9) == 2
        kill(valkey)
        admitted = let_in(gate, batch, 9)
        until_back(own.redis_url)

    assert admitted == 9


@pytest.fixture
def late(client: FlaskClient, database: Database) -> Callable[[str], Phone]:
    """Return a phone that asks once the gate of a batch knows that its stock is gone."""

    def make(batch: str) -> Phone:
        phone = new_member(client)
        gate = client.application.extensions["plaza_rush"]
        assert refuses(gate, batch, somebody(), SoldOut)
        return phone

    return make


def test_over_http_late_comers_hear_of_it_and_nothing_is_written(
    client: FlaskClient, database: Database, late: Callable[[str], Phone]
) -> None:
    batch = rushed(database, 1)
    take(database, batch)
    phone = late(batch)

    inside = client.application.extensions["plaza"].database
    with sent_by_all(inside) as statements:
        answer = told(phone.post("coupons/claims", {"batch": batch}), 409)

    assert (answer["code"], answer["retryable"]) == ("sold-out", False)
    assert statements == []
    with database.transaction("test") as session:
        stored = session.scalar(
            text("SELECT count(*) FROM idempotency WHERE principal = :who"),
            {"who": phone.member(database).public_id},
        )
    assert stored == 0


def test_over_http_the_winner_hears_of_his_coupon_however_late_he_asks_again(
    client: FlaskClient, database: Database, late: Callable[[str], Phone]
) -> None:
    """Semantics 39: his answer was lost on the line, and the gate was built since."""
    batch, key = rushed(database, 1), unique("claim-key-")
    winner = new_member(client)
    won = winner.post("coupons/claims", {"batch": batch}, key=key)
    with redis.Redis.from_url(
        client.application.extensions["plaza"].settings.redis_url
    ) as connection:
        connection.flushall()
    late(batch)

    same = winner.post("coupons/claims", {"batch": batch}, key=key)
    again = winner.post("coupons/claims", {"batch": batch})

    assert told(won, 201) == told(same, 201)
    assert same.headers["Idempotency-Replayed"] == "true"
    assert told(again) == told(won, 201)


def test_over_http_whoever_is_too_many_is_told_when_to_come_again(
    client: FlaskClient, database: Database
) -> None:
    batch = rushed(database, 1)
    gate = client.application.extensions["plaza_rush"]
    phone = new_member(client)
    assert let_in(gate, batch, 9) == 2

    answer = phone.post("coupons/claims", {"batch": batch})

    assert told(answer, 429)["code"] == "rate-limited"
    assert answer.headers["Retry-After"] == "1"
