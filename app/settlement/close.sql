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

-- What the functions of earlier versions were called.
DROP FUNCTION IF EXISTS settlement_cells(date, date);
DROP FUNCTION IF EXISTS settlement_moves(bigint, text[], text[], text[], bigint, bigint);
DROP FUNCTION IF EXISTS settlement_classes(date);
DROP FUNCTION IF EXISTS settlement_close(
    text, date, date, timestamptz, text, text[], text[], text[], bigint, bigint);
-- What a function gives back cannot be changed but by dropping it.
DROP FUNCTION IF EXISTS settlement_write_cells(bigint, date, date);

-- The issuers' share of breakage at the end of a period, and the last day on which it became another
-- one; NULL: it never did.
CREATE OR REPLACE FUNCTION settlement_share(p_until date)
RETURNS TABLE (num bigint, den bigint, changed_on date) LANGUAGE sql STABLE AS $$
    SELECT coalesce((array_agg(g.breakage_num ORDER BY g.effective_from DESC))[1], 1),
           coalesce((array_agg(g.breakage_den ORDER BY g.effective_from DESC))[1], 1),
           max(g.day) FILTER (WHERE (g.breakage_num, g.breakage_den) <> (g.last_num, g.last_den))
    FROM (
        SELECT p.*, (p.effective_from AT TIME ZONE k.zone)::date AS day,
               lag(p.breakage_num) OVER before AS last_num, lag(p.breakage_den) OVER before AS last_den
        FROM programme p, book k WHERE p.effective_from < p_until::timestamp AT TIME ZONE k.zone
        WINDOW before AS (ORDER BY p.effective_from)) g
$$;

-- Which accounts of points are alike in fen, as two tables of the transaction's own: a lot's merchant
-- is its issuer. So what is grouped below is two small numbers, and how many there are is known. What
-- is no lot has its merchant's cost at the end of the period, for where no lot is in it. Lots that may
-- have ended before the share of breakage changed are told apart, though they are alike.
CREATE OR REPLACE FUNCTION settlement_classes(p_until date, p_changed date) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE IF EXISTS pg_temp.settlement_class, pg_temp.settlement_side;
    CREATE TEMP TABLE settlement_class ON COMMIT DROP AS
    SELECT row_number() OVER ()::int AS class, x.*
    FROM (
        SELECT l.kind AS code, l.issuer_id AS merchant_id, l.cost_num, l.cost_den, l.redemption_num,
               l.redemption_den, NULL::bigint AS term_num, NULL::bigint AS term_den,
               array_agg(l.account_id) FILTER (WHERE (l.expires_on < p_changed) IS NOT TRUE)
                   AS accounts,
               array_agg(l.account_id) FILTER (WHERE l.expires_on < p_changed) AS old_accounts
        FROM lot l GROUP BY 1, 2, 3, 4, 5, 6
        UNION ALL
        SELECT a.code, m.id, NULL, NULL, NULL, NULL, t.cost_num, t.cost_den, array_agg(a.id), NULL
        FROM account a
        LEFT JOIN merchant m ON m.public_id = split_part(a.name, ':', 2)
        LEFT JOIN (
            SELECT DISTINCT ON (o.merchant_id) o.merchant_id, o.cost_num, o.cost_den
            FROM contract_term o WHERE o.valid_from < p_until
            ORDER BY o.merchant_id, o.valid_from DESC) t ON t.merchant_id = m.id
        WHERE a.wallet_id IS NULL AND a.id & 7 = 0 GROUP BY 1, 2, 7, 8) x;
    CREATE TEMP TABLE settlement_side ON COMMIT DROP AS
    SELECT unnest(k.accounts) AS account_id, k.class, false AS old FROM settlement_class k
    UNION ALL
    SELECT unnest(k.old_accounts), k.class, true FROM settlement_class k;
    ANALYZE settlement_class (class);
    ANALYZE settlement_side;
END $$;

