-- Until when a lot lasts: its own last day, or a later one that the member's activity has brought
-- (ADR 0021, semantics 34). What is spendable, swept, reminded of and reported all ask here.
--
-- Returns two days. The first is for good: at the end of each last day it is the latest that a
-- promise names which stands then. The second is the last day as things stand on `p_on`; a refund
-- may still take it back. A promise stands from its day on, until its source is refunded. For a lot
-- that ended before `p_on` both are the day on which it ended, whatever happened since. `p_seen`
-- leaves out what was written later.
--
-- Nothing prolongs points of one merchant alone, courtesy points, and those that were still pending
-- on their own last day: their days are promises of another kind.
CREATE OR REPLACE FUNCTION points_days(
    p_lot lot, p_on date, p_seen timestamptz DEFAULT 'infinity'
) RETURNS date[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    for_good date := p_lot.expires_on;
    last_day date := p_lot.expires_on;
    later date;
BEGIN
    IF last_day IS NULL OR p_lot.kind <> 'lot' OR p_lot.courtesy
        OR p_lot.restriction_merchant_id IS NOT NULL OR p_lot.awaits IS NOT NULL
        OR p_lot.activates_on > last_day THEN
        RETURN ARRAY[for_good, last_day];
    END IF;
    LOOP
        later := NULL;
        SELECT p.until INTO later FROM points_promise p
        WHERE p.member_id = p_lot.member_id AND p.until > last_day
            AND p.day <= least(last_day, p_on) AND p.recorded_at <= p_seen
            AND NOT EXISTS (
                SELECT FROM points_promise r
                WHERE r.source = p.source AND r.activity = 'refund'
                    AND r.day <= least(last_day, p_on) AND r.recorded_at <= p_seen)
        ORDER BY p.until DESC LIMIT 1;
        EXIT WHEN later IS NULL;
        IF last_day < p_on THEN for_good := later; END IF;
        last_day := later;
    END LOOP;
    RETURN ARRAY[for_good, last_day];
END $$;
