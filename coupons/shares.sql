-- Coupons shared by a link (C7; semantics 45): all rights are the owner's, the application calls.
-- Lock order: the coupon, then its share, then the taker's turn.

-- Let a holder's coupon be taken by whoever has the token; a link that was open before ends. What
-- could not be handed on now is not shared.
CREATE OR REPLACE FUNCTION coupon_share(
    p_now timestamptz, p_coupon text, p_giver text, p_index bytea, p_until timestamptz
) RETURNS TABLE (verdict text, until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    c coupon%ROWTYPE;
BEGIN
    SELECT * INTO c FROM coupon WHERE public_id = p_coupon FOR NO KEY UPDATE;
    verdict := CASE
        WHEN c.id IS NULL OR c.holder IS DISTINCT FROM p_giver THEN 'unknown'
        WHEN c.state <> 'issued' THEN c.state
        WHEN p_now >= c.valid_until THEN 'expired'
        WHEN c.personal OR c.transfers >= c.transferable THEN 'not-transferable'
        WHEN c.used > 0 THEN 'used'
        ELSE 'done' END;
    IF verdict = 'done' THEN
        UPDATE coupon_share s SET state = 'revoked', ended_at = p_now
        WHERE s.coupon_id = c.id AND s.state = 'open';
        INSERT INTO coupon_share (coupon_id, giver, index, state, made_at, until)
        VALUES (c.id, p_giver, p_index, 'open', p_now, least(p_until, c.valid_until));
    END IF;
    RETURN QUERY SELECT verdict, least(p_until, c.valid_until);
END $$;

-- End the link of a coupon; tells whether one was open.
CREATE OR REPLACE FUNCTION coupon_share_revoke(p_now timestamptz, p_coupon text, p_giver text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM 1 FROM coupon c WHERE c.public_id = p_coupon FOR NO KEY UPDATE;
    UPDATE coupon_share s SET state = 'revoked', ended_at = p_now
    FROM coupon c
    WHERE c.public_id = p_coupon AND s.coupon_id = c.id AND s.giver = p_giver AND s.state = 'open';
    RETURN FOUND;
END $$;

-- Take the coupon of a link, once: it is handed on as any coupon is. The same taker again is told
-- again. The coupon is locked first, as whoever shares or hands on does.
CREATE OR REPLACE FUNCTION coupon_share_accept(p_now timestamptz, p_index bytea, p_taker text)
RETURNS TABLE (verdict text, coupon text, batch text, giver text, valid_from timestamptz,
               valid_until timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    c coupon%ROWTYPE;
    s coupon_share%ROWTYPE;
BEGIN
    SELECT o.* INTO c FROM coupon o
    WHERE o.id = (SELECT k.coupon_id FROM coupon_share k WHERE k.index = p_index)
    FOR NO KEY UPDATE;
    SELECT k.* INTO s FROM coupon_share k WHERE k.index = p_index FOR NO KEY UPDATE;
    verdict := CASE
        WHEN s.id IS NULL THEN 'unknown'
        WHEN s.state = 'accepted' AND s.taker = p_taker AND c.holder = p_taker THEN 'repeat'
        WHEN s.state <> 'open' OR s.until <= p_now THEN 'unknown'
        WHEN coupon_person(s.giver) = coupon_person(p_taker) THEN 'own'
        ELSE (SELECT h.verdict FROM coupon_hand_on(p_now, c.public_id, s.giver, p_taker) h) END;
    IF verdict = 'done' THEN
        UPDATE coupon_share k SET state = 'accepted', taker = p_taker, ended_at = p_now
        WHERE k.id = s.id;
    END IF;
    RETURN QUERY SELECT verdict, c.public_id,
        (SELECT b.code FROM coupon_batch b WHERE b.id = c.batch_id), s.giver, c.valid_from,
        c.valid_until;
END $$;
