"""Reliability §11, §12, §14: staff sign in over HTTP, and whose session is over is nobody."""

import time
from dataclasses import replace

import pytest
import redis
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from app import audit
from app.audit import AuditRecord
from app.clock import server_now
from app.merchants import credentials, staff
from app.merchants.models import StaffSession
from app.merchants.staff import Permission, Role
from config.database import Database
from config.settings import Settings
from tests.app.api.consoles import Console, signed_in
from tests.app.api.phones import told
from tests.factories import make_staff, unique

PASSWORD = "correct horse battery"


def sign_in(client: FlaskClient, *, address: str | None = None, **said: str) -> TestResponse:
    return client.post(
        "/v1/manage/sign-in",
        json={"district": "test", "password": PASSWORD, **said},
        environ_overrides={"REMOTE_ADDR": address or unique("10.")},
    )


@pytest.fixture
def enrolled(database: Database) -> tuple[str, str]:
    """The login of a new marketer, and the address that his phone has read."""
    with database.transaction("test") as session:
        new = make_staff(session, roles=[Role.MARKETER])
        now = server_now(session)
        made = credentials.enrol(session, new.login, PASSWORD, by=new.public_id, now=now)
        return new.login, made.uri


def code_of(database: Database, uri: str) -> str:
    with database.transaction("test") as session:
        return credentials.one_time_password(uri, at=server_now(session))


def test_staff_sign_in_are_known_and_sign_out(
    client: FlaskClient, database: Database, enrolled: tuple[str, str]
) -> None:
    login, uri = enrolled

    opened = told(sign_in(client, login=login, code=code_of(database, uri)))

    console = Console(client=client, token=opened["token"], address=unique("10."))
    me = told(console.get("me"))
    assert (me["login"], me["roles"]) == (login, ["marketer"])
    assert "coupon.write" in me["permissions"]
    assert opened["idle_seconds"] == 1800
    assert told(console.post("sign-out", {}, key="")) == {"signed_out": True}
    assert console.get("me").status_code == 401
    with database.transaction("test") as session:
        acts = [
            (row.action, row.source)
            for row in session.scalars(
                select(AuditRecord)
                .where(AuditRecord.actor == me["staff_id"])
                .order_by(AuditRecord.id)
            )
        ]
    assert acts[-2:] == [("staff.sign_in", "manage"), ("staff.sign_out", "manage")]


