"""The deposit of a merchant that leaves: called when it goes, paid, used, and paid back (L9).

It stands in an account of its own, which is the district's to keep and on no statement of the
merchant, until it pays what the merchant owes (`app.settlement.losses`).
"""

from datetime import date

from sqlalchemy import select, text
from sqlalchemy.orm import Session

import ledger
from app import audit, books
from app.books import Code, Kind
from app.clock import business_date
from app.errors import StateConflict
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.locking import lock_merchant
from app.settlement.dues import check_transfer
from app.settlement.errors import DepositNeeded
from app.settlement.exits import get_exit, get_last_exit, weigh_now
from app.settlement.models import Deposit, Exit
from config.database import new_id, now_of
from ledger import Journal, Posting


def held_fen(session: Session, merchant: ListedMerchant) -> int:
    """Return the deposit that the district has of a merchant."""
    account = session.scalar(_ACCOUNT, {"name": f"{Code.DEPOSITS}:{merchant.public_id}"})
    if account is None:
        return 0
    return ledger.statements.balances(session, [account])[account].posted


def pay(
    session: Session, code: str, *, fen: int, reference: str, paid_on: date, by: str
) -> Deposit:
    """Record a bank transfer of a deposit: above zero from the merchant, below zero back to it.

    `reference` is the bank's; the same one again returns the first and moves nothing. Locks the
    merchant's row. What goes back leaves what the merchant still has to leave: nothing, once its
    exit is cancelled.

    Raises:
        NotFound: no such merchant, or it is not leaving; or it pays for an exit that is cancelled.
        Invalid: no amount, no reference, or a day that has not come.
        StateConflict: the reference was used for something else.
        DepositNeeded: more would go back than may.
    """
    lock_merchant(session, code)
    merchant = get_directory(session).get_merchant(code)
    leaving = get_last_exit(session, merchant) if fen < 0 else get_exit(session, merchant)
    reference = reference.strip()
    check_transfer(fen, reference, paid_on, today=business_date(now_of(session)))
    known = session.scalar(
        select(Deposit).where(Deposit.exit_id == leaving.id, Deposit.reference == reference)
    )
    if known is not None:
        if (known.fen, known.paid_on) != (fen, paid_on):
            raise StateConflict(
                "deposit", reference, "recorded", "该流水号已用于另一笔", "this reference is taken"
            )
        return known
    if fen < 0:
        _require_free(session, merchant, leaving, -fen)
    deposit = Deposit(
        public_id=new_id("dep"),
        exit_id=leaving.id,
        fen=fen,
        reference=reference,
        paid_on=paid_on,
        recorded_at=now_of(session),
        recorded_by=by,
    )
    session.add(deposit)
    session.flush()
    _post(session, merchant, deposit)
    audit.record(
        session,
        actor=by,
        action="exit.deposit",
        object=merchant.public_id,
        after={"fen": fen, "reference": reference},
    )
    return deposit


def _require_free(session: Session, merchant: ListedMerchant, leaving: Exit, fen: int) -> None:
    held, needed = held_fen(session, merchant), 0
    if leaving.cancelled_at is None:
        needed = weigh_now(session, merchant).deposit_fen
    if fen > held - needed:
        raise DepositNeeded(merchant.code, held, needed)


def _post(session: Session, merchant: ListedMerchant, deposit: Deposit) -> None:
    bank = books.fen_accounts(session, [])[Code.BANK]
    own = books.deposit_account(session, merchant.public_id)
    ends = (bank, own) if deposit.fen > 0 else (own, bank)
    ledger.post(
        session,
        [
            Journal(
                key=f"{Kind.DEPOSIT}:{deposit.public_id}",
                kind=Kind.DEPOSIT,
                occurred_at=now_of(session),
                postings=[Posting(debit_id=ends[0], credit_id=ends[1], amount=abs(deposit.fen))],
            )
        ],
    )


_ACCOUNT = text("SELECT id FROM account WHERE name = :name")
