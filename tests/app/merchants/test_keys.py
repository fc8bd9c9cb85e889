"""P4, reliability §8, §11: keys of stores are made by two people, sealed, rotated with overlap."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import audit
from app.approvals import SamePerson
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import keys
from app.merchants.keys import IssuedKey
from app.merchants.models import KeyState, StoreKey
from config.database import forget, now_of
from config.keys import Place
from tests.factories import make_merchant, store_of


def _store(session: Session) -> str:
    return store_of(session, make_merchant(session)).code


def _issue(session: Session, store: str, *, overlap_hours: int | None = None) -> IssuedKey:
    request = keys.propose(
        session, store=store, by="stf_lin", reason="接入", overlap_hours=overlap_hours
    )
    return keys.approve(session, request.public_id, by="stf_wang")


def test_a_key_needs_a_second_person(session: Session) -> None:
    """G1, reliability §11"""
    request = keys.propose(session, store=_store(session), by="stf_lin", reason="接入")

    with pytest.raises(SamePerson):
        keys.approve(session, request.public_id, by="stf_lin")
    issued = keys.approve(session, request.public_id, by="stf_wang")

    assert keys.get_keys(session)[issued.key_id].secret == issued.secret
    assert [row.action for row in audit.list_records(session, about=issued.key_id)] == [
        "key.create"
    ]


def test_a_key_names_its_district(session: Session) -> None:
    """decision 7"""
    issued = _issue(session, _store(session))

    assert keys.district_of_key(issued.key_id) == "test"
    assert keys.district_of_key("pk_test_0001") == "test"
    assert keys.district_of_key("pk_lake-side_0001") == "lake-side"
    for strange in ("", "pk_test", "pk_Test_0001", "pk_test_00'1", "sk_test_0001"):
        assert keys.district_of_key(strange) is None


def test_the_secret_is_sealed_in_its_row_and_in_no_repr(session: Session) -> None:
    issued = _issue(session, _store(session))

    stored = session.scalars(select(StoreKey).where(StoreKey.key_id == issued.key_id)).one()

    assert issued.secret not in stored.secret
    assert str(issued.secret) not in repr(issued)
    assert "secret" not in repr(keys.get_keys(session)[issued.key_id])


def test_a_rotated_key_works_on_until_its_hour(session: Session) -> None:
    """P4: the tills of a store change over one by one."""
    store = _store(session)
    old = _issue(session, store)

    new = _issue(session, store, overlap_hours=24)

    listed, now = keys.get_keys(session), now_of(session)
    assert listed[old.key_id].valid_at(now + timedelta(hours=23, minutes=59))
    assert not listed[old.key_id].valid_at(now + timedelta(hours=24))
    assert listed[new.key_id].valid_at(now + timedelta(days=900))


def test_a_store_never_has_more_than_two_keys(session: Session) -> None:
    store = _store(session)
    _issue(session, store)
    _issue(session, store, overlap_hours=24)

    with pytest.raises(StateConflict, match="上次轮换"):
        _issue(session, store, overlap_hours=24)
    session.info["now"] += timedelta(hours=24)
    _issue(session, store, overlap_hours=24)

    states = [row.state for row in keys.list_keys(session, store=store)]
    assert states == ["active", "rotated", "ended"]


def test_the_database_too_refuses_a_third_key(session: Session) -> None:
    store = _store(session)
    issued = _issue(session, store)

    with pytest.raises(IntegrityError, match="store_key_alive_idx"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO store_key (key_id, store_id, secret, key_version, state, created_at)"
                " SELECT 'pk_test_0009', store_id, secret, 1, 'active', created_at"
                " FROM store_key WHERE key_id = :key"
            ),
            {"key": issued.key_id},
        )


def test_a_second_first_key_and_a_rotation_of_nothing_are_refused(session: Session) -> None:
    store = _store(session)
    waiting = keys.propose(session, store=store, by="stf_lin", reason="接入")
    with pytest.raises(StateConflict, match="没有可轮换"):
        _issue(session, store, overlap_hours=1)
    _issue(session, store)

    with pytest.raises(StateConflict, match="请轮换"):
        keys.propose(session, store=store, by="stf_lin", reason="again")
    with pytest.raises(StateConflict, match="请轮换"):
        keys.approve(session, waiting.public_id, by="stf_wang")
    with pytest.raises(Invalid):
        keys.propose(session, store=store, by="stf_lin", reason="x", overlap_hours=169)
    with pytest.raises(NotFound):
        keys.propose(session, store="nowhere", by="stf_lin", reason="x")


def test_a_revoked_key_signs_no_more_and_a_new_one_may_come(session: Session) -> None:
    store = _store(session)
    issued = _issue(session, store)

    keys.revoke(session, key_id=issued.key_id, by="stf_lin", reason="泄露")

    assert issued.key_id not in keys.get_keys(session)
    with pytest.raises(StateConflict):
        keys.revoke(session, key_id=issued.key_id, by="stf_lin", reason="again")
    with pytest.raises(NotFound):
        keys.revoke(session, key_id="pk_test_none", by="stf_lin", reason="x")
    assert _issue(session, store).key_id in keys.get_keys(session)


def test_a_rejected_key_is_never_made(session: Session) -> None:
    store = _store(session)
    request = keys.propose(session, store=store, by="stf_lin", reason="接入")

    keys.reject(session, request.public_id, by="stf_lin", reason="写错了")

    with pytest.raises(StateConflict):
        keys.approve(session, request.public_id, by="stf_wang")
    assert keys.list_keys(session, store=store) == []


def test_the_published_key_is_for_sandboxes_alone(session: Session) -> None:
    """P4: a key that everybody knows is refused where it would be worth something."""
    store = _store(session)

    with pytest.raises(StateConflict):
        keys.publish(session, store=store, by="system:seed", reason="沙盒")

    assert not keys.is_published(session)


def test_a_published_secret_signs_nothing_in_a_real_district(session: Session) -> None:
    store, ring = _store(session), session.info["key_ring"]
    issued = _issue(session, store)
    row = session.scalars(select(StoreKey).where(StoreKey.key_id == issued.key_id)).one()
    place = Place(
        table="store_key", column="secret", row_id=row.key_id, key_version=row.key_version
    )
    key_id = keys.published_key_id("test")
    session.add(
        StoreKey(
            key_id=key_id,
            store_id=row.store_id,
            secret=ring.wrap(keys.PUBLISHED_SECRET, place=replace(place, row_id=key_id)),
            key_version=row.key_version,
            state=KeyState.ROTATED,
            valid_until=now_of(session) + timedelta(hours=1),
            created_at=now_of(session),
        )
    )
    session.flush()
    forget(session)

    known = keys.get_keys(session)

    assert issued.key_id in known
    assert key_id not in known
