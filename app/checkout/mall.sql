-- Takings of the reward mall (B3): rows and stock move here alone, the application only calls.
-- Lock order: the taking, the member's wallet (the caller's), coupons, then the item.

-- Take one of an item: a seat of the member's, one of the stock. `p_people` are the keys under
-- which the member is kept; who calls has locked the wallet, so seats are counted right. A verdict
-- other than 'taken' has written nothing.
CREATE OR REPLACE FUNCTION mall_take(
    p_now timestamptz, p_item bigint, p_member bigint, p_people bigint[], p_id text,
    p_points bigint, p_parts jsonb, p_coupon text, p_index bytea, p_sealed bytea,
    p_until timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    item mall_item%ROWTYPE;
    free bigint;
BEGIN
    SELECT i.* INTO item FROM mall_item i WHERE i.id = p_item;
    IF item.ended_at IS NOT NULL OR p_now >= item.ends_at THEN
        RETURN 'over';
    ELSIF p_now < item.starts_at THEN
        RETURN 'not-yet';
    ELSIF (SELECT count(*) FROM mall_taking t
           WHERE t.item_id = p_item AND t.member_id = ANY (p_people)
               AND t.state IN ('waiting', 'given', 'picked_up')) >= item.per_member THEN
        RETURN 'limit';
    ELSIF item.taken >= item.stock THEN
        RETURN 'sold-out';  -- By a plain read: who comes too late waits for nobody.
    END IF;
    UPDATE mall_item i SET taken = i.taken + 1
    WHERE i.id = p_item AND i.taken < i.stock AND i.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN 'sold-out';
    END IF;
    free := (SELECT min(s) FROM generate_series(1, item.per_member) s
             WHERE NOT EXISTS (SELECT FROM mall_taking t
                               WHERE t.item_id = p_item AND t.member_id = p_member AND t.seat = s
                                   AND t.state IN ('waiting', 'given', 'picked_up')));
    INSERT INTO mall_taking (public_id, item_id, member_id, state, seat, ceiling, points, parts,
                             cash_fen, coupon_id, code_index, sealed_code, until, taken_at, ended_at)
    SELECT p_id, p_item, p_member, CASE WHEN p_coupon IS NULL THEN 'waiting' ELSE 'given' END, free,
        item.per_member, p_points, p_parts, item.cash_fen, c.id, p_index, p_sealed, p_until, p_now,
        CASE WHEN p_coupon IS NOT NULL THEN p_now END
    FROM (SELECT (SELECT o.id FROM coupon o WHERE o.public_id = p_coupon) AS id) c;
    RETURN 'taken';
END $$;

-- Lock takings by id, until the transaction ends.
CREATE OR REPLACE FUNCTION mall_lock(p_takings bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
    SELECT 1 FROM mall_taking t WHERE t.id = ANY (p_takings) ORDER BY t.id FOR NO KEY UPDATE
$$;

-- Lock what was not picked up in its days; what somebody is at is left for the next time.
CREATE OR REPLACE FUNCTION mall_lock_due(p_now timestamptz, p_most bigint) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
    SELECT t.id FROM mall_taking t WHERE t.state = 'waiting' AND t.until <= p_now
    ORDER BY t.id LIMIT p_most FOR NO KEY UPDATE SKIP LOCKED
$$;

-- Pick up what waits, once: `p_order` is the sale of the cash part. The caller has locked the row.
CREATE OR REPLACE FUNCTION mall_pick_up(
    p_now timestamptz, p_taking bigint, p_store bigint, p_order text
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE mall_taking t SET state = 'picked_up', ended_at = p_now, store_id = p_store,
        order_id = (SELECT o.id FROM "order" o WHERE o.public_id = p_order)
    WHERE t.id = p_taking AND t.state = 'waiting';
    RETURN FOUND;
END $$;

-- Give up what waits, as its member wishes or since its days are over: the stock gets it back.
-- `p_good` of its points made good what issuers had borne, by their write-offs.
CREATE OR REPLACE FUNCTION mall_give_up(
    p_now timestamptz, p_taking bigint, p_state text, p_write_offs bigint[], p_good bigint[]
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    item bigint;
BEGIN
    UPDATE mall_taking t SET state = p_state, ended_at = p_now,
        made_good_points = coalesce((SELECT sum(g) FROM unnest(p_good) g), 0)
    WHERE t.id = p_taking AND t.state = 'waiting' AND p_state IN ('cancelled', 'lapsed')
    RETURNING t.item_id INTO item;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE write_off w SET made_good = w.made_good + u.points
    FROM unnest(p_write_offs, p_good) AS u (id, points) WHERE w.id = u.id;
    UPDATE mall_item i SET taken = i.taken - 1 WHERE i.id = item;
    RETURN true;
END $$;
