"""Stopping a merchant, a store or a till, and letting it sell again (M11).

The change is seen by every sale that begins after its commit.
"""

from sqlalchemy.orm import Session

from app import audit
from app.errors import StateConflict
from app.merchants.locking import lock_merchant, lock_store, lock_terminal
from app.merchants.models import Merchant, MerchantStatus, Standing, Store, Terminal
from config.database import forget


def freeze_merchant(session: Session, code: str, *, by: str, reason: str) -> None:
    """Stop all sales of a merchant; members keep the points it issued.

    Raises:
        NotFound: no such merchant.
        StateConflict: it is not active.
    """
    _move(session, lock_merchant(session, code), MerchantStatus.FROZEN, by=by, reason=reason)


def unfreeze_merchant(session: Session, code: str, *, by: str, reason: str) -> None:
    """Let a frozen merchant sell again.

    Raises:
        NotFound: no such merchant.
        StateConflict: it is not frozen.
    """
    _move(session, lock_merchant(session, code), MerchantStatus.ACTIVE, by=by, reason=reason)


def freeze_store(session: Session, code: str, *, by: str, reason: str) -> None:
    """Stop all sales of a store.

    Raises:
        NotFound: no such store.
        StateConflict: it is not active.
    """
    _move(session, lock_store(session, code), Standing.FROZEN, by=by, reason=reason)


def unfreeze_store(session: Session, code: str, *, by: str, reason: str) -> None:
    """Let a frozen store sell again.

    Raises:
        NotFound: no such store.
        StateConflict: it is not frozen.
    """
    _move(session, lock_store(session, code), Standing.ACTIVE, by=by, reason=reason)


def freeze_terminal(session: Session, *, store: str, code: str, by: str, reason: str) -> None:
    """Stop sales at one till.

    Raises:
        NotFound: no such till in the store.
        StateConflict: it is not active.
    """
    _move(
        session,
        lock_terminal(session, store=store, code=code),
        Standing.FROZEN,
        by=by,
        reason=reason,
    )


def unfreeze_terminal(session: Session, *, store: str, code: str, by: str, reason: str) -> None:
    """Let a frozen till sell again.

    Raises:
        NotFound: no such till in the store.
        StateConflict: it is not frozen.
    """
    _move(
        session,
        lock_terminal(session, store=store, code=code),
        Standing.ACTIVE,
        by=by,
        reason=reason,
    )


def _move(
    session: Session,
    row: Merchant | Store | Terminal,
    status: MerchantStatus | Standing,
    *,
    by: str,
    reason: str,
) -> None:
    freezing = status.value == "frozen"
    if row.status != ("active" if freezing else "frozen"):
        zh, en = ("不是营业状态", "is not active") if freezing else ("没有冻结", "is not frozen")
        raise StateConflict(row.__tablename__, row.code, row.status, zh, en)
    audit.record(
        session,
        actor=by,
        action=f"{row.__tablename__}.{'freeze' if freezing else 'unfreeze'}",
        object=row.public_id,
        before={"status": row.status},
        after={"status": status.value},
        reason=reason,
    )
    row.status = status.value
    session.flush()
    forget(session)
