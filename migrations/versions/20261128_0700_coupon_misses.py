"""Coupon codes that named nothing, by who sent them: five are enough.

Revision ID: coupon_misses
Revises: discounts
"""

from alembic import op

revision = "coupon_misses"
down_revision = "discounts"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE coupon_miss (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX coupon_miss_who_at_idx ON coupon_miss (who, at);
CREATE INDEX coupon_miss_at_idx ON coupon_miss (at);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE coupon_miss")
