"""Giving points to a member: debts first, then the lot of the issuing merchant (E1, L3, L4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app.books import move
from app.clock import business_date
from app.merchants.directory import ListedMerchant
from app.merchants.models import Funding
from app.points.lots import Meaning, Wallet, open_lots
from app.points.models import LotKind
from app.points.policy import Programme
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """Where a merchant's points of one sale came from and went to, kept for its refunds."""

    merchant_id: int
    issue_account_id: int
    lot_account_id: int
    meaning: Meaning


@dataclass(frozen=True, kw_only=True, slots=True)
class Accrual:
    """The postings of an earn, and where each merchant's points are at home."""

    postings: list[Posting]
    homes: list[Home]
    debt_paid_points: int


def accrue(
    session: Session,
    wallet: Wallet,
    points: Sequence[tuple[ListedMerchant, int]],
    *,
    programme: Programme,
    occurred_at: datetime,
) -> Accrual:
    """Plan how points that merchants give reach a locked wallet; at most one round trip.

    Cost rate and expiry are those of the business time, frozen in the lot (semantics 29, 51). A
    prepaid merchant gives from what it bought, a postpaid one on account. The oldest debts are
    paid first (decision 12); what is left goes into the lot.
    """
    day = business_date(occurred_at)
    meanings = {
        merchant.id: Meaning(
            issuer_id=merchant.id,
            cost=merchant.terms_at(day).cost_fen_per_point,
            expires_on=programme.expires_on(day),
        )
        for merchant, _ in points
    }
    accounts = open_lots(
        session,
        wallet,
        meanings.values(),
        earned_at=occurred_at,
        debt_floor_points=programme.debt_floor_points,
    )
    debts = sorted(
        (lot for lot in wallet.lots if lot.meaning.kind is LotKind.DEBT and lot.posted < 0),
        key=lambda lot: (lot.first_earned_at, lot.account_id),
    )
    owed = {lot.account_id: -lot.posted for lot in debts}
    homes = []
    postings = []
    paid = 0
    for merchant, given in points:
        issue = issue_account(merchant, occurred_at)
        meaning = meanings[merchant.id]
        left = given
        for account, debt in owed.items():
            part = min(left, debt)
            if part:
                postings.append(move(issue, account, part))
                owed[account] -= part
                left -= part
                paid += part
        if left:
            postings.append(move(issue, accounts[meaning], left))
        homes.append(
            Home(
                merchant_id=merchant.id,
                issue_account_id=issue,
                lot_account_id=accounts[meaning],
                meaning=meaning,
            )
        )
    return Accrual(postings=postings, homes=homes, debt_paid_points=paid)


def issue_account(merchant: ListedMerchant, occurred_at: datetime) -> int:
    """Return the account that pays for a merchant's points at a business time."""
    terms = merchant.terms_at(business_date(occurred_at))
    if terms.funding is Funding.PREPAID:
        return merchant.prepaid_account_id
    return merchant.issued_account_id
