"""Late claims: an order that was paid by nobody known gets its member afterwards (E8, decision 14).

He names the store, the till's number, the day and the amount, as the receipt says them. The order
earns then by the rules of its own time, once and for ever, and its refunds take back as usual.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import ForeignKey, Identity, Index, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit, outbox
from app.checkout import gifts, orders, payments
from app.checkout.baskets import Tender
from app.checkout.discounts import NO_COUPONS
from app.checkout.models import Order, OrderKind, OrderState
from app.checkout.payments import basket_of, priced_again
from app.checkout.pricing import Priced
from app.checkout.settling import Settled, settle
from app.checkout.slices import load
from app.clock import business_date
from app.errors import TooOften
from app.members import memberships, standing
from app.members.identification import KnownMember, same_person
from app.members.models import Source
from app.merchants.directory import get_directory
from app.outbox import News
from app.points.rewards import REWARDS, Rewards
from config.database import Base, district_of, now_of

_A_DAY = timedelta(days=1)


class Claim(Base):
    """An order that a member claimed; without an order, a try that named none. `by` is staff."""

    __tablename__ = "claim"
    __table_args__ = (UniqueConstraint("order_id"), Index(None, "member_id", "at"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    by: Mapped[str | None]
    at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a receipt says of an order: the store's code, the till's number, the day, the sum."""

    store: str
    number: str
    day: date
    amount_fen: int


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """An order that is a member's now, and the points that it gave."""

    order: str
    occurred_at: datetime
    total_fen: int
    earned_points: int


def claim(
    session: Session,
    member: KnownMember,
    receipt: Receipt,
    *,
    by: str | None = None,
    reason: str = "",
) -> Claimed | None:
    """Make a paid order of nobody known the member's; None: the receipt names no such order.

    Whether it is unknown, somebody's already, too old or has been refunded in part, nobody is told.
    A member's miss is written, for the caller to commit, and counts for a day; with `by` a staff
    member asks, who is audited instead. Locks the order, then the wallet. The same claim again
    returns the first.

    Raises:
        TooOften: the member has missed too often within a day.
        MemberNotActive: frozen, parked or closed.
        Frozen, NoTermsInForce: the store cannot sell now, or could not then.
    """
    rewards = REWARDS.at(session, now_of(session))
    if by is None:
        _require_patience(session, member, rewards)
    order = _find(session, receipt, rewards)
    if order is not None and order.member_id is not None:
        known = _find_known(session, member, order)
        if known is not None:
            return known
        order = None
    if order is None or order.refunds:
        session.add(Claim(member_id=member.id, order_id=None, by=by, at=now_of(session)))
        session.flush()
        return None
    claimed = _settle(session, member, order)
    session.add(Claim(member_id=member.id, order_id=order.id, by=by, at=now_of(session)))
    if by is not None:
        audit.record(
            session,
            actor=by,
            action="order.claim",
            object=order.public_id,
            after={"member": member.public_id, "points": claimed.earned_points},
            reason=reason,
        )
    session.flush()
    return claimed


def _require_patience(session: Session, member: KnownMember, rewards: Rewards) -> None:
    """Refuse who has missed too often; of many tries at once each waits for the one before."""
    name = f"claim:{district_of(session).id}:{member.id}"
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name}
    )
    now, most = now_of(session), rewards.claim_tries_a_day
    missed = session.scalars(
        select(Claim.at)
        .where(Claim.member_id.in_(same_person(member.id)), Claim.by.is_(None))
        .where(Claim.order_id.is_(None), Claim.at > now - _A_DAY)
        .order_by(Claim.at.desc())
        .limit(most)
    ).all()
    if len(missed) == most:
        raise TooOften(seconds=max(round((missed[-1] + _A_DAY - now).total_seconds()), 1))


def _find(session: Session, receipt: Receipt, rewards: Rewards) -> Order | None:
    """Return the one paid order that a receipt names, under lock, if it is not too old."""
    store = get_directory(session).stores_by_code.get(receipt.store)
    today = business_date(now_of(session))
    if store is None or not 0 <= (today - receipt.day).days <= rewards.claim_days:
        return None
    found = session.scalars(
        select(Order.public_id)
        .where(Order.store_id == store.id, Order.business_date == receipt.day)
        .where(Order.number == receipt.number, Order.total_fen == receipt.amount_fen)
        .where(Order.kind == OrderKind.SALE, Order.state == OrderState.PAID)
        .limit(2)
    ).all()
    return orders.get_locked(session, found[0]) if len(found) == 1 else None


def _find_known(session: Session, member: KnownMember, order: Order) -> Claimed | None:
    """Return an order that the same person has claimed before."""
    own = session.scalar(
        select(Claim.id).where(
            Claim.order_id == order.id, Claim.member_id.in_(same_person(member.id))
        )
    )
    return None if own is None else _claimed(order, order.earned_points)


def _settle(session: Session, member: KnownMember, order: Order) -> Claimed:
    """Let an order earn as it would have with its member, at its own time and in his tier then."""
    then = replace(member, tier=standing.tier_at(session, member, order.occurred_at))
    basket = replace(basket_of(session, order), member=then)
    wallet = orders.lock_wallet(session, basket)
    if wallet is not None:
        wallet.member.require_active()
    priced = priced_again(session, order, basket, wallet)
    settled = settle(session, priced, wallet, _tenders(order), order=order.public_id)
    new_merchants, risen = payments.mark_paid(session, order, settled, priced)
    given = gifts.give(session, priced, settled, order=order.public_id)
    told = orders.coupons_news(replace(priced, stack=NO_COUPONS), given, order=order.public_id)
    _announce(session, priced, settled, order, new_merchants=new_merchants, risen=[*risen, *told])
    return _claimed(order, settled.earned_points)


def _tenders(order: Order) -> list[Tender]:
    """Return what paid an order, in the order in which it was shared."""
    money = order.money or {}
    return [Tender(name=name, fen=money.get(name, 0)) for name in load(order.slices or []).tenders]


def _announce(
    session: Session,
    priced: Priced,
    settled: Settled,
    order: Order,
    *,
    new_merchants: Sequence[int],
    risen: Sequence[News],
) -> None:
    member, joined = priced.basket.member, list[News]()
    if member is None:
        raise ValueError("a claim is a member's")
    if new_merchants:
        merchants = [priced.directory.merchants[each] for each in new_merchants]
        joined += memberships.join(
            session, member=member, merchants=merchants, source=Source.PAYMENT
        )
    told = {
        "order": order.public_id,
        "member": member.public_id,
        "earned_points": settled.earned_points,
        "sold_to_self": priced.sold_to_self,
    }
    news = News(topic="order.claimed", aggregate=order.public_id, payload=told)
    outbox.add_many(session, [*joined, news, *risen])


def _claimed(order: Order, points: int) -> Claimed:
    return Claimed(
        order=order.public_id,
        occurred_at=order.occurred_at,
        total_fen=order.total_fen,
        earned_points=points,
    )
