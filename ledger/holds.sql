-- Holds: `held` rises under the same guard as a posting, and falls by capture (post.sql), void or
-- expiry. A hold that is past its instant is dead whether or not a job has said so.
-- Lock order: holds, then balances by account id.

CREATE OR REPLACE FUNCTION ledger_place_hold(
    p_now timestamptz, p_key text, p_digest bytea, p_wallet bigint, p_until timestamptz,
    p_accounts bigint[], p_amounts bigint[]
) RETURNS TABLE (hold_id bigint, replayed boolean, refusal text, culprit bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    found_digest bytea;
    moved int;
    spot record;
BEGIN
    IF cardinality(p_accounts) = 1 THEN  -- Most holds: short statements are soon made ready.
        UPDATE account_balance b SET held = b.held + p_amounts[1]
        WHERE b.account_id = p_accounts[1] AND b.account_id & 8 = 8
            AND (b.posted - b.held - p_amounts[1] >= b.floor) IS NOT FALSE;
        IF FOUND THEN
            WITH placed AS (
                INSERT INTO hold (key, digest, wallet_id, until, placed_at)
                VALUES (p_key, p_digest, p_wallet, p_until, p_now)
                ON CONFLICT (key) DO NOTHING RETURNING id)
            INSERT INTO hold_line AS l (hold_id, account_id, amount)
            SELECT p.id, p_accounts[1], p_amounts[1] FROM placed p
            RETURNING l.hold_id INTO hold_id;
            IF FOUND THEN
                replayed := false;
                RETURN NEXT;
                RETURN;
            END IF;
            UPDATE account_balance b SET held = b.held - p_amounts[1]
            WHERE b.account_id = p_accounts[1];
        END IF;
    END IF;  -- Short, or asked for before: below it is said which.
    FOR attempt IN 1..2 LOOP
        refusal := NULL;
        FOR spot IN
            SELECT b.account_id, b.posted - b.held - u.amount < b.floor AS short
            FROM unnest(p_accounts, p_amounts) AS u (account_id, amount)
            JOIN account_balance b ON b.account_id = u.account_id
            WHERE b.account_id & 8 = 8
            ORDER BY b.account_id FOR NO KEY UPDATE OF b
        LOOP
            IF spot.short THEN
                refusal := 'insufficient-balance';
                culprit := spot.account_id;
                EXIT;
            END IF;
        END LOOP;
        -- Only now: what is short may be held by this very key, asked for twice at once.
        SELECT h.id, h.digest INTO hold_id, found_digest FROM hold h WHERE h.key = p_key;
        replayed := FOUND;
        IF replayed THEN
            refusal := CASE WHEN found_digest <> p_digest THEN 'key-reused' END;
        END IF;
        IF replayed OR refusal IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
        WITH placed AS (
            INSERT INTO hold (key, digest, wallet_id, until, placed_at)
            VALUES (p_key, p_digest, p_wallet, p_until, p_now)
            ON CONFLICT (key) DO NOTHING RETURNING id
        ), lines AS (
            INSERT INTO hold_line (hold_id, account_id, amount)
            SELECT p.id, u.account_id, u.amount
            FROM placed p, unnest(p_accounts, p_amounts) AS u (account_id, amount)
        ), raised AS (
            UPDATE account_balance b SET held = b.held + u.amount
            FROM placed p, unnest(p_accounts, p_amounts) AS u (account_id, amount)
            WHERE b.account_id = u.account_id AND b.account_id & 8 = 8
            RETURNING 1
        )
        SELECT p.id, (SELECT count(*) FROM raised) INTO hold_id, moved FROM placed p;
        EXIT WHEN FOUND;  -- Else a twin committed since the look-up: look again.
    END LOOP;
    IF moved <> cardinality(p_accounts) THEN
        RAISE EXCEPTION 'a hold names an account twice, or one that cannot be held';
    END IF;
    RETURN NEXT;
END $$;

-- Give back what a hold keeps. Returns the state the hold is in afterwards, NULL if there is none;
-- a hold that has ended stays as it is.
CREATE OR REPLACE FUNCTION ledger_void_hold(p_now timestamptz, p_key text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    the_hold record;
BEGIN
    SELECT h.id, h.state INTO the_hold FROM hold h WHERE h.key = p_key FOR UPDATE;
    IF the_hold.state = 'open' THEN
        PERFORM ledger_end_holds(p_now, ARRAY[the_hold.id], 'voided');
        RETURN 'voided';
    END IF;
    RETURN the_hold.state;
END $$;

-- Let a live hold live until a later instant; false where there is none that lives.
CREATE OR REPLACE FUNCTION ledger_extend_hold(
    p_now timestamptz, p_key text, p_until timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    UPDATE hold SET until = greatest(until, p_until)
    WHERE key = p_key AND state = 'open' AND until > p_now;
    RETURN FOUND;
END $$;

-- End the dead holds of one wallet, or with NULL a hundred of any; returns how many ended. Two
-- sweepers share the work: neither waits for what the other has locked.
CREATE OR REPLACE FUNCTION ledger_expire_holds(p_now timestamptz, p_wallet bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    dead bigint[];
BEGIN
    IF p_wallet IS NOT NULL THEN
        dead := ARRAY(SELECT h.id FROM hold h
                      WHERE h.wallet_id = p_wallet AND h.state = 'open' AND h.until <= p_now
                      ORDER BY h.key FOR UPDATE);
    ELSE
        dead := ARRAY(SELECT h.id FROM hold h WHERE h.state = 'open' AND h.until <= p_now
                      ORDER BY h.until LIMIT 100 FOR UPDATE SKIP LOCKED);
    END IF;
    PERFORM ledger_end_holds(p_now, dead, 'expired');
    RETURN cardinality(dead);
END $$;

CREATE OR REPLACE FUNCTION ledger_end_holds(p_now timestamptz, p_holds bigint[], p_state text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM account_balance b
    WHERE b.account_id IN (SELECT l.account_id FROM hold_line l WHERE l.hold_id = ANY (p_holds))
    ORDER BY b.account_id FOR NO KEY UPDATE;
    UPDATE account_balance b SET held = b.held - freed.amount
    FROM (SELECT l.account_id, sum(l.amount) AS amount FROM hold_line l
          WHERE l.hold_id = ANY (p_holds) GROUP BY l.account_id) freed
    WHERE b.account_id = freed.account_id;
    UPDATE hold h SET state = p_state, ended_at = p_now WHERE h.id = ANY (p_holds);
END $$;
