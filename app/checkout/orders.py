"""Orders at the till: sold at once, or placed, extended, cancelled (P2, P3; semantics 12, 38)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, LiteralString

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.campaigns import coupon_news
from app.checkout import discounts, gifts, taps
from app.checkout.baskets import Basket, Tender
from app.checkout.drafts import Draft, Sale, write
from app.checkout.errors import BusinessKeyConflict, OrderNotExtendable, OrderNotRefundable
from app.checkout.gifts import Gift
from app.checkout.models import Order, OrderState
from app.checkout.pricing import Priced, price
from app.checkout.settling import Settled, load_silent, settle
from app.checkout.stacks import require_all
from app.clock import business_date
from app.errors import NotFound
from app.members import memberships
from app.members.models import Source
from app.merchants.directory import ListedTerminal
from app.outbox import News
from app.points import lots
from app.points.lots import Wallet
from app.points.programme import programme_at
from config.database import fetch, new_id, now_of
from coupons import offline as offline_coupons
from coupons import redemptions
from coupons.errors import LockExpired
from ledger import Journal

LONGEST = timedelta(hours=2)
"""How long an order may keep coupons and points that it has not paid."""


@dataclass(frozen=True, kw_only=True)
class LookedUp:
    """The order that a till's number names already, and the member's burns within the hour."""

    known: Sale | None
    burns_in_the_hour: int


def sell(
    session: Session, basket: Basket, tenders: Sequence[Tender], *, quote_id: int | None = None
) -> Sale:
    """Sell, burn and earn in one step: a paid order.

    At most eleven round trips with BEGIN and COMMIT, whatever the number of lines. Locks the
    member's wallet; callers on one member queue. The till's number again, with the same content,
    returns the first sale and moves nothing.

    Raises:
        BusinessKeyConflict: the till's number names another sale.
        PaymentMismatch, InsufficientPoints, MemberNotActive, Frozen: as they say.
        TapNeeded, BurnNotConfirmed: the member has to confirm the burn on the phone.
        Collision: the same sale is being written elsewhere; run the transaction again.
    """
    wallet = lock_wallet(session, basket)
    # Only now: of two that send a number at once, the second finds the first one's sale here.
    found = look_up(session, basket, tenders)
    if found.known is not None:
        return found.known
    priced = price(session, basket, wallet, tenders=tenders)
    require_all(basket, priced.chosen)
    taps.require(session, priced, wallet, burns_in_the_hour=found.burns_in_the_hour)
    return settle_priced(session, priced, wallet, tenders, quote_id=quote_id)


def settle_priced(
    session: Session,
    priced: Priced,
    wallet: Wallet | None,
    tenders: Sequence[Tender],
    *,
    quote_id: int | None = None,
    hold: str | None = None,
    before: Sequence[Journal] = (),
) -> Sale:
    """Post and write a new paid order that is priced; its member's wallet is locked.

    `hold` names what is captured with it; `before` is posted with it.
    """
    public_id = new_id("ord")
    redeem(session, priced, order=public_id)
    settled = settle(session, priced, wallet, tenders, order=public_id, hold=hold, before=before)
    draft = Draft(
        priced=priced,
        public_id=public_id,
        state=OrderState.PAID,
        fingerprint=priced.basket.fingerprint(tenders),
        quote_id=quote_id,
        settled=settled,
    )
    written = write(session, [draft])
    given = gifts.give(session, priced, settled, order=public_id)
    announce_paid(
        session,
        priced,
        settled,
        order=public_id,
        new_merchants=written.new_merchants[public_id],
        risen=written.risen,
        given=given,
    )
    return replace(draft, gifts=given).sale


def place(session: Session, basket: Basket, *, quote_id: int | None = None) -> Sale:
    """Place an order that waits for payment: coupons and points are its own until its `until`.

    Raises:
        As `sell`, but for payment.
    """
    wallet = lock_wallet(session, basket)
    found = look_up(session, basket)
    if found.known is not None:
        return found.known
    priced = price(session, basket, wallet)
    require_all(basket, priced.chosen)
    taps.require(session, priced, wallet, burns_in_the_hour=found.burns_in_the_hour)
    public_id = new_id("ord")
    until = now_of(session) + timedelta(minutes=priced.programme.hold_minutes)
    if priced.stack.uses:
        redemptions.lock(
            session,
            order=public_id,
            uses=priced.stack.redeemed,
            until=until,
            holders=priced.holders,
            store=basket.terminal.store.public_id,
            at=basket.promised_at,
        )
    if wallet is not None and priced.parts:
        ledger.holds.place(
            session,
            key=f"{public_id}:hold",
            amounts=dict(priced.parts),
            until=until,
            wallet_id=wallet.member.wallet_id,
        )
    draft = Draft(
        priced=priced,
        public_id=public_id,
        state=OrderState.AWAITING_PAYMENT,
        fingerprint=basket.fingerprint(),
        quote_id=quote_id,
        until=until,
    )
    write(session, [draft])
    return draft.sale


def extend(session: Session, *, order: str) -> datetime:
    """Give a placed order more time: as much from now as it got first; return until when it waits.

    Its coupons and points stay its own as long, `LONGEST` from when it was placed at most: asked
    again then, nothing changes. Locks the order, its coupons, its hold.

    Raises:
        NotFound: no such order.
        OrderNotExtendable: it is paid or cancelled, or its time is over.
    """
    found, now = get_locked(session, order), now_of(session)
    if found.state != OrderState.AWAITING_PAYMENT or found.until is None:
        raise OrderNotExtendable(order, found.state)
    if found.until <= now:
        raise OrderNotExtendable(order, "expired")
    minutes = timedelta(minutes=programme_at(session, found.occurred_at).hold_minutes)
    until = min(now + minutes, found.recorded_at + LONGEST)
    if until > found.until:
        try:
            if found.coupons:
                redemptions.extend(session, order=order, until=until)
            if found.parts:
                ledger.holds.extend(session, key=f"{order}:hold", until=until)
        except (LockExpired, ledger.HoldEnded) as ended:
            raise OrderNotExtendable(order, "expired") from ended
        found.until, found.updated_at = until, func.clock_timestamp()
    return found.until


def cancel(session: Session, *, order: str) -> OrderState:
    """Give up an order before payment; all that it held is free at once (semantics 12).

    Cancelling again changes nothing.

    Raises:
        NotFound: no such order.
        OrderNotRefundable: it has been paid: refund it.
    """
    found = get_locked(session, order)
    if found.state == OrderState.PAID:
        raise OrderNotRefundable(order, found.state)
    if found.state == OrderState.AWAITING_PAYMENT:
        if found.parts:
            ledger.holds.void(session, key=f"{order}:hold")
        if found.coupons:
            redemptions.release(session, order=order)
        found.state, found.updated_at = OrderState.CANCELLED, func.clock_timestamp()
        outbox.add(session, topic="order.cancelled", aggregate=order, payload={"order": order})
    return OrderState(found.state)


def redeem(session: Session, priced: Priced, *, order: str) -> None:
    """Redeem the coupons of a sale, all or none, in one round trip where it has some.

    After the wallet and before the accounts: nothing that locks a coupon waits for a wallet.

    Raises:
        CouponError: one is not to be had any more, or its budget does not cover it.
    """
    basket, offline = priced.basket, priced.basket.offline
    if priced.stack.uses and offline is not None:
        offline_coupons.redeem(
            session,
            jti=offline.jti,
            order=order,
            use=priced.stack.redeemed[0],
            used_at=basket.occurred_at,
            skewed=offline.skewed,
        )
    elif priced.stack.uses:
        redemptions.redeem(
            session,
            order=order,
            uses=priced.stack.redeemed,
            holders=priced.holders,
            store=basket.terminal.store.public_id,
            at=basket.promised_at,
        )


def get_locked(session: Session, public_id: str) -> Order:
    """Return an order under lock until the transaction ends.

    Raises:
        NotFound: no such order.
    """
    # What the session has loaded before may be older than the lock: read it anew.
    query = (
        select(Order)
        .where(Order.public_id == public_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = session.scalar(query)
    if found is None:
        raise NotFound("order", public_id)
    return found


def find_by_number(
    session: Session, *, terminal: ListedTerminal, number: str, kind: str = "sale"
) -> Order | None:
    """Return the order of a till's own number, or None."""
    return session.scalar(
        select(Order).where(
            Order.store_id == terminal.store.id,
            Order.terminal_id == terminal.id,
            Order.number == number,
            Order.kind == kind,
        )
    )


