"""One coupon of an order rolled back alone, any number of times (C14; semantics 7; ADR 0027).

The order stays as it was sold. What the coupon had given of units that are kept goes back to who
had funded it, and the customer pays it: by an order of its own that has no goods. Refunds of those
units give that money back.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import ledger
from app import outbox
from app.campaigns import coupon_news
from app.checkout import discounts
from app.checkout.baskets import Tender, check_tenders, not_ahead, sound
from app.checkout.discounts import Use
from app.checkout.errors import (
    BusinessKeyConflict,
    CouponNotUsable,
    OrderNotRefundable,
    PaymentMismatch,
)
from app.checkout.models import Order, OrderKind, OrderLine, OrderRollBack, OrderState
from app.checkout.orders import find_by_number, get_locked
from app.checkout.returns import LineState, Request
from app.checkout.rolling import Part, asked, funded_back, kept_units, paid_by, rolled_back
from app.checkout.slices import Allocation, Line, Run, Slice, dump, load
from app.clock import business_date
from app.errors import Invalid
from app.merchants.directory import Directory, ListedTerminal, get_directory
from config.database import new_id, now_of
from config.errors import Collision
from coupons import redemptions, stacking, wallets
from coupons.benefits import StoredValue
from coupons.candidates import Held
from coupons.conditions import Basket, Item, Shopper
from coupons.errors import NoSuchCoupon
from coupons.offers import When, Who
from coupons.redemptions import RolledBack


@dataclass(frozen=True, kw_only=True)
class RollBackRequest:
    """What a till asks to take back of a coupon; `number` is its own, unique per till for ever.

    `parts` are units of a line (the last ones that have the coupon), an amount of what it gave, or
    all of it; `tenders` pay for it.
    """

    order: str
    coupon: str
    terminal: ListedTerminal
    number: str
    occurred_at: datetime
    parts: Sequence[Request]
    tenders: Sequence[Tender]
    cashier: str | None = None

    def __post_init__(self) -> None:
        if self.occurred_at.tzinfo is None:
            raise Invalid("occurred_at", "须带时区偏移", "needs an offset from UTC")
        if not self.parts:
            raise Invalid("parts", "没有要退的内容", "nothing is to be taken back")
        if not 1 <= len(self.number) <= 64:
            raise Invalid("number", "须为 1 到 64 个字符", "has 1 to 64 characters")
        for name in ("order", "coupon", "number", "cashier"):
            sound(name, getattr(self, name))
        check_tenders(self.tenders)

    def fingerprint(self) -> bytes:
        """Return what makes a re-send the same roll back."""
        shape = [
            self.order,
            self.coupon,
            [[type(part).__name__, asdict(part)] for part in self.parts],
            [[tender.name, tender.fen] for tender in self.tenders if tender.fen],
        ]
        return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Rolled:
    """A roll back as its till hears of it: what is paid for it, and what the coupon still gives.

    `public_id` names the order by which it was paid. `returned`: the coupon is the member's again;
    `reissued` is a smaller one that was given instead.
    """

    public_id: str
    order: str
    coupon: str
    number: str
    fen: int
    remaining_fen: int
    money_fen: Mapping[str, int]
    returned: bool
    reissued: str | None
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A roll back worked out under lock, nothing of it written; `wanted` is fen by line."""

    order: Order
    use: Use
    lines: Sequence[OrderLine]
    before: Allocation
    rolled: Sequence[Part]
    wanted: Mapping[int, int]
    remaining_fen: int

    @property
    def fen(self) -> int:
        """What the customer pays for it."""
        return sum(self.wanted.values())


def give(session: Session, request: RollBackRequest) -> Rolled:
    """Roll one coupon of a paid order back: whole, by line, by units or by amount.

    Any number of times up to what it gave of what is kept, without a limit of time. Nothing else of
    the order moves: other coupons keep what they give, points stay as they were earned. Funders are
    paid back, budgets freed; the coupon comes back as its template says once all of it went back.
    Locks the order, then its coupon. The till's number again, with the same content, returns the
    first and moves nothing.

    Raises:
        NotFound: no such order or line.
        OrderNotRefundable: it has not been paid.
        NoSuchCoupon: the order has not used it.
        RollBackExceeds: more than it still gives; nothing is cut quietly.
        CouponNotUsable: another coupon would fail on what is kept; says which, and the gap.
        PaymentMismatch: the tenders are not what is due.
        BusinessKeyConflict: the till's number names another roll back.
    """
    order = get_locked(session, request.order)
    known = find_known(session, request)
    if known is not None:
        return known
    planned = plan(session, order, coupon=request.coupon, parts=request.parts)
    not_ahead(session, request.occurred_at)
    paid_fen = sum(tender.fen for tender in request.tenders)
    if paid_fen != planned.fen:
        raise PaymentMismatch(due_fen=planned.fen, paid_fen=paid_fen)
    public_id = new_id("ord")
    parts = paid_by(
        [(request.coupon, line, fen) for line, fen in sorted(planned.wanted.items())],
        [(tender.name, tender.fen) for tender in request.tenders],
    )
    had = planned.use.fen - planned.remaining_fen - planned.fen
    (back,) = redemptions.roll_back_order(
        session,
        order=order.public_id,
        key=public_id,
        parts=[discounts.part_back(planned.use, planned.fen, had=had)],
        undone=[request.coupon],
    )
    coupon_news.tell_returned(session, [back], order=order.public_id, refund=public_id)
    _post(session, request, planned, parts, key=public_id)
    _write(session, request, planned, parts, public_id=public_id)
    return _told(request, planned, back, public_id=public_id)


