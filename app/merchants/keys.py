"""Keys of stores: what a till signs its requests with (P4; reliability §8).

A key is made by two people and shown once, to the second of them. A store has one active key; when
it is rotated the old one works on until its `valid_until`, so tills change over one by one.
Secrets are sealed by the master key and opened in memory alone.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest
from app.errors import Invalid, NotFound, StateConflict
from app.merchants.locking import lock_store
from app.merchants.models import KeyState, Store, StoreKey
from config.database import district_of, forget, new_id, now_of, remember
from config.keys import KEY_BYTES, KeyRing, Place

KIND = "store.key"
OVERLAP_HOURS = 24
LIMIT_OVERLAP_HOURS = 168
#: 32 bytes in plain words, so that whoever meets it sees what it is worth.
PUBLISHED_SECRET = b"worthless: everybody knows this!"

_KEY_ID = re.compile(r"pk_([a-z][a-z0-9-]{1,30})_[0-9A-Za-z]{4,40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class IssuedKey:
    """A key that was made just now; its secret is told this once."""

    key_id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ListedKey:
    """A key that may sign; `valid_until` is set when a newer one has taken its place."""

    key_id: str
    store_id: int
    valid_until: datetime | None
    secret: bytes = field(repr=False)

    def valid_at(self, instant: datetime) -> bool:
        """Whether the key may sign at an instant."""
        return self.valid_until is None or instant < self.valid_until


def district_of_key(key_id: str) -> str | None:
    """Return the district that a key id names, or None if it is no key id (decision 7)."""
    found = _KEY_ID.fullmatch(key_id)
    return found[1] if found else None


def propose(
    session: Session,
    *,
    store: str,
    by: str,
    reason: str,
    overlap_hours: int | None = None,
) -> ChangeRequest:
    """Ask for a key of a store (by code), or with `overlap_hours` for one in place of its key.

    Raises:
        NotFound: no such store.
        StateConflict: the store has a key already, or none to rotate, or two.
        Invalid: the overlap is below 0 or above a week.
    """
    if overlap_hours is not None and not 0 <= overlap_hours <= LIMIT_OVERLAP_HOURS:
        raise Invalid("overlap_hours", "须为 0 到 168 小时", "from 0 to 168 hours")
    row = lock_store(session, store)
    _check(session, row, rotates=overlap_hours is not None)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=row.public_id,
        payload={"store": row.code, "overlap_hours": overlap_hours},
        by=by,
        reason=reason,
    )
    _record(session, "key.propose", row.public_id, by=by, after=request.payload, reason=reason)
    return request


def approve(session: Session, request: str, *, by: str) -> IssuedKey:
    """Make the key that was asked for, as the second person, and tell its secret.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        StateConflict: the store got a key meanwhile, or lost the one to rotate.
    """
    approved = approvals.approve(session, request, kind=KIND, by=by)
    store = lock_store(session, approved.payload["store"])
    overlap_hours = approved.payload["overlap_hours"]
    _check(session, store, rotates=overlap_hours is not None)
    if overlap_hours is not None:
        _rotate_out(session, store, overlap=timedelta(hours=overlap_hours))
    issued = IssuedKey(
        key_id=new_id(f"pk_{district_of(session).id}"), secret=secrets.token_bytes(KEY_BYTES)
    )
    _keep(session, store, issued, change_request_id=approved.id)
    _record(
        session, "key.create", issued.key_id, by=by, after=approved.payload, reason=approved.reason
    )
    session.flush()
    forget(session)
    return issued


def published_key_id(district: str) -> str:
    """Return the id of the key that everybody knows, in a sandbox district."""
    return f"pk_{district}_PUBLISHED"


def is_published(session: Session) -> bool:
    """Whether the district has, or had, the key that everybody knows."""
    key_id = published_key_id(district_of(session).id)
    return session.scalar(select(StoreKey.id).where(StoreKey.key_id == key_id)) is not None


def publish(session: Session, *, store: str, by: str, reason: str) -> None:
    """Give a store (by code) of a sandbox the key whose secret stands in the documents.

    It lets a vendor try the API without asking anybody. Published again it changes nothing, not
    even back from revoked.

    Raises:
        NotFound: no such store.
        StateConflict: the district is no sandbox, or the store has a key of its own.
    """
    district = district_of(session)
    if not district.sandbox:
        raise StateConflict(
            "district",
            district.id,
            "real",
            "公开密钥只能用于沙盒",
            "a published key is for sandboxes",
        )
    row = lock_store(session, store)
    if is_published(session):
        return
    issued = IssuedKey(key_id=published_key_id(district.id), secret=PUBLISHED_SECRET)
    _check(session, row, rotates=False)
    _keep(session, row, issued, change_request_id=None)
    _record(session, "key.publish", issued.key_id, by=by, after={"store": store}, reason=reason)
    session.flush()
    forget(session)


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn down a proposed key, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    _record(session, "key.reject", rejected.subject, by=by, reason=reason)


def revoke(session: Session, *, key_id: str, by: str, reason: str) -> None:
    """End a key at once; one person is enough.

    Raises:
        NotFound: no such key.
        StateConflict: it has ended already.
    """
    row = session.scalar(select(StoreKey).where(StoreKey.key_id == key_id).with_for_update())
    if row is None:
        raise NotFound("key", key_id)
    if row.state not in (KeyState.ACTIVE, KeyState.ROTATED):
        raise StateConflict("key", key_id, row.state, "密钥已失效", "the key has ended")
    before = {"state": row.state}
    row.state = KeyState.REVOKED
    row.ended_at = now_of(session)
    _record(
        session, "key.revoke", key_id, by=by, before=before, after={"state": row.state},
        reason=reason,
    )  # fmt: skip
    session.flush()
    forget(session)


def list_keys(session: Session, *, store: str) -> list[StoreKey]:
    """Return all keys that a store (by code) ever had, newest first."""
    return list(
        session.scalars(
            select(StoreKey)
            .join(Store, Store.id == StoreKey.store_id)
            .where(Store.code == store)
            .order_by(StoreKey.id.desc())
        )
    )


def get_keys(session: Session) -> Mapping[str, ListedKey]:
    """Return the keys that may sign, by id; no SQL once they are warm."""
    return remember(session, "merchants.keys", _load)


def _load(session: Session) -> Mapping[str, ListedKey]:
    rows = session.scalars(
        select(StoreKey).where(StoreKey.state.in_([KeyState.ACTIVE, KeyState.ROTATED]))
    )
    ring, sandbox = _key_ring(session), district_of(session).sandbox
    listed = (
        ListedKey(
            key_id=row.key_id,
            store_id=row.store_id,
            valid_until=row.valid_until,
            secret=ring.unwrap(row.secret, place=_place(row.key_id, row.key_version)),
        )
        for row in rows
    )
    # Whatever way a published secret came into a real district, nobody signs with it there.
    return {key.key_id: key for key in listed if sandbox or key.secret != PUBLISHED_SECRET}


def _keep(
    session: Session, store: Store, issued: IssuedKey, *, change_request_id: int | None
) -> None:
    ring = _key_ring(session)
    session.add(
        StoreKey(
            key_id=issued.key_id,
            store_id=store.id,
            secret=ring.wrap(issued.secret, place=_place(issued.key_id, ring.version)),
            key_version=ring.version,
            state=KeyState.ACTIVE,
            change_request_id=change_request_id,
            created_at=now_of(session),
        )
    )


def _check(session: Session, store: Store, *, rotates: bool) -> None:
    states = _end_old(session, store)
    if not rotates and states:
        raise StateConflict(
            "store", store.code, "has-key", "门店已有密钥，请轮换", "it has a key: rotate it"
        )
    if rotates and KeyState.ACTIVE not in states:
        raise StateConflict(
            "store", store.code, "no-key", "门店没有可轮换的密钥", "it has no key to rotate"
        )
    if rotates and KeyState.ROTATED in states:
        raise StateConflict(
            "store", store.code, "rotating", "上次轮换的旧密钥仍有效，请等待或先吊销",
            "the key before is still valid: wait, or revoke it",
        )  # fmt: skip


def _end_old(session: Session, store: Store) -> set[str]:
    """End the store's rotated key whose time is over; return the states of those that live."""
    alive = session.scalars(
        select(StoreKey).where(
            StoreKey.store_id == store.id,
            StoreKey.state.in_([KeyState.ACTIVE, KeyState.ROTATED]),
        )
    ).all()
    now = now_of(session)
    for row in alive:
        if row.valid_until is not None and row.valid_until <= now:
            row.state, row.ended_at = KeyState.ENDED, row.valid_until
    session.flush()
    return {row.state for row in alive} - {KeyState.ENDED}


def _rotate_out(session: Session, store: Store, *, overlap: timedelta) -> None:
    row = session.scalars(
        select(StoreKey).where(StoreKey.store_id == store.id, StoreKey.state == KeyState.ACTIVE)
    ).one()
    row.state = KeyState.ROTATED
    row.valid_until = now_of(session) + overlap
    session.flush()


def _key_ring(session: Session) -> KeyRing:
    return cast("KeyRing", session.info["key_ring"])


def _place(key_id: str, version: int) -> Place:
    return Place(table="store_key", column="secret", row_id=key_id, key_version=version)


def _record(
    session: Session,
    action: str,
    about: str,
    *,
    by: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
    reason: str,
) -> None:
    audit.record(
        session, actor=by, action=action, object=about, before=before, after=after, reason=reason
    )
