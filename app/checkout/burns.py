"""Burns of sales that are kept elsewhere: authorised, captured in full or less, given up (B1, P3).

A till whose sales stay in a system of its own burns points here. What is authorised is held until
the burn's `until`. Captured, it is an order of kind `burn` with one line that points pay whole, so
refunds, limits, statements, totals and the books know it as they know every order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import ledger
from app.checkout import taps
from app.checkout.baskets import Basket, BasketLine, Tap
from app.checkout.drafts import Sale
from app.checkout.errors import BurnEnded, BurnExpired, BusinessKeyConflict, NothingToBurn
from app.checkout.models import Burn, BurnState, Order, OrderKind
from app.checkout.orders import lock_wallet, settle_priced
from app.checkout.pricing import Priced, price
from app.errors import Invalid, NotFound
from app.members.identification import KnownMember, get_by_id
from app.merchants.directory import ListedTerminal, get_directory
from app.points import burning
from app.points.burns import draw
from app.points.programme import programme_at
from config.database import new_id, now_of
from config.errors import Collision

EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Burned:
    """A burn as its till hears of it; `order` is what it became, to be refunded by.

    `state` is the burn's own, or `expired`: nothing is held any more.
    """

    public_id: str
    number: str
    state: str
    order_fen: int
    points: int
    worth_fen: int
    captured_points: int
    captured_fen: int
    order: str | None
    until: datetime
    member_id: int
    replayed: bool = False


def wish(
    *,
    terminal: ListedTerminal,
    member: KnownMember,
    number: str,
    order_fen: int,
    points: int,
    now: datetime,
    cashier: str | None = None,
    tap: Tap | None = None,
) -> Basket:
    """Return what a till asks for: points for a sale of so much, of which nothing else is known."""
    return Basket(
        terminal=terminal,
        number=number,
        occurred_at=now,
        lines=[_line(order_fen)],
        member=member,
        burn_points=points,
        cashier=cashier,
        kind=OrderKind.BURN.value,
        tap=tap,
    )


def authorise(session: Session, basket: Basket) -> Burned:
    """Hold points for a sale that is kept elsewhere, cut by the same terms as an order's.

    Locks the member's wallet. The till's number again, with the same content, returns the first
    burn and holds nothing.

    Raises:
        BusinessKeyConflict: the till's number names another burn.
        NothingToBurn: the terms cut the ask to nothing.
        InsufficientPoints, MemberNotActive, Frozen: as they say.
        TapNeeded, BurnNotConfirmed: the member has to confirm the burn on the phone.
        Collision: the same burn is being written elsewhere; run the transaction again.
    """
    wallet = lock_wallet(session, basket)
    known = find_known(session, basket)
    if known is not None:
        return known
    burns = taps.count(session, basket) if taps.asks(basket) else 0
    priced = price(session, basket, wallet)
    if wallet is None or not priced.parts:
        raise NothingToBurn(priced.burn.limits)
    taps.require(session, priced, wallet, burns_in_the_hour=burns)
    public_id = new_id("bur")
    until = now_of(session) + timedelta(minutes=priced.programme.hold_minutes)
    ledger.holds.place(
        session,
        key=_hold(public_id),
        amounts=dict(priced.parts),
        until=until,
        wallet_id=wallet.member.wallet_id,
    )
    _write(session, priced, wallet.member, public_id=public_id, until=until)
    return Burned(
        public_id=public_id,
        number=basket.number,
        state=BurnState.AUTHORISED,
        order_fen=basket.total_fen,
        points=priced.burn.points,
        worth_fen=priced.burn.value_fen,
        captured_points=0,
        captured_fen=0,
        order=None,
        until=until,
        member_id=wallet.member.id,
    )


def capture(
    session: Session, *, burn: str, points: int | None = None, cashier: str | None = None
) -> Burned:
    """Take what a burn holds, or fewer `points`: the rest is free at once.

    Of fewer points no more are taken than pay for the same fen. Locks the burn, then the wallet,
    so of a capture, another and a void one comes first. The same capture again changes nothing.

    Raises:
        NotFound: no such burn.
        Invalid: more points than it holds, or so few that they are worth nothing.
        BurnExpired: its hold has ended.
        BurnEnded: it was given up, or captured with other points.
        MemberNotActive: its member has been frozen meanwhile.
        Collision: its hold ended while it was being captured; run the transaction again.
    """
    found = get_locked(session, burn)
    taken, taken_fen = _taken(session, found, points)
    if found.state == BurnState.CAPTURED and found.captured_points == taken:
        return replace(told(session, found), replayed=True)
    if found.state != BurnState.AUTHORISED:
        raise BurnEnded(burn, found.state)
    if found.until <= now_of(session):
        raise BurnExpired(burn)
    sale = _settle(session, found, points=taken, fen=taken_fen, cashier=cashier)
    session.execute(
        update(Burn)
        .where(Burn.id == found.id)
        .values(
            state=BurnState.CAPTURED,
            captured_points=taken,
            captured_fen=taken_fen,
            order_id=select(Order.id).where(Order.public_id == sale.public_id).scalar_subquery(),
            ended_at=now_of(session),
        )
    )
    session.refresh(found)
    return told(session, found)


def void(session: Session, *, burn: str) -> Burned:
    """Give up a burn before it is captured: what it held is free at once. Again changes nothing.

    Raises:
        NotFound: no such burn.
        BurnEnded: it was captured: refund its order.
    """
    found = get_locked(session, burn)
    if found.state == BurnState.VOIDED:
        return replace(told(session, found), replayed=True)
    if found.state != BurnState.AUTHORISED:
        raise BurnEnded(burn, found.state)
    ledger.holds.void(session, key=_hold(burn))
    found.state, found.ended_at = BurnState.VOIDED, now_of(session)
    session.flush()
    return told(session, found)


def get_locked(session: Session, public_id: str) -> Burn:
    """Return a burn under lock until the transaction ends.

    Raises:
        NotFound: no such burn.
    """
    found = session.scalar(
        select(Burn)
        .where(Burn.public_id == public_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("burn", public_id)
    return found


def find_by_number(session: Session, *, terminal: ListedTerminal, number: str) -> Burn | None:
    """Return the burn of a till's own number, or None."""
    return session.scalar(
        select(Burn).where(
            Burn.store_id == terminal.store.id,
            Burn.terminal_id == terminal.id,
            Burn.number == number,
        )
    )


