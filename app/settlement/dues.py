"""What is paid for a closed period, and what two people agree to add to or take off a due.

A closed statement never changes (semantics 9): both are postings of their own, which the next
close shows as rows of the merchant's statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit, books
from app.approvals import ChangeRequest
from app.books import Code, Kind
from app.clock import business_date
from app.errors import Invalid, StateConflict
from app.merchants.directory import ListedMerchant, get_directory
from app.settlement import credit
from app.settlement.captions import Caption
from app.settlement.models import Line, Payment, Period
from config.database import new_id, now_of
from ledger import Journal, Posting

KIND = "settlement.adjust"
LIMIT_FEN = 10**13


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """Fen given to a merchant (above zero) or taken, and out of which account of the district."""

    merchant: str
    fen: int
    subsidy: bool
    reason: str


def pay(
    session: Session,
    period: Period,
    *,
    merchant: str,
    fen: int,
    reference: str,
    paid_on: date,
    by: str,
) -> Payment:
    """Record a bank transfer for a period: above zero from the merchant, below zero to it.

    `reference` is the bank's; the same one again returns the first and moves nothing.

    Raises:
        NotFound: no such merchant.
        Invalid: no amount, no reference, or a day that has not come.
        StateConflict: the reference was used for something else.
    """
    listed = get_directory(session).get_merchant(merchant)
    reference = reference.strip()
    check_transfer(fen, reference, paid_on, today=business_date(now_of(session)))
    known = session.scalar(
        select(Payment).where(Payment.merchant_id == listed.id, Payment.reference == reference)
    )
    if known is not None:
        if (known.period_id, known.fen, known.paid_on) != (period.id, fen, paid_on):
            raise StateConflict(
                "payment", reference, "recorded", "该流水号已用于另一笔", "this reference is taken"
            )
        return known
    payment = Payment(
        public_id=new_id("pmt"),
        period_id=period.id,
        merchant_id=listed.id,
        fen=fen,
        reference=reference,
        paid_on=paid_on,
        recorded_at=now_of(session),
        recorded_by=by,
    )
    session.add(payment)
    session.flush()
    _post(session, listed, fen, kind=Kind.PAYMENT, other=Code.BANK, key=payment.public_id)
    credit.judge(session, [listed])  # What is paid frees the credit at once.
    audit.record(
        session,
        actor=by,
        action="settlement.pay",
        object=listed.public_id,
        after={"period": period.code, "fen": fen, "reference": reference},
    )
    return payment


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Money that changed hands for a period: above zero by the merchant, under a bank's number."""

    paid_on: date
    fen: int
    reference: str


def list_paid(session: Session, period: Period, merchant_id: int) -> list[Paid]:
    """Return the payments that name a merchant's period, in the order they were recorded."""
    rows = session.scalars(
        select(Payment)
        .where(Payment.period_id == period.id, Payment.merchant_id == merchant_id)
        .order_by(Payment.id)
    )
    return [Paid(paid_on=row.paid_on, fen=row.fen, reference=row.reference) for row in rows]


@dataclass(frozen=True, kw_only=True)
class Offset:
    """What of an older statement the net of a later period has settled: fen as they are paid."""

    period: str
    fen: int


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What settled a closing figure since: money, and later periods' nets of the other sign."""

    paid_fen: int
    offsets: Sequence[Offset]


def settled(session: Session, period: Period, merchant_id: int, *, open_fen: int) -> Settled:
    """Return what of a merchant's closing figure was settled since: above zero in its favour.

    `open_fen` is that figure, disputes left out. It carries forward what earlier periods left, so
    payments for those count, unless they were booked in time to be in it. Then the oldest is
    settled first: by the nets of later periods of the other sign, as they were closed, and by what
    was paid for those; as far as this figure goes, and no further.
    """
    named = session.execute(
        select(Payment.period_id, func.sum(Payment.fen))
        .where(Payment.merchant_id == merchant_id)
        .group_by(Payment.period_id)
    )
    paid = {period_id: int(fen) for period_id, fen in named}
    shown = session.scalar(
        select(func.sum(Line.fen)).where(
            Line.merchant_id == merchant_id,
            Line.period_id <= period.id,
            Line.caption == Caption.PAYMENT,
        )
    )
    own = sum(fen for each, fen in paid.items() if each <= period.id) - int(shown or 0)
    left = open_fen + own
    offsets = []
    for later in session.execute(_LATER_NETS, {"merchant": merchant_id, "period": period.id}):
        taken = _towards(left, int(later.fen))
        if taken:
            offsets.append(Offset(period=later.code, fen=taken))
            left += taken
    more = sum(fen for each, fen in paid.items() if each > period.id and fen * left < 0)
    return Settled(paid_fen=own + _towards(left, more), offsets=offsets)


