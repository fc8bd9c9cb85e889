"""Policies of the district that are one document each: proposed by one person, approved by another.

A policy holds from an instant on until another follows it. What was in force at a business time
stays so: rows are only added, and a change begins when it is approved or later (G1, semantics 29).
The room that owns a kind knows what its terms say and what holds before the first one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import approvals, audit
from app.approvals import ChangeRequest
from app.errors import StateConflict
from config.database import Base, district_of, forget, now_of

_BEGINS = "effective_from"


class PolicyVersion(Base):
    """What a policy says from an instant on; never changed, only followed."""

    __tablename__ = "policy"
    __table_args__ = (UniqueConstraint("kind", "effective_from"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    kind: Mapped[str]
    effective_from: Mapped[datetime]
    terms: Mapped[dict[str, Any]]
    change_request_id: Mapped[int] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """A policy that was put in force: its terms as JSON fields, and who wanted and agreed to it."""

    effective_from: datetime
    terms: Mapping[str, Any]
    request: ChangeRequest


def history(session: Session, kind: str) -> Sequence[Agreed]:
    """Return every version of a policy that ever was or will be in force, newest first."""
    rows = session.execute(
        select(PolicyVersion, ChangeRequest)
        .join(ChangeRequest, ChangeRequest.id == PolicyVersion.change_request_id)
        .where(PolicyVersion.kind == kind)
        .order_by(PolicyVersion.effective_from.desc())
    )
    return [
        Agreed(effective_from=row.effective_from.astimezone(UTC), terms=row.terms, request=request)
        for row, request in rows
    ]


def propose(
    session: Session,
    *,
    kind: str,
    terms: Mapping[str, Any],
    known: Mapping[str, Any],
    begins: datetime | None,
    by: str,
    reason: str,
) -> ChangeRequest:
    """Ask for a whole new policy in place of what is `known`; it waits for a second person."""
    request = approvals.propose(
        session,
        kind=kind,
        subject=kind,
        before=known,
        payload={_BEGINS: None if begins is None else begins.isoformat(), **terms},
        by=by,
        reason=reason,
    )
    audit.record(
        session,
        actor=by,
        action="policy.propose",
        object=kind,
        before=request.before,
        after=request.payload,
        reason=reason,
    )
    return request


def approve(
    session: Session, request: str, *, kind: str, known: Mapping[str, Any], by: str
) -> datetime:
    """Put a proposed policy in force as the second person; return from when on.

    That is never before this instant, but in a sandbox, which is filled from records. `known` is
    what is in force now.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`; also where another begins at
            that very instant, or the policy has been followed by another since the proposal, which
            would undo that.
    """
    approved = approvals.approve(session, request, kind=kind, by=by)
    terms = terms_of(approved)
    begins = _beginning(session, approved)
    if approved.before != dict(known):
        raise StateConflict(
            "policy", kind, "stale", "提出之后方案已变更，请重新提出",
            "the policy has changed since this was proposed: propose it anew",
        )  # fmt: skip
    taken = select(PolicyVersion.id).where(
        PolicyVersion.kind == kind, PolicyVersion.effective_from == begins
    )
    if session.scalar(taken) is not None:
        raise StateConflict(
            "policy", kind, "taken", "同一时刻已有方案生效", "another one begins at this instant"
        )
    session.add(
        PolicyVersion(
            kind=kind,
            effective_from=begins,
            terms=terms,
            change_request_id=approved.id,
            created_at=now_of(session),
        )
    )
    audit.record(
        session,
        actor=by,
        action="policy.approve",
        object=kind,
        before=approved.before,
        after={_BEGINS: begins.isoformat(), **terms},
        reason=approved.reason,
    )
    session.flush()
    forget(session)
    return begins


def reject(session: Session, request: str, *, kind: str, by: str, reason: str) -> None:
    """Turn a proposed policy down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    approvals.reject(session, request, kind=kind, by=by)
    audit.record(session, actor=by, action="policy.reject", object=kind, reason=reason)


def terms_of(request: ChangeRequest) -> dict[str, Any]:
    """Return the terms that a request asks for, as JSON fields."""
    return {name: value for name, value in request.payload.items() if name != _BEGINS}


def _beginning(session: Session, request: ChangeRequest) -> datetime:
    written, now = request.payload[_BEGINS], now_of(session)
    if written is None:
        return now
    wanted = datetime.fromisoformat(written).astimezone(UTC)
    return wanted if district_of(session).sandbox else max(wanted, now)