def find_known(session: Session, basket: Basket) -> Burned | None:
    """Return the burn that the till's number names already, or None.

    Raises:
        BusinessKeyConflict: it was another one.
    """
    found = find_by_number(session, terminal=basket.terminal, number=basket.number)
    if found is None:
        return None
    if found.fingerprint != basket.fingerprint():
        raise BusinessKeyConflict("burn", basket.number, found.public_id)
    return replace(told(session, found), replayed=True)


def told(session: Session, burn: Burn) -> Burned:
    """Return a burn as its till hears of it now."""
    over = burn.state == BurnState.AUTHORISED and burn.until <= now_of(session)
    order = None
    if burn.order_id is not None:
        order = session.scalar(select(Order.public_id).where(Order.id == burn.order_id))
    return Burned(
        public_id=burn.public_id,
        number=burn.number,
        state=EXPIRED if over else burn.state,
        order_fen=burn.order_fen,
        points=burn.points,
        worth_fen=burn.worth_fen,
        captured_points=burn.captured_points,
        captured_fen=burn.captured_fen,
        order=order,
        until=burn.until,
        member_id=burn.member_id,
    )


def _line(fen: int) -> BasketLine:
    return BasketLine(sku="burn", name="积分抵扣 / Points", category="general", amount_fen=fen)


def _hold(burn: str) -> str:
    return f"{burn}:hold"


def _write(
    session: Session, priced: Priced, member: KnownMember, *, public_id: str, until: datetime
) -> None:
    basket = priced.basket
    row: Mapping[str, object] = {
        "public_id": public_id,
        "store_id": basket.terminal.store.id,
        "terminal_id": basket.terminal.id,
        "number": basket.number,
        "cashier": basket.cashier,
        "member_id": member.id,
        "state": BurnState.AUTHORISED,
        "recorded_at": now_of(session),
        "until": until,
        "fingerprint": basket.fingerprint(),
        "order_fen": basket.total_fen,
        "points": priced.burn.points,
        "worth_fen": priced.burn.value_fen,
        "parts": [list(part) for part in priced.parts],
    }
    made = session.scalar(
        insert(Burn)
        .values(row)
        .on_conflict_do_nothing(index_elements=["store_id", "terminal_id", "number"])
        .returning(Burn.id)
    )
    if made is None:
        raise Collision("burn", basket.number)


def _taken(session: Session, burn: Burn, points: int | None) -> tuple[int, int]:
    """Return the points that a capture takes and the fen that they pay for."""
    if points is None or points == burn.points:
        return burn.points, burn.worth_fen
    if not 0 < points < burn.points:
        raise Invalid("points", f"须在 1 到 {burn.points} 之间", f"from 1 to {burn.points}")
    rate = programme_at(session, burn.recorded_at).point_value_fen
    return least_for(points, most_fen=burn.worth_fen, point_value_fen=rate)


def least_for(points: int, *, most_fen: int, point_value_fen: Fraction) -> tuple[int, int]:
    """Return the least points that pay for as many fen as `points` do, and those fen.

    Raises:
        Invalid: they pay for none.
    """
    fen = min(burning.worth_fen(points, point_value_fen=point_value_fen), most_fen)
    if not fen:
        raise Invalid("points", "价值不足 1 分", "they are worth no fen")
    return burning.points_for(fen, point_value_fen=point_value_fen), fen


def _settle(session: Session, burn: Burn, *, points: int, fen: int, cashier: str | None) -> Sale:
    terminals = get_directory(session).terminals.values()
    basket = Basket(
        terminal=next(till for till in terminals if till.id == burn.terminal_id),
        number=burn.number,
        occurred_at=burn.recorded_at,
        lines=[_line(fen)],
        member=get_by_id(session, burn.member_id),
        burn_points=points,
        cashier=cashier or burn.cashier,
        kind=OrderKind.BURN.value,
    )
    wallet = lock_wallet(session, basket)
    if wallet is not None:
        wallet.member.require_active()
    priced = replace(
        price(session, basket, None),
        burn=burning.Burn(points=points, value_fen=fen),
        parts=draw([(lot, held) for lot, held in burn.parts], points),
    )
    try:
        return settle_priced(session, priced, wallet, [], hold=_hold(burn.public_id))
    except ledger.HoldEnded as ended:  # By the clock, which is ahead of this transaction's now.
        raise Collision("hold", burn.public_id) from ended
