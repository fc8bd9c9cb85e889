"""What holders were told of coupons that end soon.

Revision ID: coupon_notices
Revises: bare_cells
"""

from alembic import op

revision = "coupon_notices"
down_revision = "bare_cells"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE coupon_notice (
    coupon_id bigint NOT NULL,
    days_ahead bigint NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT coupon_notice_pkey PRIMARY KEY (coupon_id, days_ahead),
    CONSTRAINT coupon_notice_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_notice_days_ahead_check CHECK (days_ahead >= 0)
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON coupon_notice
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Not on the state: a coupon that is used stays on its page (HOT).
CREATE INDEX coupon_valid_until_id_idx ON coupon (valid_until, id);
"""

DOWN = """
DROP INDEX coupon_valid_until_id_idx;
DROP TABLE coupon_notice;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
