"""Reliability §11: refresh tokens are good once, and one that comes twice ends its session."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.members import devices, refreshing
from app.members.devices import Device
from app.members.refreshing import district_of_token
from config.database import Database, now_of
from tests.factories import make_member


@pytest.fixture
def device(session: Session) -> Device:
    return devices.open_on(session, member=make_member(session), source="web", now=now_of(session))


def test_a_token_is_changed_for_the_next(session: Session, device: Device) -> None:
    first = refreshing.issue(session, device, now=now_of(session))

    rotated = refreshing.rotate(session, first.token, now=now_of(session))

    assert rotated is not None
    assert rotated.device == device
    assert rotated.issued.token != first.token
    assert rotated.issued.until == now_of(session) + timedelta(days=30)
    assert district_of_token(first.token) == "test"


def test_a_token_that_comes_twice_ends_the_whole_session(session: Session, device: Device) -> None:
    first = refreshing.issue(session, device, now=now_of(session))
    second = refreshing.rotate(session, first.token, now=now_of(session))
    assert second is not None

    assert refreshing.rotate(session, first.token, now=now_of(session)) is None

    assert refreshing.rotate(session, second.issued.token, now=now_of(session)) is None
    assert devices.find(session, device.public_id, now=now_of(session)) is None


def test_a_token_lives_for_thirty_days_and_its_session_for_half_a_year(
    session: Session, device: Device
) -> None:
    now = now_of(session)
    issued = refreshing.issue(session, device, now=now)
    late = refreshing.issue(session, device, now=now + timedelta(days=170))

    assert refreshing.rotate(session, issued.token, now=now + timedelta(days=30)) is None
    assert late.until == now + timedelta(days=180)
    assert devices.find(session, device.public_id, now=now + timedelta(days=180)) is None


def test_only_a_hash_is_kept_and_old_ones_are_forgotten(session: Session, device: Device) -> None:
    now = now_of(session)
    issued = refreshing.issue(session, device, now=now)
    stored = session.scalars(
        text("SELECT token_hash FROM refresh_token WHERE session_id = :id"), {"id": device.id}
    ).one()

    assert issued.token.encode() not in stored
    assert issued.token not in repr(issued)
    refreshing.purge(session, now=now + timedelta(days=60))
    assert refreshing.purge(session, now=now + timedelta(days=60, seconds=1)) == 1


def test_of_two_that_change_one_token_at_once_none_goes_on(
    database: Database, district: str
) -> None:
    """The second is a reuse: it ends the session that the first had just renewed."""
    with database.transaction(district) as session:
        now = now_of(session)
        opened = devices.open_on(session, member=make_member(session), source="web", now=now)
        issued = refreshing.issue(session, opened, now=now)
    barrier = threading.Barrier(2)

    def rotate(_: int) -> bool:
        barrier.wait()
        with database.transaction(district) as session:
            return refreshing.rotate(session, issued.token, now=now) is not None

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(rotate, range(2)))

    with database.transaction(district) as session:
        alive = devices.find(session, opened.public_id, now=now)
    assert (outcomes, alive) == ([False, True], None)
