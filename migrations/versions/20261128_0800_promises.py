"""Activity that lets points last longer: the policy's part, and what was promised.

Revision ID: promises
Revises: coupon_misses
"""

from alembic import op

revision = "promises"
down_revision = "coupon_misses"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE programme
    ADD COLUMN extend_months bigint,
    ADD COLUMN extended_by text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT programme_extension_check CHECK (
        CASE WHEN extend_months IS NULL THEN extended_by = '{}'
        ELSE extend_months > 0 AND expiry_months IS NOT NULL AND extended_by <> '{}'
            AND extended_by <@ ARRAY['purchase', 'check_in', 'burn'] END) NOT VALID;
ALTER TABLE programme VALIDATE CONSTRAINT programme_extension_check;

CREATE TABLE points_promise (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    source text NOT NULL,
    activity text NOT NULL,
    day date NOT NULL,
    until date,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT points_promise_source_activity_member_id_key UNIQUE (source, activity, member_id),
    CONSTRAINT points_promise_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT points_promise_activity_check CHECK (
        activity IN ('purchase', 'check_in', 'burn', 'refund')),
    CONSTRAINT points_promise_refund_check CHECK ((activity = 'refund') = (until IS NULL)),
    CONSTRAINT points_promise_days_check CHECK (until >= day)
);
CREATE INDEX points_promise_member_id_until_idx ON points_promise (member_id, until);
CREATE INDEX points_promise_until_member_id_idx ON points_promise (until, member_id);

-- The new one comes from lots.sql at the end of the migration.
DROP FUNCTION IF EXISTS points_lock_lots(bigint[], bigint[], timestamptz, date, bigint[]);
"""
DOWN = """
DROP FUNCTION IF EXISTS points_lock_lots(bigint[], bigint[], timestamptz, date, bigint[]);
DROP TABLE points_promise;
ALTER TABLE programme DROP COLUMN extend_months, DROP COLUMN extended_by;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
