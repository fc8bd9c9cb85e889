"""P4, reliability §8, decision 7: a store is proven by its signature, and by nothing else."""

import base64
import dataclasses
import logging
import time
from collections.abc import Iterator

import pytest
import redis
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from app.api.auth import Role, requires
from app.api.edge import reads, writes
from app.api.fields import DoorSchema, Text
from app.api.limits import Limit
from app.factory import create_app
from app.merchants import freezing, keys
from app.merchants.directory import ListedStore
from app.merchants.locking import lock_store
from config.database import Database, district_of
from config.settings import Settings
from migrations import run
from tests.app.api.tills import Till, open_till
from tests.counting import sent_by_all
from tests.factories import unique


class Named(DoorSchema):
    store = Text(most=80)
    district = Text(most=80)


class Nothing(DoorSchema):
    pass


def add_probes(app: APIFlask) -> None:
    app.extensions["plaza_policy"] |= {"who": Role.STORE, "act": Role.STORE, "few": Role.STORE}

    @app.get("/v1/pos/who")
    @requires(Role.STORE)
    @reads(Named)
    def who(session: Session, store: ListedStore) -> dict[str, str]:
        return {"store": store.code, "district": district_of(session).id}

    @app.get("/v1/pos/few")
    @requires(Role.STORE, limit=Limit(requests=1, seconds=3600, burst=2))
    @reads(Named)
    def few(session: Session, store: ListedStore) -> dict[str, str]:
        return {"store": store.code, "district": district_of(session).id}

    @app.post("/v1/pos/act")
    @requires(Role.STORE)
    @writes(Nothing, Named)
    def act(session: Session, store: ListedStore, asked: object) -> dict[str, str]:
        return {"store": store.code, "district": district_of(session).id}


@pytest.fixture
def app(settings: Settings, district: str) -> Iterator[APIFlask]:
    made = create_app(settings)
    add_probes(made)
    yield made
    made.extensions["plaza"].close()


def test_a_signed_request_says_district_and_store_by_its_key_alone(
    till: Till, district: str
) -> None:
    answer = till.get("/v1/pos/who")

    assert answer.status_code == 200
    assert answer.json == {"store": till.store.code, "district": district}


def test_every_failure_but_the_clock_looks_the_same(till: Till, client: FlaskClient) -> None:
    """Reliability §8: a forger learns nothing."""
    good = till.headers("GET", "/v1/pos/who")["Authorization"]
    signature = base64.b64encode(bytes(32)).decode()
    forged = [
        "",
        "Basic abc",
        good.replace(till.key_id, "pk_test_0000"),
        good.replace(till.key_id, "pk_nowhere_0000"),
        good.replace(till.key_id, "nonsense"),
        good.split("signature=", maxsplit=1)[0] + f'signature="{signature}"',
        dataclasses.replace(till, secret=bytes(32)).headers("GET", "/v1/pos/who")["Authorization"],
        till.headers("POST", "/v1/pos/who")["Authorization"],
        till.headers("GET", "/v1/pos/who?x=1")["Authorization"],
        till.headers("GET", "/v1/pos/who", b"{}")["Authorization"],
        till.headers("GET", "/v1/pos/who", key="idem-key-0123456789")["Authorization"],
    ]

    answers = [
        client.get("/v1/pos/who", headers={"Authorization": header},
                   environ_overrides={"REMOTE_ADDR": till.address})
        for header in forged
    ]  # fmt: skip

    bodies = [{**(answer.json or {}), "instance": ""} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "bad-signature"
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"POS1-HMAC-SHA256"}


