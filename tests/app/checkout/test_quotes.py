"""One quote call tells what a sale would cost, burn and earn, and why (P2, E9)."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders, quotes
from app.checkout.baskets import Tender
from app.checkout.errors import QuoteExpired
from config.database import now_of
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.factories import make_member


def test_a_quote_tells_all_and_changes_nothing(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 500)

    quoted = quotes.quote(session, shop.basket(session, member, 20_000, burn=300))

    assert (quoted.burn_points, quoted.due_fen, quoted.earn_points) == (300, 19_700, 197)
    assert (quoted.balance_points, quoted.may_burn_points) == (500, 500)
    assert points_of(session, member) == 500


def test_an_ask_above_the_order_is_cut_and_the_quote_says_so(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 500)

    quoted = quotes.quote(session, shop.basket(session, member, 200, burn=400))

    assert quoted.burn_points == 200
    assert [limit.code for limit in quoted.limits] == ["cut-to-order"]


def test_each_rule_that_gives_nothing_says_why_in_both_languages(session: Session) -> None:
    shop, other, member = open_shop(session), open_shop(session), make_member(session)

    answer = quotes.answer(quotes.quote(session, shop.basket(session, member, 50)))

    silent = {each["why"] for each in answer["silent"]}
    assert "less-than-a-point" in silent
    assert "wrong-merchant" in silent
    assert all(each["zh"] and each["en"] for each in answer["silent"])
    assert other


def test_an_order_that_names_a_quote_gets_the_rules_of_its_instant(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    basket = shop.basket(session, member, 10_000)
    quoted = quotes.quote(session, basket)
    _later(session, minutes=4)

    promised, quote_id = quotes.redeem(session, basket, quote=quoted.public_id)
    sale = orders.sell(session, promised, [Tender(name="cash", fen=10_000)], quote_id=quote_id)

    assert sale.earned_points == quoted.earn_points == 100
    stored = session.scalar(
        text('SELECT quote_id FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
    )
    assert stored == quote_id


def test_a_quote_is_over_after_its_minutes_and_good_for_its_basket_alone(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    quoted = quotes.quote(session, shop.basket(session, member, 10_000))

    with pytest.raises(QuoteExpired):
        quotes.redeem(session, shop.basket(session, member, 9_999), quote=quoted.public_id)
    _later(session, minutes=6)
    with pytest.raises(QuoteExpired):
        quotes.redeem(session, shop.basket(session, member, 10_000), quote=quoted.public_id)


def _later(session: Session, *, minutes: int) -> None:
    session.info["now"] = now_of(session) + timedelta(minutes=minutes)
