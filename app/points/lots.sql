-- Members' standing and lots, locked and read in one round trip; without a lot one row all the
-- same.
--
-- The wallets are locked first, in the order given and in statements of their own: what is read
-- afterwards is what stands when the locks were got, not what stood when the call began.
CREATE OR REPLACE FUNCTION points_lock_lots(
    p_wallets bigint[], p_members bigint[], p_now timestamptz, p_today date, p_also bigint[]
) RETURNS TABLE (
    member_id bigint, status text, account_id bigint, issuer_id bigint, kind text, expires_on date, cost_num bigint,
    cost_den bigint, redemption_num bigint, redemption_den bigint, restriction_merchant_id bigint,
    activates_on date, courtesy boolean, awaits text, awaits_for text,
    first_earned_at timestamptz, posted bigint, held bigint, kept_until date, last_day date
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    each bigint;
    today date;
BEGIN
    FOREACH each IN ARRAY p_wallets LOOP
        PERFORM ledger_lock_wallet(each, p_now);
    END LOOP;
    -- Without promises each lot ends on its own day, and nobody asks further (lasting.sql).
    IF EXISTS (SELECT FROM points_promise p WHERE p.member_id = ANY (p_members)) THEN
        SELECT (p_now AT TIME ZONE k.zone)::date INTO today FROM book k;
    END IF;
    -- Lots that expired before `p_today` are wanted only while something is left in them, which
    -- nets against debt (semantics 33). `p_also` names lots that are wanted all the same, such as
    -- those that a refund gives back to.
    RETURN QUERY
    SELECT f.id, f.status, f.account_id, f.issuer_id, f.kind, f.expires_on, f.cost_num, f.cost_den,
           f.redemption_num, f.redemption_den,
           f.restriction_merchant_id, f.activates_on, f.courtesy, f.awaits, f.awaits_for,
           f.first_earned_at,
           f.posted, f.held, coalesce(f.days[1], f.expires_on), coalesce(f.days[2], f.expires_on)
    FROM (
        SELECT m.id, m.status, l.*, b.posted, b.held,
               CASE WHEN today IS NOT NULL THEN points_days(l, today) END AS days
        FROM member m
        LEFT JOIN (lot l JOIN account_balance b ON b.account_id = l.account_id)
            ON l.member_id = m.id
                AND (l.expires_on >= p_today OR l.expires_on IS NULL OR b.posted <> 0
                     OR l.account_id = ANY (p_also))
        WHERE m.id = ANY (p_members) OFFSET 0) f;
END $$;

-- Find or open lots by their meaning, with their accounts. The caller holds the wallets' locks.
CREATE OR REPLACE FUNCTION points_open_lots(
    p_wallets bigint[], p_members bigint[], p_names text[], p_kinds text[], p_issuers bigint[],
    p_expires date[], p_cost_nums bigint[], p_cost_dens bigint[],
    p_redemption_nums bigint[], p_redemption_dens bigint[], p_restrictions bigint[],
    p_activates date[], p_courtesy boolean[], p_awaits text[], p_awaits_for text[],
    p_first_earned timestamptz[], p_floors bigint[],
    p_ceilings bigint[]
) RETURNS TABLE (name text, account_id bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH opened AS MATERIALIZED (
        SELECT o.name, o.account_id FROM ledger_open_accounts(
            p_names, p_kinds, array_fill(0, ARRAY[cardinality(p_names)]),
            array_fill(true, ARRAY[cardinality(p_names)]),
            p_wallets, p_floors, p_ceilings) o
    ), written AS (
        INSERT INTO lot (account_id, member_id, issuer_id, kind, expires_on, cost_num, cost_den,
                         redemption_num, redemption_den,
                         restriction_merchant_id, activates_on, courtesy, awaits, awaits_for,
                         first_earned_at)
        SELECT o.account_id, u.member_id, u.issuer_id, u.kind, u.expires_on, u.cost_num, u.cost_den,
               u.redemption_num, u.redemption_den,
               u.restriction_id, u.activates_on, u.courtesy, u.awaits, u.awaits_for,
               u.first_earned_at
        FROM unnest(p_names, p_members, p_issuers, p_kinds, p_expires, p_cost_nums, p_cost_dens,
                    p_redemption_nums, p_redemption_dens,
                    p_restrictions, p_activates, p_courtesy, p_awaits, p_awaits_for,
                    p_first_earned)
            AS u (name, member_id, issuer_id, kind, expires_on, cost_num, cost_den, redemption_num,
                  redemption_den, restriction_id, activates_on, courtesy, awaits, awaits_for,
                  first_earned_at)
        JOIN opened o ON o.name = u.name
        ON CONFLICT (account_id) DO NOTHING
    )
    SELECT o.name, o.account_id FROM opened o;
END $$;
