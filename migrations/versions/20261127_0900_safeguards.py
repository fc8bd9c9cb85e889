"""Safeguards of the money path: what a parked refund asked for, a member's standing under lock.

Revision ID: safeguards
Revises: birthdays
"""

from alembic import op

revision = "safeguards"
down_revision = "birthdays"
branch_labels = None
depends_on = None

UP = """
-- No door parks refunds yet, so no row is without its fingerprint.
ALTER TABLE parked_refund
    ADD COLUMN fingerprint bytea NOT NULL,
    ADD COLUMN refused_at timestamptz,
    ADD COLUMN refusal text,
    ADD CONSTRAINT parked_refund_refusal_check CHECK ((refused_at IS NULL) = (refusal IS NULL));
DROP INDEX parked_refund_waiting_idx;
CREATE INDEX parked_refund_waiting_idx ON parked_refund (store_id, terminal_id, order_number)
    WHERE applied_at IS NULL AND refused_at IS NULL;

-- What a member burned in exchanges of a day, for the daily limit.
CREATE INDEX order_exchanges_idx ON "order" (member_id, recorded_at) WHERE kind = 'exchange';

-- The newest mark is looked for by its day alone.
CREATE INDEX balance_mark_through_idx ON balance_mark (through);

-- It returns more than before: made anew with the other functions, after the migrations.
DROP FUNCTION IF EXISTS points_lock_lots(bigint, bigint, timestamptz, date, bigint[]);

-- How deep a debt may go is the member's, over all lots: refunds see to it under the wallet's lock.
UPDATE account_balance b SET floor = NULL
FROM account a WHERE a.id = b.account_id AND a.code = 'debt';
"""

DOWN = """
DROP FUNCTION IF EXISTS points_lock_lots(bigint, bigint, timestamptz, date, bigint[]);
DROP INDEX balance_mark_through_idx, order_exchanges_idx, parked_refund_waiting_idx;
CREATE INDEX parked_refund_waiting_idx
    ON parked_refund (store_id, terminal_id, order_number) WHERE applied_at IS NULL;
ALTER TABLE parked_refund DROP COLUMN fingerprint, DROP COLUMN refused_at, DROP COLUMN refusal;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
