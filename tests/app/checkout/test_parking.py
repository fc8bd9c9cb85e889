"""A refund that comes before its sale ends as if it had come after it (semantics 10)."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.checkout import orders, parking, payments
from app.checkout.baskets import Tender
from app.checkout.errors import BusinessKeyConflict
from app.checkout.models import ParkedRefund
from app.checkout.refunds import Refunded
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from config.database import Database, now_of
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


def look(session: Session) -> int:
    return parking.apply_parked(session)


def parked(session: Session, number: str) -> ParkedRefund:
    return session.scalars(select(ParkedRefund).where(ParkedRefund.number == number)).one()


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
    looks = [look(session), look(session)]
    shop.sell(session, late, 1_000, 500, number=second)
    given = send(session, shop, second, f"R{second}", parts)

    assert looks == [1, 0]
    assert given is not None
    assert books_digest(session, early) == books_digest(session, late)
    assert points_of(session, early) < 15


def test_a_refund_of_a_placed_order_waits_for_its_payment(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    number = unique("N")
    placed = orders.place(session, shop.basket(session, member, 1_000, number=number))
    send(session, shop, number, f"R{number}", [RefundWhole()])

    assert look(session) == 0
    payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=1_000)])
    assert look(session) == 1

    assert points_of(session, member) == 0


def test_a_refund_parked_while_its_sale_commits_is_found(database: Database, district: str) -> None:
    """Neither transaction sees the other; the next look sees both."""
    with database.transaction(district) as session:
        shop, member, number = open_shop(session), make_member(session), unique("N")

    with database.transaction(district) as selling:
        shop.sell(selling, member, 1_000, number=number)
        with database.transaction(district) as session:
            assert send(session, shop, number, f"R{number}", [RefundAmount(fen=300)]) is None
    with database.transaction(district) as session:
        look(session)

    with database.transaction(district) as session:
        assert points_of(session, member) == 7
        assert parked(session, f"R{number}").applied_at is not None


def test_two_looks_at_once_give_a_refund_once(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop, member, number = open_shop(session), make_member(session), unique("N")
        send(session, shop, number, f"R{number}", [RefundAmount(fen=300)])
        shop.sell(session, member, 1_000, number=number)

    with database.transaction(district) as first:
        given = look(first)
        with database.transaction(district) as second:
            beside = look(second)
    with database.transaction(district) as session:
        later = look(session)

    assert (given, beside, later) == (1, 0, 0)
    with database.transaction(district) as session:
        assert points_of(session, member) == 7


def test_a_till_that_sends_a_parked_refund_again_has_it_given_once(session: Session) -> None:
    shop, member, number = open_shop(session), make_member(session), unique("N")
    send(session, shop, number, f"R{number}", [RefundAmount(fen=300)])
    sale = shop.sell(session, member, 1_000, number=number)

    given = send(session, shop, number, f"R{number}", [RefundAmount(fen=300)])
    look(session)

    assert given is not None
    assert orders.get_locked(session, sale.public_id).refunded_fen == 300
    assert parked(session, f"R{number}").applied_at is not None


def test_a_parked_number_with_other_content_is_refused(session: Session) -> None:
    """Semantics 38: before the sale and after it, parked or given."""
    shop, member, number = open_shop(session), make_member(session), unique("N")
    other = shop.sell(session, member, 1_000)
    shop.refund(session, other.public_id, RefundAmount(fen=300), number=f"G{number}")
    send(session, shop, number, f"R{number}", [RefundAmount(fen=300)])

    with pytest.raises(BusinessKeyConflict):
        send(session, shop, number, f"R{number}", [RefundAmount(fen=301)])
    with pytest.raises(BusinessKeyConflict):
        send(session, shop, unique("N"), f"R{number}", [RefundAmount(fen=300)])
    with pytest.raises(BusinessKeyConflict):
        send(session, shop, number, f"G{number}", [RefundAmount(fen=300)])
    shop.sell(session, member, 1_000, number=number)
    with pytest.raises(BusinessKeyConflict):
        send(session, shop, number, f"R{number}", [RefundAmount(fen=301)])


def test_a_parked_refund_that_is_refused_keeps_its_refusal_and_stops_no_other(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    shop, member = open_shop(session), make_member(session)
    bad, good = unique("N"), unique("N")
    send(session, shop, bad, f"R{bad}", [RefundAmount(fen=1_001)])
    send(session, shop, good, f"R{good}", [RefundAmount(fen=300)])
    for number in (bad, good):
        shop.sell(session, member, 1_000, number=number)

    with caplog.at_level(logging.ERROR):
        looks = [look(session), look(session)]

    assert looks == [1, 0]
    assert points_of(session, member) == 17
    assert [record.message for record in caplog.records] == ["parked_refund_refused"]
    refused = parked(session, f"R{bad}")
    session.refresh(refused)
    assert refused.applied_at is None
    assert "1000" in str(refused.refusal)
    session.info["now"] = now_of(session) + timedelta(hours=25)
    assert parking.alarm_unmatched(session) == 0


def test_a_parked_refund_that_cannot_even_be_tried_stops_no_other(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    shop, member = open_shop(session), make_member(session)
    torn, good = unique("N"), unique("N")
    session.add(
        ParkedRefund(
            store_id=shop.till.store.id, terminal_id=shop.till.id, order_number=torn,
            number=f"R{torn}", fingerprint=b"", request={}, parked_at=now_of(session),
        )
    )  # fmt: skip
    send(session, shop, good, f"R{good}", [RefundAmount(fen=300)])
    for number in (torn, good):
        shop.sell(session, member, 1_000, number=number)

    with caplog.at_level(logging.ERROR):
        given = look(session)

    assert given == 1
    assert [record.message for record in caplog.records] == ["parked_refund_failed"]


def test_the_order_of_an_exchange_is_not_the_sale_that_a_refund_waits_for(session: Session) -> None:
    """Semantics 13: the two kinds count their numbers apart."""
    shop, member, number = open_shop(session), make_member(session), unique("N")
    basket = shop.basket(session, member, 1_000, number=number)
    send(session, shop, number, f"R{number}", [RefundAmount(fen=300)])
    orders.sell(session, replace(basket, kind="exchange"), [Tender(name="cash", fen=1_000)])

    assert look(session) == 0
    session.info["now"] = now_of(session) + timedelta(hours=25)
    assert parking.alarm_unmatched(session) == 1


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

    assert look(session) == 2
    assert orders.get_locked(session, sale.public_id).refunded_fen == 200
    assert orders.get_locked(session, sale.public_id).refunds == 2
