"""A quote keeps the price of its coupons for its minutes, unless one is revoked (semantics 41)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.campaigns import coupons
from app.checkout import orders, payments, quotes
from app.checkout.baskets import BEST, Basket, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import CouponNotUsable
from app.members.sealing import coupon_keys
from config.database import now_of
from coupons import codes, issuing, wallets
from tests.app.checkout.shops import open_shop
from tests.app.checkout.test_coupons import give, off, open_batch, sell
from tests.factories import make_member


def test_a_coupon_that_expires_meanwhile_is_honoured_at_the_price_of_the_quote(
    session: Session,
) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)
    over = wallets.find(session, coupons=[coupon])[0].valid_until
    session.info["now"] = over - timedelta(minutes=1)
    quoted = quotes.quote(session, basket)
    session.info["now"] = over + timedelta(minutes=2)

    with pytest.raises(CouponNotUsable, match="过期"):
        sell(session, replace(basket, coupons=[coupon]), 5_000)
    sale = _sell_quoted(session, basket, quoted.public_id, 5_000)

    assert sale.discount_fen == quoted.discount_fen == 1_000


def test_a_placed_order_keeps_what_its_quote_promised_until_it_is_paid(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=[coupon])
    over = wallets.find(session, coupons=[coupon])[0].valid_until
    session.info["now"] = over - timedelta(minutes=1)
    quoted = quotes.quote(session, basket)
    session.info["now"] = over + timedelta(minutes=2)

    wish, quote_id = quotes.redeem(session, basket, quote=quoted.public_id)
    placed = orders.place(session, wish, quote_id=quote_id)
    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name="cash", fen=5_000)])

    assert (placed.discount_fen, paid.state) == (1_000, "paid")


def test_a_better_coupon_that_comes_meanwhile_does_not_change_the_price(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    none = replace(shop.basket(session, member, 4_000), coupons=BEST)
    bare = quotes.quote(session, none)
    give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)
    quoted = quotes.quote(session, basket)
    better = give(session, member, off(2_500) | {"stacking": {"place": 10, "exclusive": True}})

    assert _sell_quoted(session, none, bare.public_id, 4_000).discount_fen == 0
    assert _sell_quoted(session, basket, quoted.public_id, 5_000).discount_fen == 1_000
    assert wallets.find(session, coupons=[better])[0].standing is wallets.Standing.USABLE


def test_whom_a_coupon_serves_is_asked_once_by_the_quote(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give(session, member, off(1_000) | {"who": {"first_purchase": "district"}})
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)
    quoted = quotes.quote(session, basket)
    sell(session, shop.basket(session, member, 2_000), 2_000)

    assert _sell_quoted(session, basket, quoted.public_id, 5_000).discount_fen == 1_000


def test_a_recall_wins_and_the_order_is_told_so(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)
    quoted = quotes.quote(session, basket)
    coupons.void(session, [coupon], by="system:test", reason="误发")

    with pytest.raises(CouponNotUsable, match="作废"):
        _sell_quoted(session, basket, quoted.public_id, 5_000)


def test_a_coupon_used_elsewhere_or_given_away_meanwhile_refuses_the_order(
    session: Session,
) -> None:
    shop, member, friend = open_shop(session), make_member(session), make_member(session)
    used = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)
    first = quotes.quote(session, basket)
    sell(session, replace(shop.basket(session, member, 3_000), coupons=[used]), 2_000)
    with pytest.raises(CouponNotUsable, match="已用完"):
        _sell_quoted(session, basket, first.public_id, 5_000)

    given = give(session, member, off(1_000), transfer=1)
    second = quotes.quote(session, basket)
    coupons.hand_on(session, coupon=given, giver=member.public_id, taker=friend.public_id)
    with pytest.raises(CouponNotUsable, match="没有这张券"):
        _sell_quoted(session, basket, second.public_id, 5_000)


def test_money_spent_from_a_coupon_since_the_quote_refuses_the_order(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    card = give(
        session, member, {"benefit": {"kind": "stored_value", "fen": 3_000}}, uses=None,
    )  # fmt: skip
    basket = replace(shop.basket(session, member, 6_000), coupons=[card])
    quoted = quotes.quote(session, basket)
    sell(session, replace(shop.basket(session, member, 1_000), coupons=[card]), 0)

    with pytest.raises(CouponNotUsable, match="余额"):
        _sell_quoted(session, basket, quoted.public_id, 3_000)


def test_an_order_does_not_use_what_its_quote_left_out(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    far = give(session, member, off(1_000, 50_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=[far])
    quoted = quotes.quote(session, basket)

    with pytest.raises(CouponNotUsable, match="再买"):
        _sell_quoted(session, basket, quoted.public_id, 6_000)


def test_a_code_that_was_shown_for_the_quote_is_good_for_the_order(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    batch = open_batch(session, off(1_000))
    coupon = issuing.claim(session, batch=batch.code, holder=member.public_id)[0].coupon
    shown = codes.show(
        session, coupon=coupon, holders=(member.public_id,), keys=coupon_keys(session)
    )
    basket = replace(shop.basket(session, make_member(session), 6_000), coupons=[shown])
    quoted = quotes.quote(session, basket)
    session.info["now"] = now_of(session) + timedelta(minutes=2)

    assert _sell_quoted(session, basket, quoted.public_id, 5_000).discount_fen == 1_000


def _sell_quoted(session: Session, basket: Basket, quote: str, fen: int) -> Sale:
    wish, quote_id = quotes.redeem(session, basket, quote=quote)
    tenders = [Tender(name="cash", fen=fen)] if fen else []
    return orders.sell(session, wish, tenders, quote_id=quote_id)
