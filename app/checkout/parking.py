"""Refunds that come before their sale is paid wait here, and end as if they had come after it.

Semantics 10: tills upload out of order, gateways notify out of order. A sale does not know of the
refunds that wait for it, nor they of a sale that is being written; the clock looks for pairs.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.checkout import refunds
from app.checkout.errors import BusinessKeyConflict
from app.checkout.models import Order, OrderKind, OrderState, ParkedRefund
from app.checkout.orders import find_by_number
from app.checkout.refunds import Refunded, RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.errors import AppError
from app.merchants.directory import ListedTerminal, get_directory
from config.database import now_of
from ledger import LedgerError

log = logging.getLogger(__name__)

ALARM_AFTER = timedelta(hours=24)
#: As many refunds a look: their locks are all held until its commit.
AT_ONCE = 50

_KINDS: Mapping[str, type[Request]] = {
    "quantity": RefundQuantity,
    "amount": RefundAmount,
    "whole": RefundWhole,
}
_WAITS = and_(ParkedRefund.applied_at.is_(None), ParkedRefund.refused_at.is_(None))
_PAID_SALE = and_(
    Order.store_id == ParkedRefund.store_id,
    Order.terminal_id == ParkedRefund.terminal_id,
    Order.number == ParkedRefund.order_number,
    Order.kind == OrderKind.SALE,
    Order.state == OrderState.PAID,
)


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
        BusinessKeyConflict: the refund's number names another refund, parked or given.
        As `refunds.give`.
    """
    asked = RefundRequest(
        order=order_number,
        terminal=terminal,
        number=number,
        occurred_at=occurred_at,
        parts=parts,
        cashier=cashier,
    )
    _refuse_other_content(session, asked)
    order = find_by_number(session, terminal=terminal, number=order_number)
    if order is not None and order.state == OrderState.PAID:
        return refunds.give(session, replace(asked, order=order.public_id))
    # A refund that was given is of another sale: this one has not been paid.
    refunds.find_known(session, asked)
    _park(session, asked)
    return None


def apply_parked(session: Session) -> int:
    """Give refunds whose sales have been paid meanwhile, each in a savepoint; return how many.

    Their orders are locked first, by id; one that somebody is at waits for the next look. A refund
    that is refused keeps its refusal, wakes somebody and is not tried again.
    """
    waiting = session.execute(
        select(ParkedRefund, Order.public_id)
        .join(Order, _PAID_SALE)
        .where(_WAITS)
        .order_by(Order.id, ParkedRefund.id)
        .limit(AT_ONCE)
        .with_for_update(of=Order, skip_locked=True)
    ).all()
    return sum([_apply(session, parked, order) for parked, order in waiting])


def alarm_unmatched(session: Session) -> int:
    """Wake somebody for refunds whose sale has not come within a day; return how many."""
    late = session.scalar(
        select(func.count())
        .select_from(ParkedRefund)
        .where(
            _WAITS,
            ParkedRefund.parked_at < now_of(session) - ALARM_AFTER,
            ~exists().where(_PAID_SALE),
        )
    )
    if late:
        log.error("refunds_unmatched", extra={"count": late})
    return late or 0


def _refuse_other_content(session: Session, asked: RefundRequest) -> None:
    known = session.execute(
        select(ParkedRefund.order_number, ParkedRefund.fingerprint).where(
            ParkedRefund.store_id == asked.terminal.store.id,
            ParkedRefund.terminal_id == asked.terminal.id,
            ParkedRefund.number == asked.number,
        )
    ).one_or_none()
    if known is not None and known.fingerprint != asked.fingerprint():
        raise BusinessKeyConflict("refund", asked.number, known.order_number)


def _park(session: Session, asked: RefundRequest) -> None:
    made = session.scalar(
        insert(ParkedRefund)
        .values(
            store_id=asked.terminal.store.id,
            terminal_id=asked.terminal.id,
            order_number=asked.order,
            number=asked.number,
            fingerprint=asked.fingerprint(),
            request={
                "occurred_at": asked.occurred_at.isoformat(),
                "cashier": asked.cashier,
                "parts": [{"kind": _kind(part), **asdict(part)} for part in asked.parts],
            },
            parked_at=now_of(session),
        )
        .on_conflict_do_nothing(index_elements=["store_id", "terminal_id", "number"])
        .returning(ParkedRefund.id)
    )
    if made is None:  # It is there, perhaps since the look-up above.
        _refuse_other_content(session, asked)


def _apply(session: Session, parked: ParkedRefund, order: str) -> bool:
    words = {"parked_refund": parked.id, "order": order}
    try:
        with session.begin_nested():
            refunds.give(session, _request(session, parked, order))
    except (AppError, LedgerError) as refusal:
        log.exception("parked_refund_refused", extra=words)
        _mark(session, parked.id, refused_at=now_of(session), refusal=str(refusal))
        return False
    except Exception:
        log.exception("parked_refund_failed", extra=words)  # The next look tries it again.
        return False
    _mark(session, parked.id, applied_at=now_of(session))
    return True


def _mark(session: Session, parked: int, **how: object) -> None:
    session.execute(update(ParkedRefund).where(ParkedRefund.id == parked, _WAITS).values(**how))


def _request(session: Session, parked: ParkedRefund, order: str) -> RefundRequest:
    terminals = get_directory(session).terminals.values()
    stored = parked.request
    return RefundRequest(
        order=order,
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
