"""Two at once on one member or one number: each ends as if they had come one by one (P3)."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders
from app.checkout.errors import BusinessKeyConflict
from app.members import freezing
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember, get_by_public_id
from app.points.errors import InsufficientPoints
from app.points.policy import NegativePolicy
from config.database import Database
from migrations.run import create_district
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of, set_policy
from tests.factories import make_member, unique

T = TypeVar("T")


@pytest.fixture
def shop(database: Database, district: str) -> Shop:
    with database.transaction(district) as session:
        return open_shop(session)


@pytest.fixture
def member(database: Database, district: str, shop: Shop) -> KnownMember:
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, shop, made, 100)
    return made


def meanwhile(
    database: Database,
    district: str,
    first: Callable[[Session], object],
    second: Callable[[Session], T],
) -> Future[T]:
    """Do `first`, commit it only once `second` waits for it elsewhere; return how that ended."""
    with ThreadPoolExecutor(1) as pool, database.transaction(district) as session:
        first(session)
        ended = pool.submit(database.run, district, second)
        while not ended.done() and not session.scalar(_WAITING):
            time.sleep(0.005)
        assert not ended.done(), "it did not wait"
    return ended


_WAITING = text(
    "SELECT count(*) FROM pg_locks"
    " WHERE NOT granted AND pg_blocking_pids(pid) @> ARRAY[pg_backend_pid()]"
)


def test_a_burning_sale_sent_twice_at_once_is_one_sale(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    """Semantics 38: the second one finds the first, not an empty wallet."""
    number = unique("N")
    sent = []

    def sell(session: Session) -> str:
        sale = shop.sell(session, member, 1_000, burn=100, number=number)
        sent.append(sale.public_id)
        return sale.public_id

    again = meanwhile(database, district, sell, sell)

    assert again.result() == sent[0]
    with database.transaction(district) as session:
        assert points_of(session, member) == 9


def test_an_order_placed_twice_at_once_is_one_order(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    number = unique("N")

    def place(session: Session) -> str:
        basket = shop.basket(session, member, 1_000, burn=100, number=number)
        return orders.place(session, basket).public_id

    again = meanwhile(database, district, place, place)

    assert again.result().startswith("ord_")
    with database.transaction(district) as session:
        assert points_of(session, member) == 0


def test_a_number_used_twice_at_once_for_two_sales_is_refused(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    number = unique("N")

    ended = meanwhile(
        database,
        district,
        lambda session: shop.sell(session, member, 1_000, burn=100, number=number),
        lambda session: shop.sell(session, member, 1_001, burn=100, number=number),
    )

    with pytest.raises(BusinessKeyConflict):
        ended.result()


def test_a_member_frozen_while_a_sale_waits_does_not_buy(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    """M11: the standing that counts is read under the wallet's lock."""
    ended = meanwhile(
        database,
        district,
        lambda session: freezing.freeze(session, member.public_id, by="mei", reason="盗刷"),
        lambda session: shop.sell(session, get_by_public_id(session, member.public_id), 1_000),
    )

    with pytest.raises(MemberNotActive):
        ended.result()


def test_a_member_is_frozen_only_after_the_sales_that_are_under_way(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    ended = meanwhile(
        database,
        district,
        lambda session: shop.sell(session, member, 1_000),
        lambda session: freezing.freeze(session, member.public_id, by="mei", reason="盗刷"),
    )

    ended.result()
    with database.transaction(district) as session:
        assert points_of(session, member) == 110


def test_a_sale_of_a_member_frozen_since_is_still_answered_to_its_till(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    number = unique("N")
    with database.transaction(district) as session:
        first = shop.sell(session, member, 1_000, number=number)
        freezing.freeze(session, member.public_id, by="mei", reason="盗刷")

    with database.transaction(district) as session:
        again = shop.sell(session, member, 1_000, number=number)

    assert (again.public_id, again.replayed) == (first.public_id, True)


def test_two_refunds_at_once_never_pass_the_floor_of_a_members_debt(
    database: Database, owner_url: str
) -> None:
    """L3: each alone would leave 40 of the 50 points that may be owed; together they may not."""
    create_district(owner_url, "floor", name="欠分下限", sandbox=False)
    with database.transaction("floor") as session:
        set_policy(session, NegativePolicy.DEBT, floor=-50)
        shop, member = open_shop(session), make_member(session)
        first, second = [shop.sell(session, member, 4_000).public_id for _ in range(2)]
        shop.sell(session, member, 80, burn=80)

    ended = meanwhile(
        database,
        "floor",
        lambda session: shop.refund(session, first),
        lambda session: shop.refund(session, second),
    )

    with pytest.raises(InsufficientPoints):
        ended.result()
    with database.transaction("floor") as session:
        assert points_of(session, member) == -40
