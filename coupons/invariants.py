"""What must hold between batches, coupons, locks and redemptions; the auditor asks for it (A4, A5).

Everything is counted anew from the rows that never change: issued is within the stock, spent within
the budget, nobody has more than he may, and each use of a coupon is redeemed once.
"""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """One row that an invariant does not hold for."""

    invariant: str
    subject: str
    expected: Decimal
    found: Decimal


def audit(session: Session) -> list[Broken]:
    """Return batches and coupons that disagree with what was issued, redeemed and given back.

    Reads the whole history; wants a repeatable-read transaction.
    """
    return [Broken(**row._mapping) for row in session.execute(_AUDIT)]


_AUDIT = text(
    """
    WITH back AS (
        SELECT redemption_id, sum(fen) AS fen, sum(order_fen) AS order_fen,
            bool_or(returned) AS returned
        FROM coupon_roll_back GROUP BY redemption_id
    ), kept AS (
        SELECT r.id, r.public_id, r.coupon_id, c.batch_id, r.lock_id, r.day, r.store,
            r.discount_fen, r.discount_fen - coalesce(b.fen, 0) AS fen,
            r.order_fen - coalesce(b.order_fen, 0) AS order_fen,
            (NOT coalesce(b.returned, false))::int AS open
        FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
        LEFT JOIN back b ON b.redemption_id = r.id
    ), moved AS (
        SELECT c.batch_id, 'issued' AS what,
            (c.issued_at AT TIME ZONE 'Asia/Shanghai')::date AS day, c.store,
            0::bigint AS reserved, 1::bigint AS used
        FROM coupon c WHERE c.how <> 'reissue'
        UNION ALL
        SELECT k.batch_id, a.what, k.day, k.store, 0, a.amount
        FROM kept k, LATERAL (VALUES ('fen', k.fen), ('count', k.open::bigint),
                              ('order_fen', k.order_fen)) AS a (what, amount)
        UNION ALL
        SELECT l.batch_id, a.what, l.day, l.store, a.amount, 0
        FROM coupon_lock l, LATERAL (VALUES ('fen', l.discount_fen), ('count', 1::bigint),
                                     ('order_fen', l.order_fen)) AS a (what, amount)
        WHERE l.state = 'locked'
    ), counted AS (
        SELECT e.batch_id, e.what, e.scope,
            CASE e.scope WHEN 'all' THEN '' WHEN 'day' THEN m.day::text
                ELSE coalesce(m.store, '-') END AS slot,
            sum(m.reserved) AS reserved, sum(m.used) AS used, e.ceiling
        FROM coupon_ceiling e JOIN moved m USING (batch_id, what)
        GROUP BY 1, 2, 3, 4, e.ceiling
    ), seats AS (
        SELECT t.batch_id, t.holder, count(*) AS number FROM coupon_taking t GROUP BY 1, 2
    ), names AS (
        SELECT holder AS person, alias AS name FROM coupon_alias
        UNION ALL SELECT DISTINCT holder, holder FROM coupon_alias
    ), joint AS (
        SELECT t.batch_id, n.person, count(*) AS number, max(t.coupon_id) > (
            SELECT max(a.last_coupon_id) FROM coupon_alias a WHERE a.holder = n.person)
            AS issued_since
        FROM names n JOIN coupon_taking t ON t.holder = n.name GROUP BY t.batch_id, n.person
    ), locks AS (
        SELECT coupon_id, count(*) FILTER (WHERE state = 'redeemed') AS open
        FROM coupon_lock GROUP BY coupon_id
    ), spent AS (
        SELECT coupon_id, sum(fen) AS fen FROM kept GROUP BY coupon_id
    ), seated AS (
        SELECT t.coupon_id, t.holder, count(*) AS number FROM coupon_taking t GROUP BY 1, 2
    ), out AS (
        SELECT o.jti, o.starts_at, max(least(o.ends_at, o.taken_at, c.voided_at)) OVER (
            PARTITION BY o.holder, o.seat ORDER BY o.starts_at, o.jti
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
        FROM coupon_offline o JOIN coupon c ON c.id = o.coupon_id
    ), checks AS (
        SELECT b.code || ' ' || coalesce(c.what, t.what) || ' ' || coalesce(c.slot, t.slot)
                AS subject, x.*
        FROM counted c FULL JOIN coupon_tally t USING (batch_id, what, scope, slot)
        JOIN coupon_batch b ON b.id = batch_id,
        LATERAL (VALUES
            ('a batch''s counter is what was issued and used', coalesce(c.used, 0),
             coalesce(t.used, 0)),
            ('a batch''s reserve is what its locks set aside', coalesce(c.reserved, 0),
             coalesce(t.reserved, 0)),
            ('a batch stays within its limits', 0,
             greatest(c.used + c.reserved - coalesce(t.ceiling, c.ceiling), 0))
        ) AS x (invariant, expected, found)
        UNION ALL
        SELECT b.code || ' ' || s.holder, 'nobody has more of a batch than he may', 0,
            greatest(s.number - b.per_member, 0)
        FROM seats s JOIN coupon_batch b ON b.id = s.batch_id
        UNION ALL
        -- What his names had above it when they became one is his.
        SELECT b.code || ' ' || j.person,
            'nobody is issued more of a batch than all his names may have', 0,
            CASE WHEN j.issued_since THEN greatest(j.number - b.per_member, 0) ELSE 0 END
        FROM joint j JOIN coupon_batch b ON b.id = j.batch_id
        UNION ALL
        SELECT a.alias, 'a name that was taken over leads to who its taker is', 1,
            (a.holder = coalesce(t.holder, a.taker)
             AND NOT EXISTS (SELECT FROM coupon_alias o WHERE o.alias = a.holder))::int
        FROM coupon_alias a LEFT JOIN coupon_alias t ON t.alias = a.taker
        UNION ALL
        SELECT c.public_id, x.*
        FROM coupon c JOIN coupon_batch b ON b.id = c.batch_id
        LEFT JOIN locks l ON l.coupon_id = c.id LEFT JOIN spent s ON s.coupon_id = c.id
        LEFT JOIN seated g ON g.coupon_id = c.id AND g.holder = c.holder,
        LATERAL (VALUES
            ('a coupon counts its open redemptions', c.used, coalesce(l.open, 0)),
            ('money on a coupon is what was stored less what it paid',
             CASE WHEN c.uses IS NULL THEN c.value_fen ELSE 0 END,
             CASE WHEN c.uses IS NULL THEN b.value_fen - coalesce(s.fen, 0) ELSE 0 END),
            ('a holder''s coupon has its seat', 1,
             CASE WHEN c.holder IS NULL OR c.how = 'reissue' THEN 1
                 ELSE coalesce(g.number, 0) END)
        ) AS x (invariant, expected, found)
        UNION ALL
        SELECT k.public_id, x.*
        FROM kept k JOIN coupon_lock l ON l.id = k.lock_id, LATERAL (VALUES
            ('no more goes back of a redemption than it took', 0,
             greatest(-k.fen, 0) + greatest(-k.order_fen, 0)),
            ('a redemption is open as long as its lock is', k.open,
             CASE WHEN l.state = 'redeemed' THEN 1 WHEN l.state = 'returned' THEN 0 ELSE 2 END)
        ) AS x (invariant, expected, found)
        UNION ALL
        SELECT c.public_id, 'a redeemed lock has its redemption', 1, 0
        FROM coupon_lock l JOIN coupon c ON c.id = l.coupon_id
        WHERE l.state IN ('redeemed', 'returned')
            AND NOT EXISTS (SELECT FROM coupon_redemption r WHERE r.lock_id = l.id)
        UNION ALL
        SELECT o.jti, 'an offline token that was used is redeemed by its order', 1, (
            SELECT count(*) FROM coupon_redemption r
            WHERE r.coupon_id = o.coupon_id AND r.order_ref = o.order_ref)
        FROM coupon_offline o WHERE o.order_ref IS NOT NULL
        UNION ALL
        SELECT o.jti, 'a holder''s place for an offline coupon is taken once', 0,
            -- Tokens tell whole seconds.
            coalesce(o.taken_until >= o.starts_at + interval '1 second', false)::int
        FROM out o
        UNION ALL
        SELECT c.public_id, 'a code''s coupon is of its batch', r.batch_id, c.batch_id
        FROM coupon_code k JOIN coupon_code_run r ON r.id = k.run_id
        JOIN coupon c ON c.id = k.coupon_id
    )
    SELECT invariant, subject, expected::numeric, found::numeric FROM checks
    WHERE expected IS DISTINCT FROM found ORDER BY invariant, subject LIMIT 50
    """
)