-- Write down the cells of a period: transfers of points booked in [p_from, p_until), summed by what
-- matters in fen. Both sides of a transfer are worth what its lot cost; a redeemer gets what the lot
-- pays, or its cost if it is the lot's own issuer (semantics 52); and where a journal says what its
-- lines are worth, that holds. Returns whether points of lots that are told apart as old expired.
CREATE OR REPLACE FUNCTION settlement_write_cells(p_period bigint, p_from date, p_until date)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    late boolean;
BEGIN
    -- By account first: pairs of accounts are few, transfers many. A sum of small numbers takes half the
    -- time of one of numbers of any size.
    WITH moved AS (
        SELECT t.debit_id, t.credit_id,
               coalesce(sum(t.amount::int) FILTER (WHERE t.amount < 1 << 30), 0)
               + coalesce(sum(t.amount) FILTER (WHERE t.amount >= 1 << 30), 0)::bigint AS points,
               count(*) AS transfers
        FROM transfer t WHERE t.booked_on >= p_from AND t.booked_on < p_until GROUP BY 1, 2
    ), rated AS MATERIALIZED (
        SELECT t.debit_id, t.credit_id, r.value ->> 0 AS debit_rate, r.value ->> 1 AS credit_rate,
               sum(t.amount)::bigint AS points, count(*) AS transfers
        FROM journal j, jsonb_each(j.details -> 'rates') r, transfer t
        WHERE j.booked_on >= p_from AND j.booked_on < p_until AND j.details ? 'rates'
            AND t.journal_id = j.id AND t.line = r.key::smallint AND t.booked_on = j.booked_on
        GROUP BY 1, 2, 3, 4
    ), summed AS MATERIALIZED (
        SELECT d.class AS debit, c.class AS credit, x.debit_rate, x.credit_rate,
               sum(x.points)::bigint AS points, sum(x.transfers::int) AS transfers,
               bool_or(d.old) AS old
        FROM (
            SELECT m.*, NULL AS debit_rate, NULL AS credit_rate FROM moved m
            UNION ALL
            SELECT r.debit_id, r.credit_id, -r.points, -r.transfers, NULL, NULL FROM rated r
            UNION ALL
            SELECT r.debit_id, r.credit_id, r.points, r.transfers, r.debit_rate, r.credit_rate
            FROM rated r) x
        JOIN settlement_side d ON d.account_id = x.debit_id
        JOIN settlement_side c ON c.account_id = x.credit_id
        GROUP BY 1, 2, 3, 4 HAVING sum(x.transfers::int) > 0
    ), written AS (
        INSERT INTO settlement_cell (
            period_id, debit_code, debit_merchant_id, debit_cost_num, debit_cost_den, credit_code,
            credit_merchant_id, credit_cost_num, credit_cost_den, debit_num, debit_den, credit_num,
            credit_den, points, transfers, debit_fen, credit_fen, spread_fen)
        SELECT p_period, x.debit_code, x.debit_merchant_id, x.debit_cost_num, x.debit_cost_den,
               x.credit_code, x.credit_merchant_id, x.credit_cost_num, x.credit_cost_den,
               x.debit_num, x.debit_den, x.credit_num, x.credit_den, x.points, x.transfers,
               settlement_fen(x.points, x.debit_num, x.debit_den),
               settlement_fen(x.points, x.credit_num, x.credit_den),
               CASE WHEN x.debit_num = x.credit_num AND x.debit_den = x.credit_den THEN 0
                    WHEN greatest(x.debit_num, x.debit_den, x.credit_num, x.credit_den) < 1 << 15
                    THEN settlement_fen(x.points, x.debit_num * x.credit_den - x.credit_num * x.debit_den,
                                        x.debit_den * x.credit_den)
                    ELSE settlement_fen(x.points, x.debit_num::numeric * x.credit_den
                                                  - x.credit_num::numeric * x.debit_den,
                                        x.debit_den::numeric * x.credit_den) END
        FROM (
            SELECT d.code AS debit_code, d.merchant_id AS debit_merchant_id, d.cost_num AS debit_cost_num,
                   d.cost_den AS debit_cost_den, c.code AS credit_code,
                   c.merchant_id AS credit_merchant_id, c.cost_num AS credit_cost_num,
                   c.cost_den AS credit_cost_den, s.points, s.transfers,
                   coalesce(split_part(s.debit_rate, '/', 1)::bigint,
                            CASE WHEN d.code = 'redeemed' AND c.merchant_id <> d.merchant_id
                                 THEN c.redemption_num END, d.cost_num, c.cost_num, t.term_num)
                       AS debit_num,
                   CASE WHEN s.debit_rate IS NOT NULL
                        THEN coalesce(nullif(split_part(s.debit_rate, '/', 2), ''), '1')::bigint
                        ELSE coalesce(CASE WHEN d.code = 'redeemed' AND c.merchant_id <> d.merchant_id
                                           THEN c.redemption_den END, d.cost_den, c.cost_den, t.term_den)
                        END AS debit_den,
                   coalesce(split_part(s.credit_rate, '/', 1)::bigint,
                            CASE WHEN c.code = 'redeemed' AND d.merchant_id <> c.merchant_id
                                 THEN d.redemption_num END, c.cost_num, d.cost_num, t.term_num)
                       AS credit_num,
                   CASE WHEN s.credit_rate IS NOT NULL
                        THEN coalesce(nullif(split_part(s.credit_rate, '/', 2), ''), '1')::bigint
                        ELSE coalesce(CASE WHEN c.code = 'redeemed' AND d.merchant_id <> c.merchant_id
                                           THEN d.redemption_den END, c.cost_den, d.cost_den, t.term_den)
                        END AS credit_den
            FROM summed s
            JOIN settlement_class d ON d.class = s.debit
            JOIN settlement_class c ON c.class = s.credit,
            LATERAL (SELECT CASE WHEN c.merchant_id IS NULL THEN d.term_num ELSE c.term_num END,
                            CASE WHEN c.merchant_id IS NULL THEN d.term_den ELSE c.term_den END)
                AS t (term_num, term_den)
            OFFSET 0) x  -- Each rate is worked out once.
    )
    SELECT EXISTS (
        SELECT FROM summed s JOIN settlement_class c ON c.class = s.credit
        WHERE s.old AND c.code = 'breakage') INTO late;
    RETURN late;
