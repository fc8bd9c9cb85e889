"""A new district has life in it; a district that has some is left alone."""

from collections.abc import Iterator

import pytest

from app.lab.seed import made_up, phone_of, seed
from app.members.identification import find_by_phone
from app.merchants import staff
from app.points import rules
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


def test_without_the_data_set_a_district_comes_to_life_all_the_same(
    database: Database, fresh: str
) -> None:
    sold = made_up(40)

    seeded = seed(database, fresh, sold=sold)

    assert made_up(40) == sold
    assert seeded.orders == 40
    with database.transaction(fresh, repeatable_read=True) as session:
        assert audit_in_full(session) == []


def test_a_rule_of_the_seed_has_two_people_behind_it(database: Database, fresh: str) -> None:
    seed(database, fresh, baskets=1)

    with database.transaction(fresh, read_only=True) as session:
        names = {each.public_id: each.login for each in staff.list_staff(session)}
        (rule,) = rules.list_versions(session)
    assert (names[rule.proposed_by], names[rule.approved_by or ""]) == ("lin", "mei")
