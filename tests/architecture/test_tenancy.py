"""Nothing leaks between two districts (ADR 0001; decisions 5, 7)."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from app.members import identification
from app.merchants.directory import get_directory
from config.database import Database, district_of
from config.errors import DistrictStopped, UnknownDistrict
from config.settings import Settings
from migrations import run
from tests.app.checkout.shops import Shop, open_shop, points_of
from tests.factories import make_member, make_merchant, new_phone


@pytest.fixture(scope="session")
def neighbour(owner_url: str) -> str:
    run.create_district(owner_url, "neighbour", name="隔壁商圈", sandbox=False)
    return "neighbour"


@pytest.fixture
def both(database: Database, district: str, neighbour: str) -> Iterator[tuple[Session, Session]]:
    with database.transaction(district) as here, database.transaction(neighbour) as there:
        yield here, there
        here.rollback()
        there.rollback()


def test_the_same_code_is_another_merchant_next_door(both: tuple[Session, Session]) -> None:
    here, there = both
    ours = make_merchant(here, code="SAME")
    theirs = make_merchant(there, code="SAME")

    assert get_directory(here).get_merchant("SAME").public_id == ours.public_id
    assert get_directory(there).get_merchant("SAME").public_id == theirs.public_id


def test_a_phone_is_known_only_where_it_enrolled(both: tuple[Session, Session]) -> None:
    here, there = both
    phone = new_phone()
    make_member(here, phone=phone)

    assert identification.find_by_phone(here, phone) is not None
    assert identification.find_by_phone(there, phone) is None


def test_balances_of_one_district_are_unknown_in_the_other(both: tuple[Session, Session]) -> None:
    here, there = both
    shop, member = open_shop(here), make_member(here)
    shop.sell(here, member, 10_000)

    assert ledger.statements.trial_balance(here)["points"] == 0
    names = there.scalars(text("SELECT name FROM account WHERE name LIKE :name"),
                          {"name": f"%{member.public_id}%"}).all()  # fmt: skip
    assert names == []
    assert points_of(here, member) == 100


def test_a_connection_forgets_its_district_when_the_transaction_ends(
    database: Database, district: str
) -> None:
    """The search path is local: a pooled connection carries nothing over."""
    with database.transaction(district) as session:
        assert session.scalar(text("SELECT current_schema()")) == "d_test"

    with database.connection() as connection:
        paths = {connection.scalar(text("SHOW search_path")) for _ in range(5)}

    assert all("d_test" not in path for path in paths)


def test_functions_work_in_their_own_district_whatever_path_they_are_called_on(
    database: Database, district: str, neighbour: str
) -> None:
    with database.transaction(district) as session:
        shop = open_shop(session)
    with database.transaction(neighbour) as session:
        found = session.execute(
            text("SELECT * FROM d_test.ledger_balances(ARRAY[CAST(:id AS bigint)])"),
            {"id": shop.merchant.issued_account_id},
        ).all()
        mine = session.execute(
            text("SELECT * FROM ledger_balances(ARRAY[CAST(:id AS bigint)])"),
            {"id": shop.merchant.issued_account_id},
        ).all()

    assert len(found) == 1
    assert mine == []


def test_a_sandbox_made_anew_under_the_same_name_is_not_remembered(
    database: Database, settings: Settings, owner_url: str
) -> None:
    """Its revisions count from one again, so the number alone does not tell the two apart."""
    another_process = Database(settings.database.url, pool_size=1)
    revisions, codes = [], []
    for code in ("BEFORE", "AFTER"):
        run.create_district(owner_url, "reborn", name="沙盒", sandbox=True)
        with another_process.transaction("reborn") as session:
            make_merchant(session, code=code)
        with database.transaction("reborn") as session:
            codes.append(list(get_directory(session).merchants_by_code))
            revisions.append(district_of(session).revision)
        run.drop_district(owner_url, "reborn")
    another_process.dispose()

    assert revisions[0] == revisions[1]
    assert codes == [["BEFORE"], ["AFTER"]]


def test_many_threads_on_one_pool_stay_in_their_districts(
    database: Database, district: str, neighbour: str
) -> None:
    barrier = threading.Barrier(8)

    def ask(number: int) -> bool:
        barrier.wait()
        wanted = district if number % 2 else neighbour
        answers = []
        for _ in range(25):
            with database.transaction(wanted) as session:
                schema = session.scalar(text("SELECT current_schema()"))
                answers.append((schema, district_of(session).id))
        return set(answers) == {(f"d_{wanted}", wanted)}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_a_stopped_district_is_read_only_and_its_neighbour_is_not(
    database: Database, district: str, neighbour: str
) -> None:
    """Decision 9: a broken invariant stops the writes of that district alone."""
    with database.transaction(neighbour) as session:
        session.execute(
            text("UPDATE public.district SET stopped = 'found broken' WHERE id = :id"),
            {"id": neighbour},
        )
    try:
        with database.transaction(neighbour) as session:
            assert ledger.statements.trial_balance(session) is not None
        with (
            pytest.raises(DistrictStopped, match="found broken"),
            database.transaction(neighbour) as session,
        ):
            make_member(session)
        with database.transaction(district) as session:
            assert isinstance(open_shop(session), Shop)
    finally:
        with database.transaction(neighbour, even_stopped=True) as session:
            session.execute(
                text("UPDATE public.district SET stopped = NULL WHERE id = :id"),
                {"id": neighbour},
            )


def test_the_application_role_cannot_open_a_district_or_rename_one(
    database: Database, district: str
) -> None:
    for statement in (
        "INSERT INTO public.district (id, schema, name) VALUES ('evil', 'd_evil', 'x')",
        "UPDATE public.district SET schema = 'd_neighbour'",
        "DELETE FROM public.district",
        "CREATE SCHEMA d_evil",
    ):
        with pytest.raises(DBAPIError) as refused, database.transaction(district) as session:
            session.execute(text(statement))
        assert getattr(refused.value.orig, "sqlstate", "") == "42501"


def test_a_district_that_is_not_there_is_refused(database: Database) -> None:
    with pytest.raises(UnknownDistrict), database.transaction("mars"):
        pass
