"""The life of points: expired lots are found by their day.

Revision ID: lifecycle
Revises: settlement
"""

from alembic import op

revision = "lifecycle"
down_revision = "settlement"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX lot_expires_on_member_id_idx ON lot (expires_on, member_id)
    WHERE expires_on IS NOT NULL;

-- Which steps of which day's change are done.
CREATE TABLE day_step (
    day date NOT NULL,
    step text NOT NULL,
    done_at timestamptz NOT NULL,
    counts jsonb NOT NULL,
    CONSTRAINT day_step_pkey PRIMARY KEY (day, step)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