def plan(session: Session, order: Order, *, coupon: str, parts: Sequence[Request]) -> Planned:
    """Work out a roll back of a locked order, and refuse what cannot be.

    Raises:
        As `give`, but for the tenders and the till's number.
    """
    if order.state != OrderState.PAID or order.slices is None:
        raise OrderNotRefundable(order.public_id, order.state)
    stack = discounts.load(order.coupons)
    use = next((each for each in stack.uses if each.coupon == coupon), None)
    if use is None:
        raise NoSuchCoupon("coupon", coupon)
    lines = session.scalars(
        select(OrderLine).where(OrderLine.order_id == order.id).order_by(OrderLine.number)
    ).all()
    states = {line.number: LineState(line.refunded_fen, line.refunded_quantity) for line in lines}
    rolled = parts_so_far(session, order)
    now = rolled_back(load(order.slices), rolled)
    left = {each.coupon: _kept_fen(now, states, each.coupon) for each in stack.uses}
    wanted = asked(now, states, coupon, parts)
    others = [each for each in stack.uses if each.coupon != coupon and left[each.coupon]]
    _require_others(session, order, lines, others)
    return Planned(
        order=order,
        use=use,
        lines=lines,
        before=now,
        rolled=rolled,
        wanted=wanted,
        remaining_fen=left[coupon] - sum(wanted.values()),
    )


def parts_so_far(session: Session, order: Order) -> list[Part]:
    """Return what was rolled back of an order's coupons; no round trip where nothing was."""
    if not order.rolled_back_fen:
        return []
    rows = session.execute(
        select(OrderRollBack.coupon, OrderRollBack.parts)
        .where(OrderRollBack.order_id == order.id)
        .order_by(OrderRollBack.id)
    )
    return [
        Part(coupon=row.coupon, line=line, tender=tender, fen=fen)
        for row in rows
        for line, tender, fen in row.parts
    ]


def find_known(session: Session, request: RollBackRequest) -> Rolled | None:
    """Return the roll back that the till's number names already, or None.

    Raises:
        BusinessKeyConflict: it was another one.
    """
    paid = find_by_number(
        session,
        terminal=request.terminal,
        number=request.number,
        kind=OrderKind.ROLL_BACK.value,
    )
    if paid is None:
        return None
    if paid.fingerprint != request.fingerprint():
        raise BusinessKeyConflict("roll back", request.number, paid.public_id)
    (back,) = redemptions.find_rolled_back(session, order=request.order, key=paid.public_id)
    return Rolled(
        public_id=paid.public_id,
        order=request.order,
        coupon=request.coupon,
        number=paid.number,
        fen=paid.total_fen,
        remaining_fen=back.remaining_fen,
        money_fen=paid.money or {},
        returned=back.returned,
        reissued=back.reissued,
        replayed=True,
    )


def _told(
    request: RollBackRequest, planned: Planned, back: RolledBack, *, public_id: str
) -> Rolled:
    return Rolled(
        public_id=public_id,
        order=planned.order.public_id,
        coupon=request.coupon,
        number=request.number,
        fen=planned.fen,
        remaining_fen=back.remaining_fen,
        money_fen={tender.name: tender.fen for tender in request.tenders if tender.fen},
        returned=back.returned,
        reissued=back.reissued,
    )


def _kept_fen(allocation: Allocation, states: Mapping[int, LineState], coupon: str) -> int:
    """Return what a coupon still gives of units that are kept."""
    return sum(
        [
            count * fen
            for line in allocation.lines
            for count, fen in kept_units(allocation, line, states, coupon)
        ]
    )


def _require_others(
    session: Session, order: Order, lines: Sequence[OrderLine], others: Sequence[Use]
) -> None:
    """Refuse to take a coupon back beside others that would not stand without it.

    They are priced on what is kept. Who bought, when and how is settled; how much is not.

    Raises:
        CouponNotUsable: names those that would fail, with the gap.
    """
    if not others:
        return
    directory = get_directory(session)
    given = {use.coupon: use for use in others}
    held = [
        Held(
            id=each.coupon,
            template=each.template.code,
            version=each.version,
            offer=replace(each.offer, when=When(), who=Who(), tenders=frozenset()),
            left_fen=_left_fen(each, given[each.coupon]),
        )
        for each in wallets.find(session, coupons=list(given))
    ]
    basket = Basket(
        items=_kept_items(order, lines, directory), shopper=Shopper(), at=order.occurred_at
    )
    failing = stacking.price(held, basket).left_out
    if failing:
        raise CouponNotUsable(
            [
                (each.coupon, f"退券后不再满足：{each.zh}", f"would fail without it: {each.en}")
                for each in failing
            ]
        )


