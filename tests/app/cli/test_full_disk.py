"""A full disk at the command line: a sentence that says what to do, and nothing was written."""

from collections.abc import Iterator

import pytest

from app.lab.experiments.tables import moved, state_of
from config.database import Database
from migrations import run
from tests.app.cli.conftest import Plaza
from tests.full_disk import full_disk

DISTRICT = "brimful"


@pytest.fixture
def brimful(plaza: Plaza, owner_url: str) -> Iterator[Plaza]:
    run.create_district(owner_url, DISTRICT, name="满盘", sandbox=True)
    yield Plaza(environ=plaza.environ, district=DISTRICT)
    run.drop_district(owner_url, DISTRICT)


@pytest.mark.parametrize("at_commit", [False, True])
def test_a_full_disk_says_what_to_do(
    brimful: Plaza, database: Database, owner_url: str, at_commit: bool
) -> None:
    before = state_of(database, DISTRICT)

    with full_disk(owner_url, DISTRICT, at_commit=at_commit):
        refused = brimful.refused("staff", "add", "lin", "--name", "林", "--role", "admin")
    changed = moved(before, state_of(database, DISTRICT))

    assert "磁盘已满" in refused
    assert "make room, then try again" in refused
    assert changed == []
    brimful("staff", "add", "lin", "--name", "林", "--role", "admin")
