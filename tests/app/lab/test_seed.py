"""A new district has life in it; a district that has some is left alone."""

from collections.abc import Iterator

import pytest

from app.lab.seed import PRACTICE_STORE, made_up, open_practice, phone_of, seed
from app.members.identification import find_by_phone
from app.merchants import keys, staff
from app.merchants.directory import get_directory
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


def test_a_sandbox_has_a_store_whose_key_everybody_knows_and_keeps_it_revoked(
    database: Database, fresh: str
) -> None:
    """P4: a vendor begins with nothing but the documents; a start brings back nothing."""
    seed(database, fresh, baskets=0)
    open_practice(database, fresh)
    open_practice(database, fresh)
    with database.transaction(fresh) as session:
        before = dict(keys.get_keys(session))
        keys.revoke(session, key_id="pk_fresh_PUBLISHED", by="stf_lin", reason="test")
    open_practice(database, fresh)
    with database.transaction(fresh, read_only=True) as session:
        after = dict(keys.get_keys(session))
        store = get_directory(session).get_store(PRACTICE_STORE)

    assert {key_id: key.secret for key_id, key in before.items()} == {
        "pk_fresh_PUBLISHED": keys.PUBLISHED_SECRET
    }
    assert before["pk_fresh_PUBLISHED"].store_id == store.id
    assert after == {}


def test_a_real_district_is_given_no_such_store(database: Database, district: str) -> None:
    open_practice(database, district)

    with database.transaction(district, read_only=True) as session:
        assert PRACTICE_STORE not in [
            store.code for store in get_directory(session).stores.values()
        ]
        assert not keys.is_published(session)
