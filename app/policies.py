"""Policies of the district that are one document each: proposed by one person, approved by another.

A policy holds from an instant on until another follows it. What was in force at a business time
stays so: rows are only added, and a change begins when it is approved or later (G1, semantics 29).
The room that owns a kind says what its terms are and what holds before the first one: a `Policy`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ForeignKey, Identity, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import approvals, audit
from app.approvals import ChangeRequest
from app.errors import StateConflict
from config.database import Base, district_of, forget, now_of, remember

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
    """When terms were put in force, and who wanted and agreed to them."""

    effective_from: datetime
    request: ChangeRequest


class Terms(Protocol):
    """What a policy says, as a frozen value that can be written down."""

    def to_json(self) -> dict[str, Any]:
        """Return the terms as JSON fields."""
        ...


T = TypeVar("T", bound=Terms)


@dataclass(frozen=True, kw_only=True)
class Policy(Generic[T]):
    """A kind of policy: how its terms are read, and what holds before the first one."""

    kind: str
    default: T
    read: Callable[[Mapping[str, Any]], T]

    def at(self, session: Session, at: datetime) -> T:
        """Return the terms in force at an instant; no SQL once warm."""
        agreed = remember(session, self.kind, self.history)
        return next((terms for terms, each in agreed if each.effective_from <= at), self.default)

    def history(self, session: Session) -> list[tuple[T, Agreed]]:
        """Return every version that ever was or will be in force, newest first."""
        rows = session.execute(
            select(PolicyVersion, ChangeRequest)
            .join(ChangeRequest, ChangeRequest.id == PolicyVersion.change_request_id)
            .where(PolicyVersion.kind == self.kind)
            .order_by(PolicyVersion.effective_from.desc())
        )
        return [
            (
                self.read(row.terms),
                Agreed(effective_from=row.effective_from.astimezone(UTC), request=request),
            )
            for row, request in rows
        ]

    def proposed(self, request: ChangeRequest) -> T:
        """Return the terms that a request asks for."""
        return self.read(_terms(request))

    def propose(
        self, session: Session, terms: T, *, begins: datetime | None, by: str, reason: str
    ) -> ChangeRequest:
        """Ask for new terms in place of those in force; they wait for a second person."""
        request = approvals.propose(
            session,
            kind=self.kind,
            subject=self.kind,
            before=self.at(session, now_of(session)).to_json(),
            payload={_BEGINS: None if begins is None else begins.isoformat(), **terms.to_json()},
            by=by,
            reason=reason,
        )
        audit.record(
            session,
            actor=by,
            action="policy.propose",
            object=self.kind,
            before=request.before,
            after=request.payload,
            reason=reason,
        )
        return request

    def approve(self, session: Session, request: str, *, by: str) -> datetime:
        """Put proposed terms in force as the second person; return from when on.

        That is never before this instant, but in a sandbox, which is filled from records.

        Raises:
            NotFound, SamePerson, StateConflict: as `approvals.approve`; also where others begin at
                that very instant, or those in force are no more those of the proposal, which
                would undo the change.
        """
        known = self.at(session, now_of(session)).to_json()
        approved = approvals.approve(session, request, kind=self.kind, by=by)
        terms, begins = _terms(approved), _beginning(session, approved)
        if approved.before != known:
            raise StateConflict(
                "policy", self.kind, "stale", "提出之后方案已变更，请重新提出",
                "the policy has changed since this was proposed: propose it anew",
            )  # fmt: skip
        taken = select(PolicyVersion.id).where(
            PolicyVersion.kind == self.kind, PolicyVersion.effective_from == begins
        )
        if session.scalar(taken) is not None:
            raise StateConflict(
                "policy", self.kind, "taken", "同一时刻已有方案生效",
                "another one begins at this instant",
            )  # fmt: skip
        session.add(
            PolicyVersion(
                kind=self.kind,
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
            object=self.kind,
            before=approved.before,
            after={_BEGINS: begins.isoformat(), **terms},
            reason=approved.reason,
        )
        session.flush()
        forget(session)
        return begins

    def reject(self, session: Session, request: str, *, by: str, reason: str) -> None:
        """Turn proposed terms down, or withdraw one's own.

        Raises:
            NotFound, StateConflict: as `approvals.reject`.
        """
        approvals.reject(session, request, kind=self.kind, by=by)
        audit.record(session, actor=by, action="policy.reject", object=self.kind, reason=reason)


def _terms(request: ChangeRequest) -> dict[str, Any]:
    return {name: value for name, value in request.payload.items() if name != _BEGINS}


def _beginning(session: Session, request: ChangeRequest) -> datetime:
    written, now = request.payload[_BEGINS], now_of(session)
    if written is None:
        return now
    wanted = datetime.fromisoformat(written).astimezone(UTC)
    return wanted if district_of(session).sandbox else max(wanted, now)
