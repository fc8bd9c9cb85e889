-- Sealing days: a hash of each transfer, blocks of 1,024, a record a day (proofs.py, docs/proofs.md).

-- The bytes that a transfer is sealed as: JSON in one way of writing it, with names in place of
-- ids, so that a reader without the database understands it. UTC by its distance: to look a zone up
-- by name takes longer.
CREATE OR REPLACE VIEW ledger_leaf AS
SELECT t.booked_on, t.journal_id, t.line, j.key, t.debit_id & 7 AS unit, t.amount,
       concat('{"key":', to_json(j.key), ',"line":', t.line, ',"kind":', to_json(j.kind),
              ',"occurred_at":', to_json(j.occurred_at AT TIME ZONE interval '0'),
              ',"recorded_at":', to_json(j.recorded_at AT TIME ZONE interval '0'),
              ',"booked_on":', to_json(t.booked_on),
              ',"debit":', to_json(d.name), ',"credit":', to_json(c.name),
              CASE t.debit_id & 7 WHEN 0 THEN ',"unit":"points","amount":'
                                  ELSE ',"unit":"fen","amount":' END, t.amount,
              ',"details":"', encode(sha256(convert_to(j.details::text, 'UTF8')), 'hex'), '"}')
           AS leaf
FROM transfer t
JOIN journal j ON j.id = t.journal_id
JOIN account d ON d.id = t.debit_id
JOIN account c ON c.id = t.credit_id;

-- The blocks of a day as its transfers give them now, in the order of the ledger; `hashes` are those
-- of a block's entries, 32 bytes each. A day is a small part of the books as a rule: its journals and
-- accounts are looked up where they lie, and not all read for it.
CREATE OR REPLACE FUNCTION ledger_day_blocks(p_day date) RETURNS TABLE (
    number int, first_journal_id bigint, first_line smallint, transfers int, points bigint,
    fen bigint, hashes bytea
) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path FROM CURRENT SET plan_cache_mode = force_custom_plan SET work_mem = '64MB'
SET random_page_cost = 1.1 SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT (s.n / 1024)::int, min(s.journal_id), min(s.line) FILTER (WHERE s.n % 1024 = 0),
           count(*)::int, coalesce(sum(s.amount) FILTER (WHERE s.unit = 0), 0)::bigint,
           coalesce(sum(s.amount) FILTER (WHERE s.unit = 1), 0)::bigint,
           string_agg(s.hash, ''::bytea ORDER BY s.n)
    FROM (
        SELECT row_number() OVER (ORDER BY l.journal_id, l.line) - 1 AS n, l.*
        FROM (SELECT k.journal_id, k.line, k.unit, k.amount,
                     sha256('\x00'::bytea || convert_to(k.leaf, 'UTF8')) AS hash
              FROM ledger_leaf k WHERE k.booked_on = p_day OFFSET 0) l) s
    GROUP BY s.n / 1024 ORDER BY 1;
END $$;

-- Begin to seal: wait for what may still book on a closed day, keep other sealers out, and say
-- where the seals stand: the first day that is not sealed, and how many are. NULL as the day: it
-- cannot be done now, or nothing was ever booked.
CREATE OR REPLACE FUNCTION ledger_begin_sealing(p_through date) RETURNS TABLE (
    next_day date, sealed bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF p_through >= (SELECT k.first_open_day FROM book k) THEN
        RAISE EXCEPTION 'day % is still open for booking', p_through;
    END IF;
    IF ledger_outlive_running() THEN
        PERFORM pg_advisory_xact_lock(hashtext('ledger_seal:' || current_schema()));
        SELECT max(s.day) + 1, count(*) INTO next_day, sealed FROM day_seal s;
        IF sealed = 0 THEN
            SELECT min(t.booked_on) INTO next_day FROM transfer t;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- Write down the seal of the day that is next.
CREATE OR REPLACE FUNCTION ledger_write_seal(
    p_day date, p_at bigint, p_record text, p_key_id text, p_signature bytea, p_numbers int[],
    p_journals bigint[], p_lines smallint[], p_transfers int[], p_points bigint[], p_fen bigint[],
    p_roots bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF p_day >= (SELECT k.first_open_day FROM book k)
        OR p_at <> (SELECT count(*) FROM day_seal)
        OR p_day <> (SELECT max(s.day) + 1 FROM day_seal s) THEN
        RAISE EXCEPTION 'day % is not the next to be sealed', p_day;
    END IF;
    INSERT INTO day_seal (day, number, record, hash, key_id, signature)
    VALUES (p_day, p_at, p_record, sha256('\x02'::bytea || convert_to(p_record, 'UTF8')),
            p_key_id, p_signature);
    INSERT INTO seal_block
        (day, number, first_journal_id, first_line, transfers, points, fen, root)
    SELECT p_day, b.*
    FROM unnest(p_numbers, p_journals, p_lines, p_transfers, p_points, p_fen, p_roots) AS b;
END $$;
