-- The close of a period: every transfer of points in it becomes fen, by the rates that its lot has
-- frozen, and every party's fen is written down. In one statement's snapshot each, in a
-- transaction whose days are closed already, so nothing can still be booked in them.

-- Whole fen of so many points at an exact rate, half a fen away from zero. The only rounding.
-- Small figures, which nearly all are, need no numbers of any length.
CREATE OR REPLACE FUNCTION settlement_fen(p_points numeric, p_num numeric, p_den numeric)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (sign(p_points * p_num) * div(2 * abs(p_points * p_num) + p_den, 2 * p_den))::bigint
$$;
CREATE OR REPLACE FUNCTION settlement_fen(p_points bigint, p_num bigint, p_den bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN abs(p_points) < 1 << 30 AND abs(p_num) < 1 << 30 AND p_den < 1 << 30
                THEN sign(p_points)::bigint * sign(p_num)::bigint
                     * ((2 * abs(p_points) * abs(p_num) + p_den) / (2 * p_den))
                ELSE settlement_fen(p_points::numeric, p_num::numeric, p_den::numeric) END
$$;

-- Transfers of points booked in [p_from, p_until), summed by what matters in fen. A lot's merchant
-- is its issuer. Both sides of a transfer are worth what its lot cost; a redeemer gets what the lot
-- pays, or its cost if it is the lot's own issuer (semantics 52); and where a journal says what
-- its lines are worth, that holds.
DROP FUNCTION IF EXISTS settlement_cells(date, date);
CREATE FUNCTION settlement_cells(p_from date, p_until date) RETURNS TABLE (
    debit_code text, debit_merchant_id bigint, debit_cost_num bigint, debit_cost_den bigint,
    credit_code text, credit_merchant_id bigint, credit_cost_num bigint, credit_cost_den bigint,
    debit_num bigint, debit_den bigint, credit_num bigint, credit_den bigint,
    points bigint, transfers bigint
) LANGUAGE plpgsql SET work_mem = '128MB' AS $$
#variable_conflict use_column
BEGIN
    -- Accounts that are alike in fen share a class: what is grouped is two small numbers. In a table
    -- of its own, since its size has to be known to join a month's transfers with it well.
    DROP TABLE IF EXISTS settlement_side;
    CREATE TEMP TABLE settlement_side ON COMMIT DROP AS
    SELECT x.*, dense_rank() OVER (ORDER BY x.code, x.merchant_id, x.cost_num, x.cost_den,
                                            x.redemption_num, x.redemption_den)::int AS class
    FROM (
        SELECT l.account_id, l.kind AS code, l.issuer_id AS merchant_id, l.cost_num, l.cost_den,
               l.redemption_num, l.redemption_den
        FROM lot l
        UNION ALL
        SELECT a.id, a.code, m.id, NULL, NULL, NULL, NULL
        FROM account a LEFT JOIN merchant m ON m.public_id = split_part(a.name, ':', 2)
        WHERE a.wallet_id IS NULL AND a.id & 7 = 0) x;
    ANALYZE settlement_side (account_id, class);

    RETURN QUERY
    WITH class AS MATERIALIZED (
        SELECT DISTINCT s.class, s.code, s.merchant_id, s.cost_num, s.cost_den, s.redemption_num,
               s.redemption_den
        FROM settlement_side s
    ), moved AS MATERIALIZED (
        SELECT d.class AS debit, c.class AS credit, sum(t.amount) AS points, count(*) AS transfers
        FROM transfer t
        JOIN settlement_side d ON d.account_id = t.debit_id
        JOIN settlement_side c ON c.account_id = t.credit_id
        WHERE t.booked_on >= p_from AND t.booked_on < p_until
        GROUP BY 1, 2
    ), rated AS MATERIALIZED (
        SELECT d.class AS debit, c.class AS credit, r.value ->> 0 AS debit_rate,
               r.value ->> 1 AS credit_rate, sum(t.amount) AS points, count(*) AS transfers
        FROM journal j, jsonb_each(j.details -> 'rates') r, transfer t,
             settlement_side d, settlement_side c
        WHERE j.booked_on >= p_from AND j.booked_on < p_until AND j.details ? 'rates'
            AND t.journal_id = j.id AND t.line = r.key::smallint AND t.booked_on = j.booked_on
            AND d.account_id = t.debit_id AND c.account_id = t.credit_id
        GROUP BY 1, 2, 3, 4
    ), taken AS (
        SELECT r.debit, r.credit, sum(r.points) AS points, sum(r.transfers) AS transfers
        FROM rated r GROUP BY 1, 2
    ), summed AS (
        SELECT m.debit, m.credit, NULL AS debit_rate, NULL AS credit_rate,
               m.points - coalesce(x.points, 0) AS points,
               (m.transfers - coalesce(x.transfers, 0))::bigint AS transfers
        FROM moved m LEFT JOIN taken x ON x.debit = m.debit AND x.credit = m.credit
        WHERE m.transfers > coalesce(x.transfers, 0)
        UNION ALL
        SELECT r.debit, r.credit, r.debit_rate, r.credit_rate, r.points, r.transfers FROM rated r
    )
    SELECT d.code, d.merchant_id, d.cost_num, d.cost_den,
           c.code, c.merchant_id, c.cost_num, c.cost_den,
           coalesce(split_part(s.debit_rate, '/', 1)::bigint,
                    CASE WHEN d.code = 'redeemed' AND c.merchant_id <> d.merchant_id
                         THEN c.redemption_num END, d.cost_num, c.cost_num, t.cost_num),
           CASE WHEN s.debit_rate IS NOT NULL
                THEN coalesce(nullif(split_part(s.debit_rate, '/', 2), ''), '1')::bigint
                ELSE coalesce(CASE WHEN d.code = 'redeemed' AND c.merchant_id <> d.merchant_id
                                   THEN c.redemption_den END, d.cost_den, c.cost_den, t.cost_den) END,
           coalesce(split_part(s.credit_rate, '/', 1)::bigint,
                    CASE WHEN c.code = 'redeemed' AND d.merchant_id <> c.merchant_id
                         THEN d.redemption_num END, c.cost_num, d.cost_num, t.cost_num),
           CASE WHEN s.credit_rate IS NOT NULL
                THEN coalesce(nullif(split_part(s.credit_rate, '/', 2), ''), '1')::bigint
                ELSE coalesce(CASE WHEN c.code = 'redeemed' AND d.merchant_id <> c.merchant_id
                                   THEN d.redemption_den END, c.cost_den, d.cost_den, t.cost_den) END,
           s.points::bigint, s.transfers
    FROM summed s
    JOIN class d ON d.class = s.debit
    JOIN class c ON c.class = s.credit
    LEFT JOIN LATERAL (  -- Only where neither side is a lot and no rate was written down.
        SELECT o.cost_num, o.cost_den FROM contract_term o
        WHERE d.cost_num IS NULL AND c.cost_num IS NULL AND s.debit_rate IS NULL
            AND o.merchant_id = coalesce(c.merchant_id, d.merchant_id) AND o.valid_from < p_until
        ORDER BY o.valid_from DESC LIMIT 1) t ON true;
END $$;

-- Write a period down: its cells, what is out at its end, and each party's lines. The caption of a
-- pair of codes comes from app/settlement/captions.py. Fails where a pair has none, and where the
-- parties do not sum to zero.
CREATE OR REPLACE FUNCTION settlement_close(
    p_code text, p_from date, p_until date, p_now timestamptz, p_by text,
    p_debits text[], p_credits text[], p_captions text[], p_share_num bigint, p_share_den bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    period bigint := nextval(pg_get_serial_sequence('settlement_period', 'id'));
    before bigint;
    unknown text;
    rounding bigint;
    most bigint;
    figures record;
BEGIN
    SELECT p.id INTO before FROM settlement_period p ORDER BY p.starts_on DESC LIMIT 1;
    INSERT INTO settlement_cell (
        period_id, debit_code, debit_merchant_id, debit_cost_num, debit_cost_den, credit_code,
        credit_merchant_id, credit_cost_num, credit_cost_den, debit_num, debit_den, credit_num,
        credit_den, points, transfers, debit_fen, credit_fen, spread_fen)
    SELECT period, c.debit_code, c.debit_merchant_id, c.debit_cost_num, c.debit_cost_den,
           c.credit_code, c.credit_merchant_id, c.credit_cost_num, c.credit_cost_den,
           c.debit_num, c.debit_den, c.credit_num, c.credit_den, c.points, c.transfers,
           settlement_fen(c.points, c.debit_num, c.debit_den),
           settlement_fen(c.points, c.credit_num, c.credit_den),
           CASE WHEN (c.debit_num, c.debit_den) = (c.credit_num, c.credit_den) THEN 0
                WHEN greatest(c.debit_num, c.debit_den, c.credit_num, c.credit_den) < 1 << 15
                THEN settlement_fen(c.points, c.debit_num * c.credit_den - c.credit_num * c.debit_den,
                                    c.debit_den * c.credit_den)
                ELSE settlement_fen(c.points, c.debit_num::numeric * c.credit_den
                                              - c.credit_num::numeric * c.debit_den,
                                    c.debit_den::numeric * c.credit_den) END
    FROM settlement_cells(p_from, p_until) c;

    SELECT c.debit_code || ' → ' || c.credit_code INTO unknown FROM settlement_cell c
    WHERE c.period_id = period AND NOT EXISTS (
        SELECT FROM unnest(p_debits, p_credits) AS k (debit, credit)
        WHERE k.debit = c.debit_code AND k.credit = c.credit_code) LIMIT 1;
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION 'a posting that the settlement does not know: %', unknown;
    END IF;

    INSERT INTO settlement_stock (period_id, kind, merchant_id, cost_num, cost_den, points, fen)
    SELECT period, s.kind, s.merchant_id, s.cost_num, s.cost_den, s.points,
           settlement_fen(s.points, s.cost_num, s.cost_den)
    FROM (
        SELECT m.kind, m.merchant_id, m.cost_num, m.cost_den, sum(m.points)::bigint AS points FROM (
            SELECT s.kind, s.merchant_id, s.cost_num, s.cost_den, s.points
            FROM settlement_stock s WHERE s.period_id = before AND s.kind <> 'prepaid'
            UNION ALL
            SELECT c.debit_code, c.debit_merchant_id, c.debit_cost_num, c.debit_cost_den, -c.points
            FROM settlement_cell c WHERE c.period_id = period AND c.debit_cost_num IS NOT NULL
            UNION ALL
            SELECT c.credit_code, c.credit_merchant_id, c.credit_cost_num, c.credit_cost_den, c.points
            FROM settlement_cell c WHERE c.period_id = period AND c.credit_cost_num IS NOT NULL
        ) m GROUP BY 1, 2, 3, 4
        UNION ALL
        -- What was bought ahead has no rate of its own: it stands at what a point costs at the end.
        SELECT 'prepaid', m.merchant_id, t.cost_num, t.cost_den, sum(m.points)::bigint FROM (
            SELECT s.merchant_id, s.points FROM settlement_stock s
            WHERE s.period_id = before AND s.kind = 'prepaid'
            UNION ALL
            SELECT c.debit_merchant_id, -c.points FROM settlement_cell c
            WHERE c.period_id = period AND c.debit_code = 'prepaid'
            UNION ALL
            SELECT c.credit_merchant_id, c.points FROM settlement_cell c
            WHERE c.period_id = period AND c.credit_code = 'prepaid'
        ) m
        JOIN LATERAL (
            SELECT c.cost_num, c.cost_den FROM contract_term c
            WHERE c.merchant_id = m.merchant_id AND c.valid_from < p_until
            ORDER BY c.valid_from DESC LIMIT 1) t ON true
        GROUP BY 1, 2, 3, 4
    ) s WHERE s.points <> 0;

    INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
    SELECT period, l.party, l.merchant_id, l.caption, sum(l.points), sum(l.fen)
    FROM settlement_moves(period, p_debits, p_credits, p_captions, p_share_num, p_share_den) l
    GROUP BY 2, 3, 4 HAVING sum(l.points) <> 0 OR sum(l.fen) <> 0;

    -- What was posted in fen meanwhile: payments, subsidies, deposits, losses, each against its
    -- account. A merchant's own is its due; its deposit is the district's to keep.
    INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
    SELECT period, CASE WHEN m.id IS NULL THEN a.code ELSE 'merchant' END, m.id, side.kind, 0,
           sum(side.fen)
    FROM (
        SELECT j.kind, s.account_id, s.fen
        FROM transfer t JOIN journal j ON j.id = t.journal_id AND j.kind <> 'settle',
        LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount)) AS s (account_id, fen)
        WHERE t.booked_on >= p_from AND t.booked_on < p_until AND t.debit_id & 7 = 1) side
    JOIN account a ON a.id = side.account_id
    LEFT JOIN merchant m ON a.code = 'due' AND m.public_id = split_part(a.name, ':', 2)
    GROUP BY 2, 3, 4 HAVING sum(side.fen) <> 0;

    -- What stands for the points that are out, to the fen; and what rounding has made of it all.
    INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
    SELECT period, x.party, NULL, 'moved', x.points, x.fen
    FROM (
        SELECT CASE s.kind WHEN 'lot' THEN 'float' ELSE 'member_debt' END AS party,
               sum(CASE WHEN s.period_id = period THEN s.points ELSE -s.points END) AS points,
               sum(CASE WHEN s.period_id = period THEN s.fen ELSE -s.fen END) AS fen
        FROM settlement_stock s WHERE s.period_id IN (period, before) AND s.kind <> 'prepaid'
        GROUP BY s.kind) x
    WHERE x.points <> 0 OR x.fen <> 0;

    SELECT -coalesce(sum(l.fen), 0)::bigint INTO rounding FROM settlement_line l
    WHERE l.period_id = period;
    SELECT count(*) INTO most FROM (
        SELECT FROM settlement_cell c WHERE c.period_id = period
        UNION ALL SELECT FROM settlement_stock s WHERE s.period_id IN (period, before)) x;
    IF abs(rounding) > 2 * most THEN
        RAISE EXCEPTION 'rounding cannot come to % fen over % figures', rounding, most;
    END IF;
    IF rounding <> 0 THEN
        INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
        VALUES (period, 'rounding', NULL, 'rounding', 0, rounding);
    END IF;

    SELECT count(DISTINCT (l.party, l.merchant_id)) AS parties, coalesce(sum(l.points), 0) AS points,
           coalesce(sum(l.fen), 0) AS fen,
           coalesce(sum(abs(l.fen)) FILTER (
               WHERE l.party = 'merchant' AND l.caption <> 'payment'), 0) AS gross,
           (SELECT coalesce(sum(abs(n.fen)), 0) FROM (
                SELECT sum(o.fen) AS fen FROM settlement_line o
                WHERE o.period_id = period AND o.party = 'merchant' AND o.caption <> 'payment'
                GROUP BY o.merchant_id) n) AS net
    INTO figures FROM settlement_line l WHERE l.period_id = period;
    INSERT INTO settlement_period (
        id, code, starts_on, ends_on, closed_at, closed_by, transfers, parties, sum_points, sum_fen,
        gross_fen, net_fen) OVERRIDING SYSTEM VALUE
    VALUES (period, p_code, p_from, p_until - 1, p_now, p_by,
            (SELECT coalesce(sum(c.transfers), 0) FROM settlement_cell c WHERE c.period_id = period),
            figures.parties, figures.points, figures.fen, figures.gross, figures.net);
    RETURN period;
