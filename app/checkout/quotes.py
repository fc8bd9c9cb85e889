"""Quotes: what a basket would cost and earn, promised for some minutes (P2, E9).

A quote writes nothing but itself. An order that names it gets the rules of the quote's instant, and
its coupons.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.checkout import reasons
from app.checkout.baskets import BEST, Basket, Promise, Tender
from app.checkout.errors import CouponNotUsable, QuoteExpired
from app.checkout.models import Quote
from app.checkout.orders import lock_wallet
from app.checkout.pricing import Priced, allot, paid_order, price, with_all_points
from app.checkout.stacks import Chosen
from app.points import caps
from app.points.burning import Limit
from app.points.explaining import Preview, preview
from app.points.rulebook import Cut
from app.points.rules import get_rule_book
from config.database import new_id, now_of


@dataclass(frozen=True, kw_only=True)
class Quoted:
    """A quote as its till hears of it. `may_burn` is the most that the order could take."""

    public_id: str
    until: datetime
    total_fen: int
    discount_fen: int
    chosen: Chosen | None
    balance_points: int | None
    burn_points: int
    burn_fen: int
    limits: tuple[Limit, ...]
    may_burn_points: int
    may_burn_fen: int
    due_fen: int
    preview: Preview

    @property
    def earn_points(self) -> int:
        """Points that the order would earn if what is due is paid by the tender assumed."""
        return self.preview.earned.total_points


def quote(session: Session, basket: Basket, *, tender: str = "cash") -> Quoted:
    """Price a basket without side effects but the quote's own row.

    What would be earned assumes that all that is due is paid by one tender. Every rule that would
    not fire says why (E9).

    Raises:
        InsufficientPoints, Frozen, MemberNotActive, NotFound: as for a sale.
    """
    wallet = lock_wallet(session, basket)
    priced = price(session, basket, wallet)
    most = priced
    if wallet is not None:
        most = with_all_points(session, priced, wallet)
    found = preview(
        get_rule_book(session),
        paid_order(session, priced, allot(priced, [Tender(name=tender, fen=priced.due_fen)])),
        combine=priced.programme.combine,
    )
    if basket.member is not None:
        earned = caps.limited(
            session, found.earned, member_id=basket.member.id, day=basket.business_date
        )
        found = replace(found, earned=earned)
    now = now_of(session)
    quoted = Quoted(
        public_id=new_id("quo"),
        until=now + timedelta(minutes=priced.programme.quote_minutes),
        total_fen=basket.total_fen,
        discount_fen=priced.discount_fen,
        chosen=priced.chosen,
        balance_points=wallet.balance_points(basket.business_date) if wallet else None,
        burn_points=priced.burn.points,
        burn_fen=priced.burn.value_fen,
        limits=priced.burn.limits,
        may_burn_points=most.burn.points,
        may_burn_fen=most.burn.value_fen,
        due_fen=priced.due_fen,
        preview=found,
    )
    session.add(_row(priced, quoted, now))
    session.flush()
    return quoted


def redeem(session: Session, basket: Basket, *, quote: str) -> tuple[Basket, int]:
    """Return the basket at the quote's instant, and the quote's key, for an order that names it.

    It keeps the coupons of the quote: what else the member has got or lost since does not change
    the price (semantics 41).

    Raises:
        QuoteExpired: unknown, over, of another store, or for another basket.
        CouponNotUsable: one of the coupons that the basket names was left out of the quote.
    """
    row = session.scalar(select(Quote).where(Quote.public_id == quote))
    if (
        row is None
        or row.until <= now_of(session)
        or row.store_id != basket.terminal.store.id
        or row.fingerprint != basket.fingerprint()
    ):
        raise QuoteExpired(quote)
    fen = {each["coupon_id"]: each["fen"] for each in row.answer["coupons"]}
    best, left_out = tuple(basket.coupons) == BEST, row.answer["left_out"]
    if left_out and not best:
        raise CouponNotUsable([(each["coupon_id"], each["zh"], each["en"]) for each in left_out])
    promised = Promise(names=list(fen) if best else basket.coupons, fen=fen)
    return replace(basket, occurred_at=row.priced_at, promised=promised), row.id


def _row(priced: Priced, quoted: Quoted, now: datetime) -> Quote:
    basket = priced.basket
    return Quote(
        public_id=quoted.public_id,
        store_id=basket.terminal.store.id,
        member_id=basket.member.id if basket.member else None,
        fingerprint=basket.fingerprint(),
        priced_at=now,
        until=quoted.until,
        answer=answer(quoted),
    )


def answer(quoted: Quoted) -> dict[str, Any]:
    """Return a quote as JSON fields, with the reason of every cut and of every silent rule."""
    return {
        "quote": quoted.public_id,
        "until": quoted.until.isoformat(),
        "total_fen": quoted.total_fen,
        "discount_fen": quoted.discount_fen,
        **reasons.told(quoted.chosen),
        "balance_points": quoted.balance_points,
        "burn_points": quoted.burn_points,
        "burn_fen": quoted.burn_fen,
        "limits": [
            {"code": limit.code, "points": limit.points, "zh": limit.zh, "en": limit.en}
            for limit in quoted.limits
        ],
        "may_burn_points": quoted.may_burn_points,
        "may_burn_fen": quoted.may_burn_fen,
        "due_fen": quoted.due_fen,
        "earn_points": quoted.earn_points,
        "earned_by": [
            {"rule": each.rule.code, "version": each.rule.version, "points": each.points,
             "base_fen": each.base_fen, "factor": str(each.factor)}
            for each in quoted.preview.earned.rules
        ],
        "cuts": [_cut(each) for each in quoted.preview.earned.cuts],
        "silent": [
            {"rule": each.rule.code, "why": each.why.value, "zh": each.zh, "en": each.en}
            for each in quoted.preview.silent
        ],
    }  # fmt: skip


def _cut(cut: Cut) -> dict[str, Any]:
    zh, en = caps.why(cut)
    return {"rule": cut.rule.code, "version": cut.rule.version, "desired_points": cut.desired,
            "given_points": cut.given, "cap": str(cut.cap), "zh": zh, "en": en}  # fmt: skip
