"""What was sold and shared stays so, whoever asks (ADR 0004)."""

from importlib import import_module

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.checkout import orders
from app.checkout.baskets import Tender
from config.database import Database
from tests.app.checkout.shops import give_points, make_member, open_shop


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE \"order\" SET slices = '[]' WHERE public_id = :order",
        'UPDATE "order" SET earned_points = 0 WHERE public_id = :order',
        "UPDATE \"order\" SET state = 'cancelled', slices = NULL WHERE public_id = :order",
        'UPDATE "order" SET total_fen = 1 WHERE public_id = :order',
        "UPDATE order_line SET amount_fen = 1 WHERE order_id = "
        '(SELECT id FROM "order" WHERE public_id = :order)',
    ],
)
def test_the_application_cannot_change_what_was_paid(session: Session, change: str) -> None:
    order = open_shop(session).sell(session, make_member(session), 1_000).public_id

    with pytest.raises(DBAPIError) as refused, session.begin_nested():
        session.execute(text(change), {"order": order})

    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


def test_even_the_owner_moves_no_line_back(
    database: Database, district: str, owner_url: str
) -> None:
    """What has gone back of a line never comes again."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        order = shop.sell(session, make_member(session), 1_000).public_id
        shop.refund(session, order)

    with psycopg.connect(owner_url) as owner:
        owner.execute("SET search_path = d_test")
        with pytest.raises(psycopg.Error, match="insert-only"):
            owner.execute(
                "UPDATE order_line SET refunded_fen = 0 WHERE order_id = "
                '(SELECT id FROM "order" WHERE public_id = %s)',
                (order,),
            )


def test_the_migration_reads_the_money_out_of_the_slices(session: Session) -> None:
    """What an order keeps since then is what its slices say of each tender."""
    money = import_module("migrations.versions.20261127_1200_till_parts").MONEY
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 500)
    basket = shop.basket(session, member, 3_334, 1, 6_665, burn=123, quantity=3)
    both = [
        Tender(name="wechat", fen=9_000), Tender(name="gift", fen=0), Tender(name="cash", fen=877)
    ]  # fmt: skip
    orders.sell(session, basket, both)
    shop.sell(session, member, 100, burn=100)
    shop.sell(session, None, 0)

    rows = session.execute(
        text(f'SELECT o.money, {money} AS again FROM "order" o WHERE o.store_id = :store'),
        {"store": shop.till.store.id},
    ).all()

    assert [row.again for row in rows] == [row.money for row in rows]
    assert {"wechat": 9_000, "cash": 877} in [row.money for row in rows]
    assert [row.money for row in rows].count({}) == 2
