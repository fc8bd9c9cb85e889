"""A refund that comes before its sale ends as if it had come after it (semantics 10)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app import outbox
from app.checkout import orders, parking, payments
from app.checkout.baskets import Tender
from app.checkout.refunds import Refunded
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.tasks import OUTBOX_HANDLERS
from config.database import now_of
from tests.app.checkout.shops import Shop, books_digest, open_shop, points_of
from tests.factories import make_member, unique


def send(
    session: Session, shop: Shop, order_number: str, number: str, parts: Sequence[Request]
) -> Refunded | None:
    return parking.give_or_park(
        session,
        terminal=shop.till,
        order_number=order_number,
        number=number,
        occurred_at=now_of(session),
        parts=parts,
    )


def hear(session: Session) -> None:
    outbox.relay(session, handlers=OUTBOX_HANDLERS, now=now_of(session), limit=1000)


@pytest.mark.parametrize(
    "parts",
    [[RefundAmount(fen=400)], [RefundQuantity(line=1, quantity=1)], [RefundWhole(line=2)]],
)
def test_a_refund_before_its_sale_ends_like_one_after_it(
    session: Session, parts: list[Request]
) -> None:
    shop, early, late = open_shop(session), make_member(session), make_member(session)
    first, second = unique("N"), unique("N")

    assert send(session, shop, first, f"R{first}", parts) is None
    assert send(session, shop, first, f"R{first}", parts) is None
    shop.sell(session, early, 1_000, 500, number=first)
    hear(session)
    hear(session)
    shop.sell(session, late, 1_000, 500, number=second)
    given = send(session, shop, second, f"R{second}", parts)

    assert given is not None
    assert books_digest(session, early) == books_digest(session, late)
    assert points_of(session, early) < 15


def test_a_refund_of_a_placed_order_waits_for_its_payment(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    number = unique("N")
    placed = orders.place(session, shop.basket(session, member, 1_000, number=number))
    send(session, shop, number, f"R{number}", [RefundWhole()])

    payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=1_000)])
    hear(session)

    assert points_of(session, member) == 0


def test_a_refund_whose_sale_never_comes_wakes_somebody_after_a_day(session: Session) -> None:
    shop = open_shop(session)
    send(session, shop, unique("N"), unique("R"), [RefundWhole()])

    assert parking.alarm_unmatched(session) == 0
    session.info["now"] = now_of(session) + timedelta(hours=25)
    assert parking.alarm_unmatched(session) == 1


def test_several_refunds_that_came_first_are_all_given(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    number = unique("N")
    for part in range(2):
        send(session, shop, number, f"R{part}{number}", [RefundAmount(fen=100)])

    sale = shop.sell(session, member, 1_000, number=number)
    hear(session)

    assert orders.get_locked(session, sale.public_id).refunded_fen == 200
    assert orders.get_locked(session, sale.public_id).refunds == 2
