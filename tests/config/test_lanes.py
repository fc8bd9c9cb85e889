"""A connection is good again whatever ended its transaction."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app import outbox
from app.outbox import Message
from config.database import Database
from config.settings import Settings
from tests.factories import unique

TWICE = text(
    """
    CREATE TEMP TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO pg_temp.once VALUES (1), (1)
    """
)


def test_a_lane_whose_commit_was_refused_serves_the_next_transaction(
    settings: Settings, district: str
) -> None:
    single = Database(settings.database.url, pool_size=1)
    with pytest.raises(IntegrityError), single.transaction(district) as session:
        session.execute(TWICE)

    with single.transaction(district) as session:
        answered = session.scalar(text("SELECT 7"))
    single.dispose()

    assert answered == 7


def test_what_was_sent_past_sqlalchemy_is_committed_whatever_it_has_begun(
    database: Database, district: str
) -> None:
    """A session that was given a row and lost it again has begun, and sent nothing."""
    aggregate = unique("mem_")
    with database.transaction(district) as session:
        outbox.add(session, topic="probe.ran", aggregate=aggregate, payload={})
        session.add(Message(public_id=unique("msg")))
        session.expunge_all()

    with database.transaction(district) as session:
        known = session.scalars(select(Message.topic).where(Message.aggregate == aggregate)).all()

    assert known == ["probe.ran"]
