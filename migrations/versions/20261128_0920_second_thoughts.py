"""Exits that are cancelled, and money that leaves the charity.

Revision ID: second_thoughts
Revises: shares
"""

from alembic import op

revision = "second_thoughts"
down_revision = "shares"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE merchant_exit
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN cancel_request_id bigint,
    ADD CONSTRAINT merchant_exit_cancel_request_id_fkey
        FOREIGN KEY (cancel_request_id) REFERENCES change_request (id),
    ADD CONSTRAINT merchant_exit_cancelled_check
        CHECK ((cancelled_at IS NULL) = (cancel_request_id IS NULL)),
    DROP CONSTRAINT merchant_exit_merchant_id_key;
CREATE UNIQUE INDEX merchant_exit_merchant_id_idx ON merchant_exit (merchant_id)
    WHERE cancelled_at IS NULL;

CREATE TABLE charity_payment (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    fen bigint NOT NULL,
    recipient text NOT NULL,
    reference text NOT NULL,
    paid_on date NOT NULL,
    change_request_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT charity_payment_public_id_key UNIQUE (public_id),
    CONSTRAINT charity_payment_reference_key UNIQUE (reference),
    CONSTRAINT charity_payment_change_request_id_key UNIQUE (change_request_id),
    CONSTRAINT charity_payment_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT charity_payment_fen_check CHECK (fen > 0)
);
"""
DOWN = """
DROP TABLE charity_payment;
DROP INDEX merchant_exit_merchant_id_idx;
ALTER TABLE merchant_exit
    DROP COLUMN cancelled_at,
    DROP COLUMN cancel_request_id,
    ADD CONSTRAINT merchant_exit_merchant_id_key UNIQUE (merchant_id);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
