"""Paying a placed order: in time by its hold, late by what is there then (semantics 26, 35)."""

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.checkout.drafts import Sale
from app.checkout.errors import LockExpired, PaidOtherwise
from app.checkout.models import OrderState
from app.clock import SHANGHAI, business_date, month_end
from app.members import freezing
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.merchants import terms
from app.merchants.models import MayBurn
from config.database import Database, forget, now_of
from config.errors import Collision
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member, make_terms


def pay(session: Session, placed: Sale) -> Sale:
    return payments.pay(
        session, order=placed.public_id, tenders=[Tender(name="card", fen=placed.due_fen)]
    )


def later(session: Session, **by: int) -> None:
    session.info["now"] = now_of(session) + timedelta(**by)


def place_before_midnight(session: Session) -> tuple[Shop, KnownMember, Sale]:
    """Hold 60 of 100 points five minutes before they expire."""
    shop, member = open_shop(session), make_member(session)
    earned_at = now_of(session) - timedelta(days=800)
    last_day = month_end(business_date(earned_at), months_ahead=12)
    shop.sell(session, member, 10_000, at=earned_at)
    session.info["now"] = datetime.combine(last_day, time(23, 55), SHANGHAI).astimezone(UTC)
    return shop, member, orders.place(session, shop.basket(session, member, 1_000, burn=60))


def test_a_hold_taken_before_midnight_is_captured_after_it(session: Session) -> None:
    """Semantics 26"""
    _, member, placed = place_before_midnight(session)
    later(session, minutes=14)

    assert points_of(session, member) == 0
    assert pay(session, placed).burned_points == 60


def test_points_that_have_expired_are_not_taken_by_a_late_payment(session: Session) -> None:
    """Semantics 35; decision 20: `lock-expired`."""
    _, member, placed = place_before_midnight(session)
    later(session, minutes=16)

    with pytest.raises(LockExpired):
        pay(session, placed)

    assert orders.cancel(session, order=placed.public_id) is OrderState.CANCELLED
    assert points_of(session, member) == 0


def test_a_late_payment_takes_no_points_that_are_owed(session: Session) -> None:
    """Decision 12: spendable is net of debt."""
    shop, member = open_shop(session), make_member(session)
    sale = give_points(session, shop, member, 100)
    kept = orders.place(session, shop.basket(session, member, 1_000, burn=100))
    shop.refund(session, sale.public_id)
    later(session, minutes=16)

    with pytest.raises(LockExpired):
        pay(session, kept)

    assert points_of(session, member) == 0


def test_a_late_payment_is_bound_by_the_terms_of_then(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    _take_no_points_from(session, shop, days=1)
    later(session, days=1)

    with pytest.raises(LockExpired):
        pay(session, placed)

    assert points_of(session, member) == 100


def test_a_payment_in_time_is_bound_by_what_was_promised(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)
    session.info["now"] = datetime.combine(
        business_date(now_of(session)), time(23, 55), SHANGHAI
    ).astimezone(UTC)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    _take_no_points_from(session, shop, days=1)
    later(session, minutes=10)

    assert pay(session, placed).burned_points == 60


def test_a_late_payment_keeps_a_daily_limit(session: Session) -> None:
    """B2"""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)
    session.execute(
        text(
            "INSERT INTO burn_term (effective_from, min_unit_points, max_share_num, max_share_den,"
            " daily_limit_points, created_at) VALUES (:at, 1, 1, 1, 60, :at)"
        ),
        {"at": now_of(session)},
    )
    forget(session)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    later(session, minutes=16)
    shop.sell(session, member, 1_000, burn=20)

    with pytest.raises(LockExpired):
        pay(session, placed)


def test_a_late_payment_without_points_is_a_payment(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    placed = orders.place(session, shop.basket(session, member, 1_000))
    later(session, days=2)

    assert pay(session, placed).earned_points == 10


def test_an_order_of_a_member_frozen_since_is_not_paid(session: Session) -> None:
    """M11"""
    shop, member = open_shop(session), make_member(session)
    placed = orders.place(session, shop.basket(session, member, 1_000))
    freezing.freeze(session, member.public_id, by="mei", reason="盗刷")

    with pytest.raises(MemberNotActive):
        pay(session, placed)


def test_a_hold_that_the_clock_ends_first_is_judged_anew(database: Database, district: str) -> None:
    """The clock's now may be ahead of a payment's: the payment begins again, and is late then."""
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 100)
        placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    with database.transaction(district) as session:
        later(session, minutes=16)
        ledger.holds.expire(session)

    with pytest.raises(Collision), database.transaction(district) as session:
        pay(session, placed)
    with database.transaction(district) as session:
        later(session, minutes=16)
        paid = pay(session, placed)

    assert (paid.state, paid.burned_points) == (OrderState.PAID, 60)
    with database.transaction(district) as session:
        assert points_of(session, member) == 49


def test_the_clock_passes_over_a_hold_that_is_being_captured(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 100)
        placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))

    with database.transaction(district) as paying:
        pay(paying, placed)
        with database.transaction(district) as session:
            later(session, minutes=16)
            ledger.holds.expire(session)
    with database.transaction(district) as session:
        later(session, minutes=16)
        ledger.holds.expire(session)
        assert points_of(session, member) == 49


def _take_no_points_from(session: Session, shop: Shop, *, days: int) -> None:
    """Agree that the merchant takes no points from a later day on."""
    begins = business_date(now_of(session)) + timedelta(days=days)
    request = terms.propose(
        session,
        merchant=shop.merchant.code,
        terms=make_terms(valid_from=begins, may_burn=MayBurn.NONE),
        by="mei",
        reason="test",
    )
    terms.approve(session, request.public_id, by="li")


def test_a_paid_order_is_not_paid_again_by_other_tenders(session: Session) -> None:
    """The same tenders in any order are the same payment; others are a mistake at the till."""
    shop = open_shop(session)
    placed = orders.place(session, shop.basket(session, None, 1_000)).public_id
    both = [Tender(name="cash", fen=400), Tender(name="card", fen=600), Tender(name="gift", fen=0)]
    payments.pay(session, order=placed, tenders=both)

    again = payments.pay(session, order=placed, tenders=both[1::-1])

    assert again.replayed
    for other in ([Tender(name="cash", fen=1_000)], [], both[:1]):
        with pytest.raises(PaidOtherwise):
            payments.pay(session, order=placed, tenders=other)
