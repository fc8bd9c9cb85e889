"""Holds: amounts set aside until an instant, then captured, voided or dead.

A capture is a posting that names the hold (`Journal.hold`); here is what comes before and beside
it. Two-phase transfers after TigerBeetle: the same key may be sent again, other content is refused.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from config.database import now_of
from ledger.errors import HoldEnded, InsufficientBalance, KeyReused
from ledger.models import HoldState


def place(
    session: Session,
    *,
    key: str,
    amounts: Mapping[int, int],
    until: datetime,
    wallet_id: int | None = None,
) -> bool:
    """Set aside account → amount until an instant; return whether the key was known already.

    What is held cannot be posted away. Balance rows are locked by id. The accounts of one hold
    should lie in one wallet, named so that its owner's next visit frees it once it is dead.

    Raises:
        InsufficientBalance: an account has less than is asked above its floor and other holds.
        KeyReused: the key names a hold of other amounts.
    """
    lines = sorted(amounts.items())
    outcome = session.execute(
        _PLACE,
        {
            "now": now_of(session),
            "key": key,
            "digest": hashlib.sha256(repr(lines).encode()).digest(),
            "wallet": wallet_id,
            "until": until,
            "accounts": [account for account, _ in lines],
            "amounts": [amount for _, amount in lines],
        },
    ).one()
    if outcome.refusal == "key-reused":
        raise KeyReused(key)
    if outcome.refusal is not None:
        raise InsufficientBalance(outcome.culprit)
    return bool(outcome.replayed)


def extend(session: Session, *, key: str, until: datetime) -> None:
    """Let a hold live until a later instant; an earlier one changes nothing. Locks the hold.

    Raises:
        HoldEnded: it is captured, given back or dead, or there is none of the key.
    """
    if not session.scalar(_EXTEND, {"now": now_of(session), "key": key, "until": until}):
        raise HoldEnded(key)


def void(session: Session, *, key: str) -> HoldState:
    """Give back what a hold keeps; voiding again changes nothing. Returns its state.

    Raises:
        HoldEnded: there is no such hold.
    """
    state = session.scalar(_VOID, {"now": now_of(session), "key": key})
    if state is None:
        raise HoldEnded(key)
    return HoldState(state)


def expire(session: Session) -> int:
    """End up to a hundred dead holds of any wallet; return how many. Safe in parallel.

    Only housekeeping: a dead hold is never captured, and its wallet's next lock frees it.
    """
    return session.scalar(_EXPIRE, {"now": now_of(session)}) or 0


_PLACE = text(
    "SELECT * FROM ledger_place_hold(:now, :key, :digest, :wallet, :until, "
    "CAST(:accounts AS bigint[]), CAST(:amounts AS bigint[]))"
)
_EXTEND = text("SELECT ledger_extend_hold(:now, :key, :until)")
_VOID = text("SELECT ledger_void_hold(:now, :key)")
_EXPIRE = text("SELECT ledger_expire_holds(:now, NULL)")