def test_neither_password_nor_code_nor_token_is_logged(
    client: FlaskClient,
    database: Database,
    enrolled: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reliability §0 rule 9"""
    login, uri = enrolled
    code = code_of(database, uri)
    with caplog.at_level("DEBUG"):
        sign_in(client, login=login, code="000000")
        opened = told(sign_in(client, login=login, code=code))
        Console(client=client, token=opened["token"], address=unique("10.")).get("me")

    logged = "".join(str(vars(record)) for record in caplog.records)
    assert "request_answered" in logged
    for secret in (PASSWORD, code, opened["token"], uri.partition("secret=")[2][:32]):
        assert secret not in logged


def test_a_code_signs_in_once(
    client: FlaskClient, database: Database, enrolled: tuple[str, str]
) -> None:
    login, uri = enrolled
    code = code_of(database, uri)

    statuses = [sign_in(client, login=login, code=code).status_code for _ in range(2)]

    assert statuses == [200, 401]


def test_a_wrong_name_password_or_code_has_one_answer(
    client: FlaskClient, database: Database, enrolled: tuple[str, str]
) -> None:
    """C17's rule for staff: nobody learns which of the three it was."""
    login, uri = enrolled
    code = code_of(database, uri)

    answers = [
        sign_in(client, login=unique("nobody"), code=code),
        sign_in(client, login=login, code=code, password="wrong horse battery"),
        sign_in(client, login=login, code="000000"),
    ]

    faces = [{**told(each, 401), "instance": ""} for each in answers]
    assert faces[0] == faces[1] == faces[2]
    assert faces[0]["code"] == "unauthenticated"


def test_five_refusals_and_a_name_waits_a_quarter_of_an_hour(
    client: FlaskClient, database: Database, enrolled: tuple[str, str]
) -> None:
    login, uri = enrolled
    for _ in range(5):
        assert sign_in(client, login=login, code="000000").status_code == 401

    refused = sign_in(client, login=login, code=code_of(database, uri))

    assert refused.status_code == 429
    assert 890 <= int(refused.headers["Retry-After"]) <= 900


def test_an_address_signs_in_twenty_times_an_hour_at_most(
    client: FlaskClient, settings: Settings, redis_url: str
) -> None:
    """Reliability §12: here the address has just used up what it may."""
    address = unique("10.")
    index = settings.key_ring.blind_index("address:v1", address).hex()
    used_up = int((time.time() + 3600) * 1_000_000)
    with redis.Redis.from_url(redis_url) as connection:
        connection.set(f"plaza:limit:address:{index}:staff-sign-in", used_up, ex=60)

    refused = sign_in(client, address=address, login=unique("nobody"), code="000000")

    assert refused.status_code == 429
    assert 300 <= int(refused.headers["Retry-After"]) <= 400


def test_a_district_that_is_not_there_is_told_as_such(client: FlaskClient) -> None:
    answer = sign_in(client, district="mars", login="lin", code="000000")

    assert answer.status_code == 404


def test_a_disabled_or_idle_or_forged_session_is_nobody(
    client: FlaskClient, database: Database, marketer: Console, finance: Console
) -> None:
    with database.transaction("test") as session:
        staff.disable(session, marketer.login, by=finance.staff_id, reason="离职")
    third = signed_in(client, database)
    with database.transaction("test") as session:
        session.execute(
            update(StaffSession)
            .where(StaffSession.staff_id == select_id(third))
            .values(seen_at=text("now() - interval '30 minutes'"))
        )

    strangers = [
        marketer,
        third,
        replace(finance, token=""),
        replace(finance, token=finance.token[:-1] + ("A" if finance.token[-1] != "A" else "B")),
        replace(finance, token=finance.token.replace("st_test_", "st_mars_")),
    ]

    faces = [{**told(each.get("me"), 401), "instance": ""} for each in strangers]
    assert all(face == faces[0] for face in faces)
    assert finance.get("me").status_code == 200


def select_id(console: Console) -> object:
    return text("(SELECT id FROM staff WHERE login = :login)").bindparams(login=console.login)


def test_half_an_hour_begins_anew_with_a_request(database: Database, marketer: Console) -> None:
    aged = (
        update(StaffSession)
        .where(StaffSession.staff_id == select_id(marketer))
        .values(seen_at=text("now() - interval '29 minutes'"))
    )
    for _ in range(2):
        with database.transaction("test") as session:
            session.execute(aged)
        assert marketer.get("me").status_code == 200


def test_who_may_not_is_refused_and_put_on_record(
    client: FlaskClient, database: Database, finance: Console
) -> None:
    """Reliability §14; roles are read for every act (ADR 0007)."""
    refused = finance.post("templates", {"preset": "money-off", "values": {}})

    assert told(refused, 403)["code"] == "forbidden"
    with database.transaction("test") as session:
        records = audit.list_records(session, about=f"permission:{Permission.COUPON_WRITE}")
    mine = [row for row in records if row.actor == f"login:{finance.login}"]
    assert [(row.action, row.source) for row in mine] == [("staff.refused", "manage")]
    assert mine[0].request_id is not None


def test_a_stopped_district_is_still_read(
    client: FlaskClient, database: Database, marketer: Console
) -> None:
    """Decision 9: reading goes on, and so does who is signed in."""
    stop = text("UPDATE public.district SET stopped = :why WHERE id = 'test'")
    with database.transaction("test") as session:
        session.execute(stop, {"why": "found broken"})
    try:
        assert marketer.get("me").status_code == 200
        assert marketer.get("batches").status_code == 200
    finally:
        with database.transaction("test", even_stopped=True) as session:
            session.execute(stop, {"why": None})