def _towards(left: int, fen: int) -> int:
    """Return what of an amount brings what is left nearer to zero, and not past it."""
    if left < 0:
        return min(max(fen, 0), -left)
    return max(min(fen, 0), -left)


def propose(session: Session, adjustment: Adjustment, *, by: str) -> ChangeRequest:
    """Ask for an adjustment of a merchant's due; it waits for a second person (G1).

    Raises:
        NotFound: no such merchant.
        Invalid: no amount.
    """
    listed = get_directory(session).get_merchant(adjustment.merchant)
    if not 0 < abs(adjustment.fen) <= LIMIT_FEN:
        raise Invalid("fen", "不能为 0 或过大", "not 0, and not too large")
    return approvals.propose(
        session,
        kind=KIND,
        subject=listed.public_id,
        payload={"fen": adjustment.fen, "subsidy": adjustment.subsidy},
        by=by,
        reason=adjustment.reason,
    )


def approve(session: Session, request: str, *, by: str) -> Adjustment:
    """Agree to an adjustment as the second person; it is posted at once.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    listed = get_directory(session).merchants_by_public_id[agreed.subject]
    adjustment = Adjustment(
        merchant=listed.code,
        fen=int(agreed.payload["fen"]),
        subsidy=bool(agreed.payload["subsidy"]),
        reason=agreed.reason,
    )
    adjust(session, adjustment, key=agreed.public_id, by=by)
    return adjustment


def adjust(session: Session, adjustment: Adjustment, *, key: str, by: str) -> None:
    """Post an adjustment that two people agreed to, under the id of their agreement."""
    listed = get_directory(session).get_merchant(adjustment.merchant)
    other = Code.SUBSIDIES if adjustment.subsidy else Code.ADJUSTMENTS
    kind = Kind.SUBSIDY if adjustment.subsidy else Kind.ADJUSTMENT
    _post(session, listed, adjustment.fen, kind=kind, other=other, key=key)
    credit.judge(session, [listed])
    audit.record(
        session,
        actor=by,
        action=KIND,
        object=listed.public_id,
        after={"fen": adjustment.fen, "subsidy": adjustment.subsidy},
        reason=adjustment.reason,
    )


def _post(
    session: Session, listed: ListedMerchant, fen: int, *, kind: Kind, other: Code, key: str
) -> None:
    """Credit a merchant's due out of an account of the district, or the other way round."""
    accounts = books.fen_accounts(session, [listed.public_id])
    ends = (accounts[other], accounts[f"{Code.DUE}:{listed.public_id}"])
    debit, credit = ends if fen > 0 else (ends[1], ends[0])
    ledger.post(
        session,
        [
            Journal(
                key=f"{kind}:{key}",
                kind=kind,
                occurred_at=now_of(session),
                postings=[Posting(debit_id=debit, credit_id=credit, amount=abs(fen))],
            )
        ],
    )


def check_transfer(fen: int, reference: str, paid_on: date, *, today: date) -> None:
    """Refuse a bank transfer that cannot be: no amount, no reference, a day that has not come.

    Raises:
        Invalid: names the field.
    """
    if not 0 < abs(fen) <= LIMIT_FEN:
        raise Invalid("fen", "不能为 0 或过大", "not 0, and not too large")
    if not 1 <= len(reference) <= 64:
        raise Invalid("reference", "须为 1 到 64 个字符", "has 1 to 64 characters")
    if paid_on > today:
        raise Invalid("paid_on", "不能晚于今天", "not after today")


# What is disputed of a later period is not payable, so it settles nothing either.
_LATER_NETS = text(
    """
    SELECT p.code, coalesce(sum(l.fen), 0) - coalesce(sum(d.fen), 0) AS fen
    FROM settlement_period p
    JOIN settlement_line l ON l.period_id = p.id
    LEFT JOIN (
        SELECT line_id, sum(fen) AS fen FROM settlement_dispute
        WHERE resolved_at IS NULL GROUP BY line_id) d ON d.line_id = l.id
    WHERE p.id > :period AND l.merchant_id = :merchant AND l.caption <> 'payment'
    GROUP BY p.id, p.code ORDER BY p.id
    """
)
