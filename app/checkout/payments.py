"""Paying a placed order: its hold is captured, its points are given (B1, semantics 26, 35)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import select, text
from sqlalchemy.orm import Session

import ledger
from app.checkout import discounts, gifts
from app.checkout.baskets import Basket, BasketLine, Tender
from app.checkout.drafts import Sale, activities_of
from app.checkout.errors import CouponNotUsable, LockExpired, OrderNotPayable, PaidOtherwise
from app.checkout.models import Order, OrderLine, OrderState
from app.checkout.orders import announce_paid, get_locked, lock_wallet
from app.checkout.pricing import Priced, price
from app.checkout.settling import Settled, dump_homes, load_silent, settle
from app.checkout.slices import dump
from app.checkout.spending import bound, usable_lots
from app.checkout.stacks import holders_of
from app.clock import business_date
from app.members import growth, standing
from app.members.identification import get_by_id
from app.merchants.directory import Directory, ListedTerminal, get_directory
from app.outbox import News
from app.points import caps, promises
from app.points.burning import Burn
from app.points.errors import InsufficientPoints
from app.points.lots import Wallet
from app.points.programme import programme_at
from config.database import now_of
from config.errors import Collision
from coupons import redemptions
from coupons.conditions import wrong_tender


def pay(session: Session, *, order: str, tenders: Sequence[Tender]) -> Sale:
    """Turn a placed order into a paid one.

    The order is locked first, so a payment that is told twice settles once: the second finds it
    paid by these tenders. Until the order's `until` its hold is captured, though its points may
    have expired since (semantics 26). After it the hold is dead, and the promise is judged anew:
    the same points from the same lots, by the terms of now, or nothing.

    Raises:
        NotFound: no such order.
        OrderNotPayable: cancelled.
        PaidOtherwise: it is paid already, by other tenders.
        LockExpired: it is late, and its points can no longer be spent so.
        MemberNotActive: its member has been frozen meanwhile.
        PaymentMismatch: the tenders are not what is due.
        CouponNotUsable, CouponError: a coupon is not to be had so any more.
        Collision: its hold ended while it was being paid; run the transaction again.
    """
    found = get_locked(session, order)
    if found.state == OrderState.PAID:
        if found.money != {tender.name: tender.fen for tender in tenders if tender.fen}:
            raise PaidOtherwise(order, found.state)
        return replace(_sale(found, replayed=True), gifts=gifts.of_order(session, found.id))
    if found.state != OrderState.AWAITING_PAYMENT:
        raise OrderNotPayable(order, found.state)
    basket = basket_of(session, found)
    wallet = lock_wallet(session, basket)
    if wallet is not None:
        wallet.member.require_active()
    late = found.until is not None and found.until <= now_of(session)
    if late:
        basket = replace(basket, spent_at=now_of(session))
        _require_spendable(session, found, basket, wallet)
    priced = priced_again(session, found, basket, wallet)
    _redeem(session, priced, tenders, order=order, late=late)
    try:
        settled = settle(
            session,
            priced,
            wallet,
            tenders,
            order=order,
            hold=f"{order}:hold" if found.parts and not late else None,
        )
    except ledger.HoldEnded as ended:  # By the clock, which is ahead of this transaction's now.
        raise Collision("hold", order) from ended
    new_merchants, risen = mark_paid(session, found, settled, priced)
    given = gifts.give(session, priced, settled, order=order)
    announce_paid(
        session, priced, settled, order=order, new_merchants=new_merchants, risen=risen, given=given
    )
    return replace(
        _sale(found, replayed=False),
        state=OrderState.PAID,
        earned_points=settled.earned_points,
        silent=settled.silent,
        gifts=given,
    )


def _redeem(
    session: Session, priced: Priced, tenders: Sequence[Tender], *, order: str, late: bool
) -> None:
    """Redeem what a placed order has locked; a late one only if its coupons are still to be had.

    They are named by what was promised, not by what is still locked: a recall ends locks, and wins.

    Raises:
        CouponNotUsable: one of them may not be paid for by these tenders.
        CouponError: one was recalled (semantics 41), or its lock is dead and it was used, handed on
            or is over (semantics 35).
    """
    if not priced.stack.uses:
        return
    names = {tender.name for tender in tenders if tender.fen}
    unmet = {
        use.coupon: wrong_tender(use.tenders)
        for use in priced.stack.uses
        if use.tenders and not names <= set(use.tenders)
    }
    if unmet:
        raise CouponNotUsable([(coupon, each.zh, each.en) for coupon, each in unmet.items()])
    redemptions.redeem(
        session,
        order=order,
        uses=priced.stack.redeemed,
        holders=holders_of(session, priced.basket.member) if late else (),
        store=priced.basket.terminal.store.public_id,
    )


def _require_spendable(
    session: Session, order: Order, basket: Basket, wallet: Wallet | None
) -> None:
    """Refuse a late payment whose points, if it has any, could not be burned just so now.

    Raises:
        LockExpired: lots are used up or have expired, a debt or a limit is in the way, or the terms
            or the worth of a point have changed.
    """
    if wallet is None or not order.parts:
        return
    try:
        fresh = price(session, replace(basket, burn_points=order.burned_points), wallet)
    except InsufficientPoints as short:
        raise LockExpired(order.public_id) from short
    usable = dict(
        usable_lots(
            wallet,
            basket.terminal.store.merchant,
            fresh.lines,
            day=business_date(basket.burns_at),
            point_value_fen=programme_at(session, basket.burns_at).point_value_fen,
        )
    )
    if (fresh.burn.points, fresh.burn.value_fen) != (order.burned_points, order.burned_fen) or any(
        points > usable.get(lot, 0) for lot, points in order.parts
    ):
        raise LockExpired(order.public_id)


def basket_of(session: Session, order: Order) -> Basket:
    """Return the basket of an order that was placed or paid, but for the points that it burns."""
    directory = get_directory(session)
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.number)
    )
    member = None
    if order.member_id is not None:
        member = get_by_id(session, order.member_id)
    return Basket(
        terminal=_terminal(directory, order),
        number=order.number,
        occurred_at=order.occurred_at,
        kind=order.kind,
        cashier=order.cashier,
        member=member,
        lines=[
            BasketLine(
                sku=line.sku,
                name=line.name,
                category=line.category,
                amount_fen=line.amount_fen,
                quantity=line.quantity,
                merchant=directory.merchants[line.merchant_id].public_id,
                refundable=line.refundable,
            )
            for line in lines
        ],
    )


def _terminal(directory: Directory, order: Order) -> ListedTerminal:
    return next(till for till in directory.terminals.values() if till.id == order.terminal_id)


def priced_again(session: Session, order: Order, basket: Basket, wallet: Wallet | None) -> Priced:
    """Price what was placed or paid: its coupons and points stay those that were promised."""
    fresh = price(session, basket, None)
    stack = discounts.load(order.coupons)
    lines = stack.taken_off(fresh.lines) if stack.uses else fresh.lines
    return Priced(
        basket=basket,
        directory=fresh.directory,
        programme=fresh.programme,
        merchants=fresh.merchants,
        lines=lines,
        burn=Burn(points=order.burned_points, value_fen=order.burned_fen),
        parts=[(lot, points) for lot, points in order.parts or []],
        only=bound(wallet.lots, lines) if wallet is not None and order.parts else {},
        stack=stack,
    )


def mark_paid(
    session: Session, order: Order, settled: Settled, priced: Priced
) -> tuple[Sequence[int], Sequence[News]]:
    """Write what the payment has fixed, whose it is, its growth, and what it promises.

    Returns the merchants new to the order's member, and the news of a higher tier.
    """
    person = priced.basket.member.id if priced.basket.member else None
    owner = person if order.member_id is None else order.member_id
    gain = growth.gain_of_order(
        session,
        priced.basket.member,
        order=order.public_id,
        paid_fen=priced.due_fen,
        at=priced.basket.burns_at,
        kept_under=owner,
    )
    gains = [] if gain is None else [gain]
    since = growth.watched_from(session, [each.member for each in gains])
    row = session.execute(
        _PAID,
        {
            "id": order.id,
            "earned": settled.earned_points,
            "slices": _json(dump(settled.allocation)),
            "homes": _json(dump_homes(settled.homes)),
            "earnings": _json(settled.earnings()),
            "money": _json(settled.money_fen),
            "numbers": [line.number for line in priced.lines],
            "line_burned": settled.line_burned_fen,
            "line_earned": list(settled.line_points),
            "merchants": [merchant.id for merchant in priced.merchants],
            "member": owner,
            "person": person,
            "gains": _json([each.row() for each in gains]),
            "uses": _json(_uses(owner, order, settled, priced)),
            "since": since,
            "now": now_of(session),
        },
    ).one()
    _promise(session, order, priced)
    gathered = {each.member.id: row.gathered for each in gains}
    return row.missing, standing.rise(session, gains, gathered=gathered, since=since)


def _promise(session: Session, order: Order, priced: Priced) -> None:
    """Write what the order promises of its member's points; a round trip where it does."""
    basket = priced.basket
    made = promises.promise(
        session,
        basket.member,
        activities_of(kind=order.kind, total_fen=order.total_fen, burned=order.burned_points > 0),
        source=order.public_id,
        at=basket.burns_at,
    )
    promises.write(session, made)


