"""A replay with campaigns: what was brought is redeemed or refused once, every answer proved."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders
from app.checkout.baskets import Tender
from app.checkout.pricing import price
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity
from app.lab import campaigns, dataset, replay, replay_coupons
from app.lab.replay import DISTRICT, Plan
from app.tasks import audit_in_full
from config.database import Database, now_of
from config.settings import Settings
from tests.app.checkout.shops import open_shop
from tests.app.checkout.test_coupons import give, off
from tests.factories import make_member, unique

PLAN = Plan(baskets=80, seed=1, burn_share=0.3, refund_share=0.3, coupons=True)


def quiet(*_: object) -> None:
    """Hear the progress and say nothing."""


def dataset_products() -> set[int]:
    sold = dataset.read(PLAN.baskets)
    return {each for held in campaigns.read(sold).products.values() for each in held}


def run(settings: Settings, database: Database, *, again: bool = False) -> Mapping[str, Any]:
    """Replay the first baskets; the household of the first try brings its coupon twice."""
    sold = dataset.read(PLAN.baskets)
    found = campaigns.read(sold)
    twice = {basket: codes * 2 for basket, codes in found.tries.items()}
    found = replace(found, tries=twice)
    replay.open_district(settings, sold, PLAN)
    for _ in range(2 if again else 1):
        replay_coupons.prepare(database, DISTRICT, found, tell=quiet)
        replay.work(settings, replay.events(sold, PLAN, found), quiet)
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        assert audit_in_full(session) == []
        return replay_coupons.figures(session, no_basket=found.no_basket)


def test_what_is_brought_is_redeemed_once_and_refused_the_second_time(
    settings: Settings, database: Database
) -> None:
    """C8, C13, O5"""
    found = run(settings, database, again=True)

    assert found["granted"] > 0
    assert (found["redeemed"], found["refused"]) == (1, {"used": 1})
    with database.transaction(DISTRICT, read_only=True) as session:
        (sale,) = session.execute(_WITH_COUPONS)
    assert sale.discount_fen > 0
    assert sale.sku in {str(product) for product in dataset_products()}


def test_an_answer_that_is_not_the_best_fails_the_replay(session: Session) -> None:
    """C10: the checker is asked, and believes nothing."""
    shop, member = open_shop(session), make_member(session)
    coupons = [give(session, member, off(fen)) for fen in (500, 700)]
    priced = price(session, replace(shop.basket(session, member, 6_000), coupons=coupons), None)
    replay_coupons.prove(session, priced)
    assert priced.chosen is not None
    answer = priced.chosen.answer
    assert answer is not None
    assert answer.runner_up is not None
    worse = replace(priced.chosen, answer=replace(answer, best=answer.runner_up))

    with pytest.raises(AssertionError, match="basket"):
        replay_coupons.prove(session, replace(priced, chosen=worse))


def test_made_up_refunds_ask_for_no_more_than_was_paid(session: Session) -> None:
    """Semantics 11"""
    shop, member = open_shop(session), make_member(session)
    basket = replace(shop.basket(session, member, 6_000), coupons=[give(session, member, off(500))])
    sale = orders.sell(session, basket, [Tender(name="cash", fen=5_500)])

    def refund(part: RefundAmount | RefundQuantity) -> Refunded | None:
        return replay_coupons.give_back(
            session,
            RefundRequest(
                order=sale.public_id, terminal=shop.till, number=unique("R"),
                occurred_at=now_of(session), parts=[part],
            ),
        )  # fmt: skip

    first = refund(RefundAmount(fen=6_000))

    assert first is not None
    assert (first.fen, first.discount_fen) == (5_500, 500)
    assert refund(RefundAmount(fen=1)) is None


_WITH_COUPONS = text(
    'SELECT o.discount_fen, min(l.sku) AS sku FROM "order" o '
    "JOIN order_line l ON l.order_id = o.id WHERE o.discount_fen > 0 GROUP BY o.id"
)
