"""Where the points that a merge brought are by now (semantics 46).

They do not stay in the lots that they came to: pending ones become active, others are kept longer,
and a survivor may be merged himself and part again. Each of these takes a merge's part along. It is
read off the books, journal by journal, so whoever moves points need not know of merges.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.members.merges import Merge
from coupons.rules import spread


@dataclass(kw_only=True, slots=True)
class Share:
    """What of one lot came by a merge, and what else is to be left in it beside that."""

    brought: int = 0
    own: int = 0

    def of(self, left: int) -> int:
        """Return what of so many points is the merge's: all that it brought, or the part of both.

        Points that came in later make up for those that were spent.
        """
        if left >= self.brought + self.own:
            return self.brought
        return _part(left, [self.brought, self.own])


def trace(session: Session, merge: Merge) -> Mapping[int, Share]:
    """Return what came by a merge, by account, in the wallets to which it may have gone.

    One round trip, which reads all transfers of these wallets: an undo is rare.
    """
    rows = session.execute(
        _TRANSFERS, {"survivor": merge.survivor_id, "merged_at": merge.merged_at}
    ).all()
    return _replay(rows, merge.public_id)


def _replay(rows: Sequence[Any], merge: str) -> dict[int, Share]:
    shares: defaultdict[int, Share] = defaultdict(Share)
    posted: defaultdict[int, int] = defaultdict(int)
    #: What went along when the survivor was merged himself, and may come back by the undo of that.
    lent: defaultdict[str | None, int] = defaultdict(int)
    for row in rows:
        ends = (row.debit_id, row.credit_id)
        # What is owed goes the other way: it is debited where it arrives.
        start, end = ends[::-1] if row.debt else ends
        left, there = abs(posted[start]), abs(posted[end])
        if row.merge == merge and not row.undo:
            if not shares[end].brought:
                shares[end].own = there
            shares[end].brought += row.points
        elif row.within and shares[start].brought:
            brought = shares[start].of(left)
            if row.undo:
                carried = min(row.points, brought, lent[row.merge])
                lent[row.merge] -= carried
            else:
                carried = _part(row.points, [brought, left - brought])
                lent[row.merge] += carried
            _carry(shares[start], shares[end], carried, left=left, points=row.points, there=there)
        posted[row.debit_id] -= row.points
        posted[row.credit_id] += row.points
    return {account: share for account, share in shares.items() if share.brought}


def _carry(start: Share, end: Share, carried: int, *, left: int, points: int, there: int) -> None:
    """Let a share go along with points, of `left`, to a lot that holds `there` points so far."""
    later = max(left - start.brought - start.own, 0)
    own = min(_part(points - carried, [start.own, later]), start.own)
    if not end.brought:
        end.own = there
    start.brought, start.own = start.brought - carried, start.own - own
    end.brought, end.own = end.brought + carried, end.own + own


def _part(points: int, parts: Sequence[int]) -> int:
    """Return what of points that leave is of the first part."""
    return spread(points, parts)[0] if any(parts) else 0


# Gifts, burns and expiry spend the points; what only moves them is within: from lot to lot of the
# one person. In the order of the ledger, which the locks of the wallets make the true one.
_TRANSFERS = text(
    """
    WITH RECURSIVE person AS (
        SELECT CAST(:survivor AS bigint) AS id
        UNION
        SELECT g.survivor_id FROM person p JOIN merge g ON g.loser_id = p.id
        WHERE g.merged_at >= :merged_at
    ), own AS MATERIALIZED (
        SELECT l.account_id FROM lot l JOIN person p ON p.id = l.member_id
    ), moved AS (
        SELECT t.* FROM own o JOIN transfer t ON t.debit_id = o.account_id
        UNION
        SELECT t.* FROM own o JOIN transfer t ON t.credit_id = o.account_id
    )
    SELECT m.debit_id, m.credit_id, m.amount AS points, j.details ->> 'merge' AS merge,
           j.kind = 'merge' AND split_part(j.key, ':', 2) = 'undo' AS undo,
           d.code = 'debt' AND c.code = 'debt' AS debt,
           m.debit_id IN (TABLE own) AND m.credit_id IN (TABLE own)
           AND j.kind IN ('activate', 'extend', 'merge') AS within
    FROM moved m
    JOIN journal j ON j.id = m.journal_id
    JOIN account d ON d.id = m.debit_id
    JOIN account c ON c.id = m.credit_id
    ORDER BY m.journal_id, m.line
    """
)
