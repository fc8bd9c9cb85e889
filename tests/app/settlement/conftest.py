"""A sandbox whose books are open from 2017 on; each test's sales are rolled back."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy.orm import Session

from config.database import Database
from ledger import upkeep
from migrations.run import create_district


@pytest.fixture(scope="session")
def settling(database: Database, owner_url: str) -> str:
    """The id of a sandbox district with open books and no sale."""
    create_district(owner_url, "settling", name="结算", sandbox=True)
    with database.transaction("settling") as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2018, 12, 31))
    return "settling"


@pytest.fixture
def books(database: Database, settling: str) -> Iterator[Session]:
    """A transaction in it that is rolled back after the test."""
    with database.transaction(settling) as opened:
        yield opened
        opened.rollback()
