"""The programme says which coupons are the best for an order, and how many it takes.

Revision ID: best_coupons
Revises: promised_coupons
"""

from alembic import op

revision = "best_coupons"
down_revision = "promised_coupons"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE programme
    ADD COLUMN best_by text NOT NULL DEFAULT 'discount',
    ADD COLUMN coupons_at_most bigint,
    ADD CONSTRAINT programme_best_by_check CHECK (best_by IN ('discount', 'due')),
    ADD CONSTRAINT programme_coupons_at_most_check CHECK (coupons_at_most BETWEEN 1 AND 30);
"""
DOWN = "ALTER TABLE programme DROP COLUMN best_by, DROP COLUMN coupons_at_most"


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
