"""A sandbox whose books are open from 2017 on, for tests that need years; each is rolled back."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy.orm import Session

from config.database import Database
from ledger import upkeep
from migrations.run import create_district


@pytest.fixture(scope="session")
def ageing_district(database: Database, owner_url: str) -> str:
    """The id of a sandbox district with open books and no sale."""
    create_district(owner_url, "years", name="年份", sandbox=True)
    with database.transaction("years") as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2018, 12, 31))
    return "years"


@pytest.fixture
def years(database: Database, ageing_district: str) -> Iterator[Session]:
    """A transaction in it that is rolled back after the test."""
    with database.transaction(ageing_district) as opened:
        yield opened
        opened.rollback()
