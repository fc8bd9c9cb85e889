"""Issued coupons are renewed: they follow a kinder version of their template (semantics 42; G1).

What they give may cost more by it, so two people agree. The coupons follow in steps afterwards; a
renewal that was stopped is gone on with by its request.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest, RequestStatus
from app.errors import NotFound
from coupons import batches, renewing
from coupons.renewing import Renewed

KIND = "coupon.renewal"


def propose(session: Session, batch: str, *, by: str, reason: str) -> ChangeRequest:
    """Ask that the issued coupons of a batch follow the newest version of their template.

    Raises:
        NoSuchCoupon: no such batch.
        NotKinder: a holder could lose by it, or it is the version that they have.
    """
    found = batches.get_batch(session, batch)
    newest = batches.list_templates(session, code=found.template.code)[0]
    renewing.require_kinder(session, batch, version=newest.version)
    changed = renewing.changes(found.template, newest.template)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=batch,
        before={"version": found.version} | {each.path: each.before for each in changed},
        payload={"version": newest.version} | {each.path: each.after for each in changed},
        by=by,
        reason=audit.masked(reason),
    )
    _record(session, request, "coupon.renewal_propose", by=by, reason=reason)
    return request


def approve(session: Session, request: str, *, by: str) -> ChangeRequest:
    """Agree to a renewal as the second person; `renew_some` does it. One agreed to is told again.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        NotKinder: as `propose`.
    """
    known = _find_agreed(session, request)
    if known is not None:
        return known
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    renewing.require_kinder(session, agreed.subject, version=agreed.payload["version"])
    _record(session, agreed, "coupon.renewal_approve", by=by, reason=agreed.reason)
    return agreed


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a renewal down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    _record(session, rejected, "coupon.renewal_reject", by=by, reason=reason)


def renew_some(session: Session, request: str, *, after: int = 0, limit: int = 5_000) -> Renewed:
    """Let some coupons of an agreed renewal follow; see `coupons.renewing.renew_some`.

    Raises:
        NotFound: no such renewal has been agreed to.
    """
    agreed = _find_agreed(session, request)
    if agreed is None:
        raise NotFound("change-request", request)
    return renewing.renew_some(
        session, agreed.subject, version=agreed.payload["version"], after=after, limit=limit
    )


def _find_agreed(session: Session, request: str) -> ChangeRequest | None:
    return session.scalar(
        select(ChangeRequest).where(
            ChangeRequest.public_id == request,
            ChangeRequest.kind == KIND,
            ChangeRequest.status == RequestStatus.APPROVED,
        )
    )


def _record(session: Session, request: ChangeRequest, action: str, *, by: str, reason: str) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=f"coupon-batch:{request.subject}",
        after={"request": request.public_id, "version": request.payload["version"]},
        reason=reason,
    )