def lock_wallet(session: Session, basket: Basket) -> Wallet | None:
    """Lock and read the wallet of the basket's member."""
    if basket.member is None:
        return None
    day = min(basket.business_date, business_date(now_of(session)))
    return lots.lock(session, basket.member, day=day)


def announce_paid(
    session: Session,
    priced: Priced,
    settled: Settled,
    *,
    order: str,
    new_merchants: Sequence[int],
    risen: Sequence[News],
    given: Sequence[Gift] = (),
) -> None:
    """Join the member to the merchants it first paid at, and write the news, in one round trip.

    `risen` is the news of a higher tier that the order has brought, `given` are its gifts.
    """
    basket = priced.basket
    joined: Sequence[News] = []
    if basket.member is not None and new_merchants:
        joined = memberships.join(
            session,
            member=basket.member,
            merchants=[priced.directory.merchants[merchant] for merchant in new_merchants],
            source=Source.PAYMENT,
        )
    news = [*joined, paid_news(priced, settled, order=order), *risen]
    outbox.add_many(session, [*news, *coupons_news(priced, given, order=order)])


def coupons_news(priced: Priced, given: Sequence[Gift], *, order: str) -> list[News]:
    """Return what others are told of the coupons that an order used, and of those it gave."""
    member = priced.basket.member.public_id if priced.basket.member else None
    return [
        *[
            coupon_news.redeemed(use.coupon, order=order, member=member, fen=use.fen)
            for use in priced.stack.uses
        ],
        *[
            coupon_news.granted(each.coupon, batch=each.batch, holder=member, by=order)
            for each in given
            if each.coupon is not None and member is not None
        ],
    ]


