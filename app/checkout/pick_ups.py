"""Goods of the reward mall handed out at a till by their code, once, against their cash part (B3).

The cash part is a sale of one line like any other: it has the till's own number, earns, stands in
the till's totals and is refunded as they are. The points were taken before and are not in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import outbox
from app.checkout import orders, takings
from app.checkout.baskets import Basket, BasketLine, Tender
from app.checkout.errors import BusinessKeyConflict, PaymentMismatch
from app.checkout.models import MallTaking, TakingState
from app.checkout.takings import Taken
from app.errors import Invalid, NotFound
from app.members.identification import KnownMember, get_by_id
from app.merchants.directory import ListedTerminal
from config.database import fetch, now_of

#: Category of the line that the cash part is.
CATEGORY = "reward"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a code stands for at a till, and whose it is; `repeated`: it was handed out before."""

    taken: Taken
    member: KnownMember
    repeated: bool = False


def look_up(session: Session, terminal: ListedTerminal, *, index: bytes) -> Found:
    """Return what waits at a till's merchant by the keyed hash of its code; nothing moves.

    Raises:
        NotFound: nothing waits here by it, whatever the cause (C17).
    """
    row = session.scalar(select(MallTaking).where(MallTaking.code_index == index))
    return _found(session, terminal, row)


def pick_up(
    session: Session,
    terminal: ListedTerminal,
    *,
    index: bytes,
    number: str | None = None,
    tenders: Sequence[Tender] = (),
    cashier: str | None = None,
) -> Found:
    """Hand out what a code stands for, once, and sell its cash part under the till's `number`.

    The same store again is told again, whatever else it sends. Locks the taking, then the wallet.

    Raises:
        NotFound: nothing waits here by this code, whatever the cause (C17).
        Invalid: a cash part without a number.
        PaymentMismatch: the tenders are not the cash part.
        BusinessKeyConflict: the number names another sale.
        Frozen: the till, its store or merchant is.
        As `orders.sell`.
    """
    key = session.scalar(select(MallTaking.id).where(MallTaking.code_index == index))
    row = None if key is None else takings.get_locked(session, key)
    found = _found(session, terminal, row)
    if found.repeated:
        return found
    terminal.require_open()
    order = _sell(session, terminal, found, number=number, tenders=tenders, cashier=cashier)
    fetch(
        session,
        "SELECT mall_pick_up(%(now)s, %(taking)s, %(store)s, %(order)s)",
        {
            "now": now_of(session),
            "taking": found.taken.id,
            "store": terminal.store.id,
            "order": order,
        },
    )
    taken = takings.get_by_key(session, found.taken.id)
    outbox.add(
        session,
        topic="mall.picked_up",
        aggregate=taken.public_id,
        payload={
            "taking": taken.public_id,
            "item": taken.item,
            "member": found.member.public_id,
            "store": terminal.store.public_id,
            "order": order,
        },
    )
    return Found(taken=taken, member=found.member)


def _found(session: Session, terminal: ListedTerminal, row: MallTaking | None) -> Found:
    if row is not None:
        taken = takings.get_by_key(session, row.id)
        here = row.state == TakingState.PICKED_UP and row.store_id == terminal.store.id
        waits = row.state == TakingState.WAITING and row.until > now_of(session)
        if taken.merchant.id == terminal.store.merchant.id and (here or waits):
            member = get_by_id(session, row.member_id)
            return Found(taken=taken, member=member, repeated=here)
    raise NotFound("pick-up code", "…")


def _sell(
    session: Session,
    terminal: ListedTerminal,
    found: Found,
    *,
    number: str | None,
    tenders: Sequence[Tender],
    cashier: str | None,
) -> str | None:
    taken = found.taken
    if not taken.cash_fen:
        paid = sum(tender.fen for tender in tenders)
        if paid:
            raise PaymentMismatch(due_fen=0, paid_fen=paid)
        return None
    if number is None:
        raise Invalid("number", "收现金须有收银单号", "a cash part needs the till's number")
    line = BasketLine(
        sku=taken.item, name=taken.title_zh, category=CATEGORY, amount_fen=taken.cash_fen
    )
    basket = Basket(
        terminal=terminal,
        number=number,
        occurred_at=now_of(session),
        lines=[line],
        member=found.member,
        cashier=cashier,
    )
    sale = orders.sell(session, basket, tenders)
    if sale.replayed:  # A till that gives two pick-ups one number.
        raise BusinessKeyConflict("order", number, sale.public_id)
    return sale.public_id
