"""Points: earning rules and their versions, the programme, burn terms, lots.

Revision ID: points
Revises: members
"""

from alembic import op

revision = "points"
down_revision = "members"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE rule (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT rule_public_id_key UNIQUE (public_id),
    CONSTRAINT rule_code_key UNIQUE (code),
    CONSTRAINT rule_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$')
);

CREATE TABLE rule_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule_id bigint NOT NULL,
    version bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    effective_to timestamptz,
    kind text NOT NULL,
    rate_num bigint NOT NULL,
    rate_den bigint NOT NULL,
    rounding text NOT NULL,
    scope text NOT NULL,
    conditions jsonb NOT NULL,
    excluded_categories text[] NOT NULL,
    counted_tenders text[],
    definition_hash text NOT NULL,
    state text NOT NULL,
    proposed_by text NOT NULL,
    approved_by text,
    change_request_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT rule_version_rule_id_version_key UNIQUE (rule_id, version),
    CONSTRAINT rule_version_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES rule (id),
    CONSTRAINT rule_version_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT rule_version_version_check CHECK (version > 0),
    CONSTRAINT rule_version_interval_check CHECK (effective_to >= effective_from),
    CONSTRAINT rule_version_kind_check CHECK (kind IN ('base', 'multiplier')),
    CONSTRAINT rule_version_rate_check CHECK (
        rate_num > 0 AND rate_den > 0 AND gcd(rate_num, rate_den) = 1),
    CONSTRAINT rule_version_rounding_check CHECK (rounding IN ('floor', 'half_up')),
    CONSTRAINT rule_version_scope_check CHECK (scope IN ('order', 'line')),
    CONSTRAINT rule_version_state_check CHECK (state IN ('draft', 'approved', 'retired')),
    CONSTRAINT rule_version_approval_check CHECK (
        state <> 'approved' OR approved_by IS NOT NULL),
    CONSTRAINT rule_version_two_people_check CHECK (approved_by <> proposed_by)
);

-- An approved version says the same for ever: it may only end, and never later than it said (E10).
CREATE FUNCTION keep_rule_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'retired'
        OR OLD.state = 'approved' AND (
            NEW.state = 'draft'
            OR coalesce(NEW.effective_to, 'infinity') > coalesce(OLD.effective_to, 'infinity')
            OR to_jsonb(NEW) - 'state' - 'effective_to'
                <> to_jsonb(OLD) - 'state' - 'effective_to')
    THEN
        RAISE EXCEPTION 'rule version % is %: propose a new version', OLD.id, OLD.state
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approved_is_final BEFORE UPDATE ON rule_version
    FOR EACH ROW EXECUTE FUNCTION keep_rule_version();
CREATE TRIGGER never_deleted BEFORE DELETE ON rule_version
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE programme (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    effective_from timestamptz NOT NULL,
    expiry_months bigint,
    point_value_num bigint NOT NULL,
    point_value_den bigint NOT NULL,
    combine text NOT NULL,
    negative_policy text NOT NULL,
    debt_floor_points bigint,
    courtesy_days bigint NOT NULL,
    return_first text NOT NULL,
    hold_minutes bigint NOT NULL,
    quote_minutes bigint NOT NULL,
    change_request_id bigint,
    created_at timestamptz NOT NULL,
    CONSTRAINT programme_effective_from_key UNIQUE (effective_from),
    CONSTRAINT programme_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT programme_expiry_check CHECK (expiry_months > 0),
    CONSTRAINT programme_point_value_check CHECK (
        point_value_num > 0 AND point_value_den > 0
        AND gcd(point_value_num, point_value_den) = 1),
    CONSTRAINT programme_combine_check CHECK (combine IN ('max', 'sum', 'product')),
    CONSTRAINT programme_negative_check CHECK (
        negative_policy IN ('refuse', 'write_off', 'debt')),
    CONSTRAINT programme_debt_floor_check CHECK (debt_floor_points <= 0),
    CONSTRAINT programme_return_first_check CHECK (
        return_first IN ('money_first', 'points_first')),
    CONSTRAINT programme_durations_check CHECK (
        courtesy_days >= 0 AND hold_minutes > 0 AND quote_minutes > 0)
);

