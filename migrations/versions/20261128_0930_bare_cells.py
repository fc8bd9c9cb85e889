"""Cells of a closed period without an index of their numbers, which nobody looks one up by.

Revision ID: bare_cells
Revises: second_thoughts
"""

from alembic import op

revision = "bare_cells"
down_revision = "second_thoughts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE settlement_cell DROP CONSTRAINT settlement_cell_pkey")


def downgrade() -> None:
    op.execute("ALTER TABLE settlement_cell ADD CONSTRAINT settlement_cell_pkey PRIMARY KEY (id)")
