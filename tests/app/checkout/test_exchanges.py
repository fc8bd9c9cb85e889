"""An order edited after payment: refund and new order in one step (semantics 13)."""

from datetime import timedelta
from fractions import Fraction

from sqlalchemy.orm import Session

import ledger
from app.checkout.baskets import Tender
from app.checkout.exchanges import Exchanged, exchange
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundQuantity
from app.members.identification import KnownMember
from app.points import rules
from app.points.definitions import Conditions, Definition, Kind
from app.points.rules import Names
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member, unique


def swap(
    session: Session,
    shop: Shop,
    member: KnownMember | None,
    order: str,
    *,
    number: str,
    price: int,
    burn: int = 0,
) -> Exchanged:
    return exchange(
        session,
        request=RefundRequest(
            order=order,
            terminal=shop.till,
            number=f"R{number}",
            occurred_at=now_of(session),
            parts=[RefundQuantity(line=1, quantity=1)],
        ),
        basket=shop.basket(session, member, price, number=number, burn=burn),
        tenders=[Tender(name="cash", fen=price - burn)],
    )


def test_the_dearer_article_costs_the_difference_and_earns_it(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000, 500)

    exchanged = swap(session, shop, member, sale.public_id, number=unique("X"), price=1_800)

    assert (exchanged.refund.fen, exchanged.to_pay_fen) == (1_000, 800)
    assert points_of(session, member) == 5 + 18
    assert ledger.upkeep.audit_all(session) == []


def test_what_is_exchanged_keeps_the_rules_of_its_first_day(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000, at=now_of(session) - timedelta(days=3))
    _double_from_yesterday(session, shop)

    exchanged = swap(session, shop, member, sale.public_id, number=unique("X"), price=1_000)

    assert exchanged.order.earned_points == 10
    assert shop.sell(session, member, 1_000).earned_points == 30


def test_a_repeated_exchange_is_the_same_exchange(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000)
    number = unique("X")

    first = swap(session, shop, member, sale.public_id, number=number, price=1_200)
    again = swap(session, shop, member, sale.public_id, number=number, price=1_200)

    assert again.refund.public_id == first.refund.public_id
    assert again.order.public_id == first.order.public_id
    assert points_of(session, member) == 12


def test_points_that_the_refund_gives_back_can_pay_for_the_new_article(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 300)
    sale = shop.sell(session, member, 1_000, burn=300)

    exchanged = swap(session, shop, member, sale.public_id, number=unique("X"), price=900, burn=300)

    assert exchanged.order.burned_points == 300
    assert exchanged.to_pay_fen == 600 - 700
    assert points_of(session, member) == 6


def test_a_debt_that_the_refund_makes_is_paid_by_the_new_order_at_once(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100, worth=100)

    exchanged = swap(session, shop, member, sale.public_id, number=unique("X"), price=10_000)

    assert exchanged.refund.debt_points == 100
    assert points_of(session, member) == 0
    assert ledger.upkeep.audit_all(session) == []


def _double_from_yesterday(session: Session, shop: Shop) -> None:
    request = rules.propose(
        session,
        code=unique("d"),
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(2, 100),
            conditions=Conditions(merchants=frozenset({shop.merchant.public_id})),
        ),
        by="mei",
        reason="test",
        names=Names(zh="双倍", en="Double"),
        effective_from=now_of(session) - timedelta(days=1),
    )
    rules.approve(session, request.public_id, by="li")
