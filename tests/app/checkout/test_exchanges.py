"""An order edited after payment: refund and new order in one step (semantics 13)."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import quotes
from app.checkout.baskets import Tender
from app.checkout.errors import BusinessKeyConflict
from app.checkout.exchanges import Exchanged, exchange
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundQuantity
from app.members import freezing
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.points import rules
from app.points.definitions import Conditions, Definition, Kind
from app.points.errors import InsufficientPoints
from app.points.rules import Names
from config.database import forget, now_of
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
    refund_number: str | None = None,
) -> Exchanged:
    return exchange(
        session,
        request=RefundRequest(
            order=order,
            terminal=shop.till,
            number=refund_number or f"R{number}",
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


def test_points_that_have_expired_since_pay_for_nothing(session: Session) -> None:
    """Semantics 13, 26: what is earned keeps its first day, what is spent is spent today."""
    shop, member = open_shop(session), make_member(session)
    today = now_of(session)
    session.info["now"] = today - timedelta(days=500)
    give_points(session, shop, member, 300)
    sale = shop.sell(session, member, 1_000)
    session.info["now"] = today

    with pytest.raises(InsufficientPoints):
        swap(session, shop, member, sale.public_id, number=unique("X"), price=1_000, burn=1)
    give_points(session, shop, member, 50)
    exchanged = swap(session, shop, member, sale.public_id, number=unique("X"), price=900, burn=50)

    assert (exchanged.order.burned_points, exchanged.order.earned_points) == (50, 8)
    assert points_of(session, member) == 0


def test_the_points_of_an_exchange_count_for_the_day_of_the_exchange(session: Session) -> None:
    """B2: a limit a day is not stretched by exchanging sales of other days."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 300)
    sale = shop.sell(session, member, 1_000, at=now_of(session) - timedelta(days=3))
    _limit_a_day(session, points=100)

    swap(session, shop, member, sale.public_id, number=unique("X"), price=1_000, burn=70)
    quoted = quotes.quote(session, shop.basket(session, member, 1_000, burn=100))

    assert quoted.burn_points == 30


def test_a_frozen_member_gets_a_refund_but_no_exchange(session: Session) -> None:
    """M11: an exchange earns and burns."""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000)
    freezing.freeze(session, member.public_id, by="mei", reason="盗刷")

    with pytest.raises(MemberNotActive):
        swap(session, shop, member, sale.public_id, number=unique("X"), price=1_000)

    assert shop.refund(session, sale.public_id).fen == 1_000


def test_a_repeat_is_a_repeat_though_the_first_sale_had_no_member(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, None, 1_000)
    number = unique("X")

    first = swap(session, shop, member, sale.public_id, number=number, price=1_200)
    again = swap(session, shop, member, sale.public_id, number=number, price=1_200)

    assert (again.refund.replayed, again.order.replayed) == (True, True)
    assert again.order.public_id == first.order.public_id
    assert points_of(session, member) == 0


def test_a_number_of_another_refund_or_exchange_is_refused(session: Session) -> None:
    """Semantics 38: of two halves that are known, both must be of this exchange."""
    shop, member = open_shop(session), make_member(session)
    sale = shop.sell(session, member, 1_000, quantity=4)
    plain, taken = unique("R"), unique("X")
    shop.refund(session, sale.public_id, RefundQuantity(line=1, quantity=1), number=plain)
    swap(session, shop, member, sale.public_id, number=taken, price=250)
    other = unique("X")
    swap(session, shop, member, sale.public_id, number=other, price=250)

    for number, refund_number in (
        (unique("X"), plain),
        (taken, unique("R")),
        (taken, plain),
        (taken, f"R{other}"),
    ):
        with pytest.raises(BusinessKeyConflict):
            swap(
                session, shop, member, sale.public_id, number=number, price=250,
                refund_number=refund_number,
            )  # fmt: skip


def _limit_a_day(session: Session, *, points: int) -> None:
    session.execute(
        text(
            "INSERT INTO burn_term (effective_from, min_unit_points, max_share_num, max_share_den,"
            " daily_limit_points, created_at) VALUES (:at, 1, 1, 1, :points, :at)"
        ),
        {"at": now_of(session), "points": points},
    )
    forget(session)


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
