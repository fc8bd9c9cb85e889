"""Random orders with coupons, points and two merchants: any way of refunds ends where one would.

`PLAZA_TEST_ORDERS=10000` draws as many orders as issue and release ask for; 50 by default. Each
fifty are a test of their own, so that `-n auto` shares them out and no transaction grows long.
"""

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import invariants, orders, refunds
from app.checkout.baskets import ALL_POINTS, BEST, Basket, BasketLine, Tender
from app.checkout.errors import RefundExceedsRemaining
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.lab.paying import due_fen
from app.members.identification import KnownMember
from config.database import now_of
from coupons import batches, issuing, templates, wallets
from coupons import invariants as coupon_invariants
from coupons.benefits import AmountOff
from coupons.wallets import Standing
from tests.app.checkout.shops import Shop, books_digest, open_shop
from tests.factories import make_member, make_terms, unique

ORDERS = int(os.environ.get("PLAZA_TEST_ORDERS", "50"))
FIFTY = 50
SEED = 20_261_128
GOODS = ("S0", "S1", "S2", "S3")


@dataclass(frozen=True, kw_only=True)
class Mall:
    """Two merchants that sell in one order, and the batches of coupons that may be used there."""

    here: Shop
    there: Shop
    batches: Sequence[str]


def open_mall(session: Session) -> Mall:
    """Open two shops, and every kind of benefit, funding and return that an order can meet."""
    here, there = open_shop(session), open_shop(session, terms=make_terms(cost="1/2"))
    split = {
        "parts": [
            {"funder": "district", "share_bps": 3_333},
            {"funder": "merchant", "name": here.merchant.code, "share_bps": 3_334},
            {"funder": "brand", "name": "acme", "share_bps": 3_333},
        ]
    }
    theirs = {"parts": [{"funder": "merchant", "name": there.merchant.code, "share_bps": 10_000}]}
    offers: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (_amount(501, least=1_000, place=1), {"returns": {"policy": "proportional"}}),
        (_amount(333), {"funding": split, "returns": {"policy": "never"}}),
        (_amount(777, least=1_500), {"funding": theirs}),
        (_benefit(kind="percent_off", off_bps=1_250, ceiling_fen=900), {"funding": split}),
        (_benefit(kind="percent_off", off_bps=3_000, skus=["S1", "S2"]), {}),
        (_benefit(kind="fixed_price", pay_fen=99, skus=["S3"]), {"funding": theirs}),
        (_amount(20_000), {}),  # More than most orders cost: nothing may be left to pay.
    ]
    return Mall(
        here=here,
        there=there,
        # Each lasts a day longer: equal ones are told apart by that, and not by their random ids.
        batches=[
            _open(session, offer, {"validity": {"days": days}, **terms})
            for days, (offer, terms) in enumerate(offers, 30)
        ],
    )


def _amount(fen: int, *, least: int = 0, place: int = 10) -> dict[str, Any]:
    offer = _benefit(kind="amount_off", fen=fen)
    offer["stacking"] = {"place": place}
    return {**offer, "threshold": {"min_fen": least}} if least else offer


def _benefit(*, skus: Sequence[str] = (), **benefit: Any) -> dict[str, Any]:
    return {"benefit": benefit, **({"scope": {"include": {"skus": list(skus)}}} if skus else {})}


def _open(session: Session, offer: dict[str, Any], terms: dict[str, Any]) -> str:
    code, now = unique("T"), now_of(session)
    document = {
        "code": code,
        "title_zh": "测试券",
        "title_en": "test coupon",
        "offer": offer,
        "terms": {
            "validity": {"days": 30},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
            **terms,
        },
    }
    batches.add_template(session, templates.load(document), by="system:test")
    return batches.open_batch(
        session, code=code, template=code, starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=30), by="system:test",
    ).code  # fmt: skip


def draw_lines(mall: Mall, dice: random.Random) -> list[BasketLine]:
    """Return one to four lines of both merchants, some free, some of several units."""
    return [
        BasketLine(
            sku=dice.choice(GOODS),
            name="商品",
            category="food",
            amount_fen=dice.choice((0, dice.randint(1, 99), dice.randint(100, 9_000))),
            quantity=dice.randint(1, 3),
            merchant=dice.choice((None, mall.there.merchant.code)),
        )
        for _ in range(dice.randint(1, 4))
    ]


def draw_moves(lines: Sequence[BasketLine], dice: random.Random) -> list[Request]:
    """Return some refunds, of units, of amounts and of what is left, that may ask too much."""
    moves: list[Request] = []
    for _ in range(dice.randint(1, 6)):
        line = dice.randint(1, len(lines))
        amount = dice.randint(1, max(lines[line - 1].amount_fen, 1))
        moves.append(
            dice.choice(
                (
                    RefundQuantity(line=line, quantity=dice.randint(1, 2)),
                    RefundAmount(fen=amount, line=line),
                    RefundAmount(fen=dice.randint(1, amount)),
                    RefundWhole(line=line),
                )
            )
        )
    return moves


