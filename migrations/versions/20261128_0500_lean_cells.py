"""Cells of a closed period without what cost its close the most: a foreign key and two indexes.

Revision ID: lean_cells
Revises: seals
"""

from alembic import op

revision = "lean_cells"
down_revision = "seals"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE settlement_cell DROP CONSTRAINT settlement_cell_period_id_fkey;
DROP INDEX settlement_cell_period_id_debit_merchant_id_idx;
DROP INDEX settlement_cell_period_id_credit_merchant_id_idx;
-- Each period's cells lie side by side.
CREATE INDEX settlement_cell_period_id_idx ON settlement_cell USING brin (period_id);
"""

DOWN = """
DROP INDEX settlement_cell_period_id_idx;
CREATE INDEX settlement_cell_period_id_debit_merchant_id_idx
    ON settlement_cell (period_id, debit_merchant_id);
CREATE INDEX settlement_cell_period_id_credit_merchant_id_idx
    ON settlement_cell (period_id, credit_merchant_id);
ALTER TABLE settlement_cell ADD CONSTRAINT settlement_cell_period_id_fkey
    FOREIGN KEY (period_id) REFERENCES settlement_period (id) DEFERRABLE INITIALLY DEFERRED;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
