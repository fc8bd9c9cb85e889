-- Coupons that are made out for one store, to be taken there without the network (C18). One is a
-- lock of the coupon in the name of its token: it frees itself by its instant, like every lock.
-- Lock order: the holder's turn, the coupon, tallies.

-- Make a coupon out, or answer with the token that it has. The third seat is the last one that a
-- holder, under all names, has at a time.
CREATE OR REPLACE FUNCTION coupon_make_out(
    p_now timestamptz, p_day date, p_coupon text, p_holders text[], p_store text, p_jti text,
    p_kid text, p_public bytea, p_fen bigint, p_starts timestamptz, p_ends timestamptz,
    p_until timestamptz, p_sealed bytea
) RETURNS TABLE (coupon text, verdict text, what text, at timestamptz, store text, jti text,
                 starts_at timestamptz, ends_at timestamptz, until timestamptz, fen bigint,
                 sealed bytea)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    c coupon%ROWTYPE;
    known coupon_offline%ROWTYPE;
    active record;
    took record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('coupon_offline:' || current_schema()), k.bucket)
    FROM (SELECT DISTINCT hashtext(h) AS bucket FROM unnest(p_holders) h ORDER BY 1) k;
    SELECT * INTO c FROM coupon WHERE public_id = p_coupon FOR NO KEY UPDATE;
    coupon := p_coupon;
    IF c.id IS NULL OR c.holder IS NULL OR c.holder <> ALL (p_holders) THEN
        verdict := 'unknown';
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT * INTO known FROM coupon_offline o
    WHERE o.coupon_id = c.id AND o.order_ref IS NULL AND o.until > p_now
    ORDER BY o.starts_at DESC LIMIT 1;
    IF FOUND AND c.state = 'issued' THEN
        RETURN QUERY SELECT p_coupon,
            CASE WHEN known.store = p_store AND known.ends_at > p_now THEN 'repeat'
                 ELSE 'made-out' END,
            NULL::text, known.until, known.store, known.jti, known.starts_at, known.ends_at,
            known.until, known.fen, known.sealed;
        RETURN;
    END IF;
    SELECT coalesce(array_agg(o.seat), '{}') AS seats, min(o.ends_at) AS first INTO active
    FROM coupon_offline o JOIN coupon k ON k.id = o.coupon_id
    WHERE o.holder = ANY (p_holders) AND o.order_ref IS NULL AND o.ends_at > p_now
        AND k.state <> 'void';
    IF cardinality(active.seats) >= 3 THEN
        verdict := 'limit';
        at := active.first;
        RETURN NEXT;
        RETURN;
    END IF;
    SELECT * INTO took FROM coupon_take(
        p_now, p_day, p_jti, p_store, p_holders, p_until, ARRAY[p_coupon], ARRAY[p_fen],
        ARRAY[0::bigint], ARRAY['']);
    IF took.verdict = 'taken' THEN
        INSERT INTO coupon_offline_key (kid, public_key, since) VALUES (p_kid, p_public, p_now)
        ON CONFLICT DO NOTHING;
        INSERT INTO coupon_offline (jti, coupon_id, holder, seat, store, kid, fen, starts_at,
                                    ends_at, until, sealed)
        VALUES (p_jti, c.id, c.holder, (SELECT min(s) FROM generate_series(1, 3) s
                                        WHERE s <> ALL (active.seats)),
                p_store, p_kid, p_fen, p_starts, p_ends, p_until, p_sealed);
    END IF;
    RETURN QUERY SELECT p_coupon, took.verdict, took.what, took.at,
                        CASE WHEN took.verdict = 'taken' THEN p_store ELSE took.store END,
                        p_jti, p_starts, p_ends, p_until, p_fen, p_sealed;
END $$;

-- Say whether a sale at a store may use a token, or why not; locks the coupon, so that nothing can
-- befall it before the sale is written. No row: no such token.
CREATE OR REPLACE FUNCTION coupon_judge_offline(
    p_now timestamptz, p_jti text, p_store text, p_at timestamptz, p_skew interval
) RETURNS TABLE (verdict text, coupon text, holder text, fen bigint, skewed boolean, owner text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM coupon_offline o JOIN coupon c ON c.id = o.coupon_id
    WHERE o.jti = p_jti FOR NO KEY UPDATE OF c;
    RETURN QUERY
        SELECT CASE WHEN o.store <> p_store THEN 'wrong_store'
                WHEN o.order_ref IS NOT NULL THEN 'used_twice'
                WHEN c.state = 'void' THEN 'revoked'
                WHEN p_at < o.starts_at - p_skew OR p_at >= o.ends_at + p_skew THEN 'out_of_time'
                WHEN p_now >= o.until THEN 'late'
                ELSE 'free' END,
            c.public_id, o.holder, o.fen,
            p_at < o.starts_at OR p_at >= o.ends_at OR p_at > p_now, b.opened_by
        FROM coupon_offline o JOIN coupon c ON c.id = o.coupon_id
        JOIN coupon_batch b ON b.id = c.batch_id WHERE o.jti = p_jti;
END $$;

-- Redeem a token that was judged to be free, with the order of the sale; the token's lock becomes
-- the order's. Budgets stay in the slot that they were reserved in, so none can be short now.
CREATE OR REPLACE FUNCTION coupon_redeem_offline(
    p_now timestamptz, p_jti text, p_order text, p_at timestamptz, p_skewed boolean,
    p_discount bigint, p_order_fen bigint, p_id text
) RETURNS TABLE (coupon text, verdict text, use_number bigint, redemption text, what text,
                 at timestamptz, store text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    held record;
BEGIN
    UPDATE coupon_offline o SET order_ref = p_order, used_at = p_at, taken_at = p_now,
        skewed = p_skewed
    WHERE o.jti = p_jti;
    UPDATE coupon_lock l SET order_ref = p_order FROM coupon_offline o, coupon c
    WHERE o.jti = p_jti AND c.id = o.coupon_id AND l.coupon_id = c.id AND l.order_ref = p_jti
        AND l.state = 'locked'
    RETURNING c.public_id AS coupon, o.holder, l.day, l.store INTO held;
    RETURN QUERY SELECT * FROM coupon_take(
        p_now, held.day, p_order, held.store, ARRAY[held.holder], NULL, ARRAY[held.coupon],
        ARRAY[p_discount], ARRAY[p_order_fen], ARRAY[p_id]);
END $$;
