"""The two statements of a refund: how far an order has gone back, and writing one more step."""

from sqlalchemy import text

STATES = text(
    """
    SELECT l.number, l.refunded_fen, l.refunded_quantity, b.borne, (
        SELECT array_agg(c.public_id ORDER BY c.id) FROM order_gift g
        JOIN coupon c ON c.id = g.coupon_id WHERE g.order_id = l.order_id
            AND c.state = 'issued' AND c.used = 0) AS gifts
    FROM order_line l, (
        SELECT json_agg(json_build_array(w.id, w.issue_account_id, w.points - w.made_good,
                                         home -> 3, home -> 4) ORDER BY w.id) AS borne
        FROM write_off w
        JOIN refund r ON r.id = w.refund_id
        JOIN "order" o ON o.id = r.order_id,
        LATERAL (SELECT h FROM jsonb_array_elements(o.homes) h
                 WHERE (h ->> 1)::bigint = w.issue_account_id LIMIT 1) AS one (home)
        WHERE w.member_id = :member AND w.made_good < w.points AND w.orders_through >= :order) b
    WHERE l.order_id = :order
    """
)
INSERT = text(
    """
    WITH written AS (
        INSERT INTO refund (public_id, order_id, ordinal, store_id, terminal_id, number, cashier,
            fingerprint, occurred_at, recorded_at, fen, points_fen, discount_fen, unearned_fen,
            money, restored_points, clawed_points, debt_points, written_off_points,
            made_good_points, lines)
        VALUES (:public_id, :order, :ordinal, :store, :terminal, :number, :cashier,
            :fingerprint, :occurred_at, :now, :fen, :points_fen, :discount, :unearned,
            CAST(:money AS jsonb), :restored, :clawed, :debt, :written_off, :made_good,
            CAST(:lines AS jsonb))
        ON CONFLICT (store_id, terminal_id, number) DO NOTHING
        RETURNING id, order_id, fen
    ), marked AS (
        UPDATE "order" o SET refunded_fen = o.refunded_fen + w.fen, refunds = o.refunds + 1,
            rolled_back_fen = o.rolled_back_fen + :unearned, updated_at = clock_timestamp()
        FROM written w WHERE o.id = w.order_id
    ), moved AS (
        UPDATE order_line l
        SET refunded_fen = u.refunded_fen, refunded_quantity = u.refunded_quantity
        FROM written w, unnest(CAST(:numbers AS smallint[]), CAST(:refunded_fen AS bigint[]),
            CAST(:refunded_quantity AS bigint[])) AS u (number, refunded_fen, refunded_quantity)
        WHERE l.order_id = w.order_id AND l.number = u.number
    ), rolled AS (
        INSERT INTO order_roll_back (order_id, coupon, fen, parts, refund_id, recorded_at)
        SELECT w.order_id, u.coupon, u.fen, u.parts, w.id, :now
        FROM written w, json_to_recordset(CAST(:rolled AS json)) AS u (
            coupon text, fen bigint, parts jsonb)
    ), borne AS (
        INSERT INTO write_off (refund_id, member_id, issue_account_id, points, orders_through)
        SELECT w.id, :member, u.account_id, u.points,
            (SELECT max(o.id) FROM "order" o WHERE o.member_id = :member)
        FROM written w, unnest(CAST(:bearers AS bigint[]), CAST(:borne AS bigint[]))
            AS u (account_id, points)
    ), good AS (
        UPDATE write_off b SET made_good = b.made_good + u.points
        FROM written w, unnest(CAST(:good AS bigint[]), CAST(:good_points AS bigint[]))
            AS u (id, points)
        WHERE b.id = u.id
    ), grown AS (
        INSERT INTO growth (member_id, kind, source, amount, occurred_at, business_date,
            recorded_at)
        SELECT g.member_id, g.kind, g.source, g.amount, g.occurred_at, g.business_date, :now
        FROM written, json_to_recordset(CAST(:gains AS json)) AS g (
            member_id bigint, kind text, source text, amount bigint, occurred_at timestamptz,
            business_date date)
    ), taken_back AS (
        INSERT INTO points_promise (member_id, source, activity, day, until, recorded_at)
        SELECT p.member_id, p.source, 'refund', :heard_on, NULL, :now
        FROM written, points_promise p
        WHERE CAST(:whole AS boolean) AND p.source = :order_id AND p.until IS NOT NULL
        ON CONFLICT DO NOTHING
    ), room AS (
        INSERT INTO rule_use (member_id, source, rule, campaign, points, business_date)
        SELECT member_id, :public_id, rule, campaign, points, business_date
        FROM (
            SELECT u.member_id, u.rule, u.campaign, u.business_date,
                div(c.before * u.points, :earned) - div((c.before + :clawed) * u.points, :earned)
                    AS points
            FROM written, rule_use u, (
                SELECT coalesce(sum(r.clawed_points), 0) AS before FROM refund r
                WHERE r.order_id = :order) c
            WHERE u.source = :order_id AND :clawed > 0) given_back
        WHERE points <> 0
    )
    SELECT id FROM written
    """
)