END $$;

-- Sum the cells of a period by account and kind of movement, in a table of the transaction's own:
-- cells are many, these are few, and all that follows is made of them. What is the issuer's share of
-- breakage is rounded cell by cell. The caption of a pair of codes comes from
-- app/settlement/captions.py; it is NULL where a pair has none.
CREATE OR REPLACE FUNCTION settlement_sum_sides(
    p_period bigint, p_debits text[], p_credits text[], p_captions text[], p_share_num bigint,
    p_share_den bigint
) RETURNS void LANGUAGE plpgsql SET enable_sort = off AS $$
BEGIN
    -- How many cells were just written is not known to the planner: it would sort them to group them.
    DROP TABLE IF EXISTS pg_temp.settlement_sum;
    CREATE TEMP TABLE settlement_sum ON COMMIT DROP AS
    SELECT s.*, CASE WHEN k.caption <> 'redeemed' THEN k.caption
                     WHEN s.own THEN 'redeemed_own' ELSE 'redeemed_others' END AS caption
    FROM (
        SELECT c.debit_code, c.credit_code, c.debit_merchant_id = c.credit_merchant_id AS own,
               c.debit_code AS code, c.debit_merchant_id AS merchant_id,
               CASE WHEN c.debit_merchant_id IS NULL THEN c.credit_merchant_id END AS other_id,
               c.debit_cost_num AS cost_num, c.debit_cost_den AS cost_den, -sum(c.points) AS points,
               -sum(c.debit_fen) AS fen,
               -sum(div(c.debit_fen * p_share_num, p_share_den))
                   FILTER (WHERE c.debit_code = 'breakage') AS share_fen
        FROM settlement_cell c WHERE c.period_id = p_period GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        UNION ALL
        SELECT c.debit_code, c.credit_code, c.debit_merchant_id = c.credit_merchant_id,
               c.credit_code, c.credit_merchant_id,
               CASE WHEN c.credit_merchant_id IS NULL THEN c.debit_merchant_id END,
               c.credit_cost_num, c.credit_cost_den, sum(c.points), sum(c.credit_fen),
               sum(div(c.credit_fen * p_share_num, p_share_den))
                   FILTER (WHERE c.credit_code = 'breakage')
        FROM settlement_cell c WHERE c.period_id = p_period GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) s
    LEFT JOIN unnest(p_debits, p_credits, p_captions) AS k (debit, credit, caption)
        ON k.debit = s.debit_code AND k.credit = s.credit_code;
