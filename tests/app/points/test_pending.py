"""Pending points: after days, on a day or at an event; a refund before then cancels them (E3)."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

import ledger
from app.api.pos.receipts import receipt
from app.checkout.returns import RefundAmount
from app.clock import business_date
from app.errors import Invalid
from app.members.identification import KnownMember
from app.outbox import Message
from app.points import rules, statements
from app.points.activation import activate
from app.points.definitions import Conditions, Definition, Kind, Pending
from app.points.rules import Names
from config.database import now_of
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    open_shop,
    points_of,
    posted,
)
from tests.factories import make_member, unique

COLLECTED = "order.collected"


@pytest.fixture
def shop(session: Session) -> Shop:
    """A point a yuan at once."""
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def add_bonus(session: Session, shop: Shop, pending: Pending, *, rate: str = "2/100") -> None:
    """Two points a yuan more, which wait."""
    request = rules.propose(
        session,
        code=unique("b"),
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(rate),
            conditions=Conditions(merchants=frozenset({shop.merchant.public_id})),
            pending=pending,
        ),
        by="mei",
        reason="test",
        names=Names(zh="待生效", en="pending"),
        effective_from=now_of(session) - timedelta(days=800),
    )
    rules.approve(session, request.public_id, by="li")


def at(session: Session, days: int) -> None:
    session.info["now"] = now_of(session) + timedelta(days=days)


def test_points_may_be_spent_from_the_day_on_without_any_job(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    add_bonus(session, shop, Pending(days=14))
    today = business_date(now_of(session))
    shop.sell(session, member, 10_000)

    balance = statements.balance(session, member)
    before = points_of(session, member)
    at(session, 13)
    day_before = points_of(session, member)
    at(session, 1)

    assert (balance.spendable_points, balance.pending_points) == (100, 200)
    assert [each.activates_on for each in balance.pending] == [today + timedelta(days=14)]
    assert (before, day_before, points_of(session, member)) == (100, 100, 300)
    assert statements.balance(session, member).pending == []
    assert statements.balance(session, member).spendable_points == 300


def test_pending_points_are_not_burned(session: Session, shop: Shop, member: KnownMember) -> None:
    add_bonus(session, shop, Pending(days=14))
    shop.sell(session, member, 10_000)

    with pytest.raises(Exception, match="100"):
        shop.sell(session, member, 20_000, burn=101)


def test_a_day_that_has_come_already_makes_nothing_wait(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    today = business_date(now_of(session))
    add_bonus(session, shop, Pending(on=today))
    shop.sell(session, member, 1_000)

    assert points_of(session, member) == 30


def test_points_wait_for_their_orders_event_and_become_active_once(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    add_bonus(session, shop, Pending(event=COLLECTED))
    first, second = [shop.sell(session, member, 10_000).public_id for _ in range(2)]

    before = points_of(session, member)
    moved = [
        activate(session, member=member, order=first, event=event)
        for event in ("order.reviewed", COLLECTED, COLLECTED)
    ]

    assert (before, moved, points_of(session, member)) == (200, [0, 200, 0], 400)
    (waiting,) = statements.balance(session, member).pending
    assert (waiting.order, waiting.event, waiting.points) == (second, COLLECTED, 200)
    told = session.scalars(select(Message.payload).where(Message.topic == "points.activated")).all()
    assert [news["points"] for news in told if news["member"] == member.public_id] == [200]
    assert sum(ledger.statements.trial_balance(session).values()) == 0


@pytest.mark.parametrize("pending", [Pending(days=14), Pending(event=COLLECTED)])
def test_a_refund_before_then_takes_what_is_pending_first(
    session: Session, shop: Shop, member: KnownMember, pending: Pending
) -> None:
    """Semantics 14: nothing touches the active balance while some of the order's is pending."""
    add_bonus(session, shop, pending)
    shop.sell(session, member, 10_000)
    sale = shop.sell(session, member, 10_000)

    half = shop.refund(session, sale.public_id, RefundAmount(fen=5_000))
    after_half = statements.balance(session, member)
    shop.refund(session, sale.public_id)
    after_all = statements.balance(session, member)

    assert half.clawed_points == 150
    assert (after_half.spendable_points, after_half.pending_points) == (200, 250)
    assert (after_all.spendable_points, after_all.pending_points) == (100, 200)


