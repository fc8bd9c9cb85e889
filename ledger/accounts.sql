-- Accounts and wallets: found by name or owner, opened where missing. A repeat finds.

CREATE OR REPLACE FUNCTION ledger_open_wallets(p_owners text[]) RETURNS TABLE (
    owner text, wallet_id bigint
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO wallet (owner) SELECT DISTINCT o FROM unnest(p_owners) o ORDER BY o
    ON CONFLICT (owner) DO NOTHING;
    RETURN QUERY SELECT w.owner, w.id FROM wallet w WHERE w.owner = ANY (p_owners);
END $$;

-- The id's layout is explained where the table is made; units: 0 points, 1 fen.
CREATE OR REPLACE FUNCTION ledger_open_accounts(
    p_names text[], p_codes text[], p_units int[], p_exact boolean[], p_wallets bigint[],
    p_floors bigint[], p_ceilings bigint[]
) RETURNS TABLE (name text, account_id bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    known int;
    opened int;
BEGIN
    IF cardinality(p_names) = 1 THEN  -- Most calls: short statements are soon made ready.
        name := p_names[1];
        SELECT a.id INTO account_id FROM account a WHERE a.name = p_names[1];
        IF account_id IS NULL THEN
            INSERT INTO account (id, name, code, wallet_id)
            VALUES ((CASE WHEN p_wallets[1] IS NULL THEN 1::bigint << 60 ELSE 0 END)
                    | (nextval('account_number') << 4) | (CASE WHEN p_exact[1] THEN 8 ELSE 0 END)
                    | p_units[1],
                    p_names[1], p_codes[1], p_wallets[1])
            ON CONFLICT (name) DO NOTHING RETURNING id INTO account_id;
            IF FOUND THEN
                INSERT INTO account_balance (account_id, floor, ceiling)
                VALUES (account_id, p_floors[1], p_ceilings[1]);
            ELSE  -- A twin opened it meanwhile.
                SELECT a.id INTO account_id FROM account a WHERE a.name = p_names[1];
            END IF;
        END IF;
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN QUERY SELECT a.name, a.id FROM account a WHERE a.name = ANY (p_names);
    GET DIAGNOSTICS known = ROW_COUNT;
    IF known = cardinality(p_names) THEN RETURN; END IF;
    RETURN QUERY
    WITH opened AS (
        INSERT INTO account (id, name, code, wallet_id)
        SELECT (CASE WHEN w.wallet_id IS NULL THEN 1::bigint << 60 ELSE 0 END)
               | (nextval('account_number') << 4) | (CASE WHEN w.exact THEN 8 ELSE 0 END) | w.unit,
               w.name, w.code, w.wallet_id
        FROM unnest(p_names, p_codes, p_units, p_exact, p_wallets)
            AS w (name, code, unit, exact, wallet_id)
        WHERE NOT EXISTS (SELECT FROM account a WHERE a.name = w.name)
        ORDER BY w.name
        ON CONFLICT (name) DO NOTHING
        RETURNING id, name
    ), balanced AS (
        INSERT INTO account_balance (account_id, floor, ceiling)
        SELECT DISTINCT ON (o.id) o.id, w.floor, w.ceiling
        FROM opened o
        JOIN unnest(p_names, p_floors, p_ceilings) AS w (name, floor, ceiling) ON w.name = o.name
    )
    SELECT o.name, o.id FROM opened o;
    GET DIAGNOSTICS opened = ROW_COUNT;
    IF known + opened = cardinality(p_names) THEN RETURN; END IF;
    -- A twin opened some of them meanwhile, or a name was asked for twice: say them all (again).
    RETURN QUERY SELECT a.name, a.id FROM account a WHERE a.name = ANY (p_names);
END $$;

-- The mutex of a wallet: whoever spends from it locks it first. Its dead holds end here, so that
-- nothing waits for a job.
CREATE OR REPLACE FUNCTION ledger_lock_wallet(p_wallet bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    PERFORM 1 FROM wallet w WHERE w.id = p_wallet FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM hold h
               WHERE h.wallet_id = p_wallet AND h.state = 'open' AND h.until <= p_now) THEN
        PERFORM ledger_expire_holds(p_now, p_wallet);
    END IF;
END $$;
