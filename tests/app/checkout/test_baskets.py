"""What a till may ask for at all (semantics 40)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import orders, quotes
from app.checkout.baskets import Basket, BasketLine, Tender
from app.errors import Invalid
from config.database import now_of
from tests.app.checkout.shops import open_shop
from tests.factories import make_member


@pytest.mark.parametrize("bad", ["a\0b", "\ud83d", "好\udfff"])
@pytest.mark.parametrize("field", ["sku", "name", "category", "merchant"])
def test_text_that_no_database_keeps_is_named(session: Session, field: str, bad: str) -> None:
    """Refused at the edge of the room, not by the database."""
    shop = open_shop(session)
    line = {"sku": "S", "name": "商品🍜", "category": "food", "amount_fen": 1, field: bad}

    with pytest.raises(Invalid, match=f"lines\\[1\\].{field}"):
        Basket(
            terminal=shop.till, number="1", occurred_at=now_of(session),
            lines=[BasketLine(**line)],  # type: ignore[arg-type]
        )  # fmt: skip
    with pytest.raises(Invalid, match="number"):
        shop.basket(session, None, 100, number=bad)
    with pytest.raises(Invalid, match="cashier"):
        replace(shop.basket(session, None, 100), cashier=bad)
    with pytest.raises(Invalid, match="tenders"):
        Tender(name=bad, fen=1)
    with pytest.raises(Invalid, match="number"):
        shop.refund(session, "ord_1", number=bad)
    with pytest.raises(Invalid, match="order"):
        shop.refund(session, bad)


def test_a_sale_from_the_future_is_refused_beyond_the_skew_of_a_clock(session: Session) -> None:
    """Semantics 40: ten minutes, for sales, orders, quotes and refunds alike."""
    shop, member = open_shop(session), make_member(session)
    soon, late = now_of(session) + timedelta(minutes=10), now_of(session) + timedelta(minutes=11)
    sale = shop.sell(session, member, 1_000, at=soon)

    with pytest.raises(Invalid, match="occurred_at"):
        orders.place(session, shop.basket(session, member, 1_000, at=late))
    with pytest.raises(Invalid, match="occurred_at"):
        quotes.quote(session, shop.basket(session, member, 1_000, at=late))
    with pytest.raises(Invalid, match="occurred_at"):
        shop.sell(session, member, 1_000, at=late)
    with pytest.raises(Invalid, match="occurred_at"):
        shop.refund(session, sale.public_id, at=late)
