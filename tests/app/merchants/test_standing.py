"""L6: an alarm goes up once and down once, whoever sees it first."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.merchants import standing
from app.merchants.directory import get_directory
from app.merchants.models import Alarm
from config.database import Database
from tests.factories import make_merchant


def put(session: Session, code: str, *, raised: bool) -> bool:
    return standing.put(session, code, Alarm.CREDIT_USED_UP, raised=raised, amount=101, level=100)


def test_an_alarm_is_raised_and_put_down_once_and_stops_issuing_meanwhile(
    session: Session,
) -> None:
    merchant = make_merchant(session)

    assert not put(session, merchant.code, raised=False)
    assert (put(session, merchant.code, raised=True), put(session, merchant.code, raised=True)) == (
        True,
        False,
    )
    assert not get_directory(session).get_merchant(merchant.code).issues
    assert put(session, merchant.code, raised=False)

    assert get_directory(session).get_merchant(merchant.code).issues
    assert _topics(session, merchant.public_id) == [
        "merchant.credit_used_up",
        "merchant.credit_freed",
    ]


def test_of_many_that_see_a_crossing_one_writes_it(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        merchant = make_merchant(session)

    def see(_: int) -> bool:
        with database.transaction(district) as session:
            return put(session, merchant.code, raised=True)

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(see, range(8)))

    assert sum(seen) == 1
    with database.transaction(district) as session:
        assert _topics(session, merchant.public_id) == ["merchant.credit_used_up"]
        assert not get_directory(session).get_merchant(merchant.code).issues


def test_what_was_seen_is_never_rewritten(session: Session) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text("UPDATE merchant_standing SET raised = false"))


def _topics(session: Session, aggregate: str) -> list[str]:
    return list(
        session.scalars(
            text("SELECT topic FROM outbox WHERE aggregate = :name ORDER BY seq"),
            {"name": aggregate},
        )
    )
