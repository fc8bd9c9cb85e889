"""What was sold and shared stays so, whoever asks (ADR 0004)."""

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.database import Database
from tests.app.checkout.shops import make_member, open_shop


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
