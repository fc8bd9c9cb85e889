"""Coupons are taken as of the instant at which a quote promised them.

Revision ID: promised_coupons
Revises: segments
"""

from alembic import op

revision = "promised_coupons"
down_revision = "segments"
branch_labels = None
depends_on = None

# The new ones come from redemptions.sql at the end of the migration.
UP = """
DROP FUNCTION IF EXISTS coupon_take(
    timestamptz, date, text, text, text[], timestamptz, text[], bigint[], bigint[], text[]);
DROP FUNCTION IF EXISTS coupon_find_use(
    timestamptz, text, text[], boolean, bigint, bigint, bigint);
"""
DOWN = """
DROP FUNCTION IF EXISTS coupon_take(
    timestamptz, date, text, text, text[], timestamptz, text[], bigint[], bigint[], text[],
    timestamptz, text[]);
DROP FUNCTION IF EXISTS coupon_find_use(
    timestamptz, text, text[], boolean, bigint, bigint, bigint, timestamptz, text);
DELETE FROM repeatable WHERE name = 'coupons/redemptions.sql';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
