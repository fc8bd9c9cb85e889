"""Giving points to a member: debts first, then the lot of the issuing merchant (E1, L3, L4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from app.books import move
from app.clock import business_date
from app.merchants.directory import ListedMerchant
from app.merchants.models import Funding
from app.points.definitions import Pending
from app.points.lots import Meaning, Wallet, open_lots
from app.points.netting import Owed, debts_of, pay
from app.points.policy import Programme
from ledger import Posting


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """Points that a merchant gives for a sale; `pending` says when they may be spent (E3)."""

    merchant: ListedMerchant
    points: int
    pending: Pending | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """Where a merchant's points of one sale came from and went to, kept for its refunds.

    `points` is how many, where the merchant's points of the sale lie in several lots; those that
    were pending are the first to be taken back (semantics 14). None: all of them.
    """

    merchant_id: int
    issue_account_id: int
    lot_account_id: int
    meaning: Meaning
    points: int | None = None
    pending: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Accrual:
    """The postings of an earn, and where each merchant's points are at home."""

    postings: list[Posting]
    homes: list[Home]


def accrue(
    session: Session,
    wallet: Wallet,
    given: Sequence[Given],
    *,
    programme: Programme,
    occurred_at: datetime,
    order: str | None = None,
    paid_by: int | None = None,
) -> Accrual:
    """Plan how points that merchants give reach a locked wallet; at most one round trip.

    The wallet is as it will be after all else that is posted with it, such as the sale's own burn.
    Cost rate and expiry are those of the business time, frozen in the lot (semantics 29, 51). A
    prepaid merchant gives from what it bought, a postpaid one on account. The oldest debts are
    paid first (decision 12); what is left goes into the lot. Pending points pay no debt. `paid_by`
    is an account that pays in place of the merchants' own.
    """
    meanings = meanings_of(given, programme=programme, order=order, occurred_at=occurred_at)
    merchants = [each.merchant.id for each in given]
    accounts = open_lots(session, wallet, meanings, earned_at=occurred_at)
    homes = [
        Home(
            merchant_id=each.merchant.id,
            issue_account_id=paid_by or issue_account(each.merchant, occurred_at),
            lot_account_id=accounts[meaning],
            meaning=meaning,
            points=each.points if merchants.count(each.merchant.id) > 1 else None,
            pending=each.pending is not None,
        )
        for each, meaning in zip(given, meanings, strict=True)
    ]
    postings, owed = _net_expired(wallet)
    costs = {lot.account_id: lot.meaning.cost for lot in wallet.lots}
    for home, each in zip(homes, given, strict=True):
        postings += _give(home, each.points, {} if home.pending else owed, costs)
    return Accrual(postings=postings, homes=homes)


def meanings_of(
    given: Sequence[Given], *, programme: Programme, order: str | None, occurred_at: datetime
) -> list[Meaning]:
    """Return the lots that points of an order belong in, by the terms of their business time."""
    day = business_date(occurred_at)
    meanings = []
    for each in given:
        terms, pending = each.merchant.terms_at(day), each.pending
        event = None if pending is None else pending.event
        meanings.append(
            Meaning(
                issuer_id=each.merchant.id,
                cost=terms.cost_fen_per_point,
                redemption=terms.redemption_fen_per_point,
                expires_on=programme.expires_on(day),
                activates_on=None if pending is None else pending.activates_on(day),
                awaits=event,
                awaits_for=None if event is None else order,
            )
        )
    return meanings


def _net_expired(wallet: Wallet) -> tuple[list[Posting], Owed]:
    """Let what expired lots still hold pay debts first (semantics 33); return what is owed then."""
    owed = debts_of(wallet)
    if not owed:
        return [], owed
    postings = []
    for lot in wallet.expired(business_date(wallet.now)):
        for account, part in pay(lot.free, owed):
            postings.append(move(lot.account_id, account, part))
    return postings, owed


def _give(home: Home, points: int, owed: Owed, costs: Mapping[int, Fraction]) -> list[Posting]:
    """Pay debts, each worth what it had cost, and put the rest into the lot."""
    paid = list(pay(points, owed))
    own = home.meaning.cost
    postings = [
        move(
            home.issue_account_id,
            account,
            part,
            worth=None if costs[account] == own else (own, costs[account]),
        )
        for account, part in paid
    ]
    rest = points - sum([part for _, part in paid])
    if rest:
        postings.append(move(home.issue_account_id, home.lot_account_id, rest))
    return postings


def issue_account(merchant: ListedMerchant, occurred_at: datetime) -> int:
    """Return the account that pays for a merchant's points at a business time."""
    terms = merchant.terms_at(business_date(occurred_at))
    if terms.funding is Funding.PREPAID:
        return merchant.prepaid_account_id
    return merchant.issued_account_id
