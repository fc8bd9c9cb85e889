-- The breakage of lots past their day, some members at a time.
--
-- The next members by the last day of their lots; all that each of them has let expire is booked at
-- once, to the issuers' breakage. Wallets are locked first, by id, and those that somebody works in
-- are passed over ('busy'): a sale never waits for more than one call, and a call for no sale. Who
-- owes points is left too ('owing'), for expired points pay debts first (semantics 33). Rows:
--   'seen'    the place to go on from, at most one row
--   'expired' points of a member that ended on a day, booked now; `lots` lots of them
--   'busy', 'owing' members to be looked at by themselves
-- The day of a journal is the one after the lot's last: a late run writes what one in time would.
-- What activity has kept (lasting.sql) is left where it is; the step before this moves it.
CREATE OR REPLACE FUNCTION points_expire_next(
    p_now timestamptz, p_day date, p_after_day date, p_after_member bigint, p_lots int
) RETURNS TABLE (
    outcome text, member_id bigint, member text, expires_on date, lots bigint, points bigint
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    chosen bigint[];
    wallets bigint[];
    ours bigint[];
    promised boolean;
BEGIN
    SELECT array_agg(DISTINCT s.member_id),
           (array_agg(s.expires_on ORDER BY s.expires_on DESC, s.member_id DESC))[1],
           (array_agg(s.member_id ORDER BY s.expires_on DESC, s.member_id DESC))[1]
    INTO chosen, expires_on, member_id
    FROM (SELECT l.expires_on, l.member_id
          FROM lot l JOIN account_balance b ON b.account_id = l.account_id
          WHERE l.expires_on < p_day
              AND (l.expires_on, l.member_id) > (p_after_day, p_after_member) AND b.posted > 0
          ORDER BY l.expires_on, l.member_id LIMIT p_lots) s;
    IF chosen IS NULL THEN RETURN; END IF;
    outcome := 'seen';
    RETURN NEXT;
    wallets := ARRAY(SELECT m.wallet_id FROM member m WHERE m.id = ANY (chosen));
    ours := ledger_lock_free_wallets(wallets, p_now);
    RETURN QUERY
    SELECT CASE WHEN m.wallet_id = ANY (ours) THEN 'owing' ELSE 'busy' END, m.id, m.public_id,
           NULL::date, NULL::bigint, NULL::bigint
    FROM member m
    WHERE m.id = ANY (chosen) AND (m.wallet_id <> ALL (ours) OR EXISTS (
        SELECT FROM lot l JOIN account_balance b ON b.account_id = l.account_id
        WHERE l.member_id = m.id AND l.kind = 'debt' AND b.posted < 0));
    promised := EXISTS (SELECT FROM points_promise p WHERE p.member_id = ANY (chosen));
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT l.account_id, l.member_id, i.breakage_account_id, k.zone,
               CASE WHEN promised THEN (points_days(l, p_day))[2] ELSE l.expires_on END AS last_day
        FROM lot l
        JOIN member m ON m.id = l.member_id
        JOIN merchant i ON i.id = l.issuer_id
        JOIN account_balance b ON b.account_id = l.account_id, book k
        WHERE l.member_id = ANY (chosen) AND m.wallet_id = ANY (ours)
            AND l.expires_on < p_day AND b.posted > b.held
            AND NOT EXISTS (
                SELECT FROM lot o JOIN account_balance d ON d.account_id = o.account_id
                WHERE o.member_id = l.member_id AND o.kind = 'debt' AND d.posted < 0)
    ), due AS MATERIALIZED (
        SELECT f.account_id, f.member_id, f.last_day AS expires_on, f.breakage_account_id,
               ((f.last_day + 1)::timestamp AT TIME ZONE f.zone) AS ended
        FROM found f WHERE f.last_day < p_day
    ), swept AS MATERIALIZED (
        SELECT s.account_id, s.amount FROM (
            SELECT array_agg(d.account_id ORDER BY d.account_id) AS accounts,
                   array_agg(d.breakage_account_id ORDER BY d.account_id) AS into_accounts,
                   array_agg(d.ended ORDER BY d.account_id) AS ended
            FROM due d HAVING count(*) > 0) a,
        LATERAL ledger_sweep(p_now, 'expire', a.accounts, a.into_accounts, a.ended) s
    )
    SELECT 'expired', d.member_id, m.public_id, d.expires_on, count(*), sum(s.amount)::bigint
    FROM swept s JOIN due d ON d.account_id = s.account_id JOIN member m ON m.id = d.member_id
    GROUP BY d.member_id, m.public_id, d.expires_on ORDER BY d.member_id, d.expires_on;
END $$;
