"""Changes that need two people: one proposes, another approves within 72 hours (G1).

A request holds the change as JSON and, beside it, how things stood; the room that owns the kind
applies it in the transaction of the approval. A request past its hour is dead by the date, without
a job having run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.errors import AppError, NotFound, StateConflict
from config.database import Base, new_id, now_of

LIFETIME = timedelta(hours=72)


class SamePerson(AppError):
    """The proposer cannot approve: two people are needed."""

    def __init__(self, request: str, by: str) -> None:
        super().__init__(
            f"提出人不能审批自己的变更（{request}），请换一位同事 / "
            f"The proposer cannot approve this change ({request}); ask somebody else"
        )
        self.request = request
        self.by = by


class RequestStatus(StrEnum):
    """Where a change request stands; an expired one is still `pending`, and dead by its date."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class ChangeRequest(Base):
    """One proposed change: what it would make of what, who wants it and who decided."""

    __tablename__ = "change_request"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="status"),
        CheckConstraint(
            "(status = 'pending') = (decided_by IS NULL)"
            " AND (status = 'pending') = (decided_at IS NULL)",
            name="decision",
        ),
        CheckConstraint("status <> 'approved' OR decided_by <> proposed_by", name="two_people"),
        CheckConstraint("status <> 'approved' OR decided_at < expires_at", name="in_time"),
        Index("change_request_open_idx", "kind", "id", postgresql_where=text("status = 'pending'")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    payload: Mapped[dict[str, Any]]
    reason: Mapped[str]
    status: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]

    def difference(self) -> Sequence["FieldChange"]:
        """Return the fields that would change, for the approver to read."""
        return difference(self.before or {}, self.payload)


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field of a change: what stood there, and what would."""

    field: str
    before: object
    after: object


def propose(
    session: Session,
    *,
    kind: str,
    subject: str,
    payload: Mapping[str, object],
    by: str,
    reason: str,
    before: Mapping[str, object] | None = None,
) -> ChangeRequest:
    """Ask for a change of `kind` (such as `merchant.terms`) on `subject`; nothing changes yet.

    `by` is the public id of the staff member. `before` is how things stand now, for the diff.
    """
    now = now_of(session)
    request = ChangeRequest(
        public_id=new_id("chg"),
        kind=kind,
        subject=subject,
        before=None if before is None else dict(before),
        payload=dict(payload),
        reason=reason,
        status=RequestStatus.PENDING,
        proposed_by=by,
        proposed_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(request)
    session.flush()
    return request


def approve(session: Session, request: str, *, kind: str, by: str) -> ChangeRequest:
    """Approve a request of this kind for the caller to apply now, in this transaction.

    The row is locked, so of two approvals one wins.

    Raises:
        NotFound: no request of this kind has this id.
        SamePerson: `by` proposed it.
        StateConflict: it was decided already, or its 72 hours are over.
    """
    found = _get_open(session, request, kind=kind)
    if found.proposed_by == by:
        raise SamePerson(request, by)
    return _decide(session, found, status=RequestStatus.APPROVED, by=by)


def reject(session: Session, request: str, *, kind: str, by: str) -> ChangeRequest:
    """Turn a request down; the proposer may withdraw his own in this way.

    Raises:
        NotFound: no request of this kind has this id.
        StateConflict: it was decided already, or its 72 hours are over.
    """
    found = _get_open(session, request, kind=kind)
    return _decide(session, found, status=RequestStatus.REJECTED, by=by)


def list_open(
    session: Session, *, kind: str | None = None, after: int = 0, limit: int = 100
) -> list[ChangeRequest]:
    """Return so many requests that may still be decided, oldest first, from a key on."""
    query = select(ChangeRequest).where(
        ChangeRequest.status == RequestStatus.PENDING,
        ChangeRequest.expires_at > now_of(session),
        ChangeRequest.id > after,
    )
    if kind is not None:
        query = query.where(ChangeRequest.kind == kind)
    return list(session.scalars(query.order_by(ChangeRequest.id).limit(limit)))


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> Sequence[FieldChange]:
    """Return the fields of `after` that differ from `before`, in the order of `after`."""
    return [
        FieldChange(field=name, before=before.get(name), after=value)
        for name, value in after.items()
        if name not in before or before[name] != value
    ]


def _get_open(session: Session, request: str, *, kind: str) -> ChangeRequest:
    found = session.scalar(
        select(ChangeRequest)
        .where(ChangeRequest.public_id == request, ChangeRequest.kind == kind)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("change-request", request)
    if found.status != RequestStatus.PENDING:
        raise StateConflict("change-request", request, found.status, "已有决定", "already decided")
    if found.expires_at <= now_of(session):
        raise StateConflict(
            "change-request", request, "expired", "已过 72 小时，请重新提出",
            "its 72 hours are over; propose it again",
        )  # fmt: skip
    return found


def _decide(
    session: Session, request: ChangeRequest, *, status: RequestStatus, by: str
) -> ChangeRequest:
    request.status = status
    request.decided_by = by
    request.decided_at = now_of(session)
    session.flush()
    return request