END $$;

-- What the cells of a period mean to each party, before it is summed. Points: the owner of the
-- account that moved. Fen: a merchant's own, but what was bought ahead is the district's to keep,
-- and its price is the merchant's to pay.
CREATE OR REPLACE FUNCTION settlement_moves(
    p_period bigint, p_debits text[], p_credits text[], p_captions text[], p_share_num bigint,
    p_share_den bigint
) RETURNS TABLE (party text, merchant_id bigint, caption text, points numeric, fen numeric)
LANGUAGE sql STABLE AS $$
    WITH cell AS (
        SELECT c.*, CASE WHEN k.caption <> 'redeemed' THEN k.caption
                         WHEN c.debit_merchant_id = c.credit_merchant_id THEN 'redeemed_own'
                         ELSE 'redeemed_others' END AS caption
        FROM settlement_cell c
        JOIN unnest(p_debits, p_credits, p_captions) AS k (debit, credit, caption)
            ON k.debit = c.debit_code AND k.credit = c.credit_code
        WHERE c.period_id = p_period
    ), side AS MATERIALIZED (
        -- By party first: cells are many, parties are few. What is the issuer's share of breakage
        -- is rounded cell by cell.
        SELECT x.caption, x.code, x.merchant_id,
               CASE WHEN x.merchant_id IS NULL THEN x.other_id END AS other_id,
               sum(x.points) AS points, sum(x.fen) AS fen,
               sum(sign(x.fen) * div(abs(x.fen) * p_share_num, p_share_den))
                   FILTER (WHERE x.code = 'breakage') AS share_fen
        FROM (
            SELECT c.caption, c.debit_code AS code, c.debit_merchant_id AS merchant_id,
                   c.credit_merchant_id AS other_id, -c.points AS points, -c.debit_fen AS fen
            FROM cell c
            UNION ALL
            SELECT c.caption, c.credit_code, c.credit_merchant_id, c.debit_merchant_id, c.points,
                   c.credit_fen
            FROM cell c) x
        GROUP BY 1, 2, 3, 4
    )
    -- Lots and debts move as a whole, by what is out: see settlement_close.
    SELECT CASE WHEN s.merchant_id IS NOT NULL THEN 'merchant'
                WHEN s.code = 'prepaid_sold' THEN 'advances'
                WHEN s.code = 'granted' THEN 'charity' ELSE 'donations' END,
           s.merchant_id, s.caption, s.points, 0::numeric
    FROM side s WHERE s.code NOT IN ('lot', 'debt')
    UNION ALL
    SELECT 'merchant', coalesce(s.merchant_id, s.other_id), s.caption, 0, s.fen
    FROM side s WHERE s.code NOT IN ('lot', 'debt', 'prepaid', 'breakage', 'donated', 'granted')
    UNION ALL
    SELECT CASE s.code WHEN 'prepaid' THEN 'advances' WHEN 'granted' THEN 'charity'
                       ELSE 'donations' END, NULL, s.caption, 0, s.fen
    FROM side s WHERE s.code IN ('prepaid', 'donated', 'granted')
    UNION ALL
    SELECT 'merchant', s.merchant_id, s.caption, 0, s.share_fen FROM side s WHERE s.code = 'breakage'
    UNION ALL
    SELECT 'breakage_kept', NULL, s.caption, 0, s.fen - s.share_fen
    FROM side s WHERE s.code = 'breakage'
    UNION ALL
    SELECT 'spread', NULL, 'spread', 0, coalesce(sum(c.spread_fen), 0) FROM cell c
    UNION ALL
    -- A change of the contract's rate makes what was bought ahead worth more or less.
    SELECT x.party, NULL, x.caption, 0, x.sign * (
        coalesce((SELECT sum(n.fen) FROM settlement_stock n
                  WHERE n.period_id = p_period AND n.kind = 'prepaid'), 0)
        - coalesce((SELECT sum(o.fen) FROM settlement_stock o
                    WHERE o.kind = 'prepaid' AND o.period_id = (
                        SELECT max(q.id) FROM settlement_period q WHERE q.id < p_period)), 0)
        - coalesce((SELECT sum(s.fen) FROM side s WHERE s.code = 'prepaid'), 0))
    FROM (VALUES ('advances', 'revalued', 1), ('spread', 'revalued', -1)) AS x (party, caption, sign)
$$;
