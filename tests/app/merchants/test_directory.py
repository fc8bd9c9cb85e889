"""The directory: no SQL once warm, never stale after a change, never shared before its commit."""

import pytest
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.merchants import freezing, registration
from app.merchants.directory import get_directory
from app.merchants.locking import lock_merchant
from config.database import Database
from tests.counting import sent_by
from tests.factories import TESTER, make_merchant, store_of, unique


def test_a_warm_directory_asks_the_database_nothing(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        code = make_merchant(session).code
    with database.transaction(district) as session:
        get_directory(session)

    with database.transaction(district) as session, sent_by(session) as statements:
        directory = get_directory(session)
        store = directory.get_store(code)
        directory.get_terminal(store, "T1").require_open()

    assert statements == []


def test_the_next_transaction_sees_a_change_and_the_cache_another_process_made(
    database: Database, app_url: str, district: str
) -> None:
    with database.transaction(district) as session:
        merchant = make_merchant(session)
    with database.transaction(district) as session:
        assert get_directory(session).get_merchant(merchant.code).issues

    other = Database(app_url, pool_size=1)
    with other.transaction(district) as session:
        freezing.freeze(session, lock_merchant(session, merchant.code), by=TESTER, reason="x")
    other.dispose()

    with database.transaction(district) as session:
        assert not get_directory(session).get_merchant(merchant.code).issues


def test_what_is_rolled_back_was_never_in_anybodys_directory(
    database: Database, district: str
) -> None:
    code = unique("M")

    def register_and_fail() -> None:
        with database.transaction(district) as session:
            get_directory(session)
            make_merchant(session, code=code)
            assert get_directory(session).get_merchant(code)
            raise RuntimeError("the contract was not signed")

    with pytest.raises(RuntimeError):
        register_and_fail()

    with database.transaction(district) as session, pytest.raises(NotFound):
        get_directory(session).get_merchant(code)


def test_what_is_not_listed_is_not_found(session: Session) -> None:
    merchant = make_merchant(session)
    directory = get_directory(session)
    store = store_of(session, merchant)

    with pytest.raises(NotFound):
        directory.get_merchant("mch_unknown")
    with pytest.raises(NotFound):
        directory.get_store("unknown")
    with pytest.raises(NotFound):
        directory.get_terminal(store, "T99")
    with pytest.raises(NotFound):
        directory.get_cashier(store, "T99")


def test_a_cashier_is_listed_by_store_and_number(session: Session) -> None:
    merchant = make_merchant(session)
    registration.add_cashier(session, store=merchant.code, code="7", name="周", by=TESTER)

    found = get_directory(session).get_cashier(store_of(session, merchant), "7")

    assert (found.code, found.store.merchant.code) == ("7", merchant.code)
