"""Stored answers: what a store's key was answered, byte for byte (reliability §1, decision 22).

Two round trips for a request: one takes the lock, looks the key up and sets the savepoint, the
other stores the answer, and undoes what a refused request wrote. Each is one text of several
statements: a statement's snapshot is taken when it begins, so the look-up behind the lock sees
whatever the former holder committed.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from sqlalchemy import CheckConstraint, Index, SmallInteger, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, Session, mapped_column

from config.database import Base, district_of, now_of
from config.errors import Collision
from config.lanes import driver_of

KEPT = timedelta(days=30)
_PURGED_AT_ONCE = 5_000


class StoredAnswer(Base):
    """The first answer to a key of a principal; repeats get it again."""

    __tablename__ = "idempotency"
    __table_args__ = (
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        CheckConstraint("status BETWEEN 200 AND 299 OR status IN (409, 422)", name="status"),
        Index("idempotency_created_at_idx", "created_at"),
    )

    principal: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    body: Mapped[bytes]
    created_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Whose key it is, and what it was first sent with."""

    principal: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status and the bytes of a body; once stored, with the fingerprint of what it answered.

    `again`: the till's own number was known, so it is the answer to an earlier request.
    """

    status: int
    body: bytes
    fingerprint: bytes | None = None
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """How a request may go on: the lock is ours or not, the key has an answer or not."""

    locked: bool
    answer: Answer | None


def begin(session: Session, scope: Scope) -> Beginning:
    """Take the key's lock until the transaction ends, find its answer, set a savepoint."""
    lock, found = _send(
        session,
        sql.SQL(_BEGIN).format(
            lock=sql.Literal(_lock_number(district_of(session).id, scope)),
            principal=sql.Literal(scope.principal),
            key=sql.Literal(scope.key),
        ),
        results=2,
    )
    answer = (
        Answer(status=found[0][0], body=found[0][1], fingerprint=found[0][2]) if found else None
    )
    return Beginning(locked=lock[0][0], answer=answer)


def store(session: Session, scope: Scope, answer: Answer, *, undone: bool) -> None:
    """Store the answer to a key; `undone` takes back what was written since `begin`.

    Raises:
        Collision: the key got an answer meanwhile; run the transaction again.
    """
    statement = _INSERT
    if undone:
        session.expunge_all()  # What the view changed and did not send is void as well.
        statement = _UNDO + _INSERT
    results = _send(
        session,
        sql.SQL(statement).format(
            principal=sql.Literal(scope.principal),
            key=sql.Literal(scope.key),
            fingerprint=sql.Literal(scope.fingerprint),
            status=sql.Literal(answer.status),
            body=sql.Literal(answer.body),
            now=sql.Literal(now_of(session)),
        ),
        results=2 if undone else 1,
    )
    if not results[-1]:
        raise Collision("idempotency-key", scope.key)


def undo(session: Session) -> None:
    """Take back what was written since `begin`, and store nothing."""
    session.expunge_all()
    _send(session, sql.SQL(_UNDO).format(), results=1)


def purge(session: Session) -> int:
    """Forget answers older than 30 days, some thousands at a time; return how many.

    Business keys live for ever and keep guarding what was done.
    """
    gone = session.execute(_PURGE, {"before": now_of(session) - KEPT, "limit": _PURGED_AT_ONCE})
    return len(gone.all())


def _lock_number(district: str, scope: Scope) -> int:
    named = f"{district}\n{scope.principal}\n{scope.key}".encode()
    return int.from_bytes(hashlib.sha256(named).digest()[:8], signed=True)


def _send(session: Session, statement: sql.Composed, *, results: int) -> list[list[Any]]:
    """Send several statements as one text; return the rows of the first `results` of them.

    Straight to the driver, as `config.database.fetch`: what SQLAlchemy has not heard of it need not
    end either.
    """
    try:
        with driver_of(session).cursor() as cursor:
            cursor.execute(statement)
            rows = []
            for _ in range(results):
                rows.append(cursor.fetchall() if cursor.description else [])
                cursor.nextset()
            return rows
    except psycopg.Error as error:
        raise DBAPIError.instance(
            "idempotency", None, error, psycopg.Error, hide_parameters=True,
            dialect=session.get_bind().dialect,
        ) from error  # fmt: skip


_BEGIN: LiteralString = """
SELECT pg_try_advisory_xact_lock({lock});
SELECT status, body, fingerprint FROM idempotency WHERE principal = {principal} AND key = {key};
SAVEPOINT view
"""
_UNDO: LiteralString = "ROLLBACK TO SAVEPOINT view;"
_INSERT: LiteralString = """
INSERT INTO idempotency (principal, key, fingerprint, status, body, created_at)
VALUES ({principal}, {key}, {fingerprint}, {status}, {body}, {now})
ON CONFLICT DO NOTHING RETURNING true
"""
_PURGE = text(
    """
    DELETE FROM idempotency WHERE (principal, key) IN (
        SELECT principal, key FROM idempotency WHERE created_at < :before
        ORDER BY created_at LIMIT :limit)
    RETURNING true
    """
)
