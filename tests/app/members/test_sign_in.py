"""Reliability §11, §12: six digits for a phone, five minutes, five tries, five an hour."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.errors import TooOften
from app.members import sign_in
from app.members.errors import BadPhone
from config.database import Database, now_of
from tests.factories import new_phone


@pytest.fixture
def number() -> str:
    return new_phone()


def make(session: Session, number: str, *, seconds: float = 0) -> str:
    now = now_of(session) + timedelta(seconds=seconds)
    return sign_in.make_code(session, number, now=now, sends=False).code


def use(session: Session, number: str, code: str, *, seconds: float = 0) -> bool:
    return sign_in.use_code(session, number, code, now=now_of(session) + timedelta(seconds=seconds))


def other(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_a_code_is_good_once_for_its_phone(session: Session, number: str) -> None:
    code = make(session, number)

    assert len(code) == 6
    assert not use(session, new_phone(), code)
    assert use(session, number.removeprefix("+86"), code)
    assert not use(session, number, code)


def test_a_code_lives_for_five_minutes(session: Session, number: str) -> None:
    code = make(session, number)

    assert not use(session, number, code, seconds=300)
    assert use(session, number, code, seconds=299)


def test_after_five_wrong_tries_the_right_one_is_wrong_too(session: Session, number: str) -> None:
    code = make(session, number)
    for _ in range(5):
        assert not use(session, number, other(code))

    assert not use(session, number, code)


def test_a_code_ends_the_one_before(session: Session, number: str) -> None:
    first = make(session, number)
    second = make(session, number, seconds=60)

    assert first == second or not use(session, number, first, seconds=61)
    assert use(session, number, second, seconds=61)


def test_one_a_minute_and_five_an_hour(session: Session, number: str) -> None:
    make(session, number)
    with pytest.raises(TooOften) as soon:
        make(session, number, seconds=59)
    for minute in range(1, 5):
        make(session, number, seconds=60 * minute)
    with pytest.raises(TooOften) as many:
        make(session, number, seconds=300)

    assert (soon.value.seconds, many.value.seconds) == (1, 3300)
    make(session, number, seconds=3600)


def test_phone_and_code_wait_under_seal_and_for_a_day(session: Session, number: str) -> None:
    code, now = make(session, number), now_of(session)
    row = session.execute(text("SELECT * FROM sign_in_code ORDER BY id DESC LIMIT 1")).one()

    assert number.encode() not in row.phone
    assert code.encode() not in row.code
    sign_in.purge(session, now=now + timedelta(days=1))
    assert sign_in.purge(session, now=now + timedelta(days=1, seconds=1)) == 1


def test_what_is_no_phone_is_refused(session: Session) -> None:
    with pytest.raises(BadPhone):
        make(session, "12345")


def test_of_many_tries_at_once_no_more_than_five_are_heard(
    database: Database, district: str, number: str
) -> None:
    with database.transaction(district) as session:
        code = make(session, number)
    barrier = threading.Barrier(8)

    def attempt(_: int) -> bool:
        barrier.wait()
        with database.transaction(district) as session:
            return use(session, number, other(code))

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(attempt, range(8)))

    with database.transaction(district) as session:
        assert not use(session, number, code)
        tries = session.scalar(text("SELECT max(tries) FROM sign_in_code"))
    assert (set(heard), tries) == ({False}, 5)
