-- What a batch has come to, against its ceilings (C4, C16; semantics 36, 37). Rows are locked in
-- the order of their key, after coupons; nothing else is locked after them.

-- Move `p_reserved` and `p_used` of each kind of amount in the slots of a day and a store. All or
-- nothing: returns the first ceiling that would be passed, and has written nothing then.
CREATE OR REPLACE FUNCTION coupon_move(
    p_batches bigint[], p_whats text[], p_days date[], p_stores text[], p_reserved bigint[],
    p_used bigint[]
) RETURNS TABLE (batch_id bigint, what text, scope text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moves coupon_tally[];
    spot record;
BEGIN
    moves := ARRAY(
        SELECT ROW(c.batch_id, c.what, c.scope, s.slot, sum(m.reserved)::bigint,
                   sum(m.used)::bigint, c.ceiling)::coupon_tally
        FROM unnest(p_batches, p_whats, p_days, p_stores, p_reserved, p_used)
            AS m (batch_id, what, day, store, reserved, used)
        JOIN coupon_ceiling c ON c.batch_id = m.batch_id AND c.what = m.what,
        LATERAL (SELECT CASE c.scope WHEN 'day' THEN m.day::text
                        WHEN 'store' THEN coalesce(m.store, '-') ELSE '' END AS slot) s
        GROUP BY c.batch_id, c.what, c.scope, s.slot, c.ceiling);
    IF cardinality(moves) = 0 THEN
        RETURN;
    END IF;
    -- Who comes too late is told by a plain read and waits for nobody.
    RETURN QUERY
        SELECT m.batch_id, m.what, m.scope FROM unnest(moves) m
        LEFT JOIN coupon_tally t USING (batch_id, what, scope, slot)
        WHERE m.reserved + m.used > 0
            AND coalesce(t.reserved + t.used, 0) + m.reserved + m.used > m.ceiling
        ORDER BY m.batch_id, m.what, m.scope LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO coupon_tally
    SELECT m.batch_id, m.what, m.scope, m.slot, 0, 0, m.ceiling FROM unnest(moves) m
    WHERE NOT EXISTS (SELECT FROM coupon_tally t WHERE t.batch_id = m.batch_id
                      AND t.what = m.what AND t.scope = m.scope AND t.slot = m.slot)
    ORDER BY m.batch_id, m.what, m.scope, m.slot
    ON CONFLICT DO NOTHING;
    FOR spot IN
        SELECT t.batch_id, t.what, t.scope, m.reserved + m.used AS more,
            t.reserved + t.used + m.reserved + m.used > t.ceiling AS short
        FROM coupon_tally t
        JOIN unnest(moves) m USING (batch_id, what, scope, slot)
        ORDER BY t.batch_id, t.what, t.scope, t.slot FOR NO KEY UPDATE OF t
    LOOP
        IF spot.more > 0 AND spot.short THEN
            RETURN QUERY SELECT spot.batch_id, spot.what, spot.scope;
            RETURN;
        END IF;
    END LOOP;
    UPDATE coupon_tally t SET reserved = t.reserved + m.reserved, used = t.used + m.used
    FROM unnest(moves) m
    WHERE t.batch_id = m.batch_id AND t.what = m.what AND t.scope = m.scope AND t.slot = m.slot;
END $$;

-- End these locks and give back what they had reserved. The caller has locked their coupons.
CREATE OR REPLACE FUNCTION coupon_end_locks(p_now timestamptz, p_locks bigint[], p_state text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF cardinality(p_locks) = 0 THEN
        RETURN;
    END IF;
    PERFORM coupon_move(array_agg(l.batch_id), array_agg(a.what), array_agg(l.day),
                        array_agg(l.store), array_agg(-a.amount), array_agg(0::bigint))
    FROM coupon_lock l, LATERAL coupon_amounts(l.discount_fen, l.order_fen) a
    WHERE l.id = ANY (p_locks) AND l.state = 'locked';
    UPDATE coupon_lock l SET state = p_state, ended_at = p_now
    WHERE l.id = ANY (p_locks) AND l.state = 'locked';
END $$;

-- The kinds of amount that one use of a coupon counts as.
CREATE OR REPLACE FUNCTION coupon_amounts(p_discount bigint, p_order bigint)
RETURNS TABLE (what text, amount bigint) LANGUAGE sql IMMUTABLE AS $$
    VALUES ('fen', p_discount), ('count', 1::bigint), ('order_fen', p_order)
$$;

-- End the dead locks of some batches, so that what they had reserved is free without a job having
-- run. A coupon that somebody is at is left alone (nobody waits here, whatever he has locked), and so
-- are those that the caller is at himself: he accounts for them.
CREATE OR REPLACE FUNCTION coupon_free_dead(
    p_now timestamptz, p_batches bigint[], p_but bigint[]
)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held bigint[];
BEGIN
    held := ARRAY(SELECT c.id FROM coupon c
                  WHERE c.id IN (SELECT l.coupon_id FROM coupon_lock l
                                 WHERE l.batch_id = ANY (p_batches) AND l.state = 'locked'
                                     AND l.until <= p_now)
                      AND c.id <> ALL (p_but)
                  ORDER BY c.id FOR NO KEY UPDATE SKIP LOCKED);
    PERFORM coupon_end_locks(p_now, ARRAY(
        SELECT l.id FROM coupon_lock l
        WHERE l.coupon_id = ANY (held) AND l.state = 'locked' AND l.until <= p_now), 'expired');
END $$;
