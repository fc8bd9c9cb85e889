"""Refunds that take back what coupons give of what is kept, below their threshold.

Revision ID: claw_backs
Revises: offline_coupons
"""

from alembic import op

revision = "claw_backs"
down_revision = "offline_coupons"
branch_labels = None
depends_on = None

UP = """
-- A constant as default: no row is rewritten.
ALTER TABLE refund
    ADD COLUMN unearned_fen bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT refund_unearned_check CHECK (unearned_fen >= 0) NOT VALID;
ALTER TABLE refund VALIDATE CONSTRAINT refund_unearned_check;
ALTER TABLE order_roll_back
    ALTER COLUMN paid_by_id DROP NOT NULL,
    ADD COLUMN refund_id bigint,
    ADD CONSTRAINT order_roll_back_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund (id),
    ADD CONSTRAINT order_roll_back_refund_id_coupon_key UNIQUE (refund_id, coupon),
    ADD CONSTRAINT order_roll_back_paid_check CHECK (num_nonnulls(paid_by_id, refund_id) = 1);
"""
DOWN = """
DELETE FROM order_roll_back WHERE paid_by_id IS NULL;
ALTER TABLE order_roll_back DROP COLUMN refund_id, ALTER COLUMN paid_by_id SET NOT NULL;
ALTER TABLE refund DROP COLUMN unearned_fen;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
