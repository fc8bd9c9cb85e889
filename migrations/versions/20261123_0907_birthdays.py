"""Members' birthdays, sealed like phone and name.

Revision ID: birthdays
Revises: checkout
"""

from alembic import op

revision = "birthdays"
down_revision = "checkout"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE member
    ADD COLUMN birthday bytea,
    DROP CONSTRAINT member_data_key_check,
    ADD CONSTRAINT member_data_key_check CHECK (
        data_key IS NOT NULL OR (phone IS NULL AND name IS NULL AND birthday IS NULL));
"""

DOWN = """
ALTER TABLE member
    DROP CONSTRAINT member_data_key_check,
    DROP COLUMN birthday,
    ADD CONSTRAINT member_data_key_check CHECK (
        data_key IS NOT NULL OR (phone IS NULL AND name IS NULL));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