def test_a_refund_afterwards_takes_them_from_where_they_went(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    add_bonus(session, shop, Pending(event=COLLECTED))
    other = open_shop(session)
    give_points(session, other, member, 500)
    sale = shop.sell(session, member, 10_000)
    activate(session, member=member, order=sale.public_id, event=COLLECTED)

    refund = shop.refund(session, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (300, 0)
    assert [points for _, points in books_digest(session, member)] == [500]
    assert posted(session, shop.merchant.issued_account_id) == 0


def test_what_was_taken_back_does_not_become_active(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    add_bonus(session, shop, Pending(event=COLLECTED))
    sale = shop.sell(session, member, 10_000)
    shop.refund(session, sale.public_id, RefundAmount(fen=2_000))

    moved = activate(session, member=member, order=sale.public_id, event=COLLECTED)

    assert moved == 140
    assert points_of(session, member) == 240


def test_pending_points_pay_no_debt(session: Session, shop: Shop, member: KnownMember) -> None:
    other = open_shop(session)
    sale = other.sell(session, member, 10_000)
    other.sell(session, member, 100, burn=100)
    other.refund(session, sale.public_id)
    add_bonus(session, shop, Pending(days=14))

    shop.sell(session, member, 3_000)
    owed = points_of(session, member)
    at(session, 14)

    assert owed == -70
    assert points_of(session, member) == -10


def test_the_receipt_says_what_is_pending_and_until_when(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    add_bonus(session, shop, Pending(days=14))
    day = business_date(now_of(session)) + timedelta(days=14)
    shop.sell(session, member, 1_000)

    printed = receipt(session, member, earned=30, burned=0)

    assert f"待生效积分 20，{day} 起生效" in printed.zh
    assert f"Points pending 20, from {day}" in printed.en


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"days": 1, "event": "a.b"},
        {"days": 0},
        {"days": 367},
        {"event": "Not An Event"},
    ],
)
def test_a_rule_waits_for_one_thing_that_makes_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Pending.from_json(wrong)


def test_a_definition_without_it_keeps_its_hash_and_one_with_it_reads_back() -> None:
    plain = Definition(kind=Kind.BASE, rate=Fraction(1, 100))
    waiting = Definition(kind=Kind.BASE, rate=Fraction(1, 100), pending=Pending(days=7))

    assert "pending" not in plain.to_json()
    assert Definition.from_json(waiting.to_json()) == waiting
    assert waiting.digest() != plain.digest()
    with pytest.raises(Invalid):
        Definition(kind=Kind.MULTIPLIER, rate=Fraction(2), pending=Pending(days=7))


@settings(max_examples=25)
@given(
    sizes=st.lists(st.sampled_from([990, 3_000, 12_345]), min_size=1, max_size=3),
    parts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4_000)), max_size=6),
    told=st.integers(0, 6),
)
def test_whatever_is_brought_back_in_whatever_order_nothing_is_left(
    session: Session, sizes: list[int], parts: list[tuple[int, int]], told: int
) -> None:
    """Active, dated and awaiting points of several orders, refunds in slices, events in between."""
    shop, member = open_shop(session), make_member(session)
    add_bonus(session, shop, Pending(days=14))
    add_bonus(session, shop, Pending(event=COLLECTED), rate="1/150")
    sold = [shop.sell(session, member, fen) for fen in sizes]
    left = list(sizes)

    for step, (number, fen) in enumerate(parts):
        if step == told:
            activate(session, member=member, order=sold[0].public_id, event=COLLECTED)
        place = number % len(sold)
        part = min(fen, left[place])
        if part:
            shop.refund(session, sold[place].public_id, RefundAmount(fen=part))
            left[place] -= part
    for sale, rest in zip(sold, left, strict=True):
        if rest:
            shop.refund(session, sale.public_id)

    assert books_digest(session, member) == []
    assert posted(session, shop.merchant.issued_account_id) == 0
