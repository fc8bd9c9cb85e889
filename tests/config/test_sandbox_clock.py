"""A sandbox lives by instants that are given; a real district by the database's clock (2)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from config.database import Database, now_of
from config.errors import NotASandbox
from migrations.run import create_district, drop_district

PAST = datetime(2017, 3, 1, 10, 30, tzinfo=UTC)


@pytest.fixture
def sandbox(owner_url: str, database: Database) -> Iterator[str]:
    """A sandbox district of its own."""
    create_district(owner_url, "clocked", name="沙盒", sandbox=True)
    yield "clocked"
    drop_district(owner_url, "clocked")


def test_a_transaction_takes_the_instant_that_it_is_given(database: Database, sandbox: str) -> None:
    with database.transaction(sandbox, at=PAST) as session:
        in_transaction = now_of(session)
    by_run = database.run(sandbox, now_of, at=PAST + timedelta(days=1))

    assert in_transaction == PAST
    assert by_run == PAST + timedelta(days=1)


def test_without_an_instant_the_sandbox_keeps_its_own_clock(
    database: Database, sandbox: str
) -> None:
    before = database.run(sandbox, now_of)

    database.run(sandbox, now_of, at=PAST)

    assert database.run(sandbox, now_of) >= before > PAST


def test_a_real_district_refuses_another_clock_in_both_languages(
    database: Database, district: str
) -> None:
    with (
        pytest.raises(NotASandbox, match=r"不是沙盒.*is no sandbox"),
        database.transaction(district, at=PAST),
    ):
        raise AssertionError("the transaction was opened")

    assert database.run(district, now_of) > PAST
