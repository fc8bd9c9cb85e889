"""Whether members may claim a batch is remembered: what ends that is told to every process.

Revision ID: offers_known
Revises: coupon_aliases
"""

from alembic import op

revision = "offers_known"
down_revision = "coupon_aliases"
branch_labels = None
depends_on = None

UP = """
-- A batch that has printed codes, or is part of a pack, is claimed no more. A run that is there
-- already is asked for again and again, and writes no row.
CREATE TRIGGER touch AFTER INSERT ON coupon_code_run
    FOR EACH ROW EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT ON coupon_pack
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
"""

DOWN = """
DROP TRIGGER touch ON coupon_pack;
DROP TRIGGER touch ON coupon_code_run;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
