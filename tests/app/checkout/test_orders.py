"""Selling at the till: points given and taken, once, to the fen (P2, P3; semantics 12, 20, 38)."""

from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders, payments
from app.checkout.baskets import ALL_POINTS, Basket, BasketLine, Tender
from app.checkout.errors import BusinessKeyConflict, LockExpired, OrderNotPayable, PaymentMismatch
from app.checkout.models import OrderState
from app.clock import SHANGHAI
from app.errors import Invalid
from app.members import freezing
from app.members.errors import MemberNotActive
from app.members.identification import get_by_public_id
from app.merchants.models import Funding, MayBurn
from app.points.definitions import Birthday
from app.points.errors import InsufficientPoints
from config.database import now_of
from tests.app.checkout.shops import add_rule, give_points, open_shop, points_of, posted, prepay
from tests.factories import make_member, make_terms


def test_a_sale_earns_a_point_for_each_whole_yuan(session: Session) -> None:
    """E1, semantics 17: floored once per order, not per line."""
    shop, member = open_shop(session), make_member(session)

    sale = shop.sell(session, member, 199, 199)

    assert sale.state is OrderState.PAID
    assert sale.earned_points == 3
    assert points_of(session, member) == 3
    assert posted(session, shop.merchant.issued_account_id) == -3


def test_a_birthday_rule_sees_the_members_birthday_and_sends_nothing_more(
    session: Session, sent: list[object]
) -> None:
    """E5, semantics 30"""
    shop, today = open_shop(session), now_of(session).astimezone(SHANGHAI)
    add_rule(session, shop.merchant, when=Birthday.DAY)
    guest = make_member(session, birthday=f"{today:%m-%d}")
    other = make_member(session, birthday=f"{today + timedelta(days=40):%m-%d}")
    nobody = make_member(session)
    shop.sell(session, make_member(session), 100)  # The first one reads the rules.

    counts, earned = [], []
    for member in (guest, other, nobody):
        sent.clear()
        earned.append(shop.sell(session, member, 10_000).earned_points)
        counts.append(len(sent))

    assert earned == [200, 100, 100]
    assert len(set(counts)) == 1


def test_a_sale_without_a_member_earns_nothing(session: Session) -> None:
    sale = open_shop(session).sell(session, None, 10_000)

    assert (sale.earned_points, sale.due_fen) == (0, 10_000)


def test_points_pay_and_earn_nothing_themselves(session: Session) -> None:
    """B1, E12: no points on points."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)

    sale = shop.sell(session, member, 1_000, burn=100)

    assert (sale.burned_points, sale.burned_fen, sale.due_fen) == (100, 100, 900)
    assert sale.earned_points == 9
    assert points_of(session, member) == 9
    assert posted(session, shop.merchant.redeemed_account_id) == 100


def test_points_cover_a_whole_order_which_then_earns_nothing(session: Session) -> None:
    """Semantics 20: asks above the order are cut to it, a sale of nothing is valid."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 1_000)

    sale = orders.sell(session, shop.basket(session, member, 600, burn=999), [])

    assert (sale.burned_points, sale.due_fen, sale.earned_points) == (600, 0, 0)


def test_asking_for_more_than_the_balance_is_refused_and_nothing_moves(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 10)

    with pytest.raises(InsufficientPoints) as refused:
        shop.sell(session, member, 5_000, burn=11)

    assert (refused.value.needed, refused.value.spendable) == (11, 10)
    assert points_of(session, member) == 10


def test_all_points_takes_what_there_is(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 10)
    basket = shop.basket(session, member, 5_000, burn=ALL_POINTS)

    sale = orders.sell(session, basket, [Tender(name="cash", fen=4_990)])

    assert sale.burned_points == 10


def test_the_tills_number_again_returns_the_first_sale(session: Session) -> None:
    """Semantics 38: another header key, the same business key, the same sale."""
    shop, member = open_shop(session), make_member(session)
    first = shop.sell(session, member, 1_000, number="T-1")

    again = shop.sell(session, member, 1_000, number="T-1")

    assert again.public_id == first.public_id
    assert again.replayed
    assert points_of(session, member) == 10


