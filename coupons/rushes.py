"""What a gate before the database may know of a batch that many want at once (reliability §6).

A stock only ever shrinks, so that it is gone is true for good. Who has some of it is named then: a
gate that sends everybody else away lets his repeat through to its answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from sqlalchemy.orm import Session

from config.database import fetch


@dataclass(frozen=True, kw_only=True)
class Stock:
    """The coupons left of a batch, None where it has no gate; at none left `takers` have them."""

    batch: str
    left: int | None
    takers: Sequence[str]


def find_stock(session: Session, code: str) -> Stock | None:
    """Return what is left of a batch, by committed rows; None: there is no such batch."""
    rows = fetch(session, _STOCK, {"code": code})
    if not rows:
        return None
    (row,) = rows
    # After the count, not before: whoever took the last coupon is in it.
    gone = row.left is not None and row.left <= 0
    takers = fetch(session, _TAKERS, {"batch": row.id}) if gone else []
    return Stock(batch=row.public_id, left=row.left, takers=[each.holder for each in takers])


_STOCK: LiteralString = """
    SELECT b.id, b.public_id, CASE WHEN (v.document -> 'terms' -> 'rush')::boolean
        THEN c.ceiling - coalesce(t.reserved + t.used, 0) END AS left
    FROM coupon_batch b
    JOIN coupon_template_version v ON v.id = b.version_id
    LEFT JOIN coupon_ceiling c ON c.batch_id = b.id AND c.what = 'issued' AND c.scope = 'all'
    LEFT JOIN coupon_tally t
        ON t.batch_id = c.batch_id AND t.what = c.what AND t.scope = c.scope AND t.slot = ''
    WHERE b.code = %(code)s
"""
_TAKERS: LiteralString = "SELECT DISTINCT holder FROM coupon_taking WHERE batch_id = %(batch)s"
