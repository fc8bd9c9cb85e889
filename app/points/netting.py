"""What points do that nobody can spend any more: they pay their member's debts, then go (L3).

Pure; expiry, the next earn and the lapse of an erased member's points all ask here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.books import move
from app.points.lots import HeldLot, Wallet
from app.points.models import LotKind
from ledger import Posting

Owed = dict[int, int]
"""Points owed by debt account, the oldest debt first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """How a lot is emptied: what of it pays debts, and what goes to its heir."""

    postings: list[Posting]
    paid_points: int
    gone_points: int


def debts_of(wallet: Wallet) -> Owed:
    """Return what a wallet owes, the oldest debt first."""
    debts = sorted(
        (lot for lot in wallet.lots if lot.meaning.kind is LotKind.DEBT and lot.posted < 0),
        key=lambda lot: (lot.first_earned_at, lot.account_id),
    )
    return {lot.account_id: -lot.posted for lot in debts}


def pay(points: int, owed: Owed) -> Iterator[tuple[int, int]]:
    """Pay debts in their order with so many points, taking them off `owed`."""
    for account, debt in owed.items():
        part = min(points, debt)
        if part:
            owed[account] -= part
            points -= part
            yield account, part


def leave(lot: HeldLot, owed: Owed, *, heir: int) -> Left:
    """Empty a lot of what no hold keeps: debts first, and `heir` (an account) gets the rest.

    Takes what is paid off `owed`.
    """
    paid = list(pay(lot.free, owed))
    postings = [move(lot.account_id, account, part) for account, part in paid]
    paid_points = sum(part for _, part in paid)
    gone = lot.free - paid_points
    if gone:
        postings.append(move(lot.account_id, heir, gone))
    return Left(postings=postings, paid_points=paid_points, gone_points=gone)
