-- Holders who are one (semantics 46): all rights are the owner's, the application only calls. What is
-- written under a name stays under it; limits count all names of a holder.
-- Lock order: after all that the caller locks but batches' counters and the books.

-- Return who a name's holder is now.
CREATE OR REPLACE FUNCTION coupon_person(p_holder text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT a.holder FROM coupon_alias a WHERE a.alias = p_holder), p_holder)
$$;

-- Let holders take turns until the transaction ends: all names of one are one in the queue. Who he
-- is is read again behind the lock, for a merge may have been there first.
CREATE OR REPLACE FUNCTION coupon_take_turns(p_holders text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    people text[];
    locked text[];
BEGIN
    LOOP
        people := ARRAY(SELECT DISTINCT coalesce(a.holder, w.holder) AS person
                        FROM unnest(p_holders) AS w (holder)
                        LEFT JOIN coupon_alias a ON a.alias = w.holder
                        WHERE w.holder IS NOT NULL ORDER BY 1);
        EXIT WHEN people IS NOT DISTINCT FROM locked;
        PERFORM pg_advisory_xact_lock(hashtext('coupon_taking:' || current_schema()), k.bucket)
        FROM (SELECT DISTINCT (hashtextextended(p, 0) & 1023)::int AS bucket
              FROM unnest(people) p ORDER BY 1) k;
        locked := people;
    END LOOP;
END $$;

-- Return how many seats of a batch a holder has, under all his names.
CREATE OR REPLACE FUNCTION coupon_seats(p_batch bigint, p_holder text) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM coupon_taking t
    WHERE t.batch_id = p_batch AND t.holder = ANY (
        ARRAY[coupon_person(p_holder)]
        || ARRAY(SELECT a.alias FROM coupon_alias a WHERE a.holder = coupon_person(p_holder)))
$$;

-- Let a name be a holder's from now on, with the names that it had itself. Again nothing changes.
CREATE OR REPLACE FUNCTION coupon_take_over(p_holder text, p_alias text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    person text;
BEGIN
    PERFORM coupon_take_turns(ARRAY[p_holder, p_alias]);
    IF EXISTS (SELECT FROM coupon_alias a WHERE a.alias = p_alias AND a.taker = p_holder) THEN
        RETURN;
    END IF;
    person := coupon_person(p_holder);
    INSERT INTO coupon_alias (alias, holder, taker, last_coupon_id)
    VALUES (p_alias, person, p_holder, (SELECT coalesce(max(c.id), 0) FROM coupon c));
    UPDATE coupon_alias SET holder = person WHERE holder = p_alias;
END $$;

-- Let a name be a holder of its own again, with the names that it brought. Again nothing changes.
CREATE OR REPLACE FUNCTION coupon_part(p_alias text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM coupon_take_turns(ARRAY[p_alias]);
    DELETE FROM coupon_alias WHERE alias = p_alias;
    WITH RECURSIVE brought AS (
        SELECT a.alias FROM coupon_alias a WHERE a.taker = p_alias
        UNION
        SELECT a.alias FROM coupon_alias a JOIN brought b ON a.taker = b.alias)
    UPDATE coupon_alias SET holder = p_alias
    WHERE alias IN (SELECT b.alias FROM brought b) AND holder <> p_alias;
END $$;
