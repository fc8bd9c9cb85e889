"""A connection is good again whatever ended its transaction."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from config.database import Database
from config.settings import Settings

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