def _left_fen(held: wallets.Held, use: Use) -> int | None:
    """Return what was on a coupon for this sale: money that it paid, or a re-issued one's worth."""
    stored = held.offer.benefit if held.template.value_fen is not None else None
    return use.fen if isinstance(stored, StoredValue) else held.value_fen


def _kept_items(order: Order, lines: Sequence[OrderLine], directory: Directory) -> tuple[Item, ...]:
    store = directory.stores[order.store_id]
    return tuple(
        [
            Item(
                number=line.number,
                merchant=directory.merchants[line.merchant_id].code,
                store=store.code,
                trade=directory.merchants[line.merchant_id].trade,
                category=line.category,
                sku=line.sku,
                quantity=line.quantity - line.refunded_quantity,
                amount_fen=line.amount_fen - line.refunded_fen,
            )
            for line in lines
            if line.quantity > line.refunded_quantity
        ]
    )


def _post(
    session: Session, request: RollBackRequest, planned: Planned, parts: Sequence[Part], *, key: str
) -> None:
    """Post what goes back to who had funded the coupon."""
    after = rolled_back(load(planned.order.slices or []), [*planned.rolled, *parts])
    journals = discounts.journals(
        session,
        get_directory(session),
        discounts.given_back(after, funded_back(planned.before, after)),
        key=f"{key}:coupons",
        order=planned.order.public_id,
        occurred_at=request.occurred_at,
        back=True,
    )
    ledger.post(session, journals)


def _write(
    session: Session,
    request: RollBackRequest,
    planned: Planned,
    parts: Sequence[Part],
    *,
    public_id: str,
) -> None:
    """Write the order that pays for it, the roll back itself, and the news of it."""
    order, now = planned.order, now_of(session)
    paid_id = session.scalar(
        insert(Order)
        .values(_order_of(request, planned, parts, public_id=public_id, now=now))
        .on_conflict_do_nothing()
        .returning(Order.id)
    )
    if paid_id is None:
        raise Collision("order", request.number)
    session.execute(
        insert(OrderLine),
        [
            {
                "order_id": paid_id,
                "number": line.number,
                "merchant_id": line.merchant_id,
                "sku": line.sku,
                "name": f"退券补付·{line.name}"[:120],
                "category": line.category,
                "quantity": 1,
                "amount_fen": planned.wanted[line.number],
                "refundable": False,
            }
            for line in planned.lines
            if line.number in planned.wanted
        ],
    )
    session.add(
        OrderRollBack(
            order_id=order.id,
            coupon=request.coupon,
            fen=planned.fen,
            parts=[[part.line, part.tender, part.fen] for part in parts],
            paid_by_id=paid_id,
            recorded_at=now,
        )
    )
    order.rolled_back_fen += planned.fen
    order.updated_at = func.clock_timestamp()
    outbox.add(
        session,
        topic="order.coupon_rolled_back",
        aggregate=order.public_id,
        payload={
            "order": order.public_id,
            "coupon": request.coupon,
            "fen": planned.fen,
            "paid_by": public_id,
        },
    )


def _order_of(
    request: RollBackRequest,
    planned: Planned,
    parts: Sequence[Part],
    *,
    public_id: str,
    now: datetime,
) -> dict[str, object]:
    """Return the order that pays for a roll back: no goods, no points, nothing to refund by it."""
    first = planned.order
    return {
        "public_id": public_id,
        "store_id": request.terminal.store.id,
        "terminal_id": request.terminal.id,
        "number": request.number,
        "kind": OrderKind.ROLL_BACK.value,
        "cashier": request.cashier,
        "member_id": first.member_id,
        "state": OrderState.PAID.value,
        "occurred_at": request.occurred_at,
        "business_date": business_date(request.occurred_at),
        "recorded_at": now,
        "fingerprint": request.fingerprint(),
        "total_fen": planned.fen,
        "burned_points": 0,
        "burned_fen": 0,
        "due_fen": planned.fen,
        "earned_points": 0,
        "slices": dump(_tape(planned, parts)),
        "homes": [],
        "earnings": [],
        "money": {tender.name: tender.fen for tender in request.tenders if tender.fen},
    }


def _tape(planned: Planned, parts: Sequence[Part]) -> Allocation:
    """Return who paid how much of a roll back on which line."""
    tenders = tuple(dict.fromkeys([part.tender for part in parts]))
    slices: dict[int, list[Slice]] = {}
    for part in parts:
        piece = Slice(tenders.index(part.tender), part.fen, 0)
        slices.setdefault(part.line, []).append(piece)
    return Allocation(
        tenders=tenders,
        lots=(),
        lines=tuple(
            [
                Line(
                    number=line.number,
                    merchant_id=line.merchant_id,
                    refundable=False,
                    runs=(Run(1, 0, tuple(slices[line.number])),),
                )
                for line in planned.lines
                if line.number in slices
            ]
        ),
    )
