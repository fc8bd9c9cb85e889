"""Points that no sale makes, and the tier of two who are one person.

Revision ID: rewards
Revises: seals
"""

from alembic import op

revision = "rewards"
down_revision = "seals"
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
"""

DOWN = """
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
