"""Refunds that come before their sale is paid wait here, and end as if they had come after it.

Semantics 10: tills upload out of order, gateways notify out of order. A parked refund is applied
by the news of its order's payment, in a transaction of its own.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.checkout import refunds
from app.checkout.models import Order, OrderState, ParkedRefund
from app.checkout.orders import find_by_number
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.merchants.directory import ListedTerminal, get_directory
from app.outbox import Claimed
from config.database import now_of

log = logging.getLogger(__name__)

ALARM_AFTER = timedelta(hours=24)

_KINDS: Mapping[str, type[Request]] = {
    "quantity": RefundQuantity,
    "amount": RefundAmount,
    "whole": RefundWhole,
}


def give_or_park(
    session: Session,
    *,
    terminal: ListedTerminal,
    order_number: str,
    number: str,
    occurred_at: datetime,
    parts: Sequence[Request],
    cashier: str | None = None,
) -> Refunded | None:
    """Refund the sale of a till's own number; park the refund if that is not paid yet.

    Returns None when it was parked. A repeat changes nothing, parked or given.

    Raises:
        As `refunds.give`.
    """
    order = find_by_number(session, terminal=terminal, number=order_number)
    if order is not None and order.state == OrderState.PAID:
        request = RefundRequest(
            order=order.public_id,
            terminal=terminal,
            number=number,
            occurred_at=occurred_at,
            parts=parts,
            cashier=cashier,
        )
        return refunds.give(session, request)
    session.execute(
        insert(ParkedRefund)
        .values(
            store_id=terminal.store.id,
            terminal_id=terminal.id,
            order_number=order_number,
            number=number,
            request={
                "occurred_at": occurred_at.isoformat(),
                "cashier": cashier,
                "parts": [{"kind": _kind(part), **asdict(part)} for part in parts],
            },
            parked_at=now_of(session),
        )
        .on_conflict_do_nothing(index_elements=["store_id", "terminal_id", "number"])
    )
    return None


def apply_parked(session: Session, news: Claimed) -> None:
    """Give the refunds that waited for an order, now that the news of its payment is heard."""
    order = session.scalars(select(Order).where(Order.public_id == news.aggregate)).one()
    waiting = session.scalars(
        select(ParkedRefund)
        .where(
            ParkedRefund.store_id == order.store_id,
            ParkedRefund.terminal_id == order.terminal_id,
            ParkedRefund.order_number == order.number,
            ParkedRefund.applied_at.is_(None),
        )
        .order_by(ParkedRefund.id)
        .with_for_update()
    ).all()
    for parked in waiting:
        refunds.give(session, _request(session, order, parked))
        parked.applied_at = now_of(session)


def alarm_unmatched(session: Session) -> int:
    """Wake somebody for refunds whose sale has not come within a day; return how many."""
    late = session.scalar(
        select(func.count()).where(
            ParkedRefund.applied_at.is_(None),
            ParkedRefund.parked_at < now_of(session) - ALARM_AFTER,
        )
    )
    if late:
        log.error("refunds_unmatched", extra={"count": late})
    return late or 0


def _request(session: Session, order: Order, parked: ParkedRefund) -> RefundRequest:
    terminals = get_directory(session).terminals.values()
    stored = parked.request
    return RefundRequest(
        order=order.public_id,
        terminal=next(till for till in terminals if till.id == parked.terminal_id),
        number=parked.number,
        occurred_at=datetime.fromisoformat(stored["occurred_at"]),
        parts=[_part(part) for part in stored["parts"]],
        cashier=stored["cashier"],
    )


def _kind(part: Request) -> str:
    return next(name for name, kind in _KINDS.items() if isinstance(part, kind))


def _part(stored: Mapping[str, Any]) -> Request:
    fields = {name: value for name, value in stored.items() if name != "kind"}
    return _KINDS[stored["kind"]](**fields)
