"""Reliability §3: news is written with the effect, handed on at least once, and never lost."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import outbox
from app.outbox import LADDER, LEASE, Claimed, Message, MessageState, News
from config.database import Database, now_of


@pytest.fixture
def swept(database: Database, district: str) -> Iterator[str]:
    """A district whose outbox is empty before and after a test that commits."""
    _sweep(database, district)
    yield district
    _sweep(database, district)


def _sweep(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        session.execute(delete(Message))


def _due(session: Session) -> list[Claimed]:
    """Claim what this test wrote: the outer transaction is rolled back, so it is alone."""
    session.execute(text("DELETE FROM outbox WHERE created_at < now()"))
    return list(outbox.claim(session, limit=100, now=now_of(session)))


def test_news_of_one_aggregate_is_numbered_from_one_without_gaps(session: Session) -> None:
    first = outbox.add(session, topic="order.placed", aggregate="ord_1", payload={"order": "ord_1"})
    rest = outbox.add_many(
        session,
        [
            News(topic="order.refunded", aggregate="ord_1", payload={}),
            News(topic="order.placed", aggregate="ord_2", payload={}),
            News(topic="order.closed", aggregate="ord_1", payload={}),
        ],
    )

    rows = session.execute(
        select(Message.public_id, Message.aggregate, Message.seq).where(
            Message.public_id.in_([first, *rest])
        )
    ).all()
    assert sorted((row.aggregate, row.seq) for row in rows) == [
        ("ord_1", 1),
        ("ord_1", 2),
        ("ord_1", 3),
        ("ord_2", 1),
    ]
    assert first.startswith("msg_")
    assert len({first, *rest}) == 4


def test_several_news_take_one_statement(session: Session) -> None:
    news = [News(topic="order.placed", aggregate=f"ord_{n}", payload={}) for n in range(40)]

    assert len(outbox.add_many(session, news)) == 40
    assert outbox.add_many(session, []) == []


def test_a_fat_payload_is_refused_by_the_database(session: Session) -> None:
    with pytest.raises(IntegrityError, match="payload_is_thin"):
        outbox.add(session, topic="order.placed", aggregate="o", payload={"text": "x" * 20_000})


def test_rolled_back_work_tells_nothing(database: Database, swept: str) -> None:
    def fail_after_telling() -> None:
        with database.transaction(swept) as session:
            outbox.add(session, topic="order.placed", aggregate="ord_9", payload={})
            raise RuntimeError("the effect failed")

    with pytest.raises(RuntimeError):
        fail_after_telling()

    with database.transaction(swept) as session:
        assert outbox.oldest_pending(session) is None


def test_two_relays_at_once_share_the_work(database: Database, swept: str) -> None:
    with database.transaction(swept) as session:
        outbox.add_many(
            session, [News(topic="a.b", aggregate=f"o{n}", payload={}) for n in range(10)]
        )

    with database.transaction(swept) as one, database.transaction(swept) as two:
        first = outbox.claim(one, limit=6, now=now_of(one))
        second = outbox.claim(two, limit=6, now=now_of(two))

    assert (len(first), len(second)) == (6, 4)
    assert not {each.id for each in first} & {each.id for each in second}


def test_a_message_committed_late_is_not_passed_over(database: Database, swept: str) -> None:
    with database.transaction(swept) as slow:
        outbox.add(slow, topic="a.b", aggregate="slow", payload={})
        with database.transaction(swept) as quick:
            outbox.add(quick, topic="a.b", aggregate="quick", payload={})
        with database.transaction(swept) as relay:
            seen = outbox.claim(relay, limit=10, now=now_of(relay))
            outbox.done(relay, seen, now=now_of(relay))

    with database.transaction(swept) as relay:
        late = outbox.claim(relay, limit=10, now=now_of(relay))

    assert [each.aggregate for each in seen] == ["quick"]
    assert [each.aggregate for each in late] == ["slow"]


def test_a_relay_that_dies_leaves_its_messages_to_the_next(session: Session) -> None:
    outbox.add(session, topic="a.b", aggregate="o", payload={})
    now = now_of(session)
    (dead,) = _due(session)

    assert outbox.claim(session, limit=10, now=now + LEASE - timedelta(seconds=1)) == []
    (again,) = outbox.claim(session, limit=10, now=now + LEASE)
    assert again.attempts == 2
    assert outbox.done(session, [dead], now=now) == 0
    assert outbox.done(session, [again], now=now) == 1


def test_a_failure_waits_for_the_ladder_and_the_tenth_is_death(session: Session) -> None:
    outbox.add(session, topic="a.b", aggregate="o", payload={})
    now = now_of(session)
    waits = []
    for attempt in range(1, 11):
        (message,) = _due(session) if attempt == 1 else outbox.claim(session, limit=5, now=now)
        state = outbox.fail(session, message, now=now)
        row = session.execute(select(Message.next_attempt_at).where(Message.id == message.id)).one()
        waits.append(row.next_attempt_at - now)
        now = row.next_attempt_at

    assert state is MessageState.DEAD
    assert outbox.claim(session, limit=5, now=now + timedelta(days=30)) == []
    for wait, planned in zip(waits, LADDER[1:], strict=False):
        assert planned * 0.9 <= wait <= planned * 1.1
    assert sum(LADDER, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


def test_a_handler_gets_its_topic_and_other_news_is_done_at_once(session: Session) -> None:
    _due(session)
    outbox.add(session, topic="member.enrolled", aggregate="mem_1", payload={"member": "mem_1"})
    outbox.add(session, topic="order.placed", aggregate="ord_1", payload={})
    heard: list[Claimed] = []

    relayed = outbox.relay(
        session,
        handlers={"member.enrolled": lambda _, message: heard.append(message)},
        now=now_of(session),
    )

    assert (relayed.handled, relayed.unheard, relayed.failed) == (1, 1, 0)
    assert [(each.aggregate, each.payload) for each in heard] == [("mem_1", {"member": "mem_1"})]
    assert outbox.oldest_pending(session) is None


def test_a_failing_handler_undoes_its_own_writes_and_delays_only_itself(session: Session) -> None:
    _due(session)
    for aggregate in ("bad", "good"):
        outbox.add(session, topic="a.b", aggregate=aggregate, payload={})

    def handle(inner: Session, message: Claimed) -> None:
        outbox.add(inner, topic="c.d", aggregate=f"after {message.aggregate}", payload={})
        if message.aggregate == "bad":
            raise ValueError("not now")

    relayed = outbox.relay(session, handlers={"a.b": handle}, now=now_of(session))

    assert (relayed.handled, relayed.failed) == (1, 1)
    pending = session.scalars(
        select(Message.aggregate).where(Message.state == "pending").order_by(Message.id)
    ).all()
    assert pending == ["bad", "after good"]