def test_who_is_not_proven_is_logged_without_what_he_signed(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    """Reliability §14"""
    with caplog.at_level(logging.WARNING, logger="app.api.auth"):
        dataclasses.replace(till, secret=bytes(32)).get("/v1/pos/who")

    (record,) = caplog.records
    assert record.getMessage() == "caller_not_proven"
    assert (record.__dict__["key"], record.__dict__["why"]) == (till.key_id, "BadSignature")
    assert "signature=" not in str(record.__dict__)


def test_a_signature_is_good_once(till: Till, client: FlaskClient) -> None:
    headers = till.headers("GET", "/v1/pos/who")

    first = client.get("/v1/pos/who", headers=headers)
    second = client.get("/v1/pos/who", headers=headers)

    assert (first.status_code, second.status_code) == (200, 401)


@pytest.mark.parametrize(("error", "status"), [(-295, 200), (295, 200), (-305, 401), (305, 401)])
def test_the_till_may_be_five_minutes_off(till: Till, error: int, status: int) -> None:
    answer = dataclasses.replace(till, clock_error=error).get("/v1/pos/who")

    assert answer.status_code == status
    assert answer.json is not None
    if status == 401:
        assert answer.json["code"] == "clock-skew"
        assert "对时" in answer.json["detail"]


def test_the_path_and_query_count_as_they_were_sent(till: Till) -> None:
    assert till.get("/v1/pos/%77ho?").status_code == 200
    assert till.get("/v1/pos/who?a=%E8%8C%B6&a=2").status_code == 200


def test_a_rotated_key_works_until_it_is_revoked_and_the_new_one_too(
    till: Till, database: Database, district: str
) -> None:
    """P4: rotation with overlap."""
    with database.transaction(district) as session:
        request = keys.propose(
            session, store=till.store.code, by="stf_lin", reason="轮换", overlap_hours=1
        )
        issued = keys.approve(session, request.public_id, by="stf_wang")
    renewed = till.with_key(issued)
    both = [till.get("/v1/pos/who").status_code, renewed.get("/v1/pos/who").status_code]

    with database.transaction(district) as session:
        keys.revoke(session, key_id=till.key_id, by="stf_lin", reason="换完")

    assert both == [200, 200]
    assert till.get("/v1/pos/who").status_code == 401
    assert renewed.get("/v1/pos/who").status_code == 200


def test_a_key_past_its_hour_signs_no_more(till: Till, database: Database, district: str) -> None:
    with database.transaction(district) as session:
        request = keys.propose(
            session, store=till.store.code, by="stf_lin", reason="轮换", overlap_hours=0
        )
        keys.approve(session, request.public_id, by="stf_wang")

    assert till.get("/v1/pos/who").status_code == 401


def test_the_key_of_a_frozen_merchant_opens_nothing(
    till: Till, database: Database, district: str
) -> None:
    """M11"""
    till.get("/v1/pos/who")
    with database.transaction(district) as session:
        freezing.freeze(session, lock_store(session, till.store.code), by="stf_lin", reason="客诉")

    assert till.get("/v1/pos/who").status_code == 401


def test_the_key_of_a_district_that_is_gone_opens_nothing(
    client: FlaskClient, database: Database, owner_url: str
) -> None:
    """Reliability §8: the same answer as to any forger, though the process knows the key."""
    run.create_district(owner_url, "vanished", name="已撤", sandbox=True)
    till = open_till(client, database, "vanished")
    before = till.get("/v1/pos/who")
    run.drop_district(owner_url, "vanished")

    after = [till.get("/v1/pos/who"), till.post("/v1/pos/act", {})]

    assert before.status_code == 200
    assert [answer.status_code for answer in after] == [401, 401]
    assert {answer.json["code"] for answer in after if answer.json} == {"bad-signature"}


def test_proving_costs_no_statement_when_warm(till: Till, settings: Settings) -> None:
    till.get("/v1/pos/who")
    database = till.client.application.extensions["plaza"].database

    with sent_by_all(database) as statements:
        assert till.get("/v1/pos/who").status_code == 200

    assert len(statements) == 1  # BEGIN travels with the registry's row.


def test_a_store_that_sends_too_much_is_told_to_wait(
    till: Till, redis_url: str, district: str
) -> None:
    """Reliability §12: fifty a second; here the store is five seconds ahead of that."""
    bucket = f"plaza:limit:{district}:store:{till.store.id}"
    with redis.Redis.from_url(redis_url) as connection:
        connection.set(bucket, int((time.time() + 5) * 1_000_000), ex=10)

    refused = till.get("/v1/pos/who")

    assert refused.status_code == 429
    assert 3 <= int(refused.headers["Retry-After"]) <= 5
    assert refused.json is not None
    assert refused.json["code"] == "rate-limited"


def test_guessing_is_limited_by_address(client: FlaskClient, till: Till) -> None:
    wrong = dataclasses.replace(till, secret=bytes(32), address=unique("10."))

    statuses = [wrong.get("/v1/pos/who").status_code for _ in range(70)]

    assert set(statuses) == {401, 429}
    assert statuses.index(429) >= 60
    assert till.get("/v1/pos/who").status_code == 200


def test_without_redis_signed_requests_are_still_answered(
    settings: Settings, database: Database, district: str
) -> None:
    """Reliability §8: effects are keyed in the database."""
    app = create_app(dataclasses.replace(settings, redis_url="redis://127.0.0.1:1"))
    add_probes(app)

    answer = open_till(app.test_client(), database, district).get("/v1/pos/who")
    app.extensions["plaza"].close()

    assert answer.status_code == 200


def test_a_write_signs_its_idempotency_key_without_quotes(till: Till) -> None:
    key = unique("idem-key-")

    bare = till.post("/v1/pos/act", {}, key=key)
    quoted = till.post("/v1/pos/act", {}, key=key, headers={"Idempotency-Key": f'"{key}"'})

    assert (bare.status_code, quoted.status_code) == (201, 201)
    assert quoted.headers["Idempotency-Replayed"] == "true"


def test_a_store_of_a_sandbox_with_a_pace_sends_so_many_times_more(
    app: APIFlask, client: FlaskClient, owner_url: str, database: Database
) -> None:
    """Reliability §12: the owner role lifts the limits of a sandbox; nobody those of a district."""
    run.create_district(owner_url, "hasty", name="沙盒", sandbox=True, pace=3)
    till = open_till(client, database, "hasty")

    statuses = [till.get("/v1/pos/few").status_code for _ in range(10)]

    assert statuses == [200] * 6 + [429] * 4
    with pytest.raises(IntegrityError, match="only_a_sandbox_has_a_pace"):
        run.create_district(owner_url, "no-sandbox", name="真实商圈", sandbox=False, pace=3)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        database.transaction("hasty") as session,
    ):
        session.execute(text("UPDATE public.district SET pace = 9"))


def test_a_day_of_uploads_does_not_keep_a_store_from_identifying(till: Till) -> None:
    """Reliability §12: each route's own limit is counted by itself."""
    at = {"terminal_id": "T1", "cashier_id": "007"}
    uploads = [till.post("/v1/pos/orders/batch", {"orders": []}).status_code for _ in range(15)]

    known = till.post("/v1/pos/identify", {**at, "phone": "13900000000"}, key="")

    assert uploads[-1] == 429
    assert known.status_code != 429
