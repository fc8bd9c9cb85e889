-- Coupons come to holders: all rights are the owner's, the application only calls.
-- Lock order: batch (shared), the holder's turn, tallies.

-- Issue coupons, one a want: `p_keys` name the want for ever within (batch, holder), a repeat
-- answers with the same coupon. A holder's limit stops that want, a batch that is not open or has
-- no more stops them all; with `p_whole` anything does. Nothing is written for what was stopped.
CREATE OR REPLACE FUNCTION coupon_issue(
    p_now timestamptz, p_day date, p_store text, p_how text, p_origin text, p_whole boolean,
    p_batches bigint[], p_holders text[], p_keys text[], p_ids text[], p_from timestamptz[],
    p_until timestamptz[]
) RETURNS TABLE (n bigint, verdict text, coupon text, valid_from timestamptz,
                 valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    said text[];
    stopped text;
BEGIN
    -- Who closes or voids a batch locks it against this: behind its back nothing is issued.
    PERFORM 1 FROM coupon_batch b WHERE b.id = ANY (p_batches) ORDER BY b.id FOR KEY SHARE;
    -- One at a time for a holder: a twin is found below, and seats are counted right.
    PERFORM coupon_take_turns(p_holders);
    said := coupon_judge(p_now, p_batches, p_holders, p_keys, p_from, p_until);
    stopped := (SELECT v FROM unnest(said) v
                WHERE v IN ('over', 'not-yet') OR (p_whole AND v = 'claim-limit') LIMIT 1);
    IF stopped IS NULL THEN
        SELECT 'sold-out' INTO stopped
        FROM (SELECT array_agg(w.batch_id) AS batches, array_agg(w.wants) AS wants
              FROM (SELECT w.batch_id, count(*) AS wants
                    FROM unnest(p_batches, said) AS w (batch_id, verdict)
                    WHERE w.verdict = 'issued' GROUP BY w.batch_id) w) k,
        LATERAL coupon_move(k.batches, array_fill('issued'::text, ARRAY[cardinality(k.batches)]),
                            array_fill(p_day, ARRAY[cardinality(k.batches)]),
                            array_fill(p_store, ARRAY[cardinality(k.batches)]),
                            array_fill(0::bigint, ARRAY[cardinality(k.batches)]), k.wants)
        WHERE k.batches IS NOT NULL;
    END IF;
    IF stopped IS NOT NULL THEN
        said := ARRAY(SELECT CASE WHEN v = 'issued' THEN stopped ELSE v END
                      FROM unnest(said) WITH ORDINALITY AS s (v, place) ORDER BY place);
    ELSE
        PERFORM coupon_write(p_now, p_how, p_origin, p_store, p_batches, p_holders, p_keys, p_ids, p_from,
                             p_until, said);
    END IF;
    -- What was issued is as it was asked for; what was before is read.
    RETURN QUERY
        SELECT w.place, w.verdict,
            CASE WHEN w.verdict = 'issued' THEN w.id ELSE c.public_id END,
            CASE WHEN w.verdict = 'issued' THEN w.valid_from ELSE c.valid_from END,
            CASE WHEN w.verdict = 'issued' THEN w.valid_until ELSE c.valid_until END
        FROM unnest(p_batches, p_holders, p_keys, p_ids, p_from, p_until, said) WITH ORDINALITY
            AS w (batch_id, holder, key, id, valid_from, valid_until, verdict, place)
        LEFT JOIN coupon_taking t ON w.verdict = 'repeat'
            AND t.batch_id = w.batch_id AND t.holder = w.holder AND t.key = w.key
        LEFT JOIN coupon c ON c.id = t.coupon_id
        ORDER BY w.place;
END $$;

-- Say of each want what becomes of it, stock aside. A limit counts what a holder has under all of
-- his names; the first of them is who he is.
CREATE OR REPLACE FUNCTION coupon_judge(
    p_now timestamptz, p_batches bigint[], p_holders text[], p_keys text[], p_from timestamptz[],
    p_until timestamptz[]
) RETURNS text[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT array_agg(CASE
               WHEN j.known THEN 'repeat'
               WHEN j.closed_at IS NOT NULL OR p_now >= j.ends_at
                   OR j.valid_from >= j.valid_until THEN 'over'
               WHEN p_now < j.starts_at THEN 'not-yet'
               WHEN j.seats + j.rank > j.per_member THEN 'claim-limit'
               ELSE 'issued' END ORDER BY j.place)
    FROM (SELECT w.place, w.valid_from, w.valid_until, b.closed_at, b.ends_at, b.starts_at, b.per_member,
              t.coupon_id IS NOT NULL AS known,
              CASE WHEN w.holder IS NULL THEN 0 ELSE (
                  SELECT count(*) FROM coupon_taking s
                  WHERE s.batch_id = w.batch_id AND s.holder = ANY (h.names)) END AS seats,
              CASE WHEN w.holder IS NULL THEN 0 ELSE count(*) FILTER (WHERE t.coupon_id IS NULL)
                  OVER (PARTITION BY w.batch_id, h.names[1] ORDER BY w.place) END AS rank
          FROM unnest(p_batches, p_holders, p_keys, p_from, p_until) WITH ORDINALITY
              AS w (batch_id, holder, key, valid_from, valid_until, place)
          JOIN coupon_batch b ON b.id = w.batch_id
          LEFT JOIN coupon_alias a ON a.alias = w.holder
          CROSS JOIN LATERAL (
              SELECT coalesce(a.holder, w.holder) || ARRAY(
                  SELECT o.alias FROM coupon_alias o
                  WHERE o.holder = coalesce(a.holder, w.holder)) AS names) h
          LEFT JOIN coupon_taking t
              ON t.batch_id = w.batch_id AND t.holder = w.holder AND t.key = w.key) j);
END $$;

-- Write what is issued. Seats have the numbers of their own name: no more than anybody may have fit
-- under one, whatever was judged, and an undone merge leaves no number that is taken.
CREATE OR REPLACE FUNCTION coupon_write(
    p_now timestamptz, p_how text, p_origin text, p_store text, p_batches bigint[], p_holders text[],
    p_keys text[], p_ids text[], p_from timestamptz[], p_until timestamptz[], p_said text[]
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH wants AS (
        SELECT w.*, b.version_id, b.uses, b.value_fen, b.personal, b.transferable, b.packed,
            b.per_member
        FROM unnest(p_batches, p_holders, p_keys, p_ids, p_from, p_until, p_said) WITH ORDINALITY
            AS w (batch_id, holder, key, id, valid_from, valid_until, verdict, place)
        JOIN coupon_batch b ON b.id = w.batch_id
        WHERE w.verdict = 'issued'
    ), made AS (
        INSERT INTO coupon (public_id, batch_id, version_id, holder, how, origin, store,
                            state, valid_from, valid_until, uses, value_fen, personal,
                            transferable, issued_at)
        SELECT w.id, w.batch_id, w.version_id, w.holder, p_how, p_origin, p_store,
            CASE WHEN w.packed THEN 'opened' ELSE 'issued' END, w.valid_from, w.valid_until,
            w.uses, w.value_fen, w.personal, w.transferable, p_now
        FROM wants w ORDER BY w.place
        RETURNING id, public_id
    )
    INSERT INTO coupon_taking (batch_id, holder, seat, key, coupon_id, ceiling)
    SELECT w.batch_id, w.holder,
        (SELECT count(*) FROM coupon_taking s
         WHERE s.batch_id = w.batch_id AND s.holder = w.holder)
            + row_number() OVER (PARTITION BY w.batch_id, w.holder ORDER BY w.place),
        w.key, m.id, w.per_member
    FROM wants w JOIN made m ON m.public_id = w.id
    WHERE w.holder IS NOT NULL;
END $$;

-- A printed code becomes its holder's coupon (or nobody's, where the holder is NULL), once.
CREATE OR REPLACE FUNCTION coupon_exchange(
    p_now timestamptz, p_day date, p_store text, p_index bytea, p_holder text, p_id text,
    p_from timestamptz, p_until timestamptz
) RETURNS TABLE (verdict text, coupon text, valid_from timestamptz, valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    found record;
    made record;
BEGIN
    SELECT k.coupon_id, r.batch_id, r.voided_at INTO found
    FROM coupon_code k JOIN coupon_code_run r ON r.id = k.run_id
    WHERE k.index = p_index FOR NO KEY UPDATE OF k FOR KEY SHARE OF r;
    IF found.coupon_id IS NOT NULL THEN
        RETURN QUERY
            SELECT CASE WHEN c.holder IS NOT DISTINCT FROM p_holder THEN 'repeat'
                   ELSE 'taken' END, c.public_id, c.valid_from, c.valid_until
            FROM coupon c WHERE c.id = found.coupon_id;
        RETURN;
    ELSIF found.batch_id IS NULL OR found.voided_at IS NOT NULL THEN
        RETURN QUERY SELECT CASE WHEN found.batch_id IS NULL THEN 'unknown' ELSE 'void' END,
                            NULL::text, NULL::timestamptz, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT * INTO made FROM coupon_issue(
        p_now, p_day, p_store, 'code', NULL, true, ARRAY[found.batch_id], ARRAY[p_holder],
        ARRAY['code:' || encode(p_index, 'hex')], ARRAY[p_id], ARRAY[p_from], ARRAY[p_until]);
    IF made.verdict = 'issued' THEN
        UPDATE coupon_code k SET coupon_id = c.id FROM coupon c
        WHERE k.index = p_index AND c.public_id = p_id;
    END IF;
    RETURN QUERY SELECT made.verdict, made.coupon, made.valid_from, made.valid_until;
END $$;

-- A coupon goes from its holder to another (semantics 45): same coupon, same last day, a seat more
-- for the taker, and the giver keeps his.
CREATE OR REPLACE FUNCTION coupon_hand_on(
    p_now timestamptz, p_coupon text, p_giver text, p_taker text
) RETURNS TABLE (verdict text, valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    c coupon%ROWTYPE;
    most bigint;
    last record;
BEGIN
    SELECT * INTO c FROM coupon WHERE public_id = p_coupon FOR NO KEY UPDATE;
    SELECT t.giver, t.taker INTO last FROM coupon_transfer t
    WHERE t.coupon_id = c.id ORDER BY t.ordinal DESC LIMIT 1;
    IF last.giver = p_giver AND last.taker = p_taker AND c.holder = p_taker THEN
        RETURN QUERY SELECT 'repeat', c.valid_until;
        RETURN;
    END IF;
    PERFORM coupon_take_turns(ARRAY[p_taker]);
    SELECT b.per_member INTO most FROM coupon_batch b WHERE b.id = c.batch_id;
    verdict := CASE
        WHEN c.id IS NULL OR c.holder IS DISTINCT FROM p_giver THEN 'unknown'
        WHEN c.state <> 'issued' THEN c.state
        WHEN p_now >= c.valid_until THEN 'expired'
        WHEN c.personal OR c.transfers >= c.transferable THEN 'not-transferable'
        WHEN c.used > 0 OR EXISTS (
            SELECT FROM coupon_lock l WHERE l.coupon_id = c.id AND l.state = 'locked'
                AND l.until > p_now) THEN 'locked'
        WHEN coupon_seats(c.batch_id, p_taker) >= most THEN 'claim-limit'
        ELSE 'done' END;
    IF verdict = 'done' THEN
        INSERT INTO coupon_transfer (coupon_id, ordinal, giver, taker, at)
        VALUES (c.id, c.transfers + 1, p_giver, p_taker, p_now);
        INSERT INTO coupon_taking (batch_id, holder, seat, key, coupon_id, ceiling)
        SELECT c.batch_id, p_taker, count(*) + 1,
            'transfer:' || c.public_id || ':' || (c.transfers + 1), c.id, most
        FROM coupon_taking t WHERE t.batch_id = c.batch_id AND t.holder = p_taker;
        UPDATE coupon SET holder = p_taker, transfers = transfers + 1 WHERE id = c.id;
    END IF;
    RETURN QUERY SELECT verdict, c.valid_until;
END $$;

-- Void coupons that are not used up, for a reason; those that are, are told and left alone (C20).
-- Void wins over a lock: the order hears of it when it would redeem (semantics 41).
CREATE OR REPLACE FUNCTION coupon_void(p_now timestamptz, p_coupons bigint[], p_why text)
RETURNS TABLE (coupon text, verdict text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM coupon c WHERE c.id = ANY (p_coupons) ORDER BY c.id FOR NO KEY UPDATE;
    PERFORM coupon_end_locks(p_now, ARRAY(
        SELECT l.id FROM coupon_lock l WHERE l.coupon_id = ANY (p_coupons) AND l.state = 'locked'
    ), 'released');
    RETURN QUERY
        WITH changed AS (
            UPDATE coupon c SET state = 'void', voided_at = p_now, voided_why = p_why
            WHERE c.id = ANY (p_coupons) AND c.state = 'issued' RETURNING c.id, c.public_id)
        SELECT g.public_id, 'voided' FROM changed g
        UNION ALL
        SELECT c.public_id, c.state FROM coupon c
        WHERE c.id = ANY (p_coupons) AND c.state <> 'issued'
        ORDER BY 1;
END $$;
