"""A new district has life in it; a district that has some is left alone."""

from collections.abc import Iterator

import pytest

from app.lab.seed import phone_of, seed
from app.members.identification import find_by_phone
from app.points.statements import balance
from app.tasks import audit_in_full
from config.database import Database
from migrations import run


@pytest.fixture
def fresh(owner_url: str) -> Iterator[str]:
    run.create_district(owner_url, "fresh", name="新商圈", sandbox=True)
    yield "fresh"
    run.drop_district(owner_url, "fresh")


def test_an_empty_district_comes_to_life_once_and_its_books_balance(
    database: Database, fresh: str
) -> None:
    first = seed(database, fresh, baskets=60)
    second = seed(database, fresh, baskets=60)

    assert (first.merchants, first.members, first.orders) == (12, 60, 60)
    assert second.orders == 0
    with database.transaction(fresh, repeatable_read=True) as session:
        assert audit_in_full(session) == []
        members = [find_by_phone(session, phone_of(number)) for number in range(60)]
        earned = [balance(session, each).spendable_points for each in members if each]
    assert sum(points > 0 for points in earned) > 10
