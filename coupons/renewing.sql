-- Issued coupons follow a later version of their template, which is kinder to their holders (semantics
-- 42): all rights are the owner's, the application only calls. Lock order: coupons by id.

-- Give coupons a version, each its last instant if that is later than it was. Those that are over, used
-- up, void or opened stay as they are. Returns how many changed; again none does.
CREATE OR REPLACE FUNCTION coupon_renew(
    p_now timestamptz, p_coupons bigint[], p_version bigint, p_until timestamptz[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
DECLARE
    renewed bigint;
BEGIN
    PERFORM 1 FROM coupon c WHERE c.id = ANY (p_coupons) ORDER BY c.id FOR NO KEY UPDATE;
    UPDATE coupon c SET version_id = p_version, valid_until = greatest(c.valid_until, w.until)
    FROM unnest(p_coupons, p_until) AS w (id, until), coupon_template_version o,
        coupon_template_version n
    WHERE c.id = w.id AND c.state = 'issued' AND c.valid_until > p_now AND o.id = c.version_id AND n.id = p_version
        AND n.template_id = o.template_id AND n.version > o.version;
    GET DIAGNOSTICS renewed = ROW_COUNT;
    RETURN renewed;
END $$;
