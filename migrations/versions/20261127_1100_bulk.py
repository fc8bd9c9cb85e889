"""Wallets are locked and lots opened for many members at once: the functions take arrays.

Revision ID: bulk
Revises: member_door
"""

from alembic import op

revision = "bulk"
down_revision = "member_door"
branch_labels = None
depends_on = None

# The new ones come from lots.sql at the end of the migration; a new district never had the old.
UP = """
DROP FUNCTION IF EXISTS points_lock_lots(bigint, bigint, timestamptz, date, bigint[]);
DROP FUNCTION IF EXISTS points_open_lots(
    bigint, bigint, text[], text[], bigint[], date[], bigint[], bigint[], bigint[], date[],
    boolean[], timestamptz[], bigint[], bigint[]);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
