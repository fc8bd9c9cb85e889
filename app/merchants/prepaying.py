"""Points that a prepaid merchant buys ahead and gives away until they are gone (L6)."""

from sqlalchemy.orm import Session

import ledger
from app import audit, books
from app.books import Kind
from app.clock import business_date
from app.errors import Invalid
from app.merchants.directory import get_directory
from config.database import now_of
from ledger import Journal

LIMIT_POINTS = 10**12


def buy_points(session: Session, code: str, points: int, *, reference: str, by: str) -> int:
    """Credit a merchant with points bought; return what it then has left to give.

    They cost what its contract says today; the settlement of the month charges it.

    `reference` is the number of the bank receipt or the invoice: the same one again credits once.

    Raises:
        NotFound: no such merchant.
        Invalid: not a number of points, or no reference.
        KeyReused: the reference was used for another number of points.
    """
    if not 1 <= points <= LIMIT_POINTS:
        raise Invalid("points", f"须在 1 到 {LIMIT_POINTS} 之间", f"from 1 to {LIMIT_POINTS}")
    if not 1 <= len(reference.strip()) <= 64:
        raise Invalid("reference", "须为 1 到 64 个字符", "has 1 to 64 characters")
    merchant = get_directory(session).get_merchant(code)
    cost = merchant.terms_at(business_date(now_of(session))).cost_fen_per_point
    posting = books.move(
        books.prepaid_sold_account(session),
        merchant.prepaid_account_id,
        points,
        worth=(cost, cost),
    )
    posted = ledger.post(
        session,
        [
            Journal(
                key=f"prepay:{merchant.public_id}:{reference.strip()}",
                kind=Kind.PREPAY,
                occurred_at=now_of(session),
                postings=[posting],
                details={"reference": reference.strip(), **books.rates([posting])},
            )
        ],
    )
    if not posted[0].replayed:
        audit.record(
            session,
            actor=by,
            action="merchant.prepay",
            object=merchant.public_id,
            after={"points": points, "reference": reference.strip()},
        )
    account = merchant.prepaid_account_id
    return ledger.statements.balances(session, [account])[account].posted
