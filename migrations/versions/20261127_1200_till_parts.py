"""The tills' missing parts: burns, money by tender, instants of change, Z reports.

Revision ID: till_parts
Revises: bulk
"""

from alembic import op

revision = "till_parts"
down_revision = "bulk"
branch_labels = None
depends_on = None

UP = """
-- Points held for a sale that is kept in a system of the till's own; captured, it is an order.
CREATE TABLE burn (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    store_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    number text NOT NULL,
    cashier text,
    member_id bigint NOT NULL,
    state text NOT NULL,
    recorded_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    order_fen bigint NOT NULL,
    points bigint NOT NULL,
    worth_fen bigint NOT NULL,
    parts jsonb NOT NULL,
    captured_points bigint NOT NULL DEFAULT 0,
    captured_fen bigint NOT NULL DEFAULT 0,
    order_id bigint,
    ended_at timestamptz,
    CONSTRAINT burn_public_id_key UNIQUE (public_id),
    CONSTRAINT burn_store_id_terminal_id_number_key UNIQUE (store_id, terminal_id, number),
    CONSTRAINT burn_order_id_key UNIQUE (order_id),
    CONSTRAINT burn_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT burn_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT burn_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT burn_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT burn_state_check CHECK (state IN ('authorised', 'captured', 'voided')),
    CONSTRAINT burn_end_check CHECK ((state = 'authorised') = (ended_at IS NULL)),
    CONSTRAINT burn_order_check CHECK ((state = 'captured') = (order_id IS NOT NULL)),
    CONSTRAINT burn_sum_check CHECK (
        points > 0 AND worth_fen BETWEEN 1 AND order_fen
        AND captured_points BETWEEN 0 AND points AND captured_fen BETWEEN 0 AND worth_fen
        AND (captured_points > 0) = (state = 'captured')
        AND (captured_fen > 0) = (state = 'captured'))
);
CREATE INDEX burn_member_id_recorded_at_idx ON burn (member_id, recorded_at);

-- What a member burned within the hour, to know when the phone has to be asked.
CREATE INDEX order_burns_idx ON "order" (member_id, recorded_at) WHERE burned_points > 0;

ALTER TABLE "order" DROP CONSTRAINT order_kind_check;
ALTER TABLE "order" ADD CONSTRAINT order_kind_check
    CHECK (kind IN ('sale', 'exchange', 'burn')) NOT VALID;
ALTER TABLE "order" VALIDATE CONSTRAINT order_kind_check;
"""

DOWN = """
DROP INDEX order_burns_idx;
ALTER TABLE "order" DROP CONSTRAINT order_kind_check;
ALTER TABLE "order" ADD CONSTRAINT order_kind_check
    CHECK (kind IN ('sale', 'exchange')) NOT VALID;
DROP TABLE burn;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
