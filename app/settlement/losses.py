"""What a merchant that left cannot pay: borne in the declared order, and given back (semantics 50).

Every fen of it is a posting to the merchant's own due, so that a close sums to zero as ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit, books, outbox
from app.approvals import ChangeRequest
from app.books import Code, Kind
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.locking import lock_merchant
from app.settlement import credit, deposits
from app.settlement.errors import NothingOwed, NothingToRecover
from app.settlement.exits import get_exit
from app.settlement.models import Exit, Loss, LossShare
from config.database import new_id, now_of
from coupons.rules import spread
from ledger import Journal, Posting

KIND = "merchant.loss"


@dataclass(frozen=True, kw_only=True)
class Borne:
    """Who bears how many fen of what a merchant owes; `shares` by redeemer's public id.

    `left_fen` is what nobody was declared to bear: it stays the merchant's debt.
    """

    deposit_fen: int
    fund_fen: int
    shares: Mapping[str, int]
    left_fen: int = 0

    @property
    def total_fen(self) -> int:
        """What is borne in all."""
        return self.deposit_fen + self.fund_fen + sum(self.shares.values())

    def to_json(self) -> dict[str, object]:
        """Return it as JSON fields."""
        return {**vars(self), "shares": dict(self.shares)}


def plan(session: Session, merchant: ListedMerchant) -> Borne:
    """Return who would bear what a leaving merchant owes of closed periods, by what was declared.

    The deposit first; then the fund, up to its limit less what it has borne; then those that took
    the merchant's points in the last `redeemer_months` closed periods, by what they were paid for
    them and never more than that, to the fen by largest remainder.

    Raises:
        NotFound: it is not leaving.
        NothingOwed: nothing of closed periods is unpaid.
    """
    leaving = get_exit(session, merchant)
    (standing,) = credit.stand(session, [merchant])
    rest = -standing.due_fen
    if rest <= 0:
        raise NothingOwed(merchant.code)
    before = borne_so_far(session, leaving)
    paid = _paid_to_redeemers(session, leaving)
    return in_order(
        rest,
        deposit_fen=deposits.held_fen(session, merchant),
        fund_fen=max(leaving.fund_limit_fen - before.fund_fen, 0),
        redeemers={who: max(fen - before.shares.get(who, 0), 0) for who, fen in paid.items()},
    )


def in_order(
    owed_fen: int, *, deposit_fen: int, fund_fen: int, redeemers: Mapping[str, int]
) -> Borne:
    """Share a debt: deposit, fund, then redeemers in proportion to the most that each bears.

    The parts and what is left add up to it, and nobody bears more than is given here.
    """
    deposit = min(owed_fen, deposit_fen)
    fund = min(owed_fen - deposit, fund_fen)
    rest = owed_fen - deposit - fund
    shared = min(rest, sum(redeemers.values()))
    parts = spread(shared, list(redeemers.values()))
    return Borne(
        deposit_fen=deposit,
        fund_fen=fund,
        shares={who: fen for who, fen in zip(redeemers, parts, strict=True) if fen},
        left_fen=rest - shared,
    )


def propose(session: Session, code: str, *, by: str, reason: str) -> ChangeRequest:
    """Ask that what a leaving merchant owes is borne as declared; it waits for a second person.

    Raises:
        NotFound, NothingOwed: as `plan`.
    """
    merchant = get_directory(session).get_merchant(code)
    found = plan(session, merchant)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=merchant.public_id,
        payload=found.to_json(),
        by=by,
        reason=reason,
    )
    _record(session, merchant, found, action="loss.propose", by=by, reason=reason)
    return request


def approve(session: Session, request: str, *, by: str) -> Borne:
    """Post a loss as the second person: what the merchant owes by now, in the declared order.

    What was paid or closed since the proposal is counted; the answer says who bears what. Locks
    the merchant's row, so that two losses follow each other.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        NothingOwed: it has paid meanwhile.
    """
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    merchant = get_directory(session).merchants_by_public_id[agreed.subject]
    lock_merchant(session, merchant.code)
    found = plan(session, merchant)
    _post(session, merchant, found)
    _write(session, merchant, found, request=agreed, by=by)
    _record(session, merchant, found, action="loss.approve", by=by, reason=agreed.reason)
    return found


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed loss down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    rejected = approvals.reject(session, request, kind=KIND, by=by)
    audit.record(session, actor=by, action="loss.reject", object=rejected.subject, reason=reason)


def recover(session: Session, code: str, *, by: str) -> Borne:
    """Give what came back to a merchant to those who bore its loss; return who gets what.

    Points that expire after the loss are credited to the merchant. Redeemers come before the
    fund, each by what it bore. Locks the merchant's row; run again it gives what has come since.

    Raises:
        NotFound: it is not leaving.
        NothingToRecover: nobody bore anything that is not given back, or nothing is there to give.
    """
    lock_merchant(session, code)
    merchant = get_directory(session).get_merchant(code)
    before = borne_so_far(session, get_exit(session, merchant))
    (standing,) = credit.stand(session, [merchant])
    rest = max(standing.due_fen - max(standing.open_fen, 0), 0)
    redeemers = min(rest, sum(before.shares.values()))
    fund = min(rest - redeemers, before.fund_fen)
    if not redeemers + fund:
        raise NothingToRecover(code)
    parts = spread(redeemers, list(before.shares.values()))
    back = Borne(
        deposit_fen=0,
        fund_fen=fund,
        shares={who: fen for who, fen in zip(before.shares, parts, strict=True) if fen},
    )
    _post(session, merchant, back, back=True)
    given = {who: -fen for who, fen in back.shares.items()}
    negative = replace(back, fund_fen=-fund, shares=given)
    _write(session, merchant, negative, request=None, by=by)
    _record(session, merchant, back, action="loss.recover", by=by, reason="")
    return back


def borne_so_far(session: Session, leaving: Exit) -> Borne:
    """Return what others have borne for a leaving merchant and not got back."""
    sums = session.execute(
        select(
            func.coalesce(func.sum(Loss.deposit_fen), 0), func.coalesce(func.sum(Loss.fund_fen), 0)
        ).where(Loss.exit_id == leaving.id)
    ).one()
    merchants = get_directory(session).merchants
    shares = session.execute(
        select(LossShare.merchant_id, func.sum(LossShare.fen))
        .join(Loss, Loss.id == LossShare.loss_id)
        .where(Loss.exit_id == leaving.id)
        .group_by(LossShare.merchant_id)
        .order_by(LossShare.merchant_id)
    )
    return Borne(
        deposit_fen=int(sums[0]),
        fund_fen=int(sums[1]),
        shares={merchants[who].public_id: int(fen) for who, fen in shares if fen},
    )


def _paid_to_redeemers(session: Session, leaving: Exit) -> dict[str, int]:
    merchants = get_directory(session).merchants
    rows = session.execute(
        _PAID_TO, {"merchant": leaving.merchant_id, "months": leaving.redeemer_months}
    )
    return {merchants[row.merchant_id].public_id: int(row.fen) for row in rows}


def _post(session: Session, merchant: ListedMerchant, found: Borne, *, back: bool = False) -> None:
    """Post who pays into the merchant's due, or is paid out of it, all in one call."""
    accounts = books.fen_accounts(session, [merchant.public_id, *found.shares])
    due = accounts[f"{Code.DUE}:{merchant.public_id}"]
    key, journals = new_id("jnl"), []
    if found.deposit_fen:
        own = books.deposit_account(session, merchant.public_id)
        posting = Posting(debit_id=own, credit_id=due, amount=found.deposit_fen)
        journals.append(_journal(session, key, Kind.DEPOSIT_USED, [posting]))
    others = {accounts[f"{Code.DUE}:{who}"]: fen for who, fen in found.shares.items()}
    if found.fund_fen:
        others[accounts[Code.FUND]] = found.fund_fen
    postings = [
        Posting(debit_id=due if back else other, credit_id=other if back else due, amount=fen)
        for other, fen in others.items()
    ]
    if postings:
        kind = Kind.RECOVERY if back else Kind.LOSS
        journals.append(_journal(session, key, kind, postings))
    ledger.post(session, journals)