def paid_news(priced: Priced, settled: Settled, *, order: str) -> News:
    """Return what others are told of a paid order."""
    basket = priced.basket
    return News(
        topic="order.paid",
        aggregate=order,
        payload={
            "order": order,
            "store": basket.terminal.store.public_id,
            "member": basket.member.public_id if basket.member else None,
            "total_fen": basket.total_fen,
            "discount_fen": priced.discount_fen,
            "burned_points": priced.burn.points,
            "earned_points": settled.earned_points,
            "sold_to_self": priced.sold_to_self,
        },
    )


def find_known(
    session: Session, basket: Basket, tenders: Sequence[Tender] | None = None
) -> Sale | None:
    """Return the order that the till's number names already, or None.

    Raises:
        BusinessKeyConflict: it was another sale.
    """
    return look_up(session, basket, tenders).known


def look_up(session: Session, basket: Basket, tenders: Sequence[Tender] | None = None) -> LookedUp:
    """Return what there is to know before a basket is priced, in one round trip.

    Raises:
        BusinessKeyConflict: the till's number names another sale.
    """
    named = {
        "store": basket.terminal.store.id,
        "terminal": basket.terminal.id,
        "number": basket.number,
        "kind": basket.kind,
    }
    burns = 0
    if taps.asks(basket):
        rows = fetch(session, _KNOWN_AND_BURNS, named | taps.whose(session, basket))
        burns = rows[0].burns
    else:
        rows = fetch(session, _KNOWN, named)
    known = None
    if rows and rows[0].public_id is not None:
        known = known_sale(session, rows[0], basket, tenders)
    return LookedUp(known=known, burns_in_the_hour=burns)


def known_sale(
    session: Session, row: Any, basket: Basket, tenders: Sequence[Tender] | None
) -> Sale:
    """Return the sale of a row that bears the till's number.

    Raises:
        BusinessKeyConflict: it was another sale.
    """
    if row.fingerprint != basket.fingerprint(tenders):
        raise BusinessKeyConflict("order", basket.number, row.public_id)
    return Sale(
        public_id=row.public_id,
        number=row.number,
        state=OrderState(row.state),
        total_fen=row.total_fen,
        discount_fen=row.discount_fen,
        burned_points=row.burned_points,
        burned_fen=row.burned_fen,
        due_fen=row.due_fen,
        earned_points=row.earned_points,
        until=row.until,
        stack=discounts.load(row.coupons),
        silent=load_silent(row.earnings),
        gifts=gifts.load(session, row.gifts),
        replayed=True,
    )


#: What `known_sale` reads of an order.
SALE_COLUMNS: LiteralString = (
    "public_id, number, state, fingerprint, total_fen, discount_fen, burned_points, burned_fen, "
    f"due_fen, earned_points, until, coupons, earnings, {gifts.COLUMN} AS gifts"
)
_KNOWN: LiteralString = (
    f"SELECT {SALE_COLUMNS} "  # noqa: S608  (names of columns)
    'FROM "order" WHERE store_id = %(store)s AND terminal_id = %(terminal)s '
    "AND number = %(number)s AND kind = %(kind)s"
)
_KNOWN_AND_BURNS: LiteralString = " ".join(
    ("SELECT b.burns, k.* FROM (", taps.COUNT, ") b LEFT JOIN (", _KNOWN, ") k ON true")
)
