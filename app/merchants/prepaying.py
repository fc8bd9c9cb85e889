"""Points that a prepaid merchant buys ahead and gives until they are gone, or it leaves (L6)."""

from sqlalchemy.orm import Session

import ledger
from app import audit, books
from app.books import Kind
from app.clock import business_date
from app.errors import Invalid
from app.merchants.directory import ListedMerchant, get_directory
from config.database import new_id, now_of
from ledger import Journal

LIMIT_POINTS = 10**12


def buy_points(session: Session, code: str, points: int, *, reference: str, by: str) -> int:
    """Credit a merchant with points bought; return what it then has left to give.

    They cost what its contract says today; the settlement of the month charges it.

    `reference` is the number of the bank receipt or the invoice: the same one again credits once.

    Raises:
        NotFound: no such merchant.
        Invalid: not a number of points, or no reference.
        Leaving: it will give no more points.
        KeyReused: the reference was used for another number of points.
    """
    if not 1 <= points <= LIMIT_POINTS:
        raise Invalid("points", f"须在 1 到 {LIMIT_POINTS} 之间", f"from 1 to {LIMIT_POINTS}")
    if not 1 <= len(reference.strip()) <= 64:
        raise Invalid("reference", "须为 1 到 64 个字符", "has 1 to 64 characters")
    merchant = get_directory(session).get_merchant(code)
    merchant.require_staying()
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
    return left(session, merchant)


def left(session: Session, merchant: ListedMerchant) -> int:
    """Return the points that a merchant has bought ahead and not given yet."""
    account = merchant.prepaid_account_id
    return ledger.statements.balances(session, [account])[account].posted


def take_back(session: Session, merchant: ListedMerchant, *, by: str) -> int:
    """Take back what a leaving merchant has bought ahead and not given; return the points.

    The settlement of the month pays for them, at what its contract says today. Where nothing is
    left nothing is posted.
    """
    points = left(session, merchant)
    if not points:
        return 0
    cost = merchant.terms_at(business_date(now_of(session))).cost_fen_per_point
    posting = books.move(
        merchant.prepaid_account_id,
        books.prepaid_sold_account(session),
        points,
        worth=(cost, cost),
    )
    ledger.post(
        session,
        [
            Journal(
                key=f"{new_id('ret')}:prepay_return",
                kind=Kind.PREPAY_RETURN,
                occurred_at=now_of(session),
                postings=[posting],
                details=books.rates([posting]),
            )
        ],
    )
    audit.record(
        session,
        actor=by,
        action="merchant.prepay_return",
        object=merchant.public_id,
        after={"points": points},
    )
    return points
