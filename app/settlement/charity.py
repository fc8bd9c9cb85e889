"""Money that leaves the district's charity for a cause: a bank transfer that two people agree to.

What donated points had cost stands in `charity` once their release is closed (ADR 0023). No more
than that is ever paid.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

import ledger
from app import approvals, audit, books
from app.approvals import ChangeRequest
from app.books import Code, Kind
from app.clock import business_date
from app.errors import Invalid, StateConflict
from app.money import yuan
from app.settlement.dues import check_transfer
from app.settlement.models import CharityPayment
from config.database import new_id, now_of
from ledger import Journal, Posting

KIND = "settlement.charity"


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """A bank transfer to a cause: fen above zero, who got it, the bank's reference, and the day."""

    fen: int
    recipient: str
    reference: str
    paid_on: date

    def to_json(self) -> dict[str, Any]:
        """Return what a proposal keeps of it."""
        return {**vars(self), "paid_on": self.paid_on.isoformat()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Transfer":
        """Return the transfer that `to_json` wrote."""
        return cls(**{**fields, "paid_on": date.fromisoformat(fields["paid_on"])})


def left_fen(session: Session) -> int:
    """Return what the district's charity has to give, in fen."""
    account = books.fen_accounts(session, [])[Code.CHARITY]
    return ledger.statements.balances(session, [account])[account].posted


def propose(session: Session, transfer: Transfer, *, by: str, reason: str) -> ChangeRequest:
    """Ask that a transfer is booked; it waits for a second person (G1).

    Raises:
        Invalid: no amount, recipient or reference, or a day that has not come.
        StateConflict: the bank's reference is booked, or the charity has less.
    """
    if transfer.fen < 0:
        raise Invalid("fen", "须大于 0", "above 0")
    check_transfer(
        transfer.fen, transfer.reference, transfer.paid_on, today=business_date(now_of(session))
    )
    if not 1 <= len(transfer.recipient) <= 100:
        raise Invalid("recipient", "须为 1 到 100 个字符", "has 1 to 100 characters")
    _require_payable(session, transfer)
    request = approvals.propose(
        session,
        kind=KIND,
        subject=KIND,
        payload=transfer.to_json(),
        by=by,
        reason=reason,
    )
    _record(session, request, action="charity.propose", by=by)
    return request


def approve(session: Session, request: str, *, by: str) -> CharityPayment:
    """Book a transfer, as the second person, out of `charity`; the next close shows it.

    One at a time in a district, so that no fen is paid twice.

    Raises:
        NotFound, SamePerson, StateConflict: as `approvals.approve`.
        StateConflict: as `propose`, where that has come about since.
    """
    session.execute(_ONE_AT_A_TIME)
    agreed = approvals.approve(session, request, kind=KIND, by=by)
    transfer = Transfer.from_json(agreed.payload)
    _require_payable(session, transfer)
    paid = CharityPayment(
        public_id=new_id("chp"),
        **vars(transfer),
        change_request_id=agreed.id,
        recorded_at=now_of(session),
    )
    session.add(paid)
    session.flush()
    accounts = books.fen_accounts(session, [])
    ledger.post(
        session,
        [
            Journal(
                key=f"{Kind.CHARITY_PAID}:{paid.public_id}",
                kind=Kind.CHARITY_PAID,
                occurred_at=now_of(session),
                postings=[
                    Posting(
                        debit_id=accounts[Code.CHARITY],
                        credit_id=accounts[Code.BANK],
                        amount=transfer.fen,
                    )
                ],
                details={"payment": paid.public_id},
            )
        ],
    )
    _record(session, agreed, action="charity.approve", by=by)
    return paid


def reject(session: Session, request: str, *, by: str, reason: str) -> None:
    """Turn a proposed transfer down, or withdraw one's own.

    Raises:
        NotFound, StateConflict: as `approvals.reject`.
    """
    approvals.reject(session, request, kind=KIND, by=by)
    audit.record(session, actor=by, action="charity.reject", object=KIND, reason=reason)


def _require_payable(session: Session, transfer: Transfer) -> None:
    known = select(CharityPayment.id).where(CharityPayment.reference == transfer.reference)
    if session.scalar(known) is not None:
        raise StateConflict(
            "charity", transfer.reference, "recorded", "该流水号已入账",
            "this reference is booked already",
        )  # fmt: skip
    left = left_fen(session)
    if transfer.fen > left:
        raise StateConflict(
            "charity", transfer.reference, "short", f"公益账户只有 {yuan(left)}",
            f"the charity has {yuan(left)}",
        )  # fmt: skip


def _record(session: Session, request: ChangeRequest, *, action: str, by: str) -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        object=KIND,
        after=request.payload,
        reason=request.reason,
    )


_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('charity:' || current_schema, 0))"
)
