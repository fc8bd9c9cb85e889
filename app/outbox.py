"""News to send after the commit: written with the effect, handed on later, at least once.

A room that has news for others writes a row here in its own transaction (reliability §3); what
reads it is later and elsewhere, so nothing is sent for an effect that was rolled back, and nothing
is lost for one that was not. Payloads are thin: ids and amounts, never a phone or a name.
"""

import json
import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from config.database import Base, fetch, new_id, now_of

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
_WRITTEN = "news_written"

# Delay before each attempt (reliability §4): 10 attempts over 75 h 35 min, each within ±10 %.
LADDER = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)


class MessageState(StrEnum):
    """Where a piece of news stands."""

    PENDING = "pending"
    DONE = "done"
    DEAD = "dead"


class Message(Base):
    """One piece of news; `public_id` is what a receiver drops repeats by, `seq` orders them.

    `seq` counts from 1 in each aggregate. A later purge of old rows must leave each aggregate's
    last one, from which the count goes on.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("aggregate", "seq"),
        CheckConstraint("topic ~ '^[a-z][a-z0-9_]*([.][a-z0-9_]+)+$'", name="topic"),
        CheckConstraint("octet_length(payload::text) <= 20000", name="payload_is_thin"),
        CheckConstraint("state IN ('pending', 'done', 'dead')", name="state"),
        CheckConstraint("seq > 0", name="seq"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("outbox_due_idx", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    topic: Mapped[str]
    aggregate: Mapped[str]
    seq: Mapped[int]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


@dataclass(frozen=True, kw_only=True)
class News:
    """What a room wants told: a dotted topic, the public id it is about, ids and amounts."""

    topic: str
    aggregate: str
    payload: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A message that is ours to hand on until its lease ends; `attempts` is the claim's number."""

    id: int
    public_id: str
    topic: str
    aggregate: str
    seq: int
    payload: Mapping[str, object]
    attempts: int
    created_at: datetime


Handler = Callable[[Session, Claimed], None]


@dataclass(frozen=True, kw_only=True)
class Relayed:
    """How many messages one run of the relay took, and how they ended."""

    handled: int
    unheard: int
    failed: int


def add(session: Session, *, topic: str, aggregate: str, payload: Mapping[str, object]) -> str:
    """Write one piece of news, told once this transaction commits; return its public id.

    The caller holds the lock of the aggregate's row (or has just made it): that orders `seq`.
    """
    return add_many(session, [News(topic=topic, aggregate=aggregate, payload=payload)])[0]


def add_many(session: Session, news: Sequence[News]) -> Sequence[str]:
    """Write several pieces of news in one round trip; return their public ids in order."""
    if not news:
        return []
    note_news(session)
    public_ids = [new_id("msg") for _ in news]
    fetch(session, f"{_ADD} RETURNING id", _parameters(session, news, public_ids))
    return public_ids


def add_along(
    session: Session, news: Sequence[News], *, of: LiteralString
) -> tuple[LiteralString, Mapping[str, object]]:
    """Return the statement that writes news of the aggregates that the query `of` returns.

    For whoever sends it together with the statement that decides what there is to tell, and so
    saves a round trip. He calls `note_news` if anything was.
    """
    public_ids = [new_id("msg") for _ in news]
    return f"{_ADD} WHERE n.aggregate IN ({of})", _parameters(session, news, public_ids)


def note_news(session: Session) -> None:
    """Note that this transaction wrote news."""
    session.info[_WRITTEN] = True


def has_news(session: Session) -> bool:
    """Tell whether this transaction wrote any news; no SQL."""
    return _WRITTEN in session.info


def claim(
    session: Session, *, limit: int, now: datetime, topics: Collection[str] | None = None
) -> Sequence[Claimed]:
    """Take up to `limit` due messages for 60 seconds, passing over those another relay holds.

    They are found by state, never by a growing id: a late commit would be skipped for ever. A
    sender over the network commits after this, sends, then calls `done` or `fail`.
    """
    rows = session.execute(
        _CLAIM,
        {
            "limit": limit,
            "now": now,
            "lease_until": now + LEASE,
            "topics": None if topics is None else list(topics),
        },
    )
    claimed = [Claimed(**row) for row in rows.mappings()]
    return sorted(claimed, key=lambda message: message.id)


def done(session: Session, messages: Sequence[Claimed], *, now: datetime) -> int:
    """Mark messages as handed on; return how many were still ours.

    A message whose lease ended and that another relay claimed meanwhile is left to that one.
    """
    if not messages:
        return 0
    marked = session.execute(
        _DONE,
        {
            "ids": [message.id for message in messages],
            "attempts": [message.attempts for message in messages],
            "now": now,
        },
    )
    return len(marked.all())


