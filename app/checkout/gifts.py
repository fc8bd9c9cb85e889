"""What a paid order gives its member: coupons of pay-gifts, once, in the transaction of the sale.

An order that none of them suits costs nothing: they are remembered. Where the coupons have run out
the sale goes on, and the order says why it gave none. A whole refund takes back what is not used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.campaigns import pay_gifts
from app.campaigns.pay_gifts import ListedPayGift
from app.checkout.models import OrderKind
from app.checkout.pricing import Priced
from app.checkout.settling import Settled
from config.database import now_of
from coupons import batches, conditions, issuing
from coupons.conditions import Item, Shopper
from coupons.errors import NotYet, Over, SoldOut
from coupons.issuing import Verdict

#: Why a gift was not to be had, for people.
REASONS: Mapping[str, tuple[str, str]] = {
    "sold-out": ("已送完", "there is no more"),
    "claim-limit": ("已达领取上限", "nobody may have more"),
    "over": ("已结束", "it is over"),
    "not-yet": ("尚未开始", "it has not begun"),
}


@dataclass(frozen=True, kw_only=True)
class Gift:
    """A coupon that an order gave; without one `why` says what was in the way."""

    batch: str
    zh: str
    en: str
    coupon: str | None
    why: str | None


def give(session: Session, priced: Priced, settled: Settled, *, order: str) -> list[Gift]:
    """Give the member of a paid order (public id) what its payment brings; it is written already.

    No SQL where nothing does; else two round trips a gift. Exactly what the batches' limits allow.
    Once for each order and gift: the caller comes here once, and a key guards it.
    """
    basket, running = priced.basket, pay_gifts.list_gifts(session)
    if basket.member is None or basket.kind == OrderKind.BURN:
        return []
    given = []
    for gift in running:
        if gift.runs_at(basket.occurred_at) and _suits(gift, priced, settled):
            given.append(_give(session, gift, basket.member.public_id, order))
    return given


def of_order(session: Session, order_id: int) -> list[Gift]:
    """Return what an order gave, by the key of its row."""
    return load(session, session.scalar(_OF_ORDER, {"order": order_id}))


def load(session: Session, stored: Sequence[Any] | None) -> list[Gift]:
    """Return the gifts that `COLUMN` reads of an order: batch, coupon and why of each."""
    return [_told(session, batch, coupon, why) for batch, coupon, why in stored or []]


def _suits(gift: ListedPayGift, priced: Priced, settled: Settled) -> bool:
    sale = conditions.Basket(
        items=tuple(_items(priced, settled)),
        shopper=Shopper(tier=priced.basket.member.tier if priced.basket.member else None),
        at=priced.basket.occurred_at,
        tenders=frozenset(settled.money_fen),
    )
    return bool(sale.items) and not conditions.unmet(gift.conditions, sale)


def _items(priced: Priced, settled: Settled) -> Iterator[Item]:
    """Return the lines at what was paid for them in money, after coupons and points."""
    for sold, line, merchant, paid in zip(
        priced.lines, priced.basket.lines, priced.merchants, settled.shared.paid_fen(), strict=True
    ):
        fen = sum(paid.values())
        if fen:
            yield Item(
                number=sold.number,
                merchant=merchant.code,
                store=priced.basket.terminal.store.code,
                trade=merchant.trade,
                category=line.category,
                sku=line.sku,
                quantity=sold.quantity,
                amount_fen=fen,
            )


def _give(session: Session, gift: ListedPayGift, holder: str, order: str) -> Gift:
    coupon, why = None, None
    try:
        (given,) = issuing.grant(
            session, batch=gift.batch, holders=[holder], key=f"pay:{gift.code}:{order}"
        )
    except SoldOut:
        why = "sold-out"
    except Over:
        why = "over"
    except NotYet:
        why = "not-yet"
    else:
        coupon = given.coupon
        why = "claim-limit" if given.verdict is Verdict.CLAIM_LIMIT else None
    session.execute(
        _WRITE,
        {"order": order, "gift": gift.id, "coupon": coupon, "why": why, "now": now_of(session)},
    )
    return _told(session, gift.batch, coupon, why)


def _told(session: Session, batch: str, coupon: str | None, why: str | None) -> Gift:
    template = batches.get_batch(session, batch).template
    return Gift(batch=batch, zh=template.title_zh, en=template.title_en, coupon=coupon, why=why)


#: What a row of "order" gave, for `load`.
COLUMN: LiteralString = """(
    SELECT json_agg(json_build_array(b.code, c.public_id, g.why) ORDER BY g.pay_gift_id DESC)
    FROM order_gift g JOIN pay_gift p ON p.id = g.pay_gift_id
    JOIN coupon_batch b ON b.id = p.batch_id LEFT JOIN coupon c ON c.id = g.coupon_id
    WHERE g.order_id = "order".id)"""
_OF_ORDER = text(f'SELECT {COLUMN} FROM "order" WHERE id = :order')  # noqa: S608
_WRITE = text(
    """
    INSERT INTO order_gift (order_id, pay_gift_id, coupon_id, why, at)
    SELECT o.id, :gift, (SELECT c.id FROM coupon c WHERE c.public_id = :coupon), :why, :now
    FROM "order" o WHERE o.public_id = :order
    """
)