def test_the_tills_number_with_another_basket_is_refused(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    shop.sell(session, member, 1_000, number="T-1")

    with pytest.raises(BusinessKeyConflict):
        shop.sell(session, member, 1_001, number="T-1")

    assert points_of(session, member) == 10


def test_tenders_must_be_what_is_due(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)

    with pytest.raises(PaymentMismatch):
        orders.sell(session, shop.basket(session, member, 1_000), [Tender(name="cash", fen=999)])


def test_the_first_paid_order_joins_the_merchant(session: Session) -> None:
    """M1, S6: membership of the merchant, in the transaction of the first earn, once."""
    shop, member = open_shop(session), make_member(session)

    shop.sell(session, member, 1_000)
    shop.sell(session, member, 1_000)

    rows = session.execute(
        text("SELECT merchant_id, source FROM membership WHERE member_id = :id"),
        {"id": member.id},
    ).all()
    assert [tuple(row) for row in rows] == [(shop.merchant.id, "payment")]


def test_each_merchant_of_an_order_gives_its_own_points(session: Session) -> None:
    """Decision 19: one store, lines of several merchants; semantics 3."""
    shop, guest = open_shop(session), open_shop(session)
    member = make_member(session)
    line = BasketLine(
        sku="G", name="外店商品", category="food", amount_fen=500,
        merchant=guest.merchant.public_id,
    )  # fmt: skip

    sale = shop.sell(session, member, 1_000, others=[line])

    assert sale.earned_points == 15
    assert posted(session, shop.merchant.issued_account_id) == -10
    assert posted(session, guest.merchant.issued_account_id) == -5


def test_a_frozen_member_is_refused(session: Session) -> None:
    """M11"""
    shop, member = open_shop(session), make_member(session)
    freezing.freeze(session, member.public_id, by="mei", reason="盗刷")
    frozen = get_by_public_id(session, member.public_id)

    with pytest.raises(MemberNotActive):
        shop.sell(session, frozen, 1_000)


def test_a_merchant_that_takes_no_points_sells_for_money_only(session: Session) -> None:
    shop = open_shop(session, terms=make_terms(may_burn=MayBurn.NONE))
    other, member = open_shop(session), make_member(session)
    give_points(session, other, member, 100)
    basket = shop.basket(session, member, 1_000, burn=ALL_POINTS)

    sale = orders.sell(session, basket, [Tender(name="cash", fen=1_000)])

    assert sale.burned_points == 0


def test_a_merchant_that_takes_its_own_points_leaves_the_others(session: Session) -> None:
    shop = open_shop(session, terms=make_terms(may_burn=MayBurn.OWN))
    other, member = open_shop(session), make_member(session)
    give_points(session, other, member, 100)
    give_points(session, shop, member, 7)
    basket = shop.basket(session, member, 1_000, burn=ALL_POINTS)

    sale = orders.sell(session, basket, [Tender(name="cash", fen=993)])

    assert sale.burned_points == 7


def test_a_prepaid_merchant_gives_until_its_points_run_out_then_sells_on(session: Session) -> None:
    """L6, decision 13: the stop is exact, the sale goes on."""
    shop = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    member = make_member(session)
    prepay(session, shop, 15)

    earned = [shop.sell(session, member, 1_000).earned_points for _ in range(3)]

    assert earned == [10, 0, 0]
    assert posted(session, shop.merchant.prepaid_account_id) == 5
    assert shop.sell(session, member, 500).earned_points == 5


def test_lots_are_burned_soonest_expiry_first(session: Session) -> None:
    """B4, semantics 25"""
    shop, member = open_shop(session), make_member(session)
    later = now_of(session) - timedelta(days=5)
    sooner = now_of(session) - timedelta(days=100)
    shop.sell(session, member, 1_000, at=later)
    shop.sell(session, member, 1_000, at=sooner)

    shop.sell(session, member, 1_000, burn=12)

    rows = session.execute(
        text(
            "SELECT b.posted FROM lot l JOIN account_balance b ON b.account_id = l.account_id "
            "WHERE l.member_id = :id ORDER BY l.expires_on LIMIT 2"
        ),
        {"id": member.id},
    )
    assert [row.posted for row in rows] == [0, 17]


def test_points_that_have_expired_cannot_be_spent_though_no_job_has_run(session: Session) -> None:
    """Semantics 26, 27"""
    shop, member = open_shop(session), make_member(session)
    shop.sell(session, member, 10_000, at=now_of(session) - timedelta(days=500))

    assert points_of(session, member) == 0
    with pytest.raises(InsufficientPoints):
        shop.sell(session, member, 1_000, burn=1)


def test_a_placed_order_holds_its_points_and_paying_captures_them(session: Session) -> None:
    """B1, semantics 12"""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)

    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    assert (placed.state, placed.due_fen) == (OrderState.AWAITING_PAYMENT, 940)
    assert points_of(session, member) == 40

    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=940)])
    again = payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=940)])

    assert (paid.state, paid.earned_points, paid.replayed) == (OrderState.PAID, 9, False)
    assert again.replayed
    assert points_of(session, member) == 49
    assert ledger.upkeep.audit_all(session) == []