END $$;

-- How much more of breakage is the issuers' than the share at the end of the period says. What was
-- given counts by the share that was in force then, for points of a lot when they expired; and what
-- a refund takes back of a lot by the share at which that lot's was given. Rounded once for each pair
-- of codes, rate and share.
--
-- What is given of a lot that ended after the share had last changed is as the end of the period
-- says. So in most months nothing that was given is looked at (`p_given`), but what was taken back.
CREATE OR REPLACE FUNCTION settlement_other_shares(
    p_period bigint, p_from date, p_until date, p_given boolean, p_changed date, p_num bigint,
    p_den bigint
) RETURNS TABLE (merchant_id bigint, debit_code text, credit_code text, more numeric)
LANGUAGE sql STABLE AS $$
    WITH moved AS (
        SELECT m.id AS merchant_id, 1 AS sign, t.journal_id, t.line, t.debit_id AS other_id,
               t.credit_id AS breakage_id, t.amount, l.kind, l.cost_num, l.cost_den
        FROM merchant m
        JOIN transfer t ON t.credit_id = m.breakage_account_id
        LEFT JOIN lot l ON l.account_id = t.debit_id
        WHERE p_given AND t.booked_on >= p_from AND t.booked_on < p_until
            AND (t.booked_on <= p_changed OR l.expires_on < p_changed)
        UNION ALL
        SELECT m.id, -1, t.journal_id, t.line, t.credit_id, t.debit_id, t.amount, l.kind, l.cost_num,
               l.cost_den
        FROM merchant m
        JOIN transfer t ON t.debit_id = m.breakage_account_id
        LEFT JOIN lot l ON l.account_id = t.credit_id
        WHERE t.booked_on >= p_from AND t.booked_on < p_until
    ), given AS (
        SELECT m.merchant_id, m.sign, coalesce(m.kind, a.code) AS other, m.amount,
               coalesce(b.occurred_at, j.occurred_at) AS at,
               coalesce(split_part(j.rate, '/', 1)::bigint, m.cost_num) AS num,
               CASE WHEN j.rate IS NULL THEN m.cost_den
                    ELSE coalesce(nullif(split_part(j.rate, '/', 2), ''), '1')::bigint END AS den
        FROM moved m
        LEFT JOIN LATERAL (
            SELECT x.code FROM account x WHERE m.kind IS NULL AND x.id = m.other_id) a ON true
        CROSS JOIN LATERAL (
            SELECT x.occurred_at, x.details -> 'rates' -> m.line::text ->> 0 AS rate
            FROM journal x WHERE x.id = m.journal_id OFFSET 0) j
        LEFT JOIN LATERAL (
            SELECT x.occurred_at FROM transfer t JOIN journal x ON x.id = t.journal_id
            WHERE m.sign < 0 AND t.debit_id = m.other_id AND t.credit_id = m.breakage_id
                AND t.journal_id < m.journal_id
            ORDER BY t.journal_id DESC LIMIT 1) b ON true
    ), shared AS (
        SELECT g.merchant_id, g.sign, g.other, g.num, g.den, p.share_num, p.share_den,
               sum(g.points)::bigint AS points
        FROM (
            SELECT g.merchant_id, g.sign, g.other, g.num, g.den, g.at, sum(g.amount) AS points
            FROM given g GROUP BY 1, 2, 3, 4, 5, 6) g,
        LATERAL (
            SELECT p.breakage_num AS share_num, p.breakage_den AS share_den FROM programme p
            ORDER BY p.effective_from <= g.at DESC, abs(extract(epoch FROM p.effective_from - g.at))
            LIMIT 1) p
        WHERE (p.share_num, p.share_den) <> (p_num, p_den)
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), cells AS (
        SELECT c.credit_merchant_id AS merchant_id, 1 AS sign, c.debit_code AS other,
               c.credit_num AS num, c.credit_den AS den, sum(c.points)::bigint AS points,
               sum(div(c.credit_fen * p_num, p_den)) AS share_fen
        FROM settlement_cell c WHERE c.period_id = p_period AND c.credit_code = 'breakage'
        GROUP BY 1, 2, 3, 4, 5
        UNION ALL
        SELECT c.debit_merchant_id, -1, c.credit_code, c.debit_num, c.debit_den,
               sum(c.points)::bigint, sum(div(c.debit_fen * p_num, p_den))
        FROM settlement_cell c WHERE c.period_id = p_period AND c.debit_code = 'breakage'
        GROUP BY 1, 2, 3, 4, 5
    )
    -- The rest of a rate's points by the share at the end of the period, and the others by theirs, in
    -- place of all of them by the one.
    SELECT x.merchant_id, CASE WHEN x.sign > 0 THEN x.other ELSE 'breakage' END,
           CASE WHEN x.sign > 0 THEN 'breakage' ELSE x.other END, sum(x.sign * x.more)
    FROM (
        SELECT s.merchant_id, s.sign, s.other,
               sum(div(settlement_fen(s.points, s.num, s.den) * s.share_num, s.share_den))
               + div(settlement_fen(c.points - sum(s.points)::bigint, s.num, s.den) * p_num, p_den)
               - c.share_fen AS more
        FROM shared s JOIN cells c USING (merchant_id, sign, other, num, den)
        GROUP BY s.merchant_id, s.sign, s.other, s.num, s.den, c.points, c.share_fen) x
    GROUP BY 1, 2, 3
