"""What a gate before the database may know of a batch that many want at once (reliability §6).

A stock only ever shrinks, so that it is gone is true for good. Who has some of it is named then: a
gate that sends everybody else away lets his repeat through to its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The coupons left of a batch that has a gate; `takers` are all who have one, at none left."""

    batch: str
    left: int
    takers: Sequence[str]


def find_stock(session: Session, code: str) -> Stock | None:
    """Return what is left of a batch, by committed rows; None: no such batch, or it has no gate."""
    row = session.execute(_STOCK, {"code": code}).one_or_none()
    if row is None:
        return None
    # After the count, not before: whoever took the last coupon is in it.
    takers = () if row.left > 0 else session.scalars(_TAKERS, {"batch": row.id}).all()
    return Stock(batch=row.public_id, left=row.left, takers=takers)


_STOCK = text(
    """
    SELECT b.id, b.public_id, c.ceiling - coalesce(t.reserved + t.used, 0) AS left
    FROM coupon_batch b
    JOIN coupon_template_version v ON v.id = b.version_id
    JOIN coupon_ceiling c ON c.batch_id = b.id AND c.what = 'issued' AND c.scope = 'all'
    LEFT JOIN coupon_tally t
        ON t.batch_id = c.batch_id AND t.what = c.what AND t.scope = c.scope AND t.slot = ''
    WHERE b.code = :code AND (v.document -> 'terms' -> 'rush')::boolean
    """
)
_TAKERS = text("SELECT DISTINCT holder FROM coupon_taking WHERE batch_id = :batch")
