"""A full disk (issue: bad input; E29): writes are told to come again, and nothing was written."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from app.lab.experiments.tables import moved, state_of
from config.database import Database
from migrations import run
from tests.app.api.pos.test_orders import cash, order, told
from tests.app.api.tills import Till, open_till
from tests.factories import unique
from tests.full_disk import full_disk

DISTRICT = "brimful"


@pytest.fixture
def till(client: FlaskClient, database: Database, owner_url: str) -> Iterator[Till]:
    """A till in a district of its own: its disk is full for nobody else."""
    run.create_district(owner_url, DISTRICT, name="满盘", sandbox=True)
    yield open_till(client, database, DISTRICT)
    run.drop_district(owner_url, DISTRICT)


@pytest.mark.parametrize("at_commit", [False, True])
def test_a_full_disk_is_a_clear_503_that_changes_nothing_and_leaves_the_key_free(
    till: Till, database: Database, owner_url: str, at_commit: bool
) -> None:
    wish, key = order(tenders=cash(10_000)), unique("idem-key-")
    told(till.post("/v1/pos/orders", order(tenders=cash(10_000))))
    before = state_of(database, DISTRICT)

    with full_disk(owner_url, DISTRICT, at_commit=at_commit):
        refused = till.post("/v1/pos/orders", wish, key=key)
        read = till.get("/v1/pos/totals?terminal_id=T1")
    changed = moved(before, state_of(database, DISTRICT))
    later = till.post("/v1/pos/orders", wish, key=key)

    problem = told(refused, 503)
    assert (problem["code"], problem["retryable"]) == ("maintenance", True)
    assert "磁盘已满" in problem["detail"]
    assert "nothing was written" in problem["detail"]
    assert refused.headers["Retry-After"] == "30"
    assert "base/" not in refused.text
    assert changed == []
    assert read.status_code == 200
    assert told(later)["state"] == "paid"