$$;

-- Write a period down: its cells, what is out at its end, and each party's lines. Fails where a pair
-- of codes has no caption, and where the parties do not sum to zero.
CREATE OR REPLACE FUNCTION settlement_close(
    p_code text, p_from date, p_until date, p_now timestamptz, p_by text,
    p_debits text[], p_credits text[], p_captions text[]
) RETURNS bigint LANGUAGE plpgsql SET work_mem = '128MB' SET jit = off AS $$
DECLARE
    period bigint := nextval(pg_get_serial_sequence('settlement_period', 'id'));
    before bigint;
    unknown text;
    cells record;
    share record;
    late boolean;
    in_fen bigint[];
    rounding bigint;
    most bigint;
    figures record;
BEGIN
    SELECT p.id INTO before FROM settlement_period p ORDER BY p.starts_on DESC LIMIT 1;
    SELECT * INTO share FROM settlement_share(p_until);
    PERFORM settlement_classes(p_until, share.changed_on);
    late := settlement_write_cells(period, p_from, p_until);
    PERFORM settlement_sum_sides(period, p_debits, p_credits, p_captions, share.num, share.den);
    IF share.changed_on IS NOT NULL THEN
        UPDATE settlement_sum s SET share_fen = s.share_fen + x.more
        FROM settlement_other_shares(period, p_from, p_until, late OR share.changed_on >= p_from,
                                     share.changed_on, share.num, share.den) x
        WHERE s.code = 'breakage' AND s.merchant_id = x.merchant_id
            AND s.debit_code = x.debit_code AND s.credit_code = x.credit_code;
    END IF;
    SELECT count(*) AS found, coalesce(sum(c.transfers), 0) AS transfers,
           coalesce(sum(c.spread_fen), 0) AS spread_fen
    INTO cells FROM settlement_cell c WHERE c.period_id = period;

    SELECT s.debit_code || ' → ' || s.credit_code INTO unknown FROM settlement_sum s
    WHERE s.caption IS NULL LIMIT 1;
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
            SELECT s.code, s.merchant_id, s.cost_num, s.cost_den, s.points
            FROM settlement_sum s WHERE s.cost_num IS NOT NULL
        ) m GROUP BY 1, 2, 3, 4
        UNION ALL
        -- What was bought ahead has no rate of its own: it stands at what a point costs at the end.
        SELECT 'prepaid', m.merchant_id, t.cost_num, t.cost_den, sum(m.points)::bigint FROM (
            SELECT s.merchant_id, s.points FROM settlement_stock s
            WHERE s.period_id = before AND s.kind = 'prepaid'
            UNION ALL
            SELECT s.merchant_id, s.points FROM settlement_sum s WHERE s.code = 'prepaid'
        ) m
        JOIN LATERAL (
            SELECT c.cost_num, c.cost_den FROM contract_term c
            WHERE c.merchant_id = m.merchant_id AND c.valid_from < p_until
            ORDER BY c.valid_from DESC LIMIT 1) t ON true
        GROUP BY 1, 2, 3, 4
    ) s WHERE s.points <> 0;

    INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
    SELECT period, l.party, l.merchant_id, l.caption, sum(l.points), sum(l.fen)
    FROM settlement_moves(period, before, cells.spread_fen) l
    GROUP BY 2, 3, 4 HAVING sum(l.points) <> 0 OR sum(l.fen) <> 0;

    -- What was posted in fen meanwhile: payments, subsidies, deposits, losses, each against its
    -- account. A merchant's own is its due; its deposit is the district's to keep.
    SELECT array_agg(a.id) INTO in_fen FROM account a WHERE a.wallet_id IS NULL AND a.id & 7 = 1;
    INSERT INTO settlement_line (period_id, party, merchant_id, caption, points, fen)
    SELECT period, CASE WHEN m.id IS NULL THEN a.code ELSE 'merchant' END, m.id, side.kind, 0,
           sum(side.fen)
    FROM (
        SELECT j.kind, s.account_id, s.fen
        FROM transfer t JOIN journal j ON j.id = t.journal_id AND j.kind <> 'settle',
        LATERAL (VALUES (t.debit_id, -t.amount), (t.credit_id, t.amount)) AS s (account_id, fen)
        WHERE t.booked_on >= p_from AND t.booked_on < p_until AND t.debit_id = ANY (in_fen)) side
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
    SELECT cells.found + count(*) INTO most FROM settlement_stock s
    WHERE s.period_id IN (period, before);
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
            cells.transfers, figures.parties, figures.points, figures.fen, figures.gross, figures.net);
    RETURN period;
