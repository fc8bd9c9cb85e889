"""Reliability §1, decisions 20-23, semantics 38, 39: a repeated key gets its first answer."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from apiflask import APIFlask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import outbox
from app.api import answers
from app.api.answers import Answer, Scope, StoredAnswer
from app.api.auth import Role, requires
from app.api.edge import Again, writes
from app.api.fields import DoorSchema, Points, Text
from app.errors import Invalid, StateConflict
from app.factory import create_app
from app.merchants.directory import ListedStore
from app.outbox import Message
from config.database import Database, now_of
from config.errors import Collision
from config.settings import Settings
from tests.app.api.tills import Till, open_till
from tests.factories import unique

PATH = "/v1/pos/probes"


class Ask(DoorSchema):
    what = Text(most=40, required=True)
    points = Points(load_default=0)


class Told(DoorSchema):
    what = Text(most=40)
    instant = Text(most=40)


class Probe:
    """A view that writes one piece of news, then does what it is asked."""

    def __init__(self) -> None:
        self.runs = 0
        self.entered, self.leave = threading.Event(), threading.Event()

    def __call__(self, session: Session, store: ListedStore, asked: dict[str, str]) -> object:
        self.runs += 1
        outbox.add(session, topic="probe.ran", aggregate=store.public_id, payload={})
        match asked["what"]:
            case "refuse":
                session.add(_unsent(store.public_id))
                raise StateConflict("probe", "p", "closed", "不行", "no")
            case "invalid":
                raise Invalid("what", "不行", "no")
            case "crash":
                raise RuntimeError("bug")
            case "collide":
                raise Collision("probe", "p")
            case "wait":
                self.entered.set()
                assert self.leave.wait(10)
            case "again":
                return Again(value={"what": "again", "instant": "then"})
        return {"what": asked["what"], "instant": now_of(session).isoformat()}


def _unsent(aggregate: str) -> Message:
    return Message(public_id=unique("msg"), topic="x", aggregate=aggregate, seq=-1, payload={})


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def app(settings: Settings, district: str, probe: Probe) -> Iterator[APIFlask]:
    made = create_app(settings)
    made.extensions["plaza_policy"]["probe"] = Role.STORE

    @made.post(PATH, endpoint="probe")
    @requires(Role.STORE)
    @writes(Ask, Told)
    def view(session: Session, store: ListedStore, asked: dict[str, str]) -> object:
        return probe(session, store, asked)

    yield made
    made.extensions["plaza"].close()


def _news(database: Database, district: str, till: Till) -> int:
    with database.transaction(district) as session:
        found = session.scalar(
            select(func.count())
            .select_from(Message)
            .where(Message.aggregate == till.store.public_id)
        )
    return found or 0


def test_a_repeat_gets_the_stored_answer_byte_for_byte(
    till: Till, probe: Probe, database: Database, district: str
) -> None:
    """Semantics 39"""
    key = unique("idem-key-")

    first = till.post(PATH, {"what": "茶"}, key=key)
    second = till.post(PATH, {"what": "茶"}, key=key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.get_data() == first.get_data()
    assert second.content_type == first.content_type == "application/json"
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert probe.runs == 1
    assert _news(database, district, till) == 1


def test_spelling_does_not_make_another_request(till: Till, probe: Probe) -> None:
    """Decision 23: 5.0 is 5; order and spaces do not count."""
    key = unique("idem-key-")
    spellings = [b'{"what":"a","points":5}', b'{ "points": 5.0, "what": "\\u0061" }']

    answers_ = [till.send("POST", PATH, body, key=key) for body in spellings]

    assert [answer.status_code for answer in answers_] == [201, 201]
    assert probe.runs == 1


def test_the_same_key_with_other_content_is_refused_and_nothing_runs(
    till: Till, probe: Probe
) -> None:
    """Semantics 38"""
    key = unique("idem-key-")
    first = till.post(PATH, {"what": "a"}, key=key)

    other = till.post(PATH, {"what": "b"}, key=key)

    assert other.status_code == 422
    assert other.json is not None
    assert other.json["code"] == "idempotency-key-reused"
    assert probe.runs == 1
    assert till.post(PATH, {"what": "a"}, key=key).get_data() == first.get_data()


def test_a_stored_refusal_undoes_its_writes_and_is_repeated(
    till: Till, probe: Probe, database: Database, district: str
) -> None:
    """Decision 22"""
    key = unique("idem-key-")

    first = till.post(PATH, {"what": "refuse"}, key=key)
    second = till.post(PATH, {"what": "refuse"}, key=key)

    assert (first.status_code, second.status_code) == (409, 409)
    assert first.json is not None
    assert first.json["code"] == "state-conflict"
    assert second.get_data() == first.get_data()
    assert second.content_type == "application/problem+json"
    assert second.headers["Idempotency-Replayed"] == "true"
    assert probe.runs == 1
    assert _news(database, district, till) == 0


@pytest.mark.parametrize("case", [("invalid", 400), ("crash", 500), ("collide", 503)])
def test_other_failures_leave_the_key_free(
    till: Till, probe: Probe, database: Database, district: str, case: tuple[str, int]
) -> None:
    (what, status), key = case, unique("idem-key-")

    first = till.post(PATH, {"what": what}, key=key)
    runs = probe.runs
    second = till.post(PATH, {"what": what}, key=key)

    assert (first.status_code, second.status_code) == (status, status)
    assert "Idempotency-Replayed" not in second.headers
    assert probe.runs == runs * 2
    assert _news(database, district, till) == 0


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "idempotency-key-missing"),
        ("short", "idempotency-key-invalid"),
        ("k" * 65, "idempotency-key-invalid"),
        ("key with spaces in it", "idempotency-key-invalid"),
    ],
)
def test_a_write_needs_a_key_of_the_right_form(till: Till, key: str, code: str) -> None:
    answer = till.post(PATH, {"what": "a"}, key=key)

    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["code"] == code


def test_a_key_at_work_is_told_to_come_again(till: Till, probe: Probe) -> None:
    key = unique("idem-key-")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(till.post, PATH, {"what": "wait"}, key=key)
        assert probe.entered.wait(10)
        meanwhile = till.post(PATH, {"what": "wait"}, key=key)
        probe.leave.set()
        first = running.result()

    later = till.post(PATH, {"what": "wait"}, key=key)

    assert meanwhile.status_code == 409
    assert meanwhile.json is not None
    assert meanwhile.json["code"] == "idempotency-in-flight"
    assert meanwhile.headers["Retry-After"] == "1"
    assert later.get_data() == first.get_data()
    assert probe.runs == 1


def test_twenty_at_once_run_once(
    till: Till, probe: Probe, database: Database, district: str
) -> None:
    key = unique("idem-key-")
    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(till.post, PATH, {"what": "a"}, key=key) for _ in range(20)]
        statuses = [each.result().status_code for each in sent]

    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert _news(database, district, till) == 1


def test_a_key_belongs_to_its_store(
    till: Till, probe: Probe, database: Database, district: str
) -> None:
    """Decision 21"""
    key, other = unique("idem-key-"), open_till(till.client, database, district)

    answers_ = [each.post(PATH, {"what": "a"}, key=key) for each in (till, other)]

    assert [answer.status_code for answer in answers_] == [201, 201]
    assert probe.runs == 2


def test_a_known_business_key_is_said_so(till: Till) -> None:
    answer = till.post(PATH, {"what": "again"})

    assert answer.status_code == 200
    assert answer.headers["Business-Replayed"] == "true"
    assert answer.json == {"what": "again", "instant": "then"}


def test_an_answer_that_came_meanwhile_starts_the_request_again(session: Session) -> None:
    """The lock makes this impossible; should it fail, nothing is done twice."""
    scope = Scope(principal="sto_1", key=unique("idem-key-"), fingerprint=bytes(32))
    answers.begin(session, scope)
    answers.store(session, scope, Answer(status=201, body=b"{}"), undone=False)

    with pytest.raises(Collision):
        answers.store(session, scope, Answer(status=201, body=b"{}"), undone=False)


def test_answers_are_forgotten_after_thirty_days(session: Session) -> None:
    now = now_of(session)
    for days in (29, 30, 31):
        scope = Scope(principal="sto_1", key=f"idem-key-of-day-{days}", fingerprint=bytes(32))
        session.info["now"] = now - timedelta(days=days, seconds=1)
        answers.begin(session, scope)
        answers.store(session, scope, Answer(status=201, body=b"{}"), undone=False)
    session.info["now"] = now

    assert answers.purge(session) == 2

    left = session.scalars(select(StoredAnswer.key).where(StoredAnswer.principal == "sto_1"))
    assert list(left) == ["idem-key-of-day-29"]


def test_no_stored_answer_can_be_changed(session: Session) -> None:
    assert not session.scalar(text("SELECT has_table_privilege('idempotency', 'UPDATE')"))


def test_what_is_stored_is_what_was_sent(till: Till, database: Database, district: str) -> None:
    key = unique("idem-key-")
    answer = till.post(PATH, {"what": "茶\\'\"%s{x}"}, key=key)

    with database.transaction(district) as session:
        stored = session.get(StoredAnswer, (till.store.public_id, key))

    assert stored is not None
    assert stored.body == answer.get_data()
    assert json.loads(stored.body)["what"] == "茶\\'\"%s{x}"
