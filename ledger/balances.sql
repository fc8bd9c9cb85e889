-- Upkeep of balances: the roll-up of deferred accounts, month-end marks, partitions ahead.

-- Balances at this moment: an exact one is its row, a deferred one its row and what came since.
-- PL/pgSQL, for it keeps its plan: one over the partitions takes longer to make than to run.
CREATE OR REPLACE FUNCTION ledger_balances(p_accounts bigint[]) RETURNS TABLE (
    account_id bigint, posted bigint, held bigint
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT b.account_id, b.posted, b.held FROM account_balance b
    WHERE b.account_id = ANY (p_accounts) AND b.account_id & 8 = 8;
    IF EXISTS (SELECT FROM unnest(p_accounts) a WHERE a & 8 = 0) THEN
        RETURN QUERY
        SELECT b.account_id, b.posted + coalesce((
                   SELECT sum(CASE t.credit_id WHEN b.account_id THEN t.amount ELSE -t.amount END)
                   FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on
                   WHERE j.xid >= (SELECT k.rolled_to FROM book k)
                       AND b.account_id IN (t.debit_id, t.credit_id)), 0)::bigint,
               b.held
        FROM account_balance b WHERE b.account_id = ANY (p_accounts) AND b.account_id & 8 = 0;
    END IF;
END $$;

-- Balances as of a cut: what was booked through a day, or what had been recorded by an instant, or
-- with neither all there is. Inlined where it is called, so the day prunes partitions.
CREATE OR REPLACE FUNCTION ledger_balances_at(p_through date, p_recorded timestamptz)
RETURNS TABLE (account_id bigint, posted bigint) LANGUAGE sql STABLE AS $$
    SELECT side.account_id, sum(side.amount)::bigint
    FROM transfer t,
    LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount)) AS side (account_id, amount)
    WHERE (p_through IS NULL OR t.booked_on <= p_through)
        AND (p_recorded IS NULL OR EXISTS (
            SELECT FROM journal j WHERE j.id = t.journal_id AND j.recorded_at <= p_recorded))
    GROUP BY side.account_id
$$;

-- Fold into deferred balances every transfer below the horizon: the oldest transaction still
-- running. A transaction id, never a sequence or a clock, so that a late commit is not skipped.
CREATE OR REPLACE FUNCTION ledger_roll_up() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    since xid8;
    horizon xid8;
    folded bigint;
BEGIN
    SELECT k.rolled_to INTO since FROM book k FOR NO KEY UPDATE;
    horizon := pg_snapshot_xmin(pg_current_snapshot());
    IF horizon <= since THEN RETURN 0; END IF;
    WITH news AS (
        SELECT t.debit_id, t.credit_id, t.amount
        FROM journal j JOIN transfer t ON t.journal_id = j.id AND t.booked_on = j.booked_on
        WHERE j.xid >= since AND j.xid < horizon
    ), sums AS (
        SELECT side.account_id, sum(side.amount) AS amount, count(*) AS times FROM (
            SELECT debit_id AS account_id, -amount AS amount FROM news
            UNION ALL SELECT credit_id, amount FROM news) side
        WHERE side.account_id & 8 = 0 GROUP BY side.account_id
    )
    UPDATE account_balance b
    SET posted = b.posted + s.amount, version = b.version + s.times
    FROM sums s WHERE b.account_id = s.account_id;
    GET DIAGNOSTICS folded = ROW_COUNT;
    UPDATE book SET rolled_to = horizon;
    RETURN folded;
END $$;

-- Open the books from a day on, with the months through another: new ones, or ones whose history
-- comes later than its days (a replay, an import). Where something is booked already, a day before
-- the first open one is closed for good.
CREATE OR REPLACE FUNCTION ledger_open_books(p_from date, p_through date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM journal) THEN
        UPDATE book SET first_open_day = p_from;
    ELSIF p_from < (SELECT k.first_open_day FROM book k) THEN
        RAISE EXCEPTION 'something is booked: the books cannot be opened from % any more', p_from;
    END IF;
    PERFORM ledger_make_partitions(p_from, p_through);
END $$;

-- Close the books through a day: later events of those days are booked on the day after it. Says
-- whether that was new. A day that is not over is refused.
CREATE OR REPLACE FUNCTION ledger_close_days(p_now timestamptz, p_through date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF p_through >= (SELECT (p_now AT TIME ZONE k.zone)::date FROM book k) THEN
        RAISE EXCEPTION 'day % is not over', p_through;
    END IF;
    UPDATE book SET first_open_day = p_through + 1 WHERE first_open_day <= p_through;
    RETURN FOUND;
END $$;

-- Wait for all that runs now to end; say whether it did within two seconds. What began before a day
-- was closed may still book on it. Virtual transaction ids, as CREATE INDEX CONCURRENTLY does it: a
-- transaction that has written nothing yet has no other.
CREATE OR REPLACE FUNCTION ledger_outlive_running() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    running text[] := ARRAY(
        SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'virtualxid' AND a.datname = current_database()
            AND l.pid <> pg_backend_pid());
BEGIN
    FOR patience IN 0..40 LOOP
        IF NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'virtualxid'
                       AND l.virtualtransaction = ANY (running)) THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.05);
    END LOOP;
    RETURN false;
END $$;

-- Write the balance of every account at the end of a closed day, from the mark before it; a repeat
-- changes nothing. Returns NULL while it cannot be done, since something older still runs.
CREATE OR REPLACE FUNCTION ledger_mark_balances(p_through date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    marked bigint;
    before date;
BEGIN
    IF p_through >= (SELECT k.first_open_day FROM book k) THEN
        RAISE EXCEPTION 'day % is still open for booking', p_through;
    END IF;
    IF NOT ledger_outlive_running() THEN RETURN NULL; END IF;
    SELECT max(m.through) INTO before FROM balance_mark m WHERE m.through < p_through;
    INSERT INTO balance_mark (account_id, through, posted)
    SELECT s.account_id, p_through, sum(s.amount) FROM (
        SELECT m.account_id, m.posted AS amount FROM balance_mark m WHERE m.through = before
        UNION ALL
        SELECT t.debit_id, -t.amount FROM transfer t
        WHERE t.booked_on > coalesce(before, '-infinity') AND t.booked_on <= p_through
        UNION ALL
        SELECT t.credit_id, t.amount FROM transfer t
        WHERE t.booked_on > coalesce(before, '-infinity') AND t.booked_on <= p_through) s
    GROUP BY s.account_id
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;

-- Make the monthly partitions from one day through another. Attached, not created in place:
-- that locks no reader and no writer of the parent. A partition refuses TRUNCATE by itself, for
-- the parent's trigger does not protect it.
CREATE OR REPLACE FUNCTION ledger_make_partitions(p_from date, p_through date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    start date := date_trunc('month', p_from);
    child text;
    made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger_make_partitions:' || current_schema()));
    WHILE start <= p_through LOOP
        child := 'transfer_' || to_char(start, '"y"YYYY"m"MM');
        IF to_regclass(quote_ident(child)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE transfer INCLUDING CONSTRAINTS)', child);
            EXECUTE format('REVOKE ALL ON %I FROM plaza_app', child);
            EXECUTE format('GRANT SELECT ON %I TO plaza_app', child);
            EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %I '
                           'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', child);
            EXECUTE format('ALTER TABLE transfer ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           child, start, start + interval '1 month');
            made := made + 1;
        END IF;
        start := start + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
