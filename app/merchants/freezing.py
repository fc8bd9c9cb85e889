"""Stopping a merchant, a store or a till, and letting it sell again (M11).

The row comes locked from `locking`. The change is seen by every sale that begins after its commit;
members keep the points that a frozen merchant issued.
"""

from sqlalchemy.orm import Session

from app import audit
from app.errors import StateConflict
from app.merchants.models import Merchant, Standing, Store, Terminal
from config.database import forget


def freeze(session: Session, row: Merchant | Store | Terminal, *, by: str, reason: str) -> None:
    """Stop all sales of a merchant, in a store or at a till.

    Raises:
        StateConflict: it is not active.
    """
    if row.status != Standing.ACTIVE:
        raise StateConflict(
            row.__tablename__, row.code, row.status, "不是营业状态", "is not active"
        )
    _move(session, row, Standing.FROZEN, by=by, reason=reason)


def unfreeze(session: Session, row: Merchant | Store | Terminal, *, by: str, reason: str) -> None:
    """Let what was frozen sell again.

    Raises:
        StateConflict: it is not frozen.
    """
    if row.status != Standing.FROZEN:
        raise StateConflict(row.__tablename__, row.code, row.status, "没有冻结", "is not frozen")
    _move(session, row, Standing.ACTIVE, by=by, reason=reason)


def _move(
    session: Session,
    row: Merchant | Store | Terminal,
    status: Standing,
    *,
    by: str,
    reason: str,
) -> None:
    verb = "freeze" if status is Standing.FROZEN else "unfreeze"
    audit.record(
        session,
        actor=by,
        action=f"{row.__tablename__}.{verb}",
        object=row.public_id,
        before={"status": row.status},
        after={"status": status.value},
        reason=reason,
    )
    row.status = status.value
    session.flush()
    forget(session)
