"""One hash over all transfers of a district in business terms: the same books, the same digest.

No ids and no clock readings are in it: kind, business time, what was debited and credited by its
natural name, and the amount, sorted. Two runs of one replay agree, and so do a district and its
copy elsewhere.
"""

import hashlib

from sqlalchemy import text
from sqlalchemy.orm import Session


def digest(session: Session) -> str:
    """Return the SHA-256 over the district's transfers, in hex."""
    found = hashlib.sha256()
    rows = session.execute(_TRANSFERS, execution_options={"yield_per": 10_000})
    for row in rows:
        found.update(row.line.encode())
        found.update(b"\n")
    return found.hexdigest()


_TRANSFERS = text(
    """
    WITH named AS (
        SELECT a.id, coalesce(
            (SELECT concat_ws('|', l.kind, coalesce(p.card_number, p.public_id), i.code,
                              coalesce(l.expires_on::text, 'never'), l.cost_num, l.cost_den,
                              l.redemption_num, l.redemption_den,
                              r.code, l.activates_on, l.courtesy, l.awaits)
             FROM lot l JOIN member p ON p.id = l.member_id JOIN merchant i ON i.id = l.issuer_id
             LEFT JOIN merchant r ON r.id = l.restriction_merchant_id
             WHERE l.account_id = a.id),
            (SELECT a.code || '|' || m.code FROM merchant m
             WHERE m.public_id = split_part(a.name, ':', 2)),
            a.name) AS label
        FROM account a
    )
    SELECT concat_ws(E'\\t', j.kind,
                     to_char(j.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
                     d.label, c.label, t.amount) COLLATE "C" AS line
    FROM transfer t
    JOIN journal j ON j.id = t.journal_id
    JOIN named d ON d.id = t.debit_id
    JOIN named c ON c.id = t.credit_id
    ORDER BY 1
    """
)
