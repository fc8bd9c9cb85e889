"""What a made-up buyer pays is the same before and after the sale."""

from app.lab.paying import due_fen
from config.database import Database
from tests.app.checkout.shops import give_points, open_shop
from tests.factories import make_member


def test_what_is_due_is_looked_up_for_a_number_that_was_sold(
    database: Database, district: str
) -> None:
    """Semantics 38: priced again, the points that it burned would be missing."""
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 100)
        basket = shop.basket(session, member, 1_000, burn=100)
        before = due_fen(session, basket)
        shop.sell(session, member, 1_000, burn=100, number=basket.number)
        after = due_fen(session, basket)

    assert (before, after) == (900, 900)
