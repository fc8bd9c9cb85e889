-- Sweeping: many accounts are emptied at once, each in a journal of its own. For the end of a day,
-- when a million lots go the same way; the amount is what is found under the lock, so nothing can
-- be refused.

-- Lock wallets by id, passing over those that somebody else works in; say which are ours. Their
-- dead holds end here, as with `ledger_lock_wallet`.
CREATE OR REPLACE FUNCTION ledger_lock_free_wallets(p_wallets bigint[], p_now timestamptz)
RETURNS bigint[] LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    ours bigint[];
    each bigint;
BEGIN
    ours := ARRAY(SELECT w.id FROM wallet w WHERE w.id = ANY (p_wallets)
                  ORDER BY w.id FOR NO KEY UPDATE SKIP LOCKED);
    FOR each IN
        SELECT DISTINCT h.wallet_id FROM hold h
        WHERE h.wallet_id = ANY (ours) AND h.state = 'open' AND h.until <= p_now ORDER BY 1
    LOOP
        PERFORM ledger_expire_holds(p_now, each);
    END LOOP;
    RETURN ours;
END $$;

-- Move what is free in each exact account (posted, less held, above its floor) into a deferred one.
-- The key of a journal is kind, the account's name and its version: what is swept again after more
-- came in is another event, and one that is swept already has nothing left. The digest is that of
-- `Journal.digest`. Returns what was moved; accounts with nothing in them are left out.
CREATE OR REPLACE FUNCTION ledger_sweep(
    p_now timestamptz, p_kind text, p_accounts bigint[], p_into bigint[], p_occurred timestamptz[]
) RETURNS TABLE (account_id bigint, amount bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM unnest(p_accounts, p_into) AS u (account_id, into_id)
               WHERE u.account_id & 15 <> (u.into_id | 8) & 15 OR u.into_id & 8 = 8) THEN
        RAISE EXCEPTION 'a sweep goes from an exact account to a deferred one of its unit'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM 1 FROM account_balance b WHERE b.account_id = ANY (p_accounts)
    ORDER BY b.account_id FOR NO KEY UPDATE;
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT u.i, u.account_id, u.into_id, u.occurred, f.amount,
               p_kind || ':' || a.name || ':' || b.version AS key,
               greatest((least(u.occurred, p_now) AT TIME ZONE k.zone)::date, k.first_open_day)
                   AS booked_on
        FROM unnest(p_accounts, p_into, p_occurred) WITH ORDINALITY
            AS u (account_id, into_id, occurred, i)
        JOIN account_balance b ON b.account_id = u.account_id
        JOIN account a ON a.id = u.account_id, book k,
        LATERAL (VALUES (b.posted - b.held - coalesce(b.floor, 0))) AS f (amount)
        WHERE f.amount > 0
    ), emptied AS (
        UPDATE account_balance b SET posted = b.posted - d.amount, version = b.version + 1
        FROM due d WHERE b.account_id = d.account_id
    ), written AS (
        INSERT INTO journal AS j (key, kind, digest, occurred_at, recorded_at, booked_on)
        SELECT d.key, p_kind,
               sha256(convert_to(p_kind || E'\n\n' || d.account_id || '>' || d.into_id || ':'
                                 || d.amount, 'UTF8')),
               d.occurred, CASE p_now WHEN now() THEN clock_timestamp() ELSE p_now END, d.booked_on
        FROM due d ORDER BY d.i RETURNING j.id, j.key
    ), entered AS (
        INSERT INTO transfer (journal_id, line, booked_on, debit_id, credit_id, amount)
        SELECT w.id, 1, d.booked_on, d.account_id, d.into_id, d.amount
        FROM written w JOIN due d ON d.key = w.key
    )
    SELECT d.account_id, d.amount FROM due d ORDER BY d.i;
END $$;