def _journal(session: Session, key: str, kind: Kind, postings: Sequence[Posting]) -> Journal:
    return Journal(
        key=f"{kind}:{key}", kind=kind, occurred_at=now_of(session), postings=list(postings)
    )


def _write(
    session: Session,
    merchant: ListedMerchant,
    found: Borne,
    *,
    request: ChangeRequest | None,
    by: str,
) -> None:
    known = get_directory(session).merchants_by_public_id
    loss = Loss(
        public_id=new_id("los"),
        exit_id=get_exit(session, merchant).id,
        deposit_fen=found.deposit_fen,
        fund_fen=found.fund_fen,
        change_request_id=None if request is None else request.id,
        at=now_of(session),
        by=by,
    )
    session.add(loss)
    session.flush()
    session.add_all(
        LossShare(loss_id=loss.id, merchant_id=known[who].id, fen=fen)
        for who, fen in found.shares.items()
    )
    outbox.add(
        session,
        topic="merchant.loss_borne" if request else "merchant.loss_recovered",
        aggregate=loss.public_id,
        payload={"merchant": merchant.public_id, "fen": found.total_fen},
    )
    session.flush()


def _record(
    session: Session, merchant: ListedMerchant, found: Borne, *, action: str, by: str, reason: str
) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=merchant.public_id,
        after=found.to_json(),
        reason=reason or None,
    )


# What others were paid for the merchant's points, returns taken off, in its last closed periods.
_PAID_TO = text(
    """
    SELECT x.merchant_id, sum(x.fen) AS fen
    FROM (
        SELECT c.credit_merchant_id AS merchant_id, c.credit_fen AS fen, c.period_id
        FROM settlement_cell c
        WHERE c.debit_code = 'lot' AND c.credit_code = 'redeemed'
            AND c.debit_merchant_id = :merchant AND c.credit_merchant_id <> :merchant
        UNION ALL
        SELECT c.debit_merchant_id, -c.debit_fen, c.period_id
        FROM settlement_cell c
        WHERE c.debit_code = 'redeemed' AND c.credit_code = 'lot'
            AND c.credit_merchant_id = :merchant AND c.debit_merchant_id <> :merchant) x
    WHERE x.period_id IN (
        SELECT p.id FROM settlement_period p
        WHERE p.starts_on >= (SELECT max(l.ends_on) + 1 FROM settlement_period l)
                             - make_interval(months => CAST(:months AS int)))
    GROUP BY 1 HAVING sum(x.fen) > 0 ORDER BY 1
    """
)
