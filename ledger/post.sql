-- Posting: the only writer of journals and transfers, and with holds.sql of balances.
--
-- Lock order over the whole call: holds (by key), balances of wallets and lots (by account id),
-- balances of exact house accounts (by account id). Deferred accounts are not locked at all.
-- A refusal is returned, not raised, and is known before anything of its journals is written.
-- Booked is the business day, but never a closed one and never one that has not come. Recorded is
-- the instant at which it is written, or that of a sandbox that lives by a clock of its own (`p_now`
-- is not the transaction's): so a look back finds what its members saw.
--
-- `p_of` names the journal (from 1) of each posting; postings stand in the order of journals.
-- With `p_atomic` all journals are recorded or none; otherwise each has a verdict of its own.
--
-- One posting, which is most events, goes a straight way of its own, and so does one that captures
-- a hold on its debited account alone: PL/pgSQL makes every expression ready anew in each
-- transaction, so what counts is how few there are.
CREATE OR REPLACE FUNCTION ledger_post(
    p_atomic boolean, p_now timestamptz,
    p_keys text[], p_kinds text[], p_digests bytea[], p_occurred timestamptz[], p_details jsonb[],
    p_reverses bigint[], p_holds text[],
    p_of int[], p_debits bigint[], p_credits bigint[], p_amounts bigint[]
) RETURNS TABLE (
    ordinal int, journal_id bigint, booked_on date, replayed boolean, refusal text, culprit bigint
) LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    n int := cardinality(p_keys);
    total int := coalesce(cardinality(p_of), 0);
    first_journal int := 1;
    last_journal int;
    first_posting int := 1;
    last_posting int := 0;
    fresh boolean[];
    ids bigint[];
    dates date[];
    found_id bigint;
    found_digest bytea;
    found_date date;
    altered boolean;
    spot bigint;
    accounts bigint[];
    moved bigint[];
    deltas bigint[];
    releases bigint[];
    counts int[];
    delta bigint;
    released bigint := 0;
    the_hold bigint;
    touched int;
    lifted bigint[];
    freed bigint[];
    held_ids bigint[];
    refusals text[];
    culprits bigint[];
BEGIN
    IF total = 1 THEN
        SELECT j.id, j.digest <> p_digests[1], coalesce(j.booked_on, greatest(
            (least(p_occurred[1], p_now) AT TIME ZONE b.zone)::date, b.first_open_day))
        INTO journal_id, altered, booked_on
        FROM book b LEFT JOIN journal j ON j.key = p_keys[1];
        IF journal_id IS NULL AND p_holds[1] IS NOT NULL THEN
            SELECT h.id, l.amount INTO the_hold, released
            FROM hold h JOIN hold_line l ON l.hold_id = h.id AND l.account_id = p_debits[1]
            WHERE h.key = p_holds[1] AND h.state = 'open' AND h.until > p_now
                AND NOT EXISTS (SELECT FROM hold_line o
                                WHERE o.hold_id = h.id AND o.account_id <> p_debits[1])
            FOR UPDATE OF h;
        END IF;
        IF journal_id IS NULL AND (p_debits[1] # p_credits[1]) & 7 = 0
            AND (p_holds[1] IS NULL OR the_hold IS NOT NULL)
        THEN
            FOREACH spot IN ARRAY ARRAY[least(p_debits[1], p_credits[1]),
                                        greatest(p_debits[1], p_credits[1])] LOOP
                CONTINUE WHEN spot & 8 = 0;
                UPDATE account_balance b
                SET posted = b.posted + d.delta, held = b.held - d.released,
                    version = b.version + 1
                FROM (VALUES (CASE spot WHEN p_debits[1] THEN -p_amounts[1] ELSE p_amounts[1] END,
                              CASE spot WHEN p_debits[1] THEN released ELSE 0 END))
                    AS d (delta, released)
                WHERE b.account_id = spot
                    AND (b.posted - b.held + d.delta + d.released >= b.floor
                         AND b.posted + d.delta <= b.ceiling) IS NOT FALSE;
                IF NOT FOUND THEN
                    refusal := 'insufficient-balance';
                    culprit := spot;
                    EXIT;
                END IF;
            END LOOP;
            IF refusal IS NULL THEN
                WITH written AS (
                    INSERT INTO journal
                        (key, kind, digest, occurred_at, recorded_at, booked_on, reverses_id,
                         hold_id, details)
                    VALUES (p_keys[1], p_kinds[1], p_digests[1], p_occurred[1],
                            CASE p_now WHEN now() THEN clock_timestamp() ELSE p_now END, booked_on,
                            p_reverses[1], the_hold, p_details[1])
                    ON CONFLICT (key) DO NOTHING RETURNING id)
                INSERT INTO transfer AS t (journal_id, line, booked_on, debit_id, credit_id, amount)
                SELECT w.id, 1, booked_on, p_debits[1], p_credits[1], p_amounts[1] FROM written w
                RETURNING t.journal_id INTO journal_id;
                IF FOUND THEN
                    IF the_hold IS NOT NULL THEN
                        UPDATE hold h
                        SET state = 'captured', ended_at = p_now, captured_id = journal_id
                        WHERE h.id = the_hold;
                    END IF;
                    ordinal := 1;
                    replayed := false;
                    RETURN NEXT;
                    RETURN;
                END IF;
            END IF;
            -- Refused, or a twin committed since the look-up: under the same locks, as if never
            -- written. The long way below then says what is to be said.
            UPDATE account_balance b
            SET posted = b.posted
                    + CASE b.account_id WHEN p_debits[1] THEN p_amounts[1] ELSE -p_amounts[1] END,
                held = b.held + CASE b.account_id WHEN p_debits[1] THEN released ELSE 0 END,
                version = b.version - 1
            WHERE b.account_id IN (p_debits[1], p_credits[1]) AND b.account_id & 8 = 8
                AND (culprit IS NULL OR b.account_id < culprit);
        ELSIF NOT altered THEN
            ordinal := 1;
            replayed := true;
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    IF n > 1 THEN  -- A single journal locks in order by itself; many are locked ahead.
        PERFORM 1 FROM hold h WHERE h.key = ANY (p_holds) ORDER BY h.key FOR UPDATE;
        PERFORM 1 FROM account_balance b
        WHERE b.account_id = ANY (p_debits || p_credits) AND b.account_id & 8 = 8
        ORDER BY b.account_id FOR NO KEY UPDATE;
    END IF;

    -- First a verdict for each, balances moved; then all that was accepted is written at once.
    WHILE first_journal <= n LOOP
        last_journal := CASE WHEN p_atomic THEN n ELSE first_journal END;
        WHILE last_posting < total AND p_of[last_posting + 1] <= last_journal LOOP
            last_posting := last_posting + 1;
        END LOOP;

        <<one_group>>
        BEGIN
            refusal := NULL;
            culprit := NULL;
            lifted := '{}'; freed := '{}';
            moved := '{}'; deltas := '{}'; releases := '{}'; counts := '{}';

            FOR i IN first_journal..last_journal LOOP
                SELECT j.id, j.digest, coalesce(j.booked_on, greatest(
                    (least(p_occurred[i], p_now) AT TIME ZONE b.zone)::date, b.first_open_day))
                INTO found_id, found_digest, found_date
                FROM book b LEFT JOIN journal j ON j.key = p_keys[i];
                dates[i] := found_date;
                fresh[i] := found_id IS NULL;
                IF NOT fresh[i] THEN
                    IF found_digest <> p_digests[i] THEN
                        ordinal := i; refusal := 'key-reused'; culprit := found_id;
                        EXIT one_group;
                    END IF;
                    ids[i] := found_id;
                    CONTINUE;
                END IF;
                IF n > 1 AND array_position(p_keys, p_keys[i]) < i THEN
                    RAISE EXCEPTION 'journal % stands twice in one call', p_keys[i]
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                IF p_holds[i] IS NOT NULL THEN
                    SELECT h.id INTO found_id FROM hold h
                    WHERE h.key = p_holds[i] AND h.state = 'open' AND h.until > p_now FOR UPDATE;
                    IF NOT FOUND OR found_id = ANY (held_ids) THEN
                        ordinal := i; refusal := 'hold-ended';
                        EXIT one_group;
                    END IF;
                    held_ids[i] := found_id;
                    SELECT lifted || array_agg(l.account_id), freed || array_agg(l.amount)
                    INTO lifted, freed FROM hold_line l WHERE l.hold_id = found_id;
                END IF;
            END LOOP;

            FOR k IN first_posting..last_posting LOOP
                IF p_debits[k] & 7 <> p_credits[k] & 7 THEN
                    ordinal := p_of[k]; refusal := 'unit-mismatch'; culprit := p_debits[k];
                    EXIT one_group;
                END IF;
            END LOOP;

            -- What each exact account gains or loses: locked, checked and written in one order.
            IF first_posting = last_posting AND lifted = '{}' THEN
                accounts := ARRAY[least(p_debits[last_posting], p_credits[last_posting]),
                                  greatest(p_debits[last_posting], p_credits[last_posting])];
            ELSE
                SELECT array_agg(DISTINCT x ORDER BY x) INTO accounts FROM unnest(
                    p_debits[first_posting:last_posting] || p_credits[first_posting:last_posting]
                    || lifted) x;
            END IF;
            FOREACH spot IN ARRAY coalesce(accounts, '{}') LOOP
                CONTINUE WHEN spot & 8 = 0;
                delta := 0; released := 0; touched := 0;
                FOR k IN first_posting..last_posting LOOP
                    CONTINUE WHEN NOT fresh[p_of[k]];
                    IF p_debits[k] = spot THEN
                        delta := delta - p_amounts[k]; touched := touched + 1;
                    ELSIF p_credits[k] = spot THEN
                        delta := delta + p_amounts[k]; touched := touched + 1;
                    END IF;
                END LOOP;
                FOR k IN 1..cardinality(lifted) LOOP
                    IF lifted[k] = spot THEN released := released + freed[k]; END IF;
                END LOOP;
                CONTINUE WHEN touched = 0 AND released = 0;
                UPDATE account_balance b
                SET posted = b.posted + delta, held = b.held - released,
                    version = b.version + touched
                WHERE b.account_id = spot
                    AND (b.posted - b.held + delta + released >= b.floor
                         AND b.posted + delta <= b.ceiling) IS NOT FALSE;
                IF NOT FOUND THEN
                    ordinal := first_journal; refusal := 'insufficient-balance'; culprit := spot;
                    EXIT one_group;
                END IF;
                moved := moved || spot; deltas := deltas || delta;
                releases := releases || released; counts := counts || touched;
            END LOOP;
        END;

        IF refusal IS NOT NULL THEN
            FOR k IN 1..cardinality(moved) LOOP  -- Under the same locks: as if never written.
                UPDATE account_balance b
                SET posted = b.posted - deltas[k], held = b.held + releases[k],
                    version = b.version - counts[k]
                WHERE b.account_id = moved[k];
            END LOOP;
            IF p_atomic THEN
                replayed := false;
                RETURN NEXT;
                RETURN;
            END IF;
            refusals[first_journal] := refusal;
            culprits[first_journal] := culprit;
            fresh[first_journal] := false;
            held_ids[first_journal] := NULL;
        END IF;
        first_journal := last_journal + 1;
        first_posting := last_posting + 1;

        IF first_journal > n AND true = ANY (fresh) THEN
            FOR ordinal, journal_id IN
                WITH written AS (
                    INSERT INTO journal AS j
                        (key, kind, digest, occurred_at, recorded_at, booked_on, reverses_id,
                         hold_id, details)
                    SELECT u.key, u.kind, u.digest, u.occurred_at,
                           CASE p_now WHEN now() THEN clock_timestamp() ELSE p_now END,
                           u.booked_on, u.reverses_id, u.hold_id, u.details
                    FROM unnest(p_keys, p_kinds, p_digests, p_occurred, dates, p_reverses,
                                held_ids, p_details, fresh) WITH ORDINALITY
                        AS u (key, kind, digest, occurred_at, booked_on, reverses_id, hold_id,
                              details, fresh, i)
                    WHERE u.fresh ORDER BY u.i
                    ON CONFLICT (key) DO NOTHING RETURNING j.id, j.key, j.booked_on
                ), numbered AS (
                    SELECT w.id, w.booked_on, array_position(p_keys, w.key) AS i FROM written w
                ), entered AS (
                    INSERT INTO transfer (journal_id, line, booked_on, debit_id, credit_id, amount)
                    SELECT w.id, row_number() OVER (PARTITION BY u.i ORDER BY u.k), w.booked_on,
                           u.debit_id, u.credit_id, u.amount
                    FROM unnest(p_of, p_debits, p_credits, p_amounts) WITH ORDINALITY
                        AS u (i, debit_id, credit_id, amount, k)
                    JOIN numbered w ON w.i = u.i
                )
                SELECT w.i, w.id FROM numbered w
            LOOP
                ids[ordinal] := journal_id;
                fresh[ordinal] := NULL;
            END LOOP;
            IF true = ANY (fresh) THEN  -- A twin committed since the look-up.
                IF n > 1 THEN
                    RAISE EXCEPTION 'a journal of this call was recorded meanwhile'
                        USING ERRCODE = 'serialization_failure';
                END IF;
                FOR k IN 1..cardinality(moved) LOOP  -- As if never written; then look again.
                    UPDATE account_balance b
                    SET posted = b.posted - deltas[k], held = b.held + releases[k],
                        version = b.version - counts[k]
                    WHERE b.account_id = moved[k];
                END LOOP;
                held_ids := NULL;
                first_journal := 1;
                first_posting := 1;
                last_posting := 0;
            ELSIF held_ids IS NOT NULL THEN
                UPDATE hold h SET state = 'captured', ended_at = p_now, captured_id = u.journal_id
                FROM unnest(held_ids, ids) AS u (hold_id, journal_id) WHERE h.id = u.hold_id;
            END IF;
        END IF;
    END LOOP;

    FOR i IN 1..n LOOP
        ordinal := i;
        refusal := refusals[i];
        culprit := culprits[i];
        journal_id := CASE WHEN refusal IS NULL THEN ids[i] END;
        booked_on := CASE WHEN refusal IS NULL THEN dates[i] END;
        replayed := refusal IS NULL AND fresh[i] IS NOT NULL;
        RETURN NEXT;
    END LOOP;
END $$;

-- Take back a journal, whole (no lines named) or in part: the same accounts with sides swapped.
-- The sum of all reversals of a transfer is guarded by a row of its own.
CREATE OR REPLACE FUNCTION ledger_reverse(
    p_now timestamptz, p_key text, p_kind text, p_digest bytea, p_occurred timestamptz,
    p_original text, p_lines int[], p_amounts bigint[]
) RETURNS TABLE (
    ordinal int, journal_id bigint, booked_on date, replayed boolean, refusal text, culprit bigint
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    original bigint;
    part record;
    outcome record;
    lines int[] := '{}';
    debits bigint[] := '{}';
    credits bigint[] := '{}';
    amounts bigint[] := '{}';
BEGIN
    SELECT j.id INTO original FROM journal j WHERE j.key = p_original;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 1, NULL::bigint, NULL::date, false, 'no-such-journal', NULL::bigint;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger_reverse:' || current_schema(), original));
    IF NOT EXISTS (SELECT FROM journal j WHERE j.key = p_key) THEN
        FOR part IN
            SELECT u.line, t.debit_id, t.credit_id, coalesce(u.amount, l.amount) AS wanted,
                   coalesce(l.amount, 0) AS left_over
            FROM (SELECT w.line, w.amount FROM unnest(p_lines, p_amounts) AS w (line, amount)
                  UNION ALL
                  SELECT t.line, NULL FROM transfer t
                  WHERE p_lines IS NULL AND t.journal_id = original) AS u
            LEFT JOIN transfer t ON t.journal_id = original AND t.line = u.line
            LEFT JOIN reversal r ON r.original_id = t.journal_id AND r.line = t.line,
            LATERAL (VALUES (t.amount - coalesce(r.reversed, 0))) AS l (amount)
            ORDER BY u.line
        LOOP
            CONTINUE WHEN p_lines IS NULL AND part.left_over = 0;
            IF part.wanted > part.left_over OR part.wanted <= 0 THEN
                RETURN QUERY SELECT 1, original, NULL::date, false, 'reversal-exceeds-remaining',
                                    part.left_over;
                RETURN;
            END IF;
            lines := lines || part.line::int;
            debits := debits || part.credit_id;
            credits := credits || part.debit_id;
            amounts := amounts || part.wanted;
        END LOOP;
        IF lines = '{}' THEN
            RETURN QUERY SELECT 1, original, NULL::date, false, 'reversal-exceeds-remaining',
                                0::bigint;
            RETURN;
        END IF;
    END IF;
    SELECT * INTO outcome FROM ledger_post(
        true, p_now, ARRAY[p_key], ARRAY[p_kind], ARRAY[p_digest], ARRAY[p_occurred],
        NULL::jsonb[], ARRAY[original], NULL::text[],
        array_fill(1, ARRAY[cardinality(amounts)]), debits, credits, amounts);
    IF outcome.refusal IS NULL AND NOT outcome.replayed THEN
        INSERT INTO reversal AS r (original_id, line, amount, reversed)
        SELECT original, t.line, t.amount, u.amount
        FROM unnest(lines, amounts) AS u (line, amount)
        JOIN transfer t ON t.journal_id = original AND t.line = u.line
        ON CONFLICT (original_id, line) DO UPDATE SET reversed = r.reversed + excluded.reversed;
    END IF;
    RETURN QUERY SELECT outcome.ordinal, outcome.journal_id, outcome.booked_on, outcome.replayed,
                        outcome.refusal, outcome.culprit;
END $$;
