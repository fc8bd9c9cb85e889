"""Points that leaving members gave away, until two people say what becomes of them (semantics 49).

They wait in the district's account `donated`, worth what they had cost. Released, they go back to
their issuers as expired points do, or to charity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit, books, outbox
from app.approvals import ChangeRequest
from app.books import Kind
from app.errors import StateConflict
from app.merchants.directory import ListedMerchant, get_directory
from app.settlement.models import Release
from config.database import now_of
from ledger import Journal, Posting

KIND = "settlement.donations"


class Purpose(StrEnum):
    """What becomes of donated points: back to their issuers, or to the district's charity."""

    ISSUERS = "issuers"
    CHARITY = "charity"


@dataclass(frozen=True, kw_only=True)
class Donated:
    """Donated points of one issuer and cost (fen per point) that nobody has released yet."""

    issuer: ListedMerchant
    cost: Fraction
    points: int

    def to_json(self) -> dict[str, object]:
        """Return what a proposal keeps of them."""
        return {
            "issuer": self.issuer.public_id, "cost": str(self.cost), "points": self.points,
        }  # fmt: skip


def list_waiting(session: Session) -> list[Donated]:
    """Return the donated points that wait for a purpose, by issuer and cost."""
    merchants = get_directory(session).merchants
    return [
        Donated(
            issuer=merchants[row.issuer_id],
            cost=Fraction(row.cost_num, row.cost_den),
            points=int(row.points),
        )
        for row in session.execute(_WAITING)
    ]


def propose(session: Session, purpose: Purpose, *, by: str, reason: str) -> ChangeRequest:
    """Ask for a purpose of all that waits now; it waits for a second person (G1).

    Raises:
        StateConflict: nothing waits.
    """
    waiting = list_waiting(session)
    if not waiting:
        raise StateConflict(
            "donations", "-", "empty", "没有待处理的捐赠积分", "no donated points wait"
        )
    request = approvals.propose(
        session,
        kind=KIND,
        subject=KIND,
        payload={
            "purpose": purpose.value,
            "points": sum(each.points for each in waiting),
            "parts": [each.to_json() for each in waiting],
        },
        by=by,
        reason=reason,
    )
    _record(session, request, action="donations.propose", by=by)
    return request


def approve(session: Session, request: str, *, by: str) -> list[Donated]:
    """Release what was proposed, as the second person; return it. The next close pays for it.

    One at a time in a district, so that no point is released twice.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        StateConflict: another release has taken some of it meanwhile.
    """
    session.execute(_ONE_AT_A_TIME)
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    purpose = Purpose(agreed.payload["purpose"])
    parts = [_part(session, each) for each in agreed.payload["parts"]]
    waiting = {(each.issuer.id, each.cost): each.points for each in list_waiting(session)}
    if any(each.points > waiting.get((each.issuer.id, each.cost), 0) for each in parts):
        raise StateConflict(
            "donations", request, "stale", "其中的积分已另行处理，请重新提出",
            "some of it has been released meanwhile: propose it anew",
        )  # fmt: skip
    ledger.post(
        session,
        [
            Journal(
                key=f"{agreed.public_id}:grant",
                kind=Kind.GRANT,
                occurred_at=now_of(session),
                postings=(postings := _postings(session, parts, purpose)),
                details={"purpose": purpose.value, **books.rates(postings)},
            )
        ],
    )
    session.add_all(_row(session, agreed, each, purpose) for each in parts)
    _record(session, agreed, action="donations.approve", by=by)
    outbox.add(
        session,
        topic="donations.released",
        aggregate=agreed.public_id,
        payload={"purpose": purpose.value, "points": sum(each.points for each in parts)},
    )
    session.flush()
    return parts


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed release down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    approvals.reject(session, request, kind=KIND, by=by)
    audit.record(session, actor=by, action="donations.reject", object=KIND, reason=reason)


def _part(session: Session, written: Mapping[str, Any]) -> Donated:
    return Donated(
        issuer=get_directory(session).merchants_by_public_id[written["issuer"]],
        cost=Fraction(written["cost"]),
        points=written["points"],
    )


def _postings(session: Session, parts: Sequence[Donated], purpose: Purpose) -> list[Posting]:
    donated = books.donated_account(session)
    granted = books.granted_account(session) if purpose is Purpose.CHARITY else None
    return [
        books.move(
            donated,
            granted or each.issuer.breakage_account_id,
            each.points,
            worth=(each.cost, each.cost),
        )
        for each in parts
    ]


def _row(session: Session, request: ChangeRequest, part: Donated, purpose: Purpose) -> Release:
    return Release(
        change_request_id=request.id,
        issuer_id=part.issuer.id,
        cost_num=part.cost.numerator,
        cost_den=part.cost.denominator,
        points=part.points,
        purpose=purpose.value,
        released_at=now_of(session),
    )


def _record(session: Session, request: ChangeRequest, *, action: str, by: str) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=KIND,
        after={name: request.payload[name] for name in ("purpose", "points")},
        reason=request.reason,
    )


_WAITING = text(
    """
    SELECT d.issuer_id, d.cost_num, d.cost_den, d.points - coalesce(r.points, 0) AS points
    FROM (
        SELECT l.issuer_id, l.cost_num, l.cost_den, sum(t.amount) AS points
        FROM transfer t JOIN lot l ON l.account_id = t.debit_id
        WHERE t.credit_id = (SELECT a.id FROM account a WHERE a.name = 'donated')
        GROUP BY 1, 2, 3) d
    LEFT JOIN (
        SELECT issuer_id, cost_num, cost_den, sum(points) AS points FROM donation_release
        GROUP BY 1, 2, 3) r USING (issuer_id, cost_num, cost_den)
    WHERE d.points > coalesce(r.points, 0) ORDER BY 1, 2, 3
    """
)
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('donations:' || current_schema, 0))"
)
