"""The district's points policy: the programme and its burn terms, proposed, approved, followed.

What was in force at a business time stays so: a change begins when it is approved or later, and
points keep the expiry they were given (semantics 29, G1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from operator import attrgetter

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest
from app.errors import StateConflict
from app.merchants.directory import ListedMerchant, get_directory
from app.points.burning import most_specific
from app.points.errors import NoProgrammeInForce
from app.points.models import BurnTermVersion, ProgrammeVersion
from app.points.policy import (
    Activity,
    BestBy,
    BurnTerms,
    Combine,
    NegativePolicy,
    Programme,
    ReturnFirst,
)
from config.database import district_of, forget, now_of, remember

KIND = "points.programme"
_PROGRAMME = "programme"
_ALL = "*"


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A policy that was put in force, and who decided it; a district's first one is nobody's."""

    change: Programme | BurnTerms
    request: ChangeRequest | None


def programme_at(session: Session, at: datetime) -> Programme:
    """Return the policy in force at a business time; no SQL once warm.

    Raises:
        NoProgrammeInForce: before the district's first one.
    """
    for programme in _programmes(session):
        if programme.effective_from <= at:
            return programme
    raise NoProgrammeInForce(at)


def burn_terms_at(
    session: Session, *, merchant: str | None, tier: str | None, at: datetime
) -> BurnTerms:
    """Return the most specific burn terms for a merchant (public id) and tier; no SQL once warm.

    Without a merchant: those that hold at all of them.

    Raises:
        NoBurnTerms: none had begun.
    """
    return most_specific(_terms(session), merchant=merchant or _ALL, tier=tier, at=at)


def beginning(session: Session, wanted: datetime | None) -> datetime:
    """Return when a change begins that is wanted from an instant on; None: at once.

    Never in the past, but in a sandbox, which is filled from records.
    """
    now = now_of(session)
    if wanted is None or district_of(session).sandbox:
        return wanted or now
    return max(wanted, now)


def propose(
    session: Session, change: Programme | BurnTerms, *, by: str, reason: str
) -> ChangeRequest:
    """Ask for a new programme, or for burn terms; they wait for a second person.

    Raises:
        NotFound: burn terms of a merchant that there is not.
    """
    if isinstance(change, BurnTerms) and change.merchant is not None:
        merchant = get_directory(session).get_merchant(change.merchant)
        change = replace(change, merchant=merchant.public_id)
    known = _in_force(session, change, at=beginning(session, change.effective_from))
    request = approvals.propose(
        session,
        kind=KIND,
        subject=_subject(change),
        before=None if known is None else known.to_json(),
        payload=change.to_json(),
        by=by,
        reason=reason,
    )
    audit.record(
        session,
        actor=by,
        action="programme.propose",
        object=request.subject,
        before=request.before,
        after=request.payload,
        reason=reason,
    )
    return request


def approve(session: Session, request: str, *, by: str) -> Programme | BurnTerms:
    """Put a proposed policy in force as the second person, never before this instant.

    In a sandbox it may begin in the past, for replay.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`; also where another begins at
            the very instant, or what it was compared with has been followed by another meanwhile:
            a proposal is a whole policy, and would undo that.
    """
    approved = approvals.approve(session, request, kind=KIND, by=by)
    change = proposed(approved)
    change = replace(change, effective_from=beginning(session, change.effective_from))
    known = _in_force(session, change, at=change.effective_from)
    if approved.before != (None if known is None else known.to_json()):
        raise StateConflict(
            "programme", approved.subject, "stale", "提出之后方案已变更，请重新提出",
            "the policy has changed since this was proposed: propose it anew",
        )  # fmt: skip
    if known is not None and known.effective_from == change.effective_from:
        raise StateConflict(
            "programme", approved.subject, "taken", "同一时刻已有方案生效",
            "another one begins at this instant",
        )  # fmt: skip
    session.add(_row(session, change, request_id=approved.id))
    audit.record(
        session,
        actor=by,
        action="programme.approve",
        object=approved.subject,
        before=approved.before,
        after=change.to_json(),
        reason=approved.reason,
    )
    session.flush()
    forget(session)
    return change


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed policy down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(
        session, actor=by, action="programme.reject", object=rejected.subject, reason=reason
    )


def proposed(request: ChangeRequest) -> Programme | BurnTerms:
    """Return the policy that a request of this kind asks for."""
    kind = Programme if request.subject == _PROGRAMME else BurnTerms
    return kind.from_json(request.payload)


def history(session: Session) -> list[Decided]:
    """Return every programme and all burn terms that ever were or will be in force, by time."""
    merchants = get_directory(session).merchants
    programmes = session.execute(
        select(ProgrammeVersion, ChangeRequest).outerjoin(
            ChangeRequest, ChangeRequest.id == ProgrammeVersion.change_request_id
        )
    )
    terms = session.execute(
        select(BurnTermVersion, ChangeRequest).outerjoin(
            ChangeRequest, ChangeRequest.id == BurnTermVersion.change_request_id
        )
    )
    found = [Decided(change=_programme(row), request=request) for row, request in programmes]
    found += [Decided(change=_burn_terms(row, merchants), request=request)
              for row, request in terms]  # fmt: skip
    return sorted(found, key=lambda each: each.change.effective_from)


