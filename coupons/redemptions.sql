-- A use of a coupon: set aside for an order, redeemed, given back. Lock order: coupons by id, then
-- tallies. A lock that is past its instant is dead whether or not anything has said so.

-- Set uses aside for an order until `p_until`, or with NULL redeem them, all or none (C12, C13;
-- semantics 35-37). Own locks are replaced; an order that redeems what it redeemed before is told
-- so. `p_at` is the instant that has to lie in a coupon's validity (NULL: now), for what was
-- promised then; `p_seen` are the holders whose they were when the order read them (NULL: nobody
-- has looked): one handed on since is no longer this order's. Returns a row for each coupon;
-- nothing is written if any says a refusal.
CREATE OR REPLACE FUNCTION coupon_take(
    p_now timestamptz, p_day date, p_order text, p_store text, p_holders text[],
    p_until timestamptz, p_coupons text[], p_discounts bigint[], p_orders bigint[], p_ids text[],
    p_at timestamptz DEFAULT NULL, p_seen text[] DEFAULT NULL
) RETURNS TABLE (coupon text, verdict text, use_number bigint, redemption text, what text,
                 at timestamptz, store text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    spot record;
    found record;
    short record;
    taken coupon_lock[] := '{}';
    said coupon_verdict[] := '{}';
    kept boolean := false;
BEGIN
    SELECT NULL::bigint AS batch_id, NULL::text AS what INTO short;
    FOR spot IN
        SELECT c.*, w.discount, w.order_fen, w.seen
        FROM unnest(p_coupons, p_discounts, p_orders, p_seen) AS w (coupon, discount, order_fen, seen)
        JOIN coupon c ON c.public_id = w.coupon
        ORDER BY c.id FOR NO KEY UPDATE OF c
    LOOP
        SELECT * INTO found FROM coupon_find_use(
            p_now, p_order, p_holders, p_until IS NULL, spot.id, spot.discount, spot.order_fen,
            coalesce(p_at, p_now), spot.seen);
        said := said || ROW(spot.public_id, found.verdict, found.use_number, found.redemption,
                            NULL, found.at, found.store)::coupon_verdict;
        IF found.verdict = 'free' THEN
            taken := taken || ROW(
                found.lock_id, spot.id, spot.batch_id, found.use_number, p_order,
                CASE WHEN p_until IS NULL THEN 'redeemed' ELSE 'locked' END,
                coalesce(p_until, p_now), spot.discount, spot.order_fen, p_store, p_day, p_now,
                CASE WHEN p_until IS NULL THEN p_now END)::coupon_lock;
        END IF;
    END LOOP;
    IF cardinality(said) = cardinality(p_coupons)
        AND NOT EXISTS (SELECT FROM unnest(said) s WHERE s.verdict NOT IN ('free', 'repeat'))
        AND cardinality(taken) > 0
    THEN
        SELECT * INTO short FROM coupon_reserve(p_now, taken);
        IF short.batch_id IS NULL THEN
            PERFORM coupon_keep(p_now, taken, p_holders, p_coupons, p_ids);
            kept := true;
        END IF;
    END IF;
    RETURN QUERY
        SELECT w.coupon,
            CASE WHEN s.coupon IS NULL THEN 'unknown'
                WHEN s.verdict <> 'free' THEN s.verdict
                WHEN kept THEN 'taken'
                WHEN c.batch_id = short.batch_id THEN 'budget-exhausted'
                ELSE 'free' END,
            s.use_number, CASE WHEN kept AND p_until IS NULL AND s.verdict = 'free'
                THEN w.id ELSE s.redemption END,
            CASE WHEN c.batch_id = short.batch_id THEN short.what END, s.at, s.store
        FROM unnest(p_coupons, p_ids) WITH ORDINALITY AS w (coupon, id, place)
        LEFT JOIN unnest(said) s ON s.coupon = w.coupon
        LEFT JOIN coupon c ON c.public_id = w.coupon
        ORDER BY w.place;
END $$;

-- Say whether an order may have a use of a coupon (locked by the caller), and which: 'free', or
-- why not. What is its own already it may have whatever the date; a void one nobody may.
CREATE OR REPLACE FUNCTION coupon_find_use(
    p_now timestamptz, p_order text, p_holders text[], p_redeem boolean, p_coupon bigint,
    p_discount bigint, p_order_fen bigint, p_at timestamptz, p_seen text
) RETURNS TABLE (verdict text, use_number bigint, lock_id bigint, redemption text,
                 at timestamptz, store text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    c coupon%ROWTYPE;
    mine coupon_lock%ROWTYPE;
    done coupon_redemption%ROWTYPE;
    others record;
    alive boolean;
BEGIN
    SELECT * INTO c FROM coupon WHERE id = p_coupon;
    SELECT * INTO done FROM coupon_redemption r
    WHERE r.order_ref = p_order AND r.coupon_id = p_coupon;
    IF FOUND THEN
        RETURN QUERY SELECT
            CASE WHEN p_redeem AND done.discount_fen = p_discount AND done.order_fen = p_order_fen
                THEN 'repeat' ELSE 'other-content' END,
            done.use_number, done.lock_id, done.public_id, done.redeemed_at, done.store;
        RETURN;
    END IF;
    SELECT * INTO mine FROM coupon_lock l
    WHERE l.order_ref = p_order AND l.coupon_id = p_coupon AND l.state IN ('locked', 'expired')
    ORDER BY l.id DESC LIMIT 1;
    alive := coalesce(mine.state = 'locked' AND mine.until > p_now, false);
    SELECT coalesce(array_agg(l.use_number), '{}') AS uses, count(*) AS number,
        coalesce(sum(l.discount_fen) FILTER (WHERE l.state = 'locked'), 0) AS set_aside,
        max(l.until) FILTER (WHERE l.state = 'locked') AS until INTO others
    FROM coupon_lock l
    WHERE l.coupon_id = p_coupon AND l.id IS DISTINCT FROM mine.id
        AND (l.state = 'redeemed' OR (l.state = 'locked' AND l.until > p_now));
    verdict := CASE
        WHEN c.state IN ('void', 'opened') THEN c.state
        WHEN c.uses IS NULL AND c.value_fen - others.set_aside < p_discount THEN 'short'
        WHEN alive THEN 'free'
        WHEN c.personal AND c.holder IS NOT NULL
            AND c.holder <> ALL (coalesce(p_holders, '{}')) THEN 'not-holder'
        WHEN c.holder <> p_seen THEN 'not-holder'
        -- Whoever set it aside had it then: handed on since, it is another's, personal or not.
        WHEN mine.id IS NOT NULL AND EXISTS (
            SELECT FROM coupon_transfer t WHERE t.coupon_id = p_coupon AND t.at >= mine.placed_at)
            THEN 'not-holder'
        WHEN c.state = 'used' THEN 'used'
        WHEN p_at < c.valid_from THEN 'not-yet'
        WHEN p_at >= c.valid_until THEN 'expired'
        WHEN others.number >= c.uses AND others.until IS NOT NULL THEN 'locked'
        WHEN others.number >= c.uses THEN 'used'
        ELSE 'free' END;
    IF verdict NOT IN ('free', 'void') AND p_redeem AND mine.id IS NOT NULL THEN
        verdict := 'lock-expired';
    END IF;
    use_number := CASE WHEN alive THEN mine.use_number ELSE (
        SELECT min(s) FROM generate_series(1, others.number + 1) s
        WHERE s <> ALL (others.uses)) END;
    -- A dead lock that something has ended has given its budget back: it is a new one then.
    lock_id := CASE WHEN mine.state = 'locked' THEN mine.id END;
    at := c.voided_at;
    IF verdict IN ('used', 'lock-expired') THEN
        SELECT r.redeemed_at, r.store INTO at, store FROM coupon_redemption r
        WHERE r.coupon_id = p_coupon ORDER BY r.id DESC LIMIT 1;
    ELSIF verdict = 'locked' THEN
        at := others.until;
    ELSIF verdict = 'expired' THEN
        at := c.valid_until;
    ELSIF verdict = 'not-yet' THEN
        at := c.valid_from;
    END IF;
    RETURN NEXT;
END $$;

-- Reserve (or for what is redeemed, use) the budgets of these uses; dead locks of the coupons, and
-- of the whole batch where it is short, give back theirs first. Returns the ceiling that is short.
CREATE OR REPLACE FUNCTION coupon_reserve(p_now timestamptz, p_taken coupon_lock[])
RETURNS TABLE (batch_id bigint, what text, scope text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    batches bigint[];
    whats text[];
    days date[];
    stores text[];
    reserved bigint[];
    used bigint[];
    short record;
BEGIN
    PERFORM coupon_end_locks(p_now, ARRAY(
        SELECT l.id FROM coupon_lock l JOIN unnest(p_taken) t ON t.coupon_id = l.coupon_id
        WHERE l.state = 'locked' AND l.until <= p_now AND l.id IS DISTINCT FROM t.id), 'expired');
    SELECT array_agg(m.batch_id), array_agg(a.what), array_agg(m.day), array_agg(m.store),
        array_agg(a.amount * m.reserved), array_agg(a.amount * m.used)
    INTO batches, whats, days, stores, reserved, used
    FROM (SELECT t.batch_id, t.day, t.store, t.discount_fen, t.order_fen,
              (t.state = 'locked')::int AS reserved, (t.state = 'redeemed')::int AS used
          FROM unnest(p_taken) t
          UNION ALL
          SELECT l.batch_id, l.day, l.store, l.discount_fen, l.order_fen, -1, 0
          FROM coupon_lock l JOIN unnest(p_taken) t ON t.id = l.id) m,
    LATERAL coupon_amounts(m.discount_fen, m.order_fen) a;
    SELECT * INTO short FROM coupon_move(batches, whats, days, stores, reserved, used);
    IF FOUND THEN
        PERFORM coupon_free_dead(p_now, ARRAY(SELECT DISTINCT b FROM unnest(batches) b),
                                 ARRAY(SELECT t.coupon_id FROM unnest(p_taken) t));
        RETURN QUERY SELECT * FROM coupon_move(batches, whats, days, stores, reserved, used);
    END IF;
END $$;

-- Write what was reserved: the locks, and if redeemed, the redemptions and what is left of each.
CREATE OR REPLACE FUNCTION coupon_keep(
    p_now timestamptz, p_taken coupon_lock[], p_holders text[], p_coupons text[], p_ids text[]
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE coupon_lock l SET use_number = t.use_number, state = t.state, until = t.until,
        discount_fen = t.discount_fen, order_fen = t.order_fen, store = t.store, day = t.day,
        ended_at = t.ended_at
    FROM unnest(p_taken) t WHERE l.id = t.id;
    INSERT INTO coupon_lock (coupon_id, batch_id, use_number, order_ref, state, until,
                             discount_fen, order_fen, store, day, placed_at, ended_at)
    SELECT t.coupon_id, t.batch_id, t.use_number, t.order_ref, t.state, t.until, t.discount_fen,
        t.order_fen, t.store, t.day, t.placed_at, t.ended_at
    FROM unnest(p_taken) t WHERE t.id IS NULL;
    INSERT INTO coupon_redemption (public_id, lock_id, coupon_id, use_number, order_ref, holder,
                                   discount_fen, order_fen, store, day, redeemed_at)
    SELECT w.id, l.id, c.id, l.use_number, l.order_ref, coalesce(p_holders[1], c.holder),
        l.discount_fen, l.order_fen, l.store, l.day, p_now
    FROM unnest(p_taken) t
    JOIN coupon c ON c.id = t.coupon_id
    JOIN unnest(p_coupons, p_ids) AS w (coupon, id) ON w.coupon = c.public_id
    JOIN coupon_lock l ON l.coupon_id = t.coupon_id AND l.order_ref = t.order_ref
        AND l.state = 'redeemed'
    WHERE t.state = 'redeemed';
    UPDATE coupon c SET used = c.used + 1,
        value_fen = CASE WHEN c.uses IS NULL THEN c.value_fen - t.discount_fen
                    ELSE c.value_fen END,
        state = CASE WHEN c.used + 1 = c.uses
                    OR (c.uses IS NULL AND c.value_fen = t.discount_fen) THEN 'used'
                ELSE c.state END
    FROM unnest(p_taken) t WHERE c.id = t.coupon_id AND t.state = 'redeemed';
END $$;

-- What an order has set aside and not redeemed: its newest lock of each coupon, live or dead.
CREATE OR REPLACE FUNCTION coupon_set_aside(p_order text)
RETURNS TABLE (coupon text, discount_fen bigint, order_fen bigint)
LANGUAGE sql STABLE AS $$
    SELECT c.public_id, l.discount_fen, l.order_fen
    FROM (SELECT DISTINCT ON (l.coupon_id) l.* FROM coupon_lock l WHERE l.order_ref = p_order
          ORDER BY l.coupon_id, l.id DESC) l
    JOIN coupon c ON c.id = l.coupon_id
    WHERE l.state IN ('locked', 'expired')
    ORDER BY c.id
$$;

-- Redeem all that an order has set aside (see `coupon_take`); `p_ids` are ids for redemptions, at
-- least as many as locks.
CREATE OR REPLACE FUNCTION coupon_redeem_locked(
    p_now timestamptz, p_day date, p_order text, p_store text, p_holders text[], p_ids text[]
) RETURNS TABLE (coupon text, verdict text, use_number bigint, redemption text, what text,
                 at timestamptz, store text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    known record;
BEGIN
    SELECT array_agg(s.coupon) AS coupons, array_agg(s.discount_fen) AS discounts,
        array_agg(s.order_fen) AS orders INTO known FROM coupon_set_aside(p_order) s;
    IF known.coupons IS NULL THEN
        RETURN QUERY
            SELECT c.public_id, 'repeat', r.use_number, r.public_id, NULL::text, r.redeemed_at,
                r.store
            FROM coupon_redemption r JOIN coupon c ON c.id = r.coupon_id
            WHERE r.order_ref = p_order ORDER BY c.id;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM coupon_take(
        p_now, p_day, p_order, p_store, p_holders, NULL, known.coupons, known.discounts,
        known.orders, p_ids[1:cardinality(known.coupons)]);
END $$;

-- Give back what an order has set aside. Returns how many coupons that freed; again: none.
CREATE OR REPLACE FUNCTION coupon_release(p_now timestamptz, p_order text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    held bigint[];
BEGIN
    PERFORM 1 FROM coupon c
    WHERE c.id IN (SELECT l.coupon_id FROM coupon_lock l WHERE l.order_ref = p_order)
    ORDER BY c.id FOR NO KEY UPDATE;
    held := ARRAY(SELECT l.id FROM coupon_lock l
                  WHERE l.order_ref = p_order AND l.state = 'locked');
    PERFORM coupon_end_locks(p_now, held, 'released');
    RETURN cardinality(held);
END $$;

-- Move the instant of an order's live locks. Returns how many live and how many dead it has.
CREATE OR REPLACE FUNCTION coupon_extend(p_now timestamptz, p_order text, p_until timestamptz)
RETURNS TABLE (live bigint, dead bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM coupon c
    WHERE c.id IN (SELECT l.coupon_id FROM coupon_lock l WHERE l.order_ref = p_order)
    ORDER BY c.id FOR NO KEY UPDATE;
    SELECT count(*) FILTER (WHERE l.state = 'locked' AND l.until > p_now),
        count(*) FILTER (WHERE l.state = 'expired' OR (l.state = 'locked' AND l.until <= p_now))
    INTO live, dead
    FROM (SELECT DISTINCT ON (l.coupon_id) l.* FROM coupon_lock l WHERE l.order_ref = p_order
          ORDER BY l.coupon_id, l.id DESC) l;
    IF dead = 0 THEN
        UPDATE coupon_lock l SET until = greatest(l.until, p_until)
        WHERE l.order_ref = p_order AND l.state = 'locked';
    END IF;
    RETURN NEXT;
END $$;

-- Give back `p_fen` of what a coupon took off an order, and `p_order_fen` of the goods that it was
-- counted with (C14, C15; semantics 5-7). With the whole order the use itself may come back;
-- `p_policy` is the template's, `p_courtesy` the last instant that it would get when it is over.
-- The budget is freed in the slots that it was taken from. A key again answers the same.
CREATE OR REPLACE FUNCTION coupon_give_back(
    p_now timestamptz, p_redemption text, p_key text, p_fen bigint, p_order_fen bigint,
    p_whole boolean, p_policy text, p_courtesy timestamptz, p_id text
) RETURNS TABLE (verdict text, remaining_fen bigint, returned boolean, reissued text,
                 valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    r coupon_redemption%ROWTYPE;
    c coupon%ROWTYPE;
    before record;
    known coupon_roll_back%ROWTYPE;
    new_id bigint;
    until timestamptz;
BEGIN
    SELECT * INTO r FROM coupon_redemption WHERE public_id = p_redemption;
    SELECT * INTO c FROM coupon WHERE id = r.coupon_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(b.fen), 0)::bigint AS fen, coalesce(sum(b.order_fen), 0)::bigint
        AS order_fen, count(*) AS times, coalesce(bool_or(b.returned), false) AS returned,
        coalesce(bool_or(b.reissued_id IS NOT NULL), false) AS reissued
    INTO before FROM coupon_roll_back b WHERE b.redemption_id = r.id;
    SELECT * INTO known FROM coupon_roll_back b WHERE b.redemption_id = r.id AND b.key = p_key;
    IF FOUND THEN
        RETURN QUERY
            SELECT CASE WHEN known.fen = p_fen AND known.order_fen = p_order_fen
                       AND known.whole_order = p_whole THEN 'repeat' ELSE 'other-content' END,
                r.discount_fen - before.fen, known.returned, n.public_id,
                coalesce(n.valid_until, c.valid_until)
            FROM (SELECT) AS one LEFT JOIN coupon n ON n.id = known.reissued_id;
        RETURN;
    END IF;
    IF before.fen + p_fen > r.discount_fen OR before.order_fen + p_order_fen > r.order_fen THEN
        RETURN QUERY SELECT 'exceeds', r.discount_fen - before.fen, false, NULL::text, NULL::timestamptz;
        RETURN;
    END IF;
    until := CASE WHEN c.valid_until > p_now THEN c.valid_until
                  ELSE greatest(c.valid_until, p_courtesy) END;
    returned := p_whole AND p_policy <> 'never' AND c.state <> 'void' AND NOT before.returned
        AND NOT before.reissued AND before.fen + p_fen = r.discount_fen AND until > p_now;
    IF c.uses IS NULL THEN
        returned := false;  -- Money goes back onto the coupon below, in whatever parts.
        UPDATE coupon SET value_fen = value_fen + p_fen, valid_until = until,
            state = CASE WHEN state = 'used' AND p_fen > 0 THEN 'issued' ELSE state END
        WHERE id = c.id;
    ELSIF returned THEN
        UPDATE coupon_lock SET state = 'returned' WHERE id = r.lock_id;
        UPDATE coupon SET used = used - 1, state = 'issued', valid_until = until WHERE id = c.id;
    ELSIF p_policy = 'proportional' AND p_fen > 0 AND c.state <> 'void' AND until > p_now THEN
        INSERT INTO coupon (public_id, batch_id, version_id, holder, how, origin, state,
                            valid_from, valid_until, uses, value_fen, personal, transferable,
                            issued_at)
        VALUES (p_id, c.batch_id, c.version_id, c.holder, 'reissue', r.public_id, 'issued',
                least(c.valid_from, p_now), until, 1, p_fen, c.personal, 0, p_now)
        RETURNING id INTO new_id;
    END IF;
    INSERT INTO coupon_roll_back (redemption_id, ordinal, key, fen, order_fen, whole_order,
                                  returned, reissued_id, at)
    VALUES (r.id, before.times + 1, p_key, p_fen, p_order_fen, p_whole, returned, new_id, p_now);
    PERFORM coupon_move(ARRAY[c.batch_id, c.batch_id, c.batch_id], ARRAY['fen', 'order_fen', 'count'],
                        ARRAY[r.day, r.day, r.day], ARRAY[r.store, r.store, r.store],
                        ARRAY[0, 0, 0]::bigint[],
                        ARRAY[-p_fen, -p_order_fen, -returned::int]::bigint[]);
    RETURN QUERY SELECT 'done', r.discount_fen - before.fen - p_fen, returned,
                        CASE WHEN new_id IS NOT NULL THEN p_id END, until;
END $$;
