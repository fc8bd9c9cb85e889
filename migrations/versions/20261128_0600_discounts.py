"""Orders that coupons take something off, and refunds that give it back to its funders.

Revision ID: discounts
Revises: coupons
"""

from alembic import op

revision = "discounts"
down_revision = "coupons"
branch_labels = None
depends_on = None

UP = """
-- Constants as defaults: no row is rewritten.
ALTER TABLE "order"
    ADD COLUMN discount_fen bigint NOT NULL DEFAULT 0,
    ADD COLUMN coupons jsonb,
    DROP CONSTRAINT order_sum_check,
    ADD CONSTRAINT order_sum_check CHECK (
        burned_fen >= 0 AND due_fen >= 0 AND total_fen = discount_fen + burned_fen + due_fen
        AND burned_points >= 0 AND earned_points >= 0
        AND refunded_fen BETWEEN 0 AND total_fen AND refunds >= 0) NOT VALID,
    ADD CONSTRAINT order_discount_check CHECK (
        discount_fen >= 0 AND (discount_fen = 0 OR coupons IS NOT NULL)) NOT VALID;
ALTER TABLE "order"
    VALIDATE CONSTRAINT order_sum_check,
    VALIDATE CONSTRAINT order_discount_check;
ALTER TABLE order_line
    ADD COLUMN discount_fen bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_line_discount_check CHECK (
        discount_fen >= 0 AND discount_fen <= amount_fen) NOT VALID;
ALTER TABLE order_line VALIDATE CONSTRAINT order_line_discount_check;
ALTER TABLE refund ADD COLUMN discount_fen bigint NOT NULL DEFAULT 0;
"""
DOWN = """
ALTER TABLE refund DROP COLUMN discount_fen;
ALTER TABLE order_line DROP COLUMN discount_fen;
ALTER TABLE "order"
    DROP COLUMN discount_fen,
    DROP COLUMN coupons,
    ADD CONSTRAINT order_sum_check CHECK (
        burned_fen >= 0 AND due_fen >= 0 AND total_fen = burned_fen + due_fen
        AND burned_points >= 0 AND earned_points >= 0
        AND refunded_fen BETWEEN 0 AND total_fen AND refunds >= 0);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
