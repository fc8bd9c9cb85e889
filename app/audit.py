"""Who did what, to what, why and from where: rows that nobody changes afterwards (G2).

Written for staff, keys and every read of personal data, in the transaction of the act itself;
not for sales, which are their own record. The rows are chained later by the sealing job.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, func, insert, null, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from config.database import Base, Xid8

# A Chinese mobile number with or without its country code, wherever somebody wrote it.
_MOBILE = re.compile(r"(?<!\d)((?:\+?86[ -]?)?1[3-9]\d)[ -]?\d{4}[ -]?(\d{4})(?!\d)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class AuditRecord(Base):
    """One act. Insert-only: the application's role may not change it, and a trigger refuses."""

    __tablename__ = "audit_record"
    __table_args__ = (
        CheckConstraint("actor <> '' AND action <> '' AND object <> ''", name="named"),
        Index("audit_record_actor_at_idx", "actor", "at"),
        Index("audit_record_object_at_idx", "object", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    actor: Mapped[str]
    on_behalf_of: Mapped[str | None]
    action: Mapped[str]
    object: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    source: Mapped[str]
    request_id: Mapped[str | None]
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))


Fields = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act of `actor` (a public id, or `system:<job>`) on `object` (a public id).

    `action` is a dotted word such as `member.freeze`; before and after are JSON fields.
    """

    actor: str
    action: str
    object: str
    before: Fields | None = None
    after: Fields | None = None
    reason: str | None = None
    on_behalf_of: str | None = None


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    object: str,  # noqa: A002 - the word of the audit's own column
    before: Fields | None = None,
    after: Fields | None = None,
    reason: str | None = None,
    on_behalf_of: str | None = None,
) -> None:
    """Write down one act, in the transaction of the act itself; see `Act` and `record_many`."""
    act = Act(
        actor=actor,
        action=action,
        object=object,
        before=before,
        after=after,
        reason=reason,
        on_behalf_of=on_behalf_of,
    )
    record_many(session, [act])


def record_many(session: Session, acts: Sequence[Act]) -> None:
    """Write down several acts in one statement.

    Phone numbers in any text are masked and control characters escaped, so a careless reason
    harms nobody. Where the acts came from and the request's id are what the door put into
    `session.info` as `source` and `request_id`.
    """
    if not acts:
        return
    session.execute(insert(AuditRecord), [_row(session, act) for act in acts])


def count_since(session: Session, *, actor: str, action: str, window: timedelta) -> int:
    """Return how often an actor did this within the last `window`, this transaction included."""
    found = session.scalar(
        select(func.count())
        .select_from(AuditRecord)
        .where(AuditRecord.actor == actor, AuditRecord.action == action)
        .where(AuditRecord.at > func.now() - window)
    )
    return found or 0


def list_records(
    session: Session,
    *,
    about: str,
    limit: int = 50,
) -> list[AuditRecord]:
    """Return what was done to an object, newest first."""
    return list(
        session.scalars(
            select(AuditRecord)
            .where(AuditRecord.object == about)
            .order_by(AuditRecord.id.desc())
            .limit(limit)
        )
    )


def masked(written: str) -> str:
    """Return a free text with phone numbers masked and control characters escaped."""
    return _MOBILE.sub(r"\1****\2", _escaped(written))


def masked_fields(fields: Fields) -> dict[str, object]:
    """Return JSON fields with every text in them masked, at any depth."""
    return {_escaped(name): _masked_value(value) for name, value in fields.items()}


def _row(session: Session, act: Act) -> dict[str, object]:
    return {
        "actor": _escaped(act.actor),
        "on_behalf_of": act.on_behalf_of,
        "action": act.action,
        "object": _escaped(act.object),
        "before": null() if act.before is None else masked_fields(act.before),
        "after": null() if act.after is None else masked_fields(act.after),
        "reason": None if act.reason is None else masked(act.reason),
        "source": session.info.get("source", "internal"),
        "request_id": session.info.get("request_id"),
    }


def _masked_value(value: object) -> object:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return masked_fields(value)
    if isinstance(value, list | tuple):
        return [_masked_value(each) for each in value]
    return value


def _escaped(written: str) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", written)
