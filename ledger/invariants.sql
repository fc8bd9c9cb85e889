-- The auditor: what must hold of the books, each row returned being one that does not.
-- Run in one REPEATABLE READ transaction, so that all checks see the same instant.

CREATE OR REPLACE FUNCTION ledger_audit_all() RETURNS TABLE (
    invariant text, subject text, expected numeric, found numeric
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET work_mem = '64MB' AS $$
#variable_conflict use_column
BEGIN
    -- Never a table of the caller's making: a trigger on it would run as this function's owner.
    DROP TABLE IF EXISTS pg_temp.audited_sum;
    CREATE TEMP TABLE audited_sum (
        account_id bigint PRIMARY KEY, total numeric, rolled numeric, times bigint,
        rolled_times bigint) ON COMMIT DROP;
    INSERT INTO pg_temp.audited_sum
    SELECT s.account_id, sum(s.amount), coalesce(sum(s.amount) FILTER (WHERE s.old), 0),
           count(*), count(*) FILTER (WHERE s.old)
    FROM (
        SELECT t.debit_id AS account_id, -t.amount AS amount, j.xid < k.rolled_to AS old
        FROM transfer t JOIN journal j ON j.id = t.journal_id, book k
        UNION ALL
        SELECT t.credit_id, t.amount, j.xid < k.rolled_to
        FROM transfer t JOIN journal j ON j.id = t.journal_id, book k) s
    GROUP BY s.account_id;

    RETURN QUERY  -- A1
    SELECT 'the books sum to zero', coalesce(a.unit, '?'), 0::numeric, sum(x.amount)
    FROM (
        SELECT b.account_id, b.posted::numeric AS amount FROM account_balance b
        UNION ALL
        SELECT s.account_id, s.total - s.rolled FROM pg_temp.audited_sum s
        WHERE s.account_id & 8 = 0) x
    LEFT JOIN account a ON a.id = x.account_id
    GROUP BY 2 HAVING sum(x.amount) <> 0;

    RETURN QUERY  -- A2
    SELECT 'a balance is the sum of its transfers', coalesce(a.name, b.account_id::text),
           CASE WHEN b.account_id & 8 = 8 THEN coalesce(s.total, 0) ELSE coalesce(s.rolled, 0) END,
           b.posted::numeric
    FROM account_balance b
    LEFT JOIN pg_temp.audited_sum s ON s.account_id = b.account_id
    LEFT JOIN account a ON a.id = b.account_id
    WHERE b.posted <> CASE WHEN b.account_id & 8 = 8 THEN coalesce(s.total, 0)
                           ELSE coalesce(s.rolled, 0) END
    ORDER BY b.account_id LIMIT 20;

    RETURN QUERY
    SELECT 'a version counts its transfers', coalesce(a.name, b.account_id::text),
           CASE WHEN b.account_id & 8 = 8 THEN coalesce(s.times, 0)
                ELSE coalesce(s.rolled_times, 0) END::numeric, b.version::numeric
    FROM account_balance b
    LEFT JOIN pg_temp.audited_sum s ON s.account_id = b.account_id
    LEFT JOIN account a ON a.id = b.account_id
    WHERE b.version <> CASE WHEN b.account_id & 8 = 8 THEN coalesce(s.times, 0)
                            ELSE coalesce(s.rolled_times, 0) END
    ORDER BY b.account_id LIMIT 20;

    RETURN QUERY
    SELECT 'every transfer names accounts of the books', s.account_id::text, 1::numeric, 0::numeric
    FROM pg_temp.audited_sum s LEFT JOIN account a ON a.id = s.account_id
    LEFT JOIN account_balance b ON b.account_id = s.account_id
    WHERE a.id IS NULL OR b.account_id IS NULL ORDER BY s.account_id LIMIT 20;

    RETURN QUERY
    SELECT 'every transfer stands in a journal of its day', t.journal_id::text || '/' || t.line,
           1::numeric, 0::numeric
    FROM transfer t LEFT JOIN journal j ON j.id = t.journal_id AND j.booked_on = t.booked_on
    WHERE j.id IS NULL ORDER BY t.journal_id, t.line LIMIT 20;

    RETURN QUERY
    SELECT 'a journal has transfers', j.key, 1::numeric, 0::numeric
    FROM journal j
    WHERE NOT EXISTS (SELECT FROM transfer t
                      WHERE t.journal_id = j.id AND t.booked_on = j.booked_on)
    ORDER BY j.id LIMIT 20;

    RETURN QUERY
    SELECT 'balances, holds and what they name belong together', x.subject, 1::numeric, 0::numeric
    FROM (
        SELECT 'balance ' || b.account_id AS subject FROM account_balance b
        WHERE NOT EXISTS (SELECT FROM account a WHERE a.id = b.account_id)
        UNION ALL
        SELECT 'account ' || a.name FROM account a
        WHERE NOT EXISTS (SELECT FROM account_balance b WHERE b.account_id = a.id)
        UNION ALL
        SELECT 'line of hold ' || l.hold_id FROM hold_line l
        WHERE NOT EXISTS (SELECT FROM hold h WHERE h.id = l.hold_id)
            OR NOT EXISTS (SELECT FROM account a WHERE a.id = l.account_id)
        UNION ALL
        SELECT 'hold ' || h.key FROM hold h
        WHERE NOT EXISTS (SELECT FROM hold_line l WHERE l.hold_id = h.id)
            OR (h.captured_id IS NOT NULL
                AND NOT EXISTS (SELECT FROM journal j WHERE j.id = h.captured_id))) x
    ORDER BY x.subject LIMIT 20;

    RETURN QUERY
    SELECT 'held is the sum of open holds', coalesce(a.name, b.account_id::text),
           coalesce(h.amount, 0), b.held::numeric
    FROM account_balance b
    LEFT JOIN (SELECT l.account_id, sum(l.amount) AS amount FROM hold_line l
               JOIN hold o ON o.id = l.hold_id AND o.state = 'open' GROUP BY l.account_id) h
        ON h.account_id = b.account_id
    LEFT JOIN account a ON a.id = b.account_id
    WHERE b.held <> coalesce(h.amount, 0) ORDER BY b.account_id LIMIT 20;

    RETURN QUERY
    SELECT 'a reversal takes back what its journal says', j.key, sum(r.reversed), m.amount
    FROM journal j
    JOIN reversal r ON r.original_id = j.id
    JOIN LATERAL (SELECT coalesce(sum(t.amount), 0) AS amount FROM journal v
                  JOIN transfer t ON t.journal_id = v.id AND t.booked_on = v.booked_on
                  WHERE v.reverses_id = j.id) m ON true
    GROUP BY j.id, j.key, m.amount HAVING sum(r.reversed) <> m.amount LIMIT 20;

    RETURN QUERY
    SELECT 'no transfer lies outside the months made ahead', t.journal_id::text, 0::numeric,
           count(*)::numeric
    FROM transfer_default t GROUP BY t.journal_id LIMIT 20;
END $$;

-- Only what was written since the last look, against what was proved then. Sound marks move on to
-- the horizon; a broken one stays, so that the next look finds it again.
CREATE OR REPLACE FUNCTION ledger_audit_recent(p_now timestamptz) RETURNS TABLE (
    invariant text, subject text, expected numeric, found numeric
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    since xid8;
    horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
    broken int := 0;
BEGIN
    SELECT k.audited_to INTO since FROM book k;
    -- Never a table of the caller's making: a trigger on it would run as this function's owner.
    DROP TABLE IF EXISTS pg_temp.audited_recent;
    CREATE TEMP TABLE audited_recent (
        account_id bigint PRIMARY KEY, total bigint, settled bigint, times bigint,
        settled_times bigint) ON COMMIT DROP;
    INSERT INTO pg_temp.audited_recent
    SELECT s.account_id, sum(s.amount), coalesce(sum(s.amount) FILTER (WHERE s.xid < horizon), 0),
           count(*), count(*) FILTER (WHERE s.xid < horizon)
    FROM (
        SELECT side.account_id, side.amount, j.xid
        FROM journal j
        JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on,
        LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount))
            AS side (account_id, amount)
        WHERE j.xid >= since) s
    GROUP BY s.account_id;

    RETURN QUERY
    SELECT 'recent transfers sum to zero', 'points and fen', 0::numeric, sum(r.total)
    FROM pg_temp.audited_recent r HAVING sum(r.total) <> 0;
    GET DIAGNOSTICS broken = ROW_COUNT;
    IF broken > 0 THEN RETURN; END IF;

    RETURN QUERY
    SELECT 'a balance is the sum of its transfers', coalesce(a.name, r.account_id::text),
           (coalesce(m.posted, 0) + r.total)::numeric, b.posted::numeric
    FROM pg_temp.audited_recent r
    LEFT JOIN audit_mark m ON m.account_id = r.account_id
    LEFT JOIN account_balance b ON b.account_id = r.account_id
    LEFT JOIN account a ON a.id = r.account_id
    WHERE r.account_id & 8 = 8
        AND (b.posted, b.version) IS DISTINCT FROM
            (coalesce(m.posted, 0) + r.total, coalesce(m.version, 0) + r.times)
    ORDER BY r.account_id LIMIT 20;
    GET DIAGNOSTICS broken = ROW_COUNT;
    IF broken > 0 THEN RETURN; END IF;

    INSERT INTO audit_mark AS m (account_id, posted, version)
    SELECT r.account_id, r.settled, r.settled_times FROM pg_temp.audited_recent r
    WHERE r.account_id & 8 = 8 AND r.settled_times > 0
    ON CONFLICT (account_id) DO UPDATE
    SET posted = m.posted + excluded.posted, version = m.version + excluded.version;
    UPDATE book SET audited_to = horizon, audited_at = p_now;
END $$;