def sell(session: Session, mall: Mall, member: KnownMember, basket: Basket, said: str) -> str:
    """Give the member points of both merchants and coupons, and sell with the best of them."""
    dice = random.Random(said)
    for shop in (mall.here, mall.there):
        shop.sell(session, member, dice.randint(0, 300) * 100)
    for batch in dice.sample(mall.batches, dice.randint(1, 4)):
        issuing.claim(session, batch=batch, holder=member.public_id)
    wish = replace(
        basket,
        member=member,
        number=unique("N"),
        coupons=BEST,
        burn_points=ALL_POINTS if dice.random() < 0.6 else 0,
    )
    due = due_fen(session, wish)
    cash = dice.randint(0, due)
    tenders = [Tender(name="cash", fen=cash), Tender(name="wechat", fen=due - cash)]
    return orders.sell(session, wish, [each for each in tenders if each.fen]).public_id


def refund(session: Session, mall: Mall, order: str, parts: Sequence[Request]) -> int:
    """Give parts of an order back through the door that every till uses; return its fen."""
    given = refunds.give(
        session,
        RefundRequest(
            order=order, terminal=mall.here.till, number=unique("R"),
            occurred_at=now_of(session), parts=parts,
        ),
    )  # fmt: skip
    return given.fen


def left_behind(session: Session, member: KnownMember, order: str) -> dict[str, object]:
    """Return all that an order has left: wallet, parties, funders, coupons, budgets."""
    parties = session.execute(_PARTIES, {"order": order})
    given = session.execute(_COUPONS, {"order": order})
    return {
        "wallet": books_digest(session, member),
        "parties": {row.name: row.amount for row in parties if row.amount},
        "coupons": {row.batch: tuple(row)[1:] for row in given},
        "worth": _worth(session, member),
        "order": tuple(session.execute(_REFUNDED, {"order": order}).one()),
    }


def _worth(session: Session, member: KnownMember) -> dict[str, int]:
    """Return what the member may still use by batch: fen, or the number of coupons.

    A coupon that is given back in parts returns as several smaller ones of the same worth.
    """
    worth: dict[str, int] = {}
    for held in wallets.wallet(session, holders=[member.public_id]):
        if held.standing is Standing.USABLE:
            benefit = held.offer.benefit
            fen = benefit.fen if isinstance(benefit, AmountOff) else 1
            worth[held.batch] = worth.get(held.batch, 0) + fen
    return worth


@pytest.fixture
def mall(session: Session) -> Mall:
    return open_mall(session)


def differences(session: Session, mall: Mall, number: int) -> tuple[set[str], bool]:
    """Sell one drawn order twice, refund it in steps and at once; return in what the ends differ.

    And whether it had coupons. The district is as before in the end.
    """
    nested = session.begin_nested()
    said = f"{SEED}:{number}"
    dice = random.Random(said)
    lines = draw_lines(mall, dice)
    basket = Basket(terminal=mall.here.till, number="-", occurred_at=now_of(session), lines=lines)
    sliced, at_once = make_member(session), make_member(session)
    first, second = (sell(session, mall, each, basket, said) for each in (sliced, at_once))
    assert left_behind(session, sliced, first) == left_behind(session, at_once, second), said

    done: list[Request] = []
    for move in draw_moves(lines, dice) + [RefundWhole()] * dice.randint(0, 1):
        with suppress(RefundExceedsRemaining):
            refund(session, mall, first, [move])
            done.append(move)
    if done:
        refund(session, mall, second, done)

    ends = left_behind(session, sliced, first), left_behind(session, at_once, second)
    if number % FIFTY == 0:
        assert invariants.audit(session) == []
        assert coupon_invariants.audit(session) == []
    nested.rollback()
    return {name for name in ends[0] if ends[0][name] != ends[1][name]}, bool(ends[0]["coupons"])


@pytest.mark.parametrize("first", range(0, ORDERS, FIFTY))
def test_any_refunds_of_an_order_with_coupons_and_points_end_where_one_refund_would(
    session: Session, mall: Mall, first: int
) -> None:
    """Differentiator 2; C14, C15, L7; semantics 2, 3, 6: books, coupons, funding and budgets."""
    with_coupons = 0
    for number in range(first, first + FIFTY):
        differ, coupons = differences(session, mall, number)
        assert not differ, number
        with_coupons += coupons
    assert with_coupons > FIFTY // 2


_PARTIES = text(
    """
    SELECT a.name, sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END) AS amount
    FROM journal j JOIN transfer t ON t.journal_id = j.id
    JOIN account a ON a.id IN (t.debit_id, t.credit_id)
    WHERE a.wallet_id IS NULL AND j.details ->> 'order' = :order
    GROUP BY a.name
    """
)
_COUPONS = text(
    """
    SELECT b.code AS batch, r.discount_fen, r.order_fen, sum(coalesce(k.fen, 0)) AS fen,
        sum(coalesce(k.order_fen, 0)) AS goods_fen
    FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
    JOIN coupon_batch b ON b.id = c.batch_id
    LEFT JOIN coupon_roll_back k ON k.redemption_id = r.id
    WHERE r.order_ref = :order
    GROUP BY b.code, r.discount_fen, r.order_fen
    """
)
_REFUNDED = text(
    """
    SELECT sum(f.fen) AS fen, sum(f.discount_fen) AS discount_fen,
        sum(f.clawed_points) AS clawed
    FROM "order" o LEFT JOIN refund f ON f.order_id = o.id WHERE o.public_id = :order
    """
)
