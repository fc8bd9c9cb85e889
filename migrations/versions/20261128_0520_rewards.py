"""Points that no sale makes, and the tier of two who are one person.

Revision ID: rewards
Revises: parting
"""

from alembic import op

revision = "rewards"
down_revision = "parting"
branch_labels = None
depends_on = None

UP = """
-- A tier may come with a merge, and go with its undo.
ALTER TABLE tier_change DROP CONSTRAINT tier_change_step_check,
    DROP CONSTRAINT tier_change_move_check;
ALTER TABLE tier_change
    ADD CONSTRAINT tier_change_step_check CHECK (
        step IN ('upgraded', 'downgraded', 'prolonged', 'merged', 'parted')),
    ADD CONSTRAINT tier_change_move_check CHECK (
        step IN ('merged', 'parted') OR (step = 'prolonged') = (tier = tier_before));

-- Check-ins of members: one a day.
CREATE TABLE check_in (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    business_date date NOT NULL,
    streak bigint NOT NULL,
    points bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT check_in_public_id_key UNIQUE (public_id),
    CONSTRAINT check_in_member_id_business_date_key UNIQUE (member_id, business_date),
    CONSTRAINT check_in_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT check_in_sense_check CHECK (points >= 0 AND streak > 0)
);

-- Orders that members claimed after they had paid them unknown, and tries that named none.
CREATE TABLE claim (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    order_id bigint,
    by text,
    at timestamptz NOT NULL,
    CONSTRAINT claim_order_id_key UNIQUE (order_id),
    CONSTRAINT claim_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT claim_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id)
);
CREATE INDEX claim_member_id_at_idx ON claim (member_id, at);

-- Codes by which friends join, who joined by whom, and what that gave.
CREATE TABLE referral_code (
    member_id bigint PRIMARY KEY,
    code text NOT NULL,
    made_at timestamptz NOT NULL,
    CONSTRAINT referral_code_code_key UNIQUE (code),
    CONSTRAINT referral_code_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id)
);
CREATE TABLE referral (
    friend_id bigint PRIMARY KEY,
    referrer_id bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT referral_friend_id_fkey FOREIGN KEY (friend_id) REFERENCES member (id),
    CONSTRAINT referral_referrer_id_fkey FOREIGN KEY (referrer_id) REFERENCES member (id),
    CONSTRAINT referral_two_check CHECK (friend_id <> referrer_id)
);
CREATE INDEX referral_referrer_id_at_idx ON referral (referrer_id, at);
CREATE TABLE referral_bonus (
    friend_id bigint PRIMARY KEY,
    public_id text NOT NULL,
    order_id bigint NOT NULL,
    referrer_points bigint NOT NULL,
    friend_points bigint NOT NULL,
    gives jsonb NOT NULL,
    active_on date NOT NULL,
    given_at timestamptz NOT NULL,
    taken_at timestamptz,
    CONSTRAINT referral_bonus_public_id_key UNIQUE (public_id),
    CONSTRAINT referral_bonus_order_id_key UNIQUE (order_id),
    CONSTRAINT referral_bonus_friend_id_fkey FOREIGN KEY (friend_id)
        REFERENCES referral (friend_id),
    CONSTRAINT referral_bonus_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT referral_bonus_points_check CHECK (referrer_points >= 0 AND friend_points >= 0)
);
"""

DOWN = """
DROP TABLE referral_bonus, referral, referral_code;
DROP TABLE claim;
DROP TABLE check_in;
ALTER TABLE tier_change DROP CONSTRAINT tier_change_step_check,
    DROP CONSTRAINT tier_change_move_check;
ALTER TABLE tier_change
    ADD CONSTRAINT tier_change_step_check CHECK (
        step IN ('upgraded', 'downgraded', 'prolonged')),
    ADD CONSTRAINT tier_change_move_check CHECK ((step = 'prolonged') = (tier = tier_before));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
