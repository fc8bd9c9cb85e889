"""Growth and tiers.

Revision ID: growth
Revises: lifecycle
"""

from alembic import op

revision = "growth"
down_revision = "lifecycle"
branch_labels = None
depends_on = None

UP = """
-- Policies that are one document each, such as the scheme of tiers: agreed by two, then followed.
CREATE TABLE policy (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    effective_from timestamptz NOT NULL,
    terms jsonb NOT NULL,
    change_request_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT policy_kind_effective_from_key UNIQUE (kind, effective_from),
    CONSTRAINT policy_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id)
);
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON policy
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();

-- A tier above the lowest holds through this day, and then until it is judged.
ALTER TABLE member ADD COLUMN tier_until date;
CREATE INDEX member_tier_until_idx ON member (tier_until, id) WHERE tier_until IS NOT NULL;

CREATE TABLE growth (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    amount bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    business_date date NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT growth_source_key UNIQUE (source),
    CONSTRAINT growth_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT growth_kind_check CHECK (kind IN ('order', 'refund')),
    CONSTRAINT growth_amount_check CHECK (
        amount <> 0 AND (kind = 'refund') = (amount < 0))
);
CREATE INDEX growth_member_id_business_date_idx ON growth (member_id, business_date)
    INCLUDE (amount);

CREATE TABLE tier_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    step text NOT NULL,
    tier_before text NOT NULL,
    tier text NOT NULL,
    growth bigint NOT NULL,
    cycle_from date NOT NULL,
    cycle_to date,
    at timestamptz NOT NULL,
    CONSTRAINT tier_change_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT tier_change_step_check CHECK (step IN ('upgraded', 'downgraded', 'prolonged')),
    CONSTRAINT tier_change_move_check CHECK ((step = 'prolonged') = (tier = tier_before)),
    CONSTRAINT tier_change_cycle_check CHECK (cycle_to >= cycle_from)
);
CREATE INDEX tier_change_member_id_at_idx ON tier_change (member_id, at);

-- Caps of a rule, and what rules with caps gave whom on which business day.
ALTER TABLE rule_version ADD COLUMN caps text[] NOT NULL DEFAULT '{}', ADD COLUMN campaign text;
CREATE TABLE rule_use (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    source text NOT NULL,
    rule text NOT NULL,
    campaign text,
    points bigint NOT NULL,
    business_date date NOT NULL,
    CONSTRAINT rule_use_source_rule_key UNIQUE (source, rule),
    CONSTRAINT rule_use_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT rule_use_points_check CHECK (points <> 0)
);
CREATE INDEX rule_use_member_id_business_date_idx ON rule_use (member_id, business_date);

-- Points that staff gave or took by hand.
CREATE TABLE adjustment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    issuer_id bigint NOT NULL,
    points bigint NOT NULL,
    reason text NOT NULL,
    by text NOT NULL,
    approved_by text,
    at timestamptz NOT NULL,
    CONSTRAINT adjustment_public_id_key UNIQUE (public_id),
    CONSTRAINT adjustment_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT adjustment_issuer_id_fkey FOREIGN KEY (issuer_id) REFERENCES merchant (id),
    CONSTRAINT adjustment_points_check CHECK (points <> 0),
    CONSTRAINT adjustment_two_people_check CHECK (approved_by <> by)
);
CREATE INDEX adjustment_member_id_at_idx ON adjustment (member_id, at);

-- Points that members gave each other.
CREATE TABLE gift (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    giver_id bigint NOT NULL,
    receiver_id bigint NOT NULL,
    points bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT gift_public_id_key UNIQUE (public_id),
    CONSTRAINT gift_giver_id_fkey FOREIGN KEY (giver_id) REFERENCES member (id),
    CONSTRAINT gift_receiver_id_fkey FOREIGN KEY (receiver_id) REFERENCES member (id),
    CONSTRAINT gift_sense_check CHECK (points > 0 AND giver_id <> receiver_id)
);
CREATE INDEX gift_giver_id_at_idx ON gift (giver_id, at);
CREATE INDEX gift_receiver_id_at_idx ON gift (receiver_id, at);
"""

DOWN = """
DROP TABLE gift, adjustment, rule_use;
ALTER TABLE rule_version DROP COLUMN caps, DROP COLUMN campaign;
DROP TABLE tier_change, growth;
ALTER TABLE member DROP COLUMN tier_until;
DROP TABLE policy;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
