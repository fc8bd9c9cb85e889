"""Contract terms with a merchant: what a point costs and pays, from a business date on (L4).

Terms are proposed by one staff member and approved by another. They begin on a future day, so
what was agreed for a day never changes once it has begun; only a merchant's first terms may begin
at once, or in the past when a district is filled from records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import approvals, audit
from app.approvals import ChangeRequest
from app.clock import business_date
from app.errors import Invalid
from app.merchants.errors import CodeTaken, TermsTooLate
from app.merchants.locking import lock_merchant
from app.merchants.models import ContractTerm, Funding, MayBurn, Merchant
from config.database import forget, now_of

KIND = "merchant.terms"
_LIMIT = 2**53


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The terms of one merchant from `valid_from` on; rates are exact fen per point.

    `alert_points`: a prepaid merchant that has fewer left to give is warned. `credit_limit_fen`: a
    postpaid one that owes so much gives no more points until it has paid (L6). None: neither.
    """

    valid_from: date
    cost_fen_per_point: Fraction
    redemption_fen_per_point: Fraction
    funding: Funding
    may_burn: MayBurn
    alert_points: int | None = None
    credit_limit_fen: int | None = None

    def __post_init__(self) -> None:
        for name in ("cost_fen_per_point", "redemption_fen_per_point"):
            rate: Fraction = getattr(self, name)
            if rate < 0 or max(rate.numerator, rate.denominator) > _LIMIT:
                raise Invalid(name, "须为不小于 0 的分数", "a fraction of at least 0")
        self._check_level("alert_points", Funding.PREPAID)
        self._check_level("credit_limit_fen", Funding.POSTPAID)

    def _check_level(self, name: str, funding: Funding) -> None:
        level: int | None = getattr(self, name)
        if level is None:
            return
        if not 1 <= level <= _LIMIT:
            raise Invalid(name, f"须在 1 到 {_LIMIT} 之间", f"from 1 to {_LIMIT}")
        if self.funding is not funding:
            zh = "预付" if funding is Funding.PREPAID else "后付"
            raise Invalid(name, f"仅用于{zh}商户", f"for {funding.value} merchants alone")

    @classmethod
    def of(cls, row: ContractTerm) -> "Terms":
        """Return the terms that a row holds."""
        return cls(
            valid_from=row.valid_from,
            cost_fen_per_point=row.cost_fen_per_point(),
            redemption_fen_per_point=row.redemption_fen_per_point(),
            funding=Funding(row.funding),
            may_burn=MayBurn(row.may_burn),
            alert_points=row.alert_points,
            credit_limit_fen=row.credit_limit_fen,
        )

    def columns(self) -> dict[str, object]:
        """Return the columns of `contract_term` that hold these terms."""
        return {
            "valid_from": self.valid_from,
            "cost_num": self.cost_fen_per_point.numerator,
            "cost_den": self.cost_fen_per_point.denominator,
            "redemption_num": self.redemption_fen_per_point.numerator,
            "redemption_den": self.redemption_fen_per_point.denominator,
            "funding": self.funding.value,
            "may_burn": self.may_burn.value,
            "alert_points": self.alert_points,
            "credit_limit_fen": self.credit_limit_fen,
        }

    def to_json(self) -> dict[str, object]:
        """Return the terms as JSON fields, rates written `3/2`."""
        return {
            "valid_from": self.valid_from.isoformat(),
            "cost_fen_per_point": str(self.cost_fen_per_point),
            "redemption_fen_per_point": str(self.redemption_fen_per_point),
            "funding": self.funding.value,
            "may_burn": self.may_burn.value,
            "alert_points": self.alert_points,
            "credit_limit_fen": self.credit_limit_fen,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Terms":
        """Return the terms that `to_json` wrote, or wrote before there were levels."""
        return cls(
            valid_from=date.fromisoformat(fields["valid_from"]),
            cost_fen_per_point=Fraction(fields["cost_fen_per_point"]),
            redemption_fen_per_point=Fraction(fields["redemption_fen_per_point"]),
            funding=Funding(fields["funding"]),
            may_burn=MayBurn(fields["may_burn"]),
            alert_points=fields.get("alert_points"),
            credit_limit_fen=fields.get("credit_limit_fen"),
        )


def propose(
    session: Session, *, merchant: str, terms: Terms, by: str, reason: str
) -> ChangeRequest:
    """Ask for new terms with a merchant (by code); they wait for a second person (G1).

    Raises:
        NotFound: no such merchant.
        TermsTooLate: the merchant has terms and these begin on a day that has begun.
        CodeTaken: terms from that very day are agreed already.
    """
    row = lock_merchant(session, merchant)
    known = list_terms(session, merchant_id=row.id)
    _check_day(session, merchant=row, known=known, terms=terms)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=row.public_id,
        before=known[-1].to_json() if known else None,
        payload=terms.to_json(),
        by=by,
        reason=reason,
    )
    audit.record(
        session,
        actor=by,
        action="terms.propose",
        object=row.public_id,
        before=request.before,
        after=request.payload,
        reason=reason,
    )
    return request


def approve(session: Session, request: str, *, by: str) -> Terms:
    """Agree to proposed terms as the second person; they are the merchant's from then on.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        TermsTooLate, CodeTaken: the day has begun meanwhile, or other terms took it.
    """
    approved = approvals.approve(session, request, kind=KIND, by=by)
    merchant = session.execute(
        select(Merchant)
        .where(Merchant.public_id == approved.subject)
        .with_for_update(key_share=True)
    ).scalar_one()
    terms = Terms.from_json(approved.payload)
    known = list_terms(session, merchant_id=merchant.id)
    _check_day(session, merchant=merchant, known=known, terms=terms)
    session.add(
        ContractTerm(
            merchant_id=merchant.id,
            change_request_id=approved.id,
            created_at=now_of(session),
            **terms.columns(),
        )
    )
    audit.record(
        session,
        actor=by,
        action="terms.approve",
        object=merchant.public_id,
        before=approved.before,
        after=approved.payload,
        reason=approved.reason,
    )
    session.flush()
    forget(session)
    return terms


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn proposed terms down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(session, actor=by, action="terms.reject", object=rejected.subject, reason=reason)


def list_terms(session: Session, *, merchant_id: int) -> list[Terms]:
    """Return all terms of a merchant, past and to come, by the day they begin."""
    rows = session.scalars(
        select(ContractTerm)
        .where(ContractTerm.merchant_id == merchant_id)
        .order_by(ContractTerm.valid_from)
    )
    return [Terms.of(row) for row in rows]


def _check_day(session: Session, *, merchant: Merchant, known: list[Terms], terms: Terms) -> None:
    today = business_date(now_of(session))
    if any(each.valid_from == terms.valid_from for each in known):
        raise CodeTaken("contract-term", f"{merchant.code} {terms.valid_from}")
    if known and terms.valid_from <= today:
        raise TermsTooLate(merchant.code, terms.valid_from, today)