END $$;

-- What the movements of a period (settlement_sum) mean to each party, before it is summed. Points:
-- the owner of the account that moved. Fen: a merchant's own, but what was bought ahead is the
-- district's to keep, and its price is the merchant's to pay.
CREATE OR REPLACE FUNCTION settlement_moves(p_period bigint, p_before bigint, p_spread_fen numeric)
RETURNS TABLE (party text, merchant_id bigint, caption text, points numeric, fen numeric)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    -- Lots and debts move as a whole, by what is out: see settlement_close.
    SELECT CASE WHEN s.merchant_id IS NOT NULL THEN 'merchant'
                WHEN s.code = 'prepaid_sold' THEN 'advances'
                WHEN s.code = 'granted' THEN 'charity' ELSE 'donations' END,
           s.merchant_id, s.caption, s.points, 0::numeric
    FROM settlement_sum s WHERE s.code NOT IN ('lot', 'debt')
    UNION ALL
    SELECT 'merchant', coalesce(s.merchant_id, s.other_id), s.caption, 0, s.fen
    FROM settlement_sum s
    WHERE s.code NOT IN ('lot', 'debt', 'prepaid', 'breakage', 'donated', 'granted')
    UNION ALL
    SELECT CASE s.code WHEN 'prepaid' THEN 'advances' WHEN 'granted' THEN 'charity'
                       ELSE 'donations' END, NULL, s.caption, 0, s.fen
    FROM settlement_sum s WHERE s.code IN ('prepaid', 'donated', 'granted')
    UNION ALL
    SELECT 'merchant', s.merchant_id, s.caption, 0, s.share_fen
    FROM settlement_sum s WHERE s.code = 'breakage'
    UNION ALL
    SELECT 'breakage_kept', NULL, s.caption, 0, s.fen - s.share_fen
    FROM settlement_sum s WHERE s.code = 'breakage'
    UNION ALL
    SELECT 'spread', NULL, 'spread', 0, p_spread_fen
    UNION ALL
    -- A change of the contract's rate makes what was bought ahead worth more or less.
    SELECT x.party, NULL, x.caption, 0, x.sign * (
        coalesce((SELECT sum(n.fen) FROM settlement_stock n
                  WHERE n.period_id = p_period AND n.kind = 'prepaid'), 0)
        - coalesce((SELECT sum(o.fen) FROM settlement_stock o
                    WHERE o.kind = 'prepaid' AND o.period_id = p_before), 0)
        - coalesce((SELECT sum(s.fen) FROM settlement_sum s WHERE s.code = 'prepaid'), 0))
    FROM (VALUES ('advances', 'revalued', 1), ('spread', 'revalued', -1)) AS x (party, caption, sign);
END $$;