def test_a_cancelled_order_gives_back_what_it_held_and_cannot_be_paid(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))

    assert orders.cancel(session, order=placed.public_id) is OrderState.CANCELLED
    assert orders.cancel(session, order=placed.public_id) is OrderState.CANCELLED

    assert points_of(session, member) == 100
    with pytest.raises(OrderNotPayable):
        payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=940)])


def test_a_late_payment_takes_the_points_if_they_are_still_there(session: Session) -> None:
    """Semantics 35: a dead hold is judged anew, never a silent double use."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 100)
    first = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    second = orders.place(session, shop.basket(session, member, 1_000, burn=40))
    _later(session, minutes=16)
    shop.sell(session, member, 1_000, burn=50)

    paid = payments.pay(session, order=second.public_id, tenders=[Tender(name="card", fen=960)])
    assert paid.state is OrderState.PAID
    with pytest.raises(LockExpired):
        payments.pay(session, order=first.public_id, tenders=[Tender(name="card", fen=940)])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_fen": -1}, "amount_fen"),
        ({"amount_fen": 2**53}, "amount_fen"),
        ({"quantity": 0}, "quantity"),
    ],
)
def test_amounts_that_can_never_be_right_are_named(
    session: Session, change: dict[str, int], field: str
) -> None:
    shop = open_shop(session)
    line = {"sku": "S", "name": "商品", "category": "food", "amount_fen": 1, **change}

    with pytest.raises(Invalid, match=field):
        Basket(
            terminal=shop.till, number="1", occurred_at=now_of(session),
            lines=[BasketLine(**line)],  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_time_without_offset_is_refused(session: Session) -> None:
    shop = open_shop(session)

    with pytest.raises(Invalid, match="occurred_at"):
        shop.basket(session, None, 100, at=datetime(2026, 11, 23, 12))  # noqa: DTZ001


def _later(session: Session, *, minutes: int) -> None:
    session.info["now"] = now_of(session) + timedelta(minutes=minutes)


def test_rates_are_frozen_when_earned(session: Session) -> None:
    """Semantics 51: a lot keeps the cost rate of its day."""
    shop = open_shop(session, terms=make_terms(cost="3/2"))
    member = make_member(session)

    shop.sell(session, member, 1_000)

    row = session.execute(
        text("SELECT cost_num, cost_den FROM lot WHERE member_id = :id"), {"id": member.id}
    ).one()
    assert Fraction(row.cost_num, row.cost_den) == Fraction(3, 2)
