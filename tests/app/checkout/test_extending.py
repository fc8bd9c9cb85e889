"""More time for an order that waits for its payment (C12)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import invariants, orders, payments
from app.checkout.baskets import Tender
from app.checkout.errors import OrderNotExtendable
from config.database import now_of
from coupons.wallets import Standing
from tests.app.checkout.shops import give_points, open_shop
from tests.app.checkout.test_coupons import CASH, give, off, standing
from tests.factories import make_member


def test_a_placed_order_that_gets_more_time_keeps_its_coupon_and_its_points(
    session: Session,
) -> None:
    """C12: extended in its time, for two hours at most; then it is paid as it was promised."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 500)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000, burn=300), coupons=[coupon])
    start = now_of(session)
    placed = orders.place(session, basket)
    ends = []
    for minutes in (10, 24, 38, 52, 66, 80, 94, 108, 119):
        session.info["now"] = start + timedelta(minutes=minutes)
        ends.append(orders.extend(session, order=placed.public_id))

    assert ends[0] == start + timedelta(minutes=25)
    assert ends[-1] == ends[-2] == start + timedelta(hours=2)
    assert standing(session, coupon) is Standing.LOCKED
    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name=CASH, fen=4_700)])
    assert (paid.state, paid.discount_fen, paid.burned_points) == ("paid", 1_000, 300)
    with pytest.raises(OrderNotExtendable):
        orders.extend(session, order=placed.public_id)
    assert invariants.audit(session) == []


def test_an_order_whose_time_is_over_gets_no_more_of_it(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    placed = orders.place(session, replace(shop.basket(session, member, 6_000), coupons=[coupon]))
    session.info["now"] = now_of(session) + timedelta(minutes=15)

    with pytest.raises(OrderNotExtendable, match="不能延长"):
        orders.extend(session, order=placed.public_id)

    assert standing(session, coupon) is Standing.USABLE