def fail(session: Session, message: Claimed, *, now: datetime) -> MessageState:
    """Put a message back for its next attempt on the ladder, or declare it dead after the tenth."""
    dead = message.attempts >= len(LADDER)
    state = MessageState.DEAD if dead else MessageState.PENDING
    wait = timedelta(0) if dead else LADDER[message.attempts] * random.uniform(0.9, 1.1)
    session.execute(
        _FAIL,
        {
            "id": message.id,
            "attempts": message.attempts,
            "state": state,
            "next_attempt_at": now + wait,
            "ended_at": now if dead else None,
        },
    )
    if dead:
        log.error("outbox_dead", extra={"message_id": message.public_id, "topic": message.topic})
    return state


def relay(
    session: Session, *, handlers: Mapping[str, Handler], now: datetime, limit: int = 100
) -> Relayed:
    """Hand due messages to the rooms that listen for their topic, in this one transaction.

    Each handler works in a savepoint of its own: what it wrote stands exactly when its message is
    done, and one that fails delays only itself. News nobody listens for is done at once, a few
    thousand in one statement. Handlers must not call the network; a sender uses `claim`, `done`
    and `fail` around its own commit.
    """
    unheard = session.execute(_UNHEARD, {"topics": list(handlers), "now": now}).all()
    claimed = claim(session, limit=limit, now=now, topics=handlers)
    handled = []
    for message in claimed:
        try:
            with session.begin_nested():
                handlers[message.topic](session, message)
        except Exception:
            log.exception("outbox_failed", extra={"message_id": message.public_id})
            fail(session, message, now=now)
        else:
            handled.append(message)
    done(session, handled, now=now)
    return Relayed(handled=len(handled), unheard=len(unheard), failed=len(claimed) - len(handled))


def oldest_pending(session: Session) -> datetime | None:
    """Return when the oldest news still waiting was written, or None: the age to watch."""
    return session.scalar(
        select(func.min(Message.created_at)).where(Message.state == MessageState.PENDING)
    )


def _parameters(
    session: Session, news: Sequence[News], public_ids: Sequence[str]
) -> Mapping[str, object]:
    rows = [
        {
            "public_id": public_id,
            "topic": each.topic,
            "aggregate": each.aggregate,
            "payload": each.payload,
        }
        for public_id, each in zip(public_ids, news, strict=True)
    ]
    return {"news": json.dumps(rows, ensure_ascii=False), "now": now_of(session)}


_ADD: LiteralString = """
INSERT INTO outbox (public_id, topic, aggregate, seq, payload, state, attempts,
                    next_attempt_at, created_at)
SELECT n.public_id, n.topic, n.aggregate,
       coalesce((SELECT max(o.seq) FROM outbox o WHERE o.aggregate = n.aggregate), 0)
           + row_number() OVER (PARTITION BY n.aggregate ORDER BY n.ordinal),
       n.payload, 'pending', 0, %(now)s, %(now)s
FROM ROWS FROM (json_to_recordset(CAST(%(news)s AS json))
                    AS (public_id text, topic text, aggregate text, payload jsonb))
     WITH ORDINALITY AS n (public_id, topic, aggregate, payload, ordinal)
"""

_CLAIM = text("""
WITH due AS MATERIALIZED (
    SELECT id FROM outbox
    WHERE state = 'pending' AND next_attempt_at <= :now
      AND (lease_until IS NULL OR lease_until <= :now)
      AND (CAST(:topics AS text[]) IS NULL OR topic = ANY (CAST(:topics AS text[])))
    ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET attempts = o.attempts + 1, lease_until = :lease_until
FROM due WHERE o.id = due.id
RETURNING o.id, o.public_id, o.topic, o.aggregate, o.seq, o.payload, o.attempts, o.created_at
""")

_UNHEARD = text("""
WITH unheard AS MATERIALIZED (
    SELECT id FROM outbox WHERE state = 'pending' AND topic <> ALL (CAST(:topics AS text[]))
    LIMIT 5000 FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET state = 'done', lease_until = NULL, ended_at = :now
FROM unheard WHERE o.id = unheard.id
RETURNING o.id
""")

_DONE = text("""
UPDATE outbox o SET state = 'done', lease_until = NULL, ended_at = :now
FROM unnest(CAST(:ids AS bigint[]), CAST(:attempts AS bigint[])) AS n (id, attempts)
WHERE o.id = n.id AND o.attempts = n.attempts AND o.state = 'pending'
RETURNING o.id
""")

_FAIL = text("""
UPDATE outbox SET state = :state, lease_until = NULL, next_attempt_at = :next_attempt_at,
                  ended_at = :ended_at
WHERE id = :id AND attempts = :attempts AND state = 'pending'
""")
