"""What a sale and a refund cost in round trips, whatever their size; and races at the till."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders, payments, refunds
from app.checkout.baskets import Tender
from app.checkout.errors import RefundExceedsRemaining
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundWhole
from app.members.identification import KnownMember, get_by_public_id
from app.points.errors import InsufficientPoints
from app.points.policy import NegativePolicy
from config.database import Database, now_of
from migrations.run import create_district
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of, set_policy
from tests.app.points.activity import allow
from tests.counting import sent_by, sent_by_all
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
        give_points(session, shop, made, 5_000)
    return made


@pytest.mark.parametrize("lines", [1, 9, 200])
def test_a_sale_takes_at_most_twelve_round_trips_whatever_its_lines(
    database: Database, district: str, shop: Shop, lines: int
) -> None:
    """The dearest case: a member's first order here, with points, in a new lot."""
    with database.transaction(district) as session:
        newcomer = make_member(session)
        other = open_shop(session)
        give_points(session, other, newcomer, 500)
    with database.transaction(district) as session:
        shop.sell(session, None, 100)  # Whoever comes first after a change reads the directory.

    with sent_by_all(database) as statements, database.transaction(district) as session:
        known = get_by_public_id(session, newcomer.public_id)
        shop.sell(session, known, *[100] * lines, burn=50)

    assert len(statements) + 1 <= 12  # and COMMIT


def test_a_sale_that_lets_points_last_longer_takes_no_more(session: Session) -> None:
    """Semantics 34: a promise is written with its sale, and read with the wallet."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 5_000)

    def sell() -> int:
        shop.sell(session, member, 1_000, burn=50)  # Whoever comes first after a change reads more.
        with sent_by(session) as statements:
            shop.sell(session, member, 1_000, burn=50)
        return len(statements)

    plain = sell()
    allow(session, "purchase", "burn", expiry_months=12)
    promising = sell()

    assert promising == plain
    assert session.scalar(
        text("SELECT count(*) FROM points_promise WHERE member_id = :id"), {"id": member.id}
    ) == 2  # fmt: skip


@pytest.mark.parametrize("lines", [1, 9, 200])
def test_a_refund_takes_at_most_twelve_round_trips_whatever_its_lines(
    database: Database, district: str, shop: Shop, member: KnownMember, lines: int
) -> None:
    """The dearest case: points are given back, and earned ones taken that became a debt."""
    with database.transaction(district) as session:
        sale = shop.sell(session, member, *[1_000] * lines, burn=50)
        left = points_of(session, member)
        shop.sell(session, member, left * 2, burn=left)

    with sent_by_all(database) as statements, database.transaction(district) as session:
        refund = shop.refund(session, sale.public_id, RefundWhole())

    assert refund.restored_points == 50
    assert len(statements) + 1 <= 12  # and COMMIT


def test_a_refund_that_makes_good_and_writes_off_takes_no_more(
    database: Database, owner_url: str
) -> None:
    """A courtesy lot is opened, something is made good and something else written off."""
    create_district(owner_url, "borne", name="商户承担", sandbox=False)
    with database.transaction("borne") as session:
        shop, member = open_shop(session), make_member(session)
        session.info["now"] = long_ago = now_of(session) - timedelta(days=500)
        set_policy(session, NegativePolicy.WRITE_OFF)
        shop.sell(session, member, 9_000, at=long_ago)
        other = shop.sell(session, member, 10_000, at=long_ago)
        sale = shop.sell(session, member, 5_000, burn=100, at=long_ago)
        shop.sell(session, member, 130, burn=130, at=long_ago)
        shop.refund(session, other.public_id, at=long_ago)
    with database.transaction("borne") as session:
        give_points(session, shop, make_member(session), 1)  # Reads directory, policy and rules.

    with sent_by_all(database) as statements, database.transaction("borne") as session:
        refund = shop.refund(session, sale.public_id)

    assert (refund.restored_points, refund.made_good_points) == (100, 91)
    assert refund.written_off_points == 40
    assert len(statements) + 1 <= 12  # and COMMIT


def test_twenty_tills_that_send_one_number_sell_once(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    """P1, P3: a re-send from anywhere finds the first sale."""
    number = unique("N")

    def send(_: int) -> str:
        return database.run(
            district, lambda session: shop.sell(session, member, 1_000, number=number)
        ).public_id

    assert len(set(_at_once(send, 20))) == 1
    with database.transaction(district) as session:
        assert points_of(session, member) == 5_010


def test_twenty_tills_without_a_member_sell_once_too(
    database: Database, district: str, shop: Shop
) -> None:
    number = unique("N")

    def send(_: int) -> str:
        return database.run(
            district, lambda session: shop.sell(session, None, 1_000, number=number)
        ).public_id

    assert len(set(_at_once(send, 20))) == 1


def test_burns_side_by_side_never_spend_a_point_twice(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    """P3: parallel calls on one member serialise; each has a definite verdict."""

    def burn(_: int) -> bool:
        try:
            database.run(district, lambda session: _burn(session, shop, member))
        except InsufficientPoints:
            return False
        return True

    assert sum(_at_once(burn, 20)) == 5
    with database.transaction(district) as session:
        assert points_of(session, member) == 0
        assert ledger.upkeep.audit_all(session) == []


def _burn(session: Session, shop: Shop, member: KnownMember) -> None:
    """Pay an order of ¥10 with its thousand points; it earns nothing."""
    orders.sell(session, shop.basket(session, member, 1_000, burn=1_000), [])


def test_refunds_side_by_side_never_give_more_than_was_paid(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    with database.transaction(district) as session:
        sale = shop.sell(session, member, 1_000)

    def give(_: int) -> int:
        def work(session: Session) -> Refunded:
            return refunds.give(
                session,
                RefundRequest(
                    order=sale.public_id, terminal=shop.till, number=unique("R"),
                    occurred_at=now_of(session), parts=[RefundAmount(fen=300)],
                ),
            )  # fmt: skip

        try:
            return int(database.run(district, work).fen)
        except RefundExceedsRemaining:
            return 0

    assert sum(_at_once(give, 8)) == 900
    with database.transaction(district) as session:
        stored = session.scalar(
            text('SELECT refunded_fen FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
        )
    assert stored == 900


def test_a_placed_order_is_paid_once_by_many(
    database: Database, district: str, shop: Shop, member: KnownMember
) -> None:
    with database.transaction(district) as session:
        placed = orders.place(session, shop.basket(session, member, 1_000, burn=100))

    def pay(_: int) -> bool:
        return database.run(
            district,
            lambda session: payments.pay(
                session, order=placed.public_id, tenders=[Tender(name="card", fen=900)]
            ),
        ).replayed

    assert sorted(_at_once(pay, 6)) == [False, True, True, True, True, True]


def _at_once(call: Callable[[int], T], times: int) -> list[T]:
    with ThreadPoolExecutor(min(times, 20)) as pool:
        return list(pool.map(call, range(times)))