def _uses(
    owner: int | None, order: Order, settled: Settled, priced: Priced
) -> list[Mapping[str, object]]:
    if owner is None:
        return []
    return caps.uses(
        settled.earned,
        member_id=owner,
        order=order.public_id,
        day=priced.basket.business_date,
    )


def _sale(order: Order, *, replayed: bool) -> Sale:
    return Sale(
        public_id=order.public_id,
        number=order.number,
        state=OrderState(order.state),
        total_fen=order.total_fen,
        discount_fen=order.discount_fen,
        burned_points=order.burned_points,
        burned_fen=order.burned_fen,
        due_fen=order.due_fen,
        earned_points=order.earned_points,
        until=order.until,
        stack=discounts.load(order.coupons),
        silent=load_silent(order.earnings),
        replayed=replayed,
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_PAID = text(
    """
    WITH paid AS (
        UPDATE "order" SET state = 'paid', member_id = :member,
            earned_points = :earned, parts = NULL,
            slices = CAST(:slices AS jsonb), homes = CAST(:homes AS jsonb),
            earnings = CAST(:earnings AS jsonb), money = CAST(:money AS jsonb),
            updated_at = clock_timestamp()
        WHERE id = :id
    ), lines AS (
        UPDATE order_line l SET burned_fen = u.burned, earned_points = u.earned
        FROM unnest(CAST(:numbers AS smallint[]), CAST(:line_burned AS bigint[]),
                    CAST(:line_earned AS bigint[])) AS u (number, burned, earned)
        WHERE l.order_id = :id AND l.number = u.number
    ), grown AS (
        INSERT INTO growth (member_id, kind, source, amount, occurred_at, business_date,
            recorded_at)
        SELECT g.member_id, g.kind, g.source, g.amount, g.occurred_at, g.business_date, :now
        FROM json_to_recordset(CAST(:gains AS json)) AS g (
            member_id bigint, kind text, source text, amount bigint, occurred_at timestamptz,
            business_date date)
    ), used AS (
        INSERT INTO rule_use (member_id, source, rule, campaign, points, business_date)
        SELECT u.member_id, u.source, u.rule, u.campaign, u.points, u.business_date
        FROM json_to_recordset(CAST(:uses AS json)) AS u (
            member_id bigint, source text, rule text, campaign text, points bigint,
            business_date date)
    )
    SELECT (
        SELECT coalesce(sum(g.amount), 0)::bigint FROM growth g
        WHERE g.member_id = ANY (ARRAY(
            SELECT p.id FROM member p WHERE p.id = :person OR p.merged_into_id = :person))
            AND g.business_date >= CAST(:since AS date)) AS gathered,
    ARRAY(
        SELECT DISTINCT m FROM unnest(CAST(:merchants AS bigint[])) m
        WHERE CAST(:member AS bigint) IS NOT NULL AND NOT EXISTS (
            SELECT FROM membership s WHERE s.member_id = :member AND s.merchant_id = m)
        ORDER BY m) AS missing
    """
)