CREATE TABLE burn_term (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id bigint,
    tier text,
    effective_from timestamptz NOT NULL,
    min_unit_points bigint NOT NULL,
    max_share_num bigint NOT NULL,
    max_share_den bigint NOT NULL,
    daily_limit_points bigint,
    change_request_id bigint,
    created_at timestamptz NOT NULL,
    CONSTRAINT burn_term_merchant_id_tier_effective_from_key
        UNIQUE NULLS NOT DISTINCT (merchant_id, tier, effective_from),
    CONSTRAINT burn_term_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT burn_term_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT burn_term_min_unit_check CHECK (min_unit_points > 0),
    CONSTRAINT burn_term_max_share_check CHECK (
        max_share_num >= 0 AND max_share_num <= max_share_den AND max_share_den > 0
        AND gcd(max_share_num, max_share_den) = 1),
    CONSTRAINT burn_term_daily_limit_check CHECK (daily_limit_points >= 0)
);

CREATE TABLE lot (
    account_id bigint NOT NULL,
    member_id bigint NOT NULL,
    issuer_id bigint NOT NULL,
    kind text NOT NULL,
    expires_on date,
    cost_num bigint NOT NULL,
    cost_den bigint NOT NULL,
    restriction_merchant_id bigint,
    activates_on date,
    courtesy boolean NOT NULL DEFAULT false,
    first_earned_at timestamptz NOT NULL,
    CONSTRAINT lot_pkey PRIMARY KEY (account_id),
    CONSTRAINT lot_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT lot_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT lot_issuer_id_fkey FOREIGN KEY (issuer_id) REFERENCES merchant (id),
    CONSTRAINT lot_restriction_merchant_id_fkey
        FOREIGN KEY (restriction_merchant_id) REFERENCES merchant (id),
    -- Its prefix is how a member's lots are found.
    CONSTRAINT lot_meaning_key UNIQUE NULLS NOT DISTINCT (
        member_id, issuer_id, kind, expires_on, cost_num, cost_den,
        restriction_merchant_id, activates_on, courtesy),
    CONSTRAINT lot_kind_check CHECK (kind IN ('lot', 'debt')),
    CONSTRAINT lot_cost_check CHECK (
        cost_num >= 0 AND cost_den > 0 AND gcd(cost_num, cost_den) = 1),
    CONSTRAINT lot_debt_check CHECK (
        kind = 'lot' OR (expires_on IS NULL AND activates_on IS NULL
            AND restriction_merchant_id IS NULL AND NOT courtesy))
);

CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON rule
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON rule_version
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON programme
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON burn_term
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();

-- Every district has a policy from its first day: points valid to the end of the 12th month after
-- the earn, worth a fen each, any part of an order, any number a day.
INSERT INTO programme (
    effective_from, expiry_months, point_value_num, point_value_den, combine, negative_policy,
    courtesy_days, return_first, hold_minutes, quote_minutes, created_at)
VALUES ('2000-01-01 00:00+08', 12, 1, 1, 'max', 'debt', 7, 'money_first', 15, 5, now());
INSERT INTO burn_term (effective_from, min_unit_points, max_share_num, max_share_den, created_at)
VALUES ('2000-01-01 00:00+08', 1, 1, 1, now());

REVOKE DELETE, TRUNCATE ON rule, rule_version FROM plaza_app;
REVOKE UPDATE, DELETE, TRUNCATE ON programme, burn_term, lot FROM plaza_app;
"""

DOWN = """
DROP TABLE lot, burn_term, programme, rule_version, rule;
DROP FUNCTION keep_rule_version;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
