"""Stopping a member, and letting him go on (M11). A frozen balance goes on ageing, in the open."""

from sqlalchemy import select
from sqlalchemy.orm import Session

import ledger
from app import audit
from app.errors import StateConflict
from app.members.errors import UnknownMember
from app.members.models import Member, MemberStatus


def freeze(session: Session, public_id: str, *, by: str, reason: str) -> None:
    """Stop a member from earning and burning until he is unfrozen.

    Raises:
        UnknownMember: nobody has this public id.
        StateConflict: he is not active.
    """
    _move(session, public_id, MemberStatus.ACTIVE, MemberStatus.FROZEN, by=by, reason=reason)


def unfreeze(session: Session, public_id: str, *, by: str, reason: str) -> None:
    """Let a frozen member earn and burn again.

    Raises:
        UnknownMember: nobody has this public id.
        StateConflict: he is not frozen.
    """
    _move(session, public_id, MemberStatus.FROZEN, MemberStatus.ACTIVE, by=by, reason=reason)


def _move(
    session: Session,
    public_id: str,
    start: MemberStatus,
    end: MemberStatus,
    *,
    by: str,
    reason: str,
) -> None:
    wallet = session.scalar(select(Member.wallet_id).where(Member.public_id == public_id))
    if wallet is None:
        raise UnknownMember(public_id)
    # Sales that are under way end first; those that wait for the wallet find the new status. A sale
    # may lift the member's tier, so the row is locked after the wallet, as it is there.
    ledger.lock_wallet(session, wallet)
    row = session.scalars(
        select(Member)
        .where(Member.public_id == public_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()
    if row.status != start:
        zh, en = f"不是 {start} 状态", f"is not {start}"
        raise StateConflict("member", public_id, row.status, zh, en)
    row.status = end
    audit.record(
        session,
        actor=by,
        action="member.freeze" if end is MemberStatus.FROZEN else "member.unfreeze",
        object=public_id,
        before={"status": start.value},
        after={"status": end.value},
        reason=reason,
    )
    session.flush()
