"""Policy `write_off`: what an issuer bears, and that nobody farms it (semantics 1; L3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import invariants, orders, payments
from app.checkout.baskets import Tender
from app.checkout.errors import RefundExceedsRemaining
from app.checkout.returns import RefundAmount, RefundWhole
from app.members.identification import KnownMember
from app.merchants.models import Funding
from app.points.policy import NegativePolicy
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    open_shop,
    points_of,
    posted,
    prepay,
    set_policy,
)
from tests.factories import make_member, make_terms


@pytest.fixture(autouse=True)
def _written_off(session: Session) -> None:
    set_policy(session, NegativePolicy.WRITE_OFF)


def borne(session: Session, member: KnownMember) -> int:
    """Return what issuers still bear for a member."""
    return (
        session.scalar(
            text("SELECT sum(points - made_good)::bigint FROM write_off WHERE member_id = :id"),
            {"id": member.id},
        )
        or 0
    )


@pytest.mark.parametrize("first", ["earn", "burn"])
def test_refunding_both_ends_of_a_burn_leaves_nothing_in_either_order(
    session: Session, first: str
) -> None:
    here, there, member = open_shop(session), open_shop(session), make_member(session)
    earned = here.sell(session, member, 10_000)
    burned = there.sell(session, member, 100, burn=100)

    ends = [(here, earned), (there, burned)]
    for shop, sale in ends if first == "earn" else ends[::-1]:
        shop.refund(session, sale.public_id)

    assert points_of(session, member) == 0
    assert borne(session, member) == 0
    assert books_digest(session, member) == []
    assert posted(session, here.merchant.issued_account_id) == 0
    assert posted(session, there.merchant.redeemed_account_id) == 0
    assert invariants.audit(session) == []


def test_what_is_earned_and_burned_later_is_the_members(session: Session) -> None:
    """Only points that were spent before the write-off make it good."""
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, earned.public_id)

    give_points(session, shop, member, 100)
    later = shop.sell(session, member, 100, burn=100)
    refund = shop.refund(session, later.public_id)

    assert (refund.restored_points, refund.made_good_points) == (100, 0)
    assert (points_of(session, member), borne(session, member)) == (100, 100)


def test_a_prepaid_issuer_gets_back_what_it_had_bought(session: Session) -> None:
    """L6: cancellation returns to the same block."""
    shop = open_shop(session, terms=make_terms(funding=Funding.PREPAID))
    member = make_member(session)
    prepay(session, shop, 100)
    earned = shop.sell(session, member, 10_000)
    burned = shop.sell(session, member, 100, burn=100)

    shop.refund(session, earned.public_id)
    assert posted(session, shop.merchant.prepaid_account_id) == 0
    shop.refund(session, burned.public_id)

    assert posted(session, shop.merchant.prepaid_account_id) == 100
    assert points_of(session, member) == 0


def test_points_that_a_waiting_order_holds_are_owed_not_written_off(session: Session) -> None:
    """A hold is not a way to hide points from a refund."""
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 30, burn=30)
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))

    refund = shop.refund(session, earned.public_id)
    orders.cancel(session, order=placed.public_id)

    assert (refund.debt_points, refund.written_off_points) == (60, 30)
    assert points_of(session, member) == 0


def test_a_hold_hides_no_points_from_two_refunds_either(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sales = [shop.sell(session, member, 5_000) for _ in range(2)]
    placed = orders.place(session, shop.basket(session, member, 1_000, burn=60))
    shop.sell(session, member, 40, burn=40)

    refunds = [shop.refund(session, sale.public_id) for sale in sales]
    orders.cancel(session, order=placed.public_id)

    assert sum(refund.debt_points for refund in refunds) == 60
    assert sum(refund.written_off_points for refund in refunds) == 40
    assert points_of(session, member) == 0


def test_the_auditor_finds_a_write_off_that_no_refund_explains(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    earned = shop.sell(session, member, 10_000)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, earned.public_id)

    session.execute(
        text("UPDATE write_off SET made_good = 1 WHERE member_id = :id"), {"id": member.id}
    )

    assert [each.subject for each in invariants.audit(session)] == [member.public_id]


@dataclass
class Life:
    """What a member has done at two shops, and what can still be taken back."""

    shops: Sequence[Shop]
    member: KnownMember
    sales: list[tuple[int, str]] = field(default_factory=list)
    waiting: list[tuple[int, str, int]] = field(default_factory=list)

    def sell(self, session: Session, at: int, fen: int, burn: int) -> None:
        points = min(burn, fen, max(points_of(session, self.member), 0))
        sale = self.shops[at].sell(session, self.member, fen, burn=points)
        self.sales.append((at, sale.public_id))

    def place(self, session: Session, at: int, fen: int, burn: int) -> None:
        points = min(burn, fen, max(points_of(session, self.member), 0))
        basket = self.shops[at].basket(session, self.member, fen, burn=points)
        self.waiting.append((at, orders.place(session, basket).public_id, fen - points))

    def pay(self, session: Session) -> None:
        if self.waiting:
            at, order, due = self.waiting.pop(0)
            payments.pay(session, order=order, tenders=[Tender(name="cash", fen=due)])
            self.sales.append((at, order))

    def refund(self, session: Session, number: int, fen: int | None) -> None:
        at, order = self.sales[number % len(self.sales)]
        part = RefundWhole() if fen is None else RefundAmount(fen=fen)
        try:
            self.shops[at].refund(session, order, part)
        except RefundExceedsRemaining:
            return


AMOUNT = st.integers(1, 400)
#: Few sizes, and points worth about as much as they are earned: most refunds find too few.
SIZE = st.sampled_from([100, 3_000, 10_000, 12_345])
BURN = st.sampled_from([0, 30, 100, 10_000])
SALES = st.lists(st.tuples(st.integers(0, 1), SIZE, BURN), min_size=1, max_size=5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(0, 1), SIZE, BURN),
        st.tuples(st.just("place"), st.integers(0, 1), SIZE, BURN),
        st.tuples(st.just("pay")),
        st.tuples(st.just("refund"), st.integers(0, 9), st.one_of(st.none(), AMOUNT)),
    ),
    max_size=10,
)
slow = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@slow
@given(start=SALES, steps=STEPS, data=st.data())
def test_whoever_brings_everything_back_has_nothing_and_nobody_bears_anything(
    session: Session, start: list[tuple[int, int, int]], steps: list[tuple[object, ...]],
    data: DataObject,
) -> None:  # fmt: skip
    """Differentiator 2: sales, holds and slices of refunds in any order, then all of it undone."""
    life = Life([open_shop(session), open_shop(session)], make_member(session))
    for sale in start:
        life.sell(session, *sale)
    for name, *arguments in steps:
        getattr(life, str(name))(session, *arguments)

    for _, order, _ in life.waiting:
        orders.cancel(session, order=order)
    for number in data.draw(st.permutations(range(len(life.sales)))):
        life.refund(session, number, None)

    assert points_of(session, life.member) == 0
    assert borne(session, life.member) == 0
    for shop in life.shops:
        assert posted(session, shop.merchant.issued_account_id) == 0
        assert posted(session, shop.merchant.redeemed_account_id) == 0


@slow
@given(start=SALES, data=st.data())
def test_the_order_of_refunds_changes_nothing(
    session: Session, start: list[tuple[int, int, int]], data: DataObject
) -> None:
    """The same sales brought back in two orders leave the same points, and the same to bear."""
    shops = [open_shop(session), open_shop(session)]
    lives = [Life(shops, make_member(session)) for _ in range(2)]
    for life in lives:
        for sale in start:
            life.sell(session, *sale)
    chosen = data.draw(st.lists(st.sampled_from(range(len(start))), unique=True))

    for life in lives:
        for number in data.draw(st.permutations(chosen)):
            life.refund(session, number, None)

    left = [(points_of(session, life.member), borne(session, life.member)) for life in lives]
    assert left[0] == left[1]
    assert min(left[0]) == 0
