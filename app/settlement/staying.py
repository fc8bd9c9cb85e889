"""A merchant that stays after all: its exit is cancelled while nothing of it is for good (L9).

What cannot be undone is that others bore what it owed, and that it has left. What it had bought
ahead was taken back when it began to leave: it buys anew. A deposit goes back as it came.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit, outbox
from app.approvals import ChangeRequest
from app.errors import StateConflict
from app.merchants.directory import get_directory
from app.merchants.locking import lock_merchant
from app.merchants.models import Merchant, MerchantStatus
from app.settlement.exits import get_exit
from app.settlement.models import Exit, Loss
from config.database import forget, now_of

KIND = "merchant.exit_cancel"


def propose(session: Session, code: str, *, by: str, reason: str) -> ChangeRequest:
    """Ask that a merchant's exit is cancelled; it waits for a second person (G1).

    Raises:
        NotFound: no such merchant, or it was not asked to leave.
        StateConflict: it has left, or others have borne what it owed.
    """
    row = lock_merchant(session, code)
    leaving = _require_undoable(session, row)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=row.public_id,
        before={"status": row.status},
        payload={"status": MerchantStatus.ACTIVE.value, "exit": leaving.public_id},
        by=by,
        reason=reason,
    )
    _record(session, request, action="exit_cancel.propose", by=by)
    return request


def approve(session: Session, request: str, *, by: str) -> str:
    """Cancel an exit, as the second person: the merchant gives points again; return its code.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        StateConflict: as `propose`, where that has come about since; or it is another exit by now.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    code = get_directory(session).merchants_by_public_id[agreed.subject].code
    row = lock_merchant(session, code)
    leaving = _require_undoable(session, row)
    if leaving.public_id != agreed.payload["exit"]:
        raise StateConflict(
            "exit", code, "stale", "提出之后已另有退出，请重新提出",
            "it began to leave anew since this was proposed: propose it anew",
        )  # fmt: skip
    leaving.cancelled_at, leaving.cancel_request_id = now_of(session), agreed.id
    row.status = MerchantStatus.ACTIVE
    _record(session, agreed, action="exit_cancel.approve", by=by)
    outbox.add(
        session,
        topic="merchant.stays",
        aggregate=row.public_id,
        payload={"merchant": row.public_id},
    )
    session.flush()
    forget(session)
    return code


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed cancelling down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session, actor=by, action="exit_cancel.reject", object=rejected.subject, reason=reason
    )


def _require_undoable(session: Session, row: Merchant) -> Exit:
    merchant = get_directory(session).get_merchant(row.code)
    leaving = get_exit(session, merchant)
    if row.status != MerchantStatus.EXITING:
        raise StateConflict(
            "merchant", row.code, row.status, "已退出，无法撤销", "it has left: that is for good"
        )
    borne = select(Loss.id).where(Loss.exit_id == leaving.id).limit(1)
    if session.scalar(borne) is not None:
        raise StateConflict(
            "exit", row.code, "loss-borne", "其欠款已由他方分担，无法撤销",
            "others have borne what it owed: that is for good",
        )  # fmt: skip
    return leaving


def _record(session: Session, request: ChangeRequest, *, action: str, by: str) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=request.subject,
        before=request.before,
        after=request.payload,
        reason=request.reason,
    )
