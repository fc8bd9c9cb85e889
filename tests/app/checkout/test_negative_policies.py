"""Refuse, write off or owe: whatever is sold, held and brought back, nobody gains (L3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from sqlalchemy.orm import Session

from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.checkout.errors import RefundExceedsRemaining
from app.checkout.returns import RefundAmount, RefundWhole
from app.members.identification import KnownMember
from app.points.errors import InsufficientPoints
from app.points.policy import NegativePolicy
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    borne,
    open_shop,
    points_of,
    posted,
    set_policy,
)
from tests.factories import make_member


@pytest.fixture
def policy(session: Session, request: pytest.FixtureRequest) -> NegativePolicy:
    """The district's policy from now on."""
    chosen = NegativePolicy(request.param)
    set_policy(session, chosen)
    return chosen


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

    def refund(self, session: Session, number: int, fen: int | None) -> bool:
        """Return whether the policy let it through."""
        at, order = self.sales[number % len(self.sales)]
        part = RefundWhole() if fen is None else RefundAmount(fen=fen)
        try:
            self.shops[at].refund(session, order, part)
        except RefundExceedsRemaining:
            return True
        except InsufficientPoints:
            return False
        return True


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
slow = settings(max_examples=30)


@pytest.mark.parametrize("policy", list(NegativePolicy), indirect=True)
@slow
@given(start=SALES, steps=STEPS, data=st.data())
def test_whoever_brings_everything_back_has_nothing_and_nobody_bears_anything(
    session: Session,
    policy: NegativePolicy,
    start: list[tuple[int, int, int]],
    steps: list[tuple[object, ...]],
    data: DataObject,
) -> None:
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
    for number in reversed(range(len(life.sales))):  # What was refused while a later burn stood.
        life.refund(session, number, None)

    assert points_of(session, life.member) == 0
    assert borne(session, life.member) == 0
    for shop in life.shops:
        assert posted(session, shop.merchant.issued_account_id) == 0
        assert posted(session, shop.merchant.redeemed_account_id) == 0


@pytest.mark.parametrize("policy", [NegativePolicy.DEBT, NegativePolicy.WRITE_OFF], indirect=True)
@slow
@given(start=SALES, data=st.data())
def test_the_order_of_refunds_changes_nothing(
    session: Session,
    policy: NegativePolicy,
    start: list[tuple[int, int, int]],
    data: DataObject,
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
    assert policy is NegativePolicy.DEBT or min(left[0]) == 0


@pytest.mark.parametrize("policy", [NegativePolicy.REFUSE], indirect=True)
@slow
@given(start=SALES, steps=STEPS)
def test_a_refund_that_is_refused_moves_nothing_and_nothing_is_owed_or_borne(
    session: Session,
    policy: NegativePolicy,
    start: list[tuple[int, int, int]],
    steps: list[tuple[object, ...]],
) -> None:
    life = Life([open_shop(session), open_shop(session)], make_member(session))
    for sale in start:
        life.sell(session, *sale)

    for name, *arguments in steps:
        before = books_digest(session, life.member)
        if getattr(life, str(name))(session, *arguments) is False:
            assert books_digest(session, life.member) == before
        assert points_of(session, life.member) >= 0
        assert not [name for name, points in books_digest(session, life.member) if points < 0]

    assert borne(session, life.member) == 0
