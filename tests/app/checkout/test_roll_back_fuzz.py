"""Random orders whose coupons are rolled back between refunds: the order of the steps is nothing.

`PLAZA_TEST_ORDERS=10000` draws as many orders as issue and release ask for; 50 by default.
"""

import random
from contextlib import suppress
from dataclasses import dataclass

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.checkout import discounts, invariants, roll_backs
from app.checkout.baskets import Basket, Tender
from app.checkout.errors import CouponNotUsable, RefundExceedsRemaining
from app.checkout.models import Order, OrderLine, OrderRollBack
from app.checkout.orders import get_locked
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.checkout.roll_backs import RollBackRequest
from config.database import now_of
from coupons import invariants as coupon_invariants
from coupons.errors import RollBackExceeds
from tests.app.checkout.test_refund_fuzz import (
    ORDERS,
    SEED,
    Mall,
    draw_lines,
    left_behind,
    open_mall,
    refund,
    sell,
)
from tests.factories import make_member, unique


@dataclass(frozen=True, kw_only=True)
class Step:
    """A refund, or (`coupon` names the n-th of the order) a roll back."""

    request: Request
    coupon: int | None = None


def draw_steps(lines: int, dice: random.Random) -> list[Step]:
    """Return some steps; refunds by units, whose place on a tape no roll back moves."""
    steps = []
    for _ in range(dice.randint(1, 8)):
        line = dice.randint(1, lines)
        units = RefundQuantity(line=line, quantity=dice.randint(1, 2))
        if dice.random() < 0.4:
            steps.append(Step(request=dice.choice((units, RefundWhole(line=line)))))
            continue
        amount = RefundAmount(fen=dice.randint(1, 400), line=dice.choice((None, line)))
        step = dice.choice((units, RefundWhole(line=line), RefundWhole(), amount))
        steps.append(Step(request=step, coupon=dice.randint(0, 3)))
    return steps


def coupons_of(session: Session, order: str) -> list[str]:
    row = session.scalars(select(Order).where(Order.public_id == order)).one()
    return [use.coupon for use in discounts.load(row.coupons).uses]


def roll_back(session: Session, mall: Mall, order: str, coupon: str, request: Request) -> None:
    """Roll a coupon back for cash."""
    planned = roll_backs.plan(session, get_locked(session, order), coupon=coupon, parts=[request])
    roll_backs.give(
        session,
        RollBackRequest(
            order=order, coupon=coupon, terminal=mall.here.till, number=unique("K"),
            occurred_at=now_of(session), parts=[request],
            tenders=[Tender(name="cash", fen=planned.fen)],
        ),
    )  # fmt: skip


def play(session: Session, mall: Mall, order: str, steps: list[Step]) -> list[Step]:
    """Do what of the steps is possible; return it."""
    coupons = coupons_of(session, order)
    done = []
    for step in steps:
        with suppress(RefundExceedsRemaining, RollBackExceeds, CouponNotUsable):
            if step.coupon is None:
                refund(session, mall, order, [step.request])
            elif coupons:
                coupon = coupons[step.coupon % len(coupons)]
                roll_back(session, mall, order, coupon, step.request)
            else:
                continue
            done.append(step)
    return done


def same_roll_backs(session: Session, order: str) -> list[Step]:
    """Return an order's roll backs as amounts of lines, those of one coupon as they were."""
    coupons = coupons_of(session, order)
    rows = session.scalars(
        select(OrderRollBack)
        .join(Order, Order.id == OrderRollBack.order_id)
        .where(Order.public_id == order)
        .order_by(OrderRollBack.id)
    )
    return [
        Step(request=RefundAmount(fen=fen, line=line), coupon=coupons.index(row.coupon))
        for row in rows
        for line, _, fen in row.parts
    ]


def same_refunds(session: Session, order: str) -> list[Step]:
    """Return what went back of an order as one refund a line."""
    rows = session.execute(
        select(OrderLine.number, OrderLine.refunded_quantity)
        .join(Order, Order.id == OrderLine.order_id)
        .where(Order.public_id == order, OrderLine.refunded_quantity > 0)
    )
    return [
        Step(request=RefundQuantity(line=row.number, quantity=row.refunded_quantity))
        for row in rows
    ]


def money_of(session: Session, order: str) -> dict[str, int]:
    """Return what the order has taken less what it gave, by tender, roll backs included."""
    rows = session.execute(_MONEY, {"order": order})
    return {row.name: row.fen for row in rows if row.fen}


@pytest.fixture
def mall(session: Session) -> Mall:
    return open_mall(session)


def test_roll_backs_between_refunds_end_where_they_would_before_all_of_them(
    session: Session, mall: Mall
) -> None:
    """C14, C15, L7; semantics 2, 3, 6, 7: money, funders, points, budgets and coupons."""
    compared = 0
    for number in range(ORDERS):
        nested = session.begin_nested()
        said = f"{SEED}:rolls:{number}"
        dice = random.Random(said)
        lines = draw_lines(mall, dice)
        basket = Basket(
            terminal=mall.here.till, number="-", occurred_at=now_of(session), lines=lines
        )
        one, other = make_member(session), make_member(session)
        first, second = (sell(session, mall, each, basket, said) for each in (one, other))

        play(session, mall, first, draw_steps(len(lines), dice))
        rolls, refunds = same_roll_backs(session, first), same_refunds(session, first)
        dice.shuffle(refunds)
        again = play(session, mall, second, [*rolls, *refunds])

        # Before all refunds another coupon may stand in the way that does not afterwards.
        if len(again) == len(rolls) + len(refunds):
            compared += bool(rolls)
            ends = left_behind(session, one, first), left_behind(session, other, second)
            assert ends[0] == ends[1], said
            assert money_of(session, first) == money_of(session, second), said
        if number % 50 == 0:
            assert invariants.audit(session) == []
            assert coupon_invariants.audit(session) == []
        nested.rollback()
    assert compared > ORDERS // 4


_MONEY = text(
    """
    WITH mine AS (
        SELECT o.id FROM "order" o WHERE o.public_id = :order
        UNION ALL SELECT k.paid_by_id FROM order_roll_back k
        JOIN "order" o ON o.id = k.order_id WHERE o.public_id = :order
    ), moved AS (
        SELECT t.name, t.fen::bigint AS fen
        FROM "order" o JOIN mine USING (id), jsonb_each_text(o.money) AS t (name, fen)
        UNION ALL SELECT t.name, -t.fen::bigint
        FROM refund f JOIN mine ON mine.id = f.order_id, jsonb_each_text(f.money) AS t (name, fen)
    )
    SELECT name, sum(fen) AS fen FROM moved GROUP BY name
    """
)
