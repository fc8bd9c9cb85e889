"""Coupons of an order that were rolled back alone, and what was paid instead.

Revision ID: roll_backs
Revises: staff_door
"""

from alembic import op

revision = "roll_backs"
down_revision = "staff_door"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE "order" DROP CONSTRAINT order_kind_check;
-- A constant as default: no row is rewritten.
ALTER TABLE "order"
    ADD COLUMN rolled_back_fen bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_kind_check
        CHECK (kind IN ('sale', 'exchange', 'burn', 'roll_back')) NOT VALID,
    ADD CONSTRAINT order_rolled_back_check
        CHECK (rolled_back_fen BETWEEN 0 AND discount_fen) NOT VALID;
ALTER TABLE "order"
    VALIDATE CONSTRAINT order_kind_check,
    VALIDATE CONSTRAINT order_rolled_back_check;
CREATE TABLE order_roll_back (
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id bigint NOT NULL,
    coupon text NOT NULL,
    fen bigint NOT NULL,
    parts jsonb NOT NULL,
    paid_by_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT order_roll_back_pkey PRIMARY KEY (id),
    CONSTRAINT order_roll_back_paid_by_id_key UNIQUE (paid_by_id),
    CONSTRAINT order_roll_back_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT order_roll_back_paid_by_id_fkey FOREIGN KEY (paid_by_id) REFERENCES "order" (id),
    CONSTRAINT order_roll_back_fen_check CHECK (fen > 0)
);
CREATE INDEX order_roll_back_order_id_idx ON order_roll_back (order_id);
"""
DOWN = """
DROP TABLE order_roll_back;
ALTER TABLE "order"
    DROP COLUMN rolled_back_fen,
    DROP CONSTRAINT order_kind_check,
    ADD CONSTRAINT order_kind_check CHECK (kind IN ('sale', 'exchange', 'burn'));
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