def burn_terms_in_force(session: Session, *, at: datetime) -> list[BurnTerms]:
    """Return the burn terms of each merchant and tier that are in force, widest first."""
    begun = [each for each in _terms(session) if each.effective_from <= at]
    latest = {_subject(each): each for each in sorted(begun, key=attrgetter("effective_from"))}
    return [latest[subject] for subject in sorted(latest)]


def _subject(change: Programme | BurnTerms) -> str:
    if isinstance(change, Programme):
        return _PROGRAMME
    return f"burn-terms:{change.merchant or _ALL}:{change.tier or _ALL}"


def _in_force(
    session: Session, change: Programme | BurnTerms, *, at: datetime
) -> Programme | BurnTerms | None:
    """Return what such a change would follow: the programme, or terms of the same key."""
    known: Iterable[Programme | BurnTerms] = _programmes(session)
    if isinstance(change, BurnTerms):
        known = [each for each in _terms(session) if _subject(each) == _subject(change)]
    begun = [each for each in known if each.effective_from <= at]
    return max(begun, key=attrgetter("effective_from"), default=None)


def _programmes(session: Session) -> tuple[Programme, ...]:
    return remember(session, "points.programmes", _load_programmes)


def _terms(session: Session) -> tuple[BurnTerms, ...]:
    return remember(session, "points.burn_terms", _load_terms)


def _load_programmes(session: Session) -> tuple[Programme, ...]:
    rows = session.scalars(
        select(ProgrammeVersion).order_by(ProgrammeVersion.effective_from.desc())
    )
    return tuple([_programme(row) for row in rows])


def _programme(row: ProgrammeVersion) -> Programme:
    return Programme(
        effective_from=row.effective_from.astimezone(UTC),
        expiry_months=row.expiry_months,
        point_value_fen=Fraction(row.point_value_num, row.point_value_den),
        combine=Combine(row.combine),
        negative_policy=NegativePolicy(row.negative_policy),
        debt_floor_points=row.debt_floor_points,
        courtesy_days=row.courtesy_days,
        return_first=ReturnFirst(row.return_first),
        hold_minutes=row.hold_minutes,
        quote_minutes=row.quote_minutes,
        breakage_share=Fraction(row.breakage_num, row.breakage_den),
        extend_months=row.extend_months,
        extended_by=frozenset(map(Activity, row.extended_by)),
        best_by=BestBy(row.best_by),
        coupons_at_most=row.coupons_at_most,
    )


def _load_terms(session: Session) -> tuple[BurnTerms, ...]:
    merchants = get_directory(session).merchants
    return tuple([_burn_terms(row, merchants) for row in session.scalars(select(BurnTermVersion))])


def _burn_terms(row: BurnTermVersion, merchants: Mapping[int, ListedMerchant]) -> BurnTerms:
    return BurnTerms(
        effective_from=row.effective_from.astimezone(UTC),
        merchant=None if row.merchant_id is None else merchants[row.merchant_id].public_id,
        tier=row.tier,
        min_unit_points=row.min_unit_points,
        max_share=Fraction(row.max_share_num, row.max_share_den),
        daily_limit_points=row.daily_limit_points,
    )


def _row(
    session: Session, change: Programme | BurnTerms, *, request_id: int
) -> ProgrammeVersion | BurnTermVersion:
    if isinstance(change, BurnTerms):
        merchants = get_directory(session).merchants_by_public_id
        return BurnTermVersion(
            effective_from=change.effective_from,
            merchant_id=None if change.merchant is None else merchants[change.merchant].id,
            tier=change.tier,
            min_unit_points=change.min_unit_points,
            max_share_num=change.max_share.numerator,
            max_share_den=change.max_share.denominator,
            daily_limit_points=change.daily_limit_points,
            change_request_id=request_id,
            created_at=now_of(session),
        )
    return ProgrammeVersion(
        effective_from=change.effective_from,
        expiry_months=change.expiry_months,
        point_value_num=change.point_value_fen.numerator,
        point_value_den=change.point_value_fen.denominator,
        combine=change.combine.value,
        negative_policy=change.negative_policy.value,
        debt_floor_points=change.debt_floor_points,
        courtesy_days=change.courtesy_days,
        return_first=change.return_first.value,
        hold_minutes=change.hold_minutes,
        quote_minutes=change.quote_minutes,
        breakage_num=change.breakage_share.numerator,
        breakage_den=change.breakage_share.denominator,
        extend_months=change.extend_months,
        extended_by=sorted(change.extended_by),
        best_by=change.best_by.value,
        coupons_at_most=change.coupons_at_most,
        change_request_id=request_id,
        created_at=now_of(session),
    )
