"""What becomes of the points of a member who was erased (semantics 49, reliability §13).

Nobody can spend them any more, so what the district owed him lapses: to the issuer, or to the
district's account of donations if he chose so. What he owed in turn the points pay first, and its
issuer bears the rest, for nobody is left to earn it.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import Kind, donated_account, move
from app.clock import business_date
from app.members.closing import Leftover
from app.members.identification import list_by_public_ids
from app.merchants.directory import Directory, get_directory
from app.points import lots
from app.points.lots import HeldLot, Wallet
from app.points.models import LotKind
from app.points.netting import debts_of, leave
from config.database import new_id, now_of
from ledger import Journal, Posting

_AT_ONCE = 100


def lapse(session: Session) -> int:
    """Let the points of erased members lapse, of a hundred at most; return of how many.

    Locks their wallets by id and posts once. Run twice or late it does no harm: what comes back by
    a refund of an old order lapses with the next run, what a waiting order holds once that is over.
    """
    rows = session.execute(_LEFT, {"limit": _AT_ONCE}).all()
    members = list_by_public_ids(session, [row.member for row in rows])
    wishes = {row.member: row for row in rows}
    directory, today = get_directory(session), business_date(now_of(session))
    donated = donated_account(session) if rows else 0
    journals = []
    for member in sorted(members.values(), key=lambda each: each.wallet_id):
        wallet = lots.lock(session, member, day=today)
        wish = wishes[member.public_id]
        donates = Leftover(wish.points) is Leftover.DONATE
        postings = plan(wallet, directory, donated=donated if donates else None, day=today)
        if postings:
            journals.append(
                Journal(
                    key=f"{new_id('lap')}:lapse",
                    kind=Kind.LAPSE,
                    occurred_at=now_of(session),
                    postings=postings,
                    details={"closing": wish.closing},
                )
            )
    ledger.post(session, journals)
    return len(journals)


def plan(
    wallet: Wallet, directory: Directory, *, donated: int | None, day: date
) -> Sequence[Posting]:
    """Return the postings that empty a wallet but for what is held; `donated` takes live points.

    Points that had expired before `day` are the issuer's in any case. A debt is paid by the lots
    first, in the order of a burn.
    """
    merchants = directory.merchants
    owed = debts_of(wallet)
    filled = [lot for lot in wallet.lots if lot.meaning.kind is LotKind.LOT and lot.free > 0]
    postings: list[Posting] = []
    for lot in sorted(filled, key=HeldLot.consumption_order):
        heir = merchants[lot.meaning.issuer_id].breakage_account_id
        if donated is not None and not lot.ended(day):
            heir = donated
        postings += leave(lot, owed, heir=heir).postings
    issuers = {lot.account_id: lot.meaning.issuer_id for lot in wallet.lots}
    for debt, points in owed.items():
        if points:
            postings.append(move(merchants[issuers[debt]].breakage_account_id, debt, points))
    return postings


_LEFT = text(
    """
    SELECT m.public_id AS member, c.public_id AS closing, c.points
    FROM closing c JOIN member m ON m.id = c.member_id
    WHERE c.done_at IS NOT NULL AND EXISTS (
        SELECT FROM lot l JOIN account_balance b ON b.account_id = l.account_id
        WHERE l.member_id = m.id AND b.posted - b.held <> 0)
    ORDER BY m.wallet_id LIMIT :limit
    """
)
