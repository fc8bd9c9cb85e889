"""Dues of merchants: what is paid, adjusted and disputed after a close.

Revision ID: dues
Revises: settlement
"""

from alembic import op

revision = "dues"
down_revision = "settlement"
branch_labels = None
depends_on = None

UP = """
-- Money that changed hands for a closed period: above zero the merchant paid the district.
CREATE TABLE settlement_payment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    period_id bigint NOT NULL,
    merchant_id bigint NOT NULL,
    fen bigint NOT NULL,
    reference text NOT NULL,
    paid_on date NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    CONSTRAINT settlement_payment_public_id_key UNIQUE (public_id),
    CONSTRAINT settlement_payment_merchant_id_reference_key UNIQUE (merchant_id, reference),
    CONSTRAINT settlement_payment_period_id_fkey
        FOREIGN KEY (period_id) REFERENCES settlement_period (id),
    CONSTRAINT settlement_payment_merchant_id_fkey
        FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT settlement_payment_fen_check CHECK (fen <> 0)
);
CREATE INDEX settlement_payment_period_id_merchant_id_idx
    ON settlement_payment (period_id, merchant_id);

-- A figure that its merchant does not accept: it stays in the sums, and is not payable meanwhile.
CREATE TABLE settlement_dispute (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    line_id bigint NOT NULL,
    fen bigint NOT NULL,
    reason text NOT NULL,
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    resolution text,
    adjusted_fen bigint,
    CONSTRAINT settlement_dispute_public_id_key UNIQUE (public_id),
    CONSTRAINT settlement_dispute_line_id_fkey
        FOREIGN KEY (line_id) REFERENCES settlement_line (id),
    CONSTRAINT settlement_dispute_fen_check CHECK (fen <> 0),
    CONSTRAINT settlement_dispute_end_check CHECK (
        (resolved_at IS NULL) = (resolved_by IS NULL)
        AND (resolved_at IS NULL) = (resolution IS NULL)
        AND (resolved_at IS NULL) = (adjusted_fen IS NULL))
);
CREATE UNIQUE INDEX settlement_dispute_open_idx ON settlement_dispute (line_id)
    WHERE resolved_at IS NULL;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
