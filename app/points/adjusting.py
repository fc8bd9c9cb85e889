"""Points that staff give or take by hand, for a reason, at a merchant's cost (G1).

Up to the district's limit one person may; above it, or where the last 24 hours together come above
it, a second one has to agree. What is given is new points of the issuer, as an earn would give;
what is taken comes from that issuer's points alone, at what they had cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit, outbox
from app.approvals import ChangeRequest
from app.books import Kind, adjusted_account, move, rates
from app.clock import business_date
from app.errors import Invalid, StateConflict
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember, get_by_public_id, same_person
from app.members.models import MemberStatus
from app.merchants.directory import ListedMerchant, get_directory
from app.points import burns, lots
from app.points.accruals import Given, accrue
from app.points.errors import InsufficientPoints
from app.points.lots import Wallet
from app.points.models import Adjustment
from app.points.perks import PERKS
from app.points.policy import LIMIT
from app.points.programme import programme_at
from config.database import new_id, now_of
from ledger import Journal, Posting

KIND = "points.adjust"
LONGEST_REASON = 60
_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """An adjustment that was posted, and the member's balance after it."""

    public_id: str
    points: int
    balance_points: int


def adjust(
    session: Session, member: KnownMember, *, points: int, issuer: str, reason: str, by: str
) -> Adjusted | ChangeRequest:
    """Give (above zero) or take a member's points; above the limit, ask for a second person.

    Locks the member's wallet. `issuer` is a merchant's code or public id. What was adjusted of the
    member within 24 hours counts towards the limit, whoever did it, gifts and takings alike.

    Raises:
        Invalid: no points, or a reason that is empty or longer than 60 characters.
        NotFound: no such merchant.
        StateConflict: the merchant issues no points, for good or for now.
        InsufficientPoints: the member has fewer points of this issuer.
        MemberNotActive: the account is closed.
    """
    _check(points, reason)
    merchant = get_directory(session).get_merchant(issuer)
    wallet = _lock(session, member)
    if (
        _adjusted_lately(session, member) + abs(points)
        > PERKS.at(session, now_of(session)).adjust_limit_points
    ):
        return _ask(session, member, merchant, points=points, reason=reason, by=by)
    return _post(session, wallet, merchant, points=points, reason=reason, by=by, approved_by=None)


def approve(session: Session, request: str, *, by: str) -> Adjusted:
    """Post an adjustment that was asked for, as the second person. Locks the member's wallet.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        InsufficientPoints, MemberNotActive: as `adjust`.
    """
    approved = approvals.approve(session, request, kind=KIND, by=by)
    wallet = _lock(session, get_by_public_id(session, approved.payload["member"]))
    return _post(
        session,
        wallet,
        get_directory(session).get_merchant(approved.payload["issuer"]),
        points=approved.payload["points"],
        reason=approved.reason,
        by=approved.proposed_by,
        approved_by=by,
    )


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn an adjustment down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session, actor=by, action="points.adjust_reject", object=rejected.subject, reason=reason
    )


def _check(points: int, reason: str) -> None:
    if not 1 <= abs(points) <= LIMIT:
        raise Invalid("points", "不能为 0", "not 0")
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise Invalid(
            "reason", f"须为 1 到 {LONGEST_REASON} 个字", f"1 to {LONGEST_REASON} characters"
        )


def _lock(session: Session, member: KnownMember) -> Wallet:
    wallet = lots.lock(session, member, day=business_date(now_of(session)))
    if wallet.member.status is MemberStatus.CLOSED:
        raise MemberNotActive(member.public_id, wallet.member.status)
    return wallet


def _adjusted_lately(session: Session, member: KnownMember) -> int:
    found = session.scalar(
        select(func.sum(func.abs(Adjustment.points))).where(
            Adjustment.member_id.in_(same_person(member.id)),
            Adjustment.at > now_of(session) - _WINDOW,
        )
    )
    return int(found or 0)


def _ask(
    session: Session,
    member: KnownMember,
    merchant: ListedMerchant,
    *,
    points: int,
    reason: str,
    by: str,
) -> ChangeRequest:
    payload: Mapping[str, object] = {
        "member": member.public_id,
        "points": points,
        "issuer": merchant.public_id,
    }
    request = approvals.propose(
        session,
        kind=KIND,
        subject=member.public_id,
        payload=payload,
        by=by,
        reason=audit.masked(reason.strip()),
    )
    audit.record(
        session,
        actor=by,
        action="points.adjust_propose",
        object=member.public_id,
        after=payload,
        reason=reason,
    )
    return request


def _post(
    session: Session,
    wallet: Wallet,
    merchant: ListedMerchant,
    *,
    points: int,
    reason: str,
    by: str,
    approved_by: str | None,
) -> Adjusted:
    public_id, now, member = new_id("adj"), now_of(session), wallet.member
    why = audit.masked(reason.strip())  # The member reads it, and so may others.
    postings = _given(session, wallet, merchant, points) if points > 0 else (
        _taken(session, wallet, merchant, -points)
    )  # fmt: skip
    details = {"adjustment": public_id, "reason": why, **rates(postings)}
    ledger.post(
        session,
        [
            Journal(
                key=f"{public_id}:adjust",
                kind=Kind.ADJUST,
                occurred_at=now,
                postings=postings,
                details=details,
            )
        ],
    )
    session.add(
        Adjustment(
            public_id=public_id,
            member_id=member.id,
            issuer_id=merchant.id,
            points=points,
            reason=why,
            by=by,
            approved_by=approved_by,
            at=now,
        )
    )
    audit.record(
        session,
        actor=approved_by or by,
        action="points.adjust",
        object=member.public_id,
        after={"adjustment": public_id, "points": points, "issuer": merchant.public_id},
        reason=why,
    )
    outbox.add(
        session,
        topic="points.adjusted",
        aggregate=public_id,
        payload={"adjustment": public_id, "member": member.public_id, "points": points},
    )
    session.flush()
    day = business_date(now)
    after = lots.lock(session, member, day=day)
    return Adjusted(public_id=public_id, points=points, balance_points=after.balance_points(day))


def _given(
    session: Session, wallet: Wallet, merchant: ListedMerchant, points: int
) -> list[Posting]:
    if not merchant.issues:
        raise StateConflict(
            "merchant", merchant.code,
            "credit-used-up" if merchant.credit_used_up else merchant.status,
            "目前不发放积分（退出、冻结或信用额度已用完）",
            "issues no points: it is leaving or frozen, or its credit is used up",
        )  # fmt: skip
    now = now_of(session)
    return accrue(
        session,
        wallet,
        [Given(merchant=merchant, points=points)],
        programme=programme_at(session, now),
        occurred_at=now,
        paid_by=adjusted_account(session, merchant.public_id),
    ).postings


def _taken(
    session: Session, wallet: Wallet, merchant: ListedMerchant, points: int
) -> list[Posting]:
    day = business_date(now_of(session))
    usable = wallet.spendable(day, merchants={merchant.id}, issuer_id=merchant.id)
    if points > wallet.balance_points(day):
        raise InsufficientPoints(needed=points, spendable=max(wallet.balance_points(day), 0))
    account = adjusted_account(session, merchant.public_id)
    parts = burns.draw([(lot.account_id, lot.free) for lot in usable], points)
    return [move(lot, account, part) for lot, part in parts]
