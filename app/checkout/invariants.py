"""What must hold between orders, refunds and the books; the auditor asks for it too."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from ledger.upkeep import Violation


def audit(session: Session) -> list[Violation]:
    """Return orders and members that disagree with lines, refunds, write-offs, burns or journals.

    Reads the whole history; wants a repeatable-read transaction.
    """
    return [Violation(**row._mapping) for row in session.execute(_AUDIT)]


_AUDIT = text(
    """
    WITH moved AS (
        SELECT j.kind, j.details ->> 'order' AS order_id, sum(t.amount) AS points
        FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on
        JOIN account a ON a.id = t.debit_id
        WHERE (j.kind = 'earn' AND a.code IN ('issued', 'prepaid')) OR j.kind = 'burn'
        GROUP BY 1, 2
    ), lines AS (
        SELECT order_id, sum(amount_fen) AS amount, sum(burned_fen) AS burned,
               sum(discount_fen) AS discount,
               sum(earned_points) AS earned, sum(refunded_fen) AS refunded
        FROM order_line GROUP BY order_id
    ), back AS (
        SELECT r.order_id, sum(r.fen) AS fen, count(*) AS times,
               sum(r.discount_fen) AS discount,
               sum(r.written_off_points) AS written_off, sum(w.points) AS borne
        FROM refund r LEFT JOIN (
            SELECT refund_id, sum(points) AS points FROM write_off GROUP BY refund_id) w
            ON w.refund_id = r.id
        GROUP BY r.order_id
    ), made_good AS (
        SELECT member_id, sum(points) AS points FROM (
            SELECT o.member_id, r.made_good_points AS points
            FROM refund r JOIN "order" o ON o.id = r.order_id
            UNION ALL SELECT member_id, made_good_points FROM mall_taking) g
        GROUP BY member_id
    ), rewards AS (
        SELECT j.kind, j.details ->> 'taking' AS taking, sum(t.amount) AS points
        FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on
        WHERE j.kind IN ('reward', 'reward_return') GROUP BY 1, 2
    ), got_back AS (
        SELECT member_id, sum(made_good) AS points FROM write_off GROUP BY member_id
    ), money AS (
        SELECT o.id AS order_id, coalesce(sum(t.fen::bigint), 0) AS fen
        FROM "order" o LEFT JOIN LATERAL jsonb_each_text(o.money) AS t (name, fen) ON true
        WHERE o.money IS NOT NULL GROUP BY o.id
    ), rolled AS (
        SELECT k.order_id, sum(k.fen) AS fen,
               sum(coalesce(p.total_fen, CASE WHEN k.refund_id IS NOT NULL THEN k.fen END)) AS paid,
               sum((SELECT sum((part ->> 2)::bigint) FROM jsonb_array_elements(k.parts) part))
                   AS parts
        FROM order_roll_back k
        LEFT JOIN "order" p ON p.id = k.paid_by_id AND p.kind = 'roll_back'
        GROUP BY k.order_id
    ), facts AS (
        SELECT o.public_id, o.rolled_back_fen, coalesce(k.fen, 0) AS rolled,
               coalesce(k.paid, 0) AS rolled_paid, coalesce(k.parts, 0) AS rolled_parts,
               o.total_fen, o.discount_fen, o.refunded_fen, o.refunds,
               CASE WHEN o.state = 'paid' THEN o.burned_fen ELSE 0 END AS burned_fen,
               CASE WHEN o.state = 'paid' THEN o.burned_points ELSE 0 END AS burned_points,
               o.earned_points, o.due_fen, coalesce(m.fen, o.due_fen) AS money, l.amount,
               l.burned, l.earned, l.refunded, l.discount,
               CASE WHEN o.state = 'paid' THEN o.burned_fen + o.discount_fen + o.due_fen
                    ELSE o.total_fen END AS parts, coalesce(b.discount, 0) AS back_discount,
               coalesce(b.fen, 0) AS back_fen, coalesce(b.times, 0) AS back_times,
               coalesce(b.written_off, 0) AS written_off, coalesce(b.borne, 0) AS borne,
               coalesce(e.points, 0) AS journal_earned, coalesce(u.points, 0) AS journal_burned
        FROM "order" o
        LEFT JOIN lines l ON l.order_id = o.id
        LEFT JOIN back b ON b.order_id = o.id
        LEFT JOIN rolled k ON k.order_id = o.id
        LEFT JOIN money m ON m.order_id = o.id
        LEFT JOIN moved e ON e.kind = 'earn' AND e.order_id = o.public_id
        LEFT JOIN moved u ON u.kind = 'burn' AND u.order_id = o.public_id
    ), checks AS (
        SELECT f.public_id AS subject, c.*
        FROM facts f, LATERAL (VALUES
            ('an order is the sum of its lines', f.total_fen, f.amount),
            ('an order is paid by coupons, points and money', f.total_fen, f.parts),
            ('what coupons take off lines they take off the order', f.discount_fen, f.discount),
            ('the tenders of an order pay what is due', f.due_fen, f.money),
            ('points on lines are the order''s', f.burned_fen, f.burned),
            ('points earned on lines are the order''s', f.earned_points, f.earned),
            ('what went back of an order is what went back of its lines',
             f.refunded_fen + f.back_discount, f.refunded),
            ('what went back of an order is the sum of its refunds', f.refunded_fen, f.back_fen),
            ('an order counts what was rolled back', f.rolled_back_fen, f.rolled),
            ('what was rolled back was paid', f.rolled, f.rolled_paid),
            ('what was rolled back lies on lines', f.rolled, f.rolled_parts),
            ('an order counts its refunds', f.refunds, f.back_times),
            ('what an order''s refunds wrote off somebody bears', f.written_off, f.borne),
            ('an order earned what its journal gave', f.earned_points, f.journal_earned),
            ('an order burned what its journal took', f.burned_points, f.journal_burned)
        ) AS c (invariant, expected, found)
        UNION ALL
        SELECT m.public_id, 'what a member''s refunds made good issuers got back',
               coalesce(g.points, 0), coalesce(b.points, 0)
        FROM made_good g FULL JOIN got_back b USING (member_id)
        JOIN member m ON m.id = member_id
        UNION ALL
        SELECT r.public_id, 'a refund took back what it says of coupons', r.unearned_fen,
               coalesce(sum(k.fen), 0)
        FROM refund r LEFT JOIN order_roll_back k ON k.refund_id = r.id
        GROUP BY r.id HAVING r.unearned_fen <> 0 OR count(k.id) > 0
        UNION ALL
        SELECT b.public_id, 'a captured burn is what its order burned', b.captured_points,
               o.burned_points
        FROM burn b JOIN "order" o ON o.id = b.order_id
        UNION ALL
        SELECT coalesce(m.public_id, a.alias), 'a merged member''s coupons count for who he is', 1,
               (a.holder IS NOT DISTINCT FROM m.person)::int
        FROM (SELECT l.public_id, p.public_id AS person
              FROM member l JOIN member p ON p.id = l.merged_into_id) m
        FULL JOIN coupon_alias a ON a.alias = m.public_id
        UNION ALL
        SELECT m.code, 'an item of the mall counts what was taken of it', m.taken, count(t.id)
        FROM mall_item m LEFT JOIN mall_taking t
            ON t.item_id = m.id AND t.state IN ('waiting', 'given', 'picked_up')
        GROUP BY m.id
        UNION ALL
        SELECT t.public_id, 'a reward was paid by its journal', t.points, coalesce(r.points, 0)
        FROM mall_taking t LEFT JOIN rewards r ON r.kind = 'reward' AND r.taking = t.public_id
        UNION ALL
        SELECT t.public_id, 'a reward that was given up is paid back',
               CASE WHEN t.state IN ('cancelled', 'lapsed') THEN t.points ELSE 0 END,
               coalesce(r.points, 0)
        FROM mall_taking t
        LEFT JOIN rewards r ON r.kind = 'reward_return' AND r.taking = t.public_id
    )
    SELECT invariant, subject, expected, found FROM checks
    WHERE expected IS DISTINCT FROM found ORDER BY invariant, subject LIMIT 50
    """
)
