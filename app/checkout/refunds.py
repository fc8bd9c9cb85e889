"""Refunds: slices given back, points returned to their lots, earned points taken back.

What a refund gives is the difference of two positions on the sale's tape, so any sequence of
refunds ends where one would (ADR 0004; semantics 1-5, 8, 9, 11, 24).
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.books import Kind, rates
from app.campaigns import coupon_news
from app.checkout import discounts, unearned
from app.checkout.baskets import not_ahead, sound
from app.checkout.errors import BusinessKeyConflict, OrderNotRefundable
from app.checkout.models import Order, OrderState, Refund
from app.checkout.orders import get_locked
from app.checkout.refund_points import lock_lots, points_back
from app.checkout.refund_rows import INSERT, STATES
from app.checkout.returns import Delta, LineState, Request, difference, is_whole, refund
from app.checkout.roll_backs import parts_so_far
from app.checkout.rolling import Part, fen_by_coupon, rolled_back
from app.checkout.settling import load_homes
from app.checkout.slices import Allocation, load
from app.errors import Invalid
from app.members import growth
from app.members.growth import Gain
from app.members.identification import KnownMember, get_by_id
from app.merchants.directory import ListedTerminal, get_directory
from app.points import promises
from app.points.accruals import Home
from app.points.burns import Borne, GivenBack
from app.points.clawbacks import Clawback
from config.database import new_id, now_of
from config.errors import Collision
from coupons import issuing, redemptions
from coupons.redemptions import Use
from ledger import Journal, Posting

NO_CLAWBACK = Clawback(postings=[], taken_points=0, debt_points=0, written_off={})
NOT_GIVEN_BACK = GivenBack(postings=[], restored={}, costs={}, made_good={})


@dataclass(frozen=True, kw_only=True)
class RefundRequest:
    """What a till asks to give back; `number` is the till's own, unique per till for ever."""

    order: str
    terminal: ListedTerminal
    number: str
    occurred_at: datetime
    parts: Sequence[Request]
    cashier: str | None = None

    def __post_init__(self) -> None:
        if self.occurred_at.tzinfo is None:
            raise Invalid("occurred_at", "须带时区偏移", "needs an offset from UTC")
        if not self.parts:
            raise Invalid("parts", "没有要退的内容", "nothing is to be given back")
        if not 1 <= len(self.number) <= 64:
            raise Invalid("number", "须为 1 到 64 个字符", "has 1 to 64 characters")
        sound("order", self.order)
        sound("number", self.number)
        sound("cashier", self.cashier)

    def fingerprint(self) -> bytes:
        """Return what makes a re-send the same refund."""
        shape = [self.order, [[type(part).__name__, asdict(part)] for part in self.parts]]
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Refunded:
    """A refund as its till hears of it: `fen` = money by tender + the worth of points returned.

    `discount_fen` is what coupons had given of it: it returns to who had funded them. Of that
    `unearned_fen` is taken out of the refund, where too little is kept for a coupon (semantics 5).

    Of `clawed_points`, `debt_points` are owed now and `written_off_points` borne by the merchant.
    Of `restored_points`, `made_good_points` went to merchants that had borne them before.
    """

    public_id: str
    order: str
    number: str
    fen: int
    points_fen: int
    discount_fen: int
    unearned_fen: int
    money_fen: Mapping[str, int]
    restored_points: int
    clawed_points: int
    debt_points: int
    written_off_points: int
    made_good_points: int
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A refund worked out under lock, nothing of it written: what moves, and the journal of it."""

    order: Order
    public_id: str
    delta: Delta
    given_back: GivenBack
    clawback: Clawback
    journals: Sequence[Journal]
    moved: Mapping[int, LineState]
    coupons: Sequence[Use]
    clawed: Sequence[Part]
    rolled: Collection[str]
    whole: bool
    gifts: Sequence[str]
    member: KnownMember | None
    gain: Gain | None


def give(session: Session, request: RefundRequest) -> Refunded:
    """Refund a paid order by lines, quantities or amounts.

    At most twelve round trips with BEGIN and COMMIT, whatever the number of lines. Locks the order,
    then its member's wallet. The till's number again, with the same content, returns the first
    refund and moves nothing. A frozen member is refunded like any other.

    Raises:
        NotFound: no such order.
        OrderNotRefundable: it has not been paid.
        RefundExceedsRemaining, NotRefundable: as they say; nothing is cut quietly.
        BusinessKeyConflict: the till's number names another refund.
        InsufficientPoints: points are short, and the programme refuses such refunds.
    """
    order = get_locked(session, request.order)
    known_refund = find_known(session, request)
    if known_refund is not None:
        return known_refund
    planned = plan(session, request, order)
    roll_back(session, planned)
    ledger.post(session, planned.journals)
    return record(session, request, planned)


def attempt(session: Session, request: RefundRequest) -> Refunded:
    """Say what a refund would give, refused as it would be; whatever it wrote is taken back.

    Locks as `give` does.

    Raises:
        As `give`, but for the till's number.
    """
    order, attempted = get_locked(session, request.order), session.begin_nested()
    told_of = told(request, plan(session, request, order))
    attempted.rollback()  # A lot may have been opened for points that come back late.
    return told_of


def plan(session: Session, request: RefundRequest, order: Order) -> Planned:
    """Work out a refund of a locked order: burned points return, earned ones are taken back.

    The caller posts the journals, once, with whatever else its transaction posts (decision 3).
    """
    if order.state != OrderState.PAID or order.slices is None:
        raise OrderNotRefundable(order.public_id, order.state)
    not_ahead(session, request.occurred_at)
    rolled = parts_so_far(session, order)
    sale, stack = load(order.slices), discounts.load(order.coupons)
    allocation = rolled_back(sale, rolled)
    homes: Sequence[Home] = load_homes(order.homes or [])
    member = None if order.member_id is None else get_by_id(session, order.member_id)
    wallet = None
    if member is not None and (order.burned_points or order.earned_points):
        wallet, allocation, homes = lock_lots(session, member, allocation, homes)
    states, borne, given = _read(session, order)
    after, delta = refund(allocation, states, request.parts)
    delta, clawed = unearned.without(delta, stack, sale, rolled, after)
    whole = is_whole(allocation, after)
    gone = difference(allocation, {}, states)
    public_id = new_id("ref")
    given_back, clawback = NOT_GIVEN_BACK, NO_CLAWBACK
    if wallet is not None and (delta.points or delta.clawed_points):
        given_back, clawback = points_back(
            session,
            wallet,
            delta,
            occurred_at=request.occurred_at,
            before=gone.clawed_points,
            homes=homes,
            borne=borne,
        )
    postings = [*given_back.postings, *clawback.postings]
    return Planned(
        order=order,
        public_id=public_id,
        delta=delta,
        given_back=given_back,
        clawback=clawback,
        journals=[
            *_journals(request, order, public_id, postings),
            *_funding(session, request, order, public_id, allocation=allocation, delta=delta),
        ],
        moved={number: state for number, state in after.items() if state != states.get(number)},
        coupons=discounts.parts_back(
            stack, allocation, gone, delta, rolled=fen_by_coupon(rolled), whole=whole
        ),
        clawed=clawed,
        rolled={part.coupon for part in (*rolled, *clawed)},
        whole=whole,
        gifts=given if whole else [],
        member=member,
        gain=_gain(session, request, order, member, refund=public_id, gone=gone, delta=delta),
    )


def roll_back(session: Session, planned: Planned) -> None:
    """Give the coupons of an order their part of a planned refund back; two round trips if any.

    Before the accounts are locked, as a sale locks its coupons. Whether one comes back to its
    holder its template says (semantics 6). With the whole order what its payment gave and nobody
    has used is taken back, in two round trips more.
    """
    if planned.gifts:
        done = issuing.void(session, planned.gifts, why=f"refund {planned.public_id}")
        coupon_news.tell_voided(session, done)
    backs = redemptions.roll_back_order(
        session,
        order=planned.order.public_id,
        key=planned.public_id,
        parts=planned.coupons,
        whole_order=planned.whole,
        undone=planned.rolled,
    )
    coupon_news.tell_returned(
        session, backs, order=planned.order.public_id, refund=planned.public_id
    )


def _gain(
    session: Session,
    request: RefundRequest,
    order: Order,
    member: KnownMember | None,
    *,
    refund: str,
    gone: Delta,
    delta: Delta,
) -> Gain | None:
    return growth.gain_of_refund(
        session,
        member,
        kept_under=order.member_id,
        refund=refund,
        kept_fen=_kept(order, gone, delta),
        ordered_at=order.occurred_at,
        at=request.occurred_at,
    )


def _kept(order: Order, gone: Delta, delta: Delta) -> tuple[int, int]:
    """Return the money of its sale that an order keeps before and after a refund."""
    before = order.due_fen - sum(gone.money_fen.values()) + gone.added_fen
    gone_fen = sum(delta.money_fen.values()) + delta.unearned_fen - delta.added_fen
    return before, before - gone_fen


def _journals(
    request: RefundRequest, order: Order, public_id: str, postings: Sequence[Posting]
) -> list[Journal]:
    if not postings:
        return []
    return [
        Journal(
            key=f"{public_id}:points",
            kind=Kind.REFUND,
            occurred_at=request.occurred_at,
            postings=postings,
            details={"order": order.public_id, "refund": public_id, **rates(postings)},
        )
    ]


def _funding(
    session: Session,
    request: RefundRequest,
    order: Order,
    public_id: str,
    *,
    allocation: Allocation,
    delta: Delta,
) -> list[Journal]:
    """Return what goes back to who had funded coupons."""
    return discounts.journals(
        session,
        get_directory(session),
        discounts.given_back(allocation, delta.funded_fen),
        key=f"{public_id}:coupons",
        order=order.public_id,
        occurred_at=request.occurred_at,
        back=True,
    )


def record(session: Session, request: RefundRequest, planned: Planned) -> Refunded:
    """Write a planned refund whose journals are posted, and the news of it."""
    order, result = planned.order, told(request, planned)
    _write(session, request, planned, result)
    outbox.add(
        session,
        topic="order.refunded",
        aggregate=order.public_id,
        payload={
            "order": order.public_id,
            "refund": result.public_id,
            "fen": result.fen,
            "discount_fen": result.discount_fen,
            "restored_points": result.restored_points,
            "made_good_points": result.made_good_points,
            "clawed_points": result.clawed_points,
        },
    )
    return result


def told(request: RefundRequest, planned: Planned) -> Refunded:
    """Return a planned refund as its till hears of it, be it written or only tried."""
    delta, clawback = planned.delta, planned.clawback
    return Refunded(
        public_id=planned.public_id,
        order=planned.order.public_id,
        number=request.number,
        fen=delta.fen,
        points_fen=delta.points_fen,
        discount_fen=sum(delta.funded_fen.values()),
        unearned_fen=delta.unearned_fen,
        money_fen=dict(delta.money_fen),
        restored_points=sum(delta.points.values()),
        clawed_points=sum(delta.clawed_points.values()),
        debt_points=clawback.debt_points,
        written_off_points=clawback.written_off_points,
        made_good_points=sum(planned.given_back.made_good.values()),
    )


def _read(
    session: Session, order: Order
) -> tuple[dict[int, LineState], list[Borne], Sequence[str]]:
    """Return how far the lines have moved, what issuers bear that the order may make good, gifts.

    Read under the wallet's lock, for another order's refund may make it good too.
    """
    rows = session.execute(STATES, {"order": order.id, "member": order.member_id}).all()
    states = {row.number: LineState(row.refunded_fen, row.refunded_quantity) for row in rows}
    borne = [
        Borne(id=key, issue_account_id=account, points=points, cost=Fraction(num, den))
        for key, account, points, num, den in rows[0].borne or []
    ]
    return states, borne, rows[0].gifts or []


def find_known(session: Session, request: RefundRequest) -> Refunded | None:
    """Return the refund that the till's number names already, or None.

    Raises:
        BusinessKeyConflict: it was another one.
    """
    row = session.execute(
        select(Refund, Order.public_id)
        .join(Order, Order.id == Refund.order_id)
        .where(
            Refund.store_id == request.terminal.store.id,
            Refund.terminal_id == request.terminal.id,
            Refund.number == request.number,
        )
    ).one_or_none()
    if row is None:
        return None
    found: Refund = row[0]
    if found.fingerprint != request.fingerprint():
        raise BusinessKeyConflict("refund", request.number, found.public_id)
    return Refunded(
        public_id=found.public_id,
        order=row[1],
        number=found.number,
        fen=found.fen,
        points_fen=found.points_fen,
        discount_fen=found.discount_fen,
        unearned_fen=found.unearned_fen,
        money_fen=found.money,
        restored_points=found.restored_points,
        clawed_points=found.clawed_points,
        debt_points=found.debt_points,
        written_off_points=found.written_off_points,
        made_good_points=found.made_good_points,
        replayed=True,
    )


def _write(session: Session, request: RefundRequest, planned: Planned, result: Refunded) -> None:
    """Write the refund, how far its order has moved and what is borne, in one statement.

    Of the room under a cap a refund gives back the part that its points are of the order's, counted
    over all refunds of it: in the end all of it, whatever the steps.
    """
    order, moved = planned.order, planned.moved
    made_good, written_off = planned.given_back.made_good, planned.clawback.written_off
    row = session.execute(
        INSERT,
        {
            "public_id": result.public_id,
            "order": order.id,
            "ordinal": order.refunds + 1,
            "store": request.terminal.store.id,
            "terminal": request.terminal.id,
            "number": request.number,
            "cashier": request.cashier,
            "fingerprint": request.fingerprint(),
            "occurred_at": request.occurred_at,
            "now": now_of(session),
            "fen": result.fen,
            "points_fen": result.points_fen,
            "discount": result.discount_fen,
            "unearned": result.unearned_fen,
            "rolled": json.dumps(_rolled(planned.clawed)),
            "money": json.dumps(result.money_fen),
            "restored": result.restored_points,
            "clawed": result.clawed_points,
            "debt": result.debt_points,
            "written_off": result.written_off_points,
            "made_good": result.made_good_points,
            "lines": json.dumps(
                [[line.line, line.quantity, line.fen] for line in planned.delta.lines]
            ),
            "numbers": list(moved),
            "refunded_fen": [state.refunded_fen for state in moved.values()],
            "refunded_quantity": [state.refunded_quantity for state in moved.values()],
            "member": order.member_id,
            "bearers": list(written_off),
            "borne": list(written_off.values()),
            "good": list(made_good),
            "good_points": list(made_good.values()),
            "order_id": order.public_id,
            "whole": planned.whole,
            "heard_on": promises.heard_on(session, request.occurred_at),
            "earned": order.earned_points,
            "gains": json.dumps([planned.gain.row()] if planned.gain else []),
        },
    ).one_or_none()
    if row is None:
        raise Collision("refund", request.number)


def _rolled(clawed: Sequence[Part]) -> list[dict[str, object]]:
    """Return what was taken back of coupons as rows of `order_roll_back`."""
    return [
        {
            "coupon": coupon,
            "fen": fen,
            "parts": [[x.line, x.tender, x.fen] for x in clawed if x.coupon == coupon],
        }
        for coupon, fen in fen_by_coupon(clawed).items()
    ]
