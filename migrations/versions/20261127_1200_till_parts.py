"""The tills' missing parts: burns, money by tender, instants of change, Z reports.

Revision ID: till_parts
Revises: bulk
"""

from alembic import op

revision = "till_parts"
down_revision = "bulk"
branch_labels = None
depends_on = None

#: What each tender paid, worked out of an order's slices (app/checkout/slices.py, format 1).
MONEY = """coalesce((
    SELECT jsonb_object_agg(paid.name, paid.fen)
    FROM (
        SELECT o.slices -> 1 ->> (run ->> i)::int AS name,
               sum((run ->> 0)::bigint * (run ->> (i + 1))::bigint) AS fen
        FROM jsonb_array_elements(o.slices -> 3) line,
             jsonb_array_elements(line -> 3) run,
             generate_series(2, jsonb_array_length(run) - 1, 3) i
        WHERE (run ->> i)::int < jsonb_array_length(o.slices -> 1)
        GROUP BY 1
        HAVING sum((run ->> 0)::bigint * (run ->> (i + 1))::bigint) > 0
    ) paid), '{}')"""

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

-- The money by tender, which the slices know too, where totals are summed.
ALTER TABLE "order" ADD COLUMN money jsonb;
UPDATE "order" o SET money = $MONEY WHERE state = 'paid';

-- When a row was last written, by the real clock: what is asked for since an instant goes by it.
ALTER TABLE "order" ADD COLUMN updated_at timestamptz;
UPDATE "order" SET updated_at = recorded_at;
ALTER TABLE "order"
    ALTER COLUMN updated_at SET DEFAULT clock_timestamp(), ALTER COLUMN updated_at SET NOT NULL;
CREATE INDEX order_store_id_updated_at_id_idx ON "order" (store_id, updated_at, id);
ALTER TABLE refund ADD COLUMN updated_at timestamptz;
UPDATE refund SET updated_at = recorded_at;
ALTER TABLE refund
    ALTER COLUMN updated_at SET DEFAULT clock_timestamp(), ALTER COLUMN updated_at SET NOT NULL;
CREATE INDEX refund_store_id_updated_at_id_idx ON refund (store_id, updated_at, id);

-- What a terminal took and gave since the report before, and which orders and refunds that were.
CREATE TABLE z_report (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    store_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    number text NOT NULL,
    cashier text NOT NULL,
    began_at timestamptz,
    closed_at timestamptz NOT NULL,
    first_at timestamptz,
    last_at timestamptz,
    totals jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT z_report_public_id_key UNIQUE (public_id),
    CONSTRAINT z_report_terminal_id_ordinal_key UNIQUE (terminal_id, ordinal),
    CONSTRAINT z_report_terminal_id_number_key UNIQUE (terminal_id, number),
    CONSTRAINT z_report_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT z_report_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT z_report_ordinal_check CHECK (ordinal > 0)
);
CREATE TABLE z_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    z_id bigint NOT NULL,
    order_id bigint,
    refund_id bigint,
    CONSTRAINT z_entry_order_id_key UNIQUE (order_id),
    CONSTRAINT z_entry_refund_id_key UNIQUE (refund_id),
    CONSTRAINT z_entry_z_id_fkey FOREIGN KEY (z_id) REFERENCES z_report (id),
    CONSTRAINT z_entry_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT z_entry_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund (id),
    CONSTRAINT z_entry_one_check CHECK (num_nonnulls(order_id, refund_id) = 1)
);
CREATE INDEX z_entry_z_id_idx ON z_entry (z_id);
"""

DOWN = """
DROP TABLE z_entry, z_report;
DROP INDEX order_store_id_updated_at_id_idx, refund_store_id_updated_at_id_idx;
ALTER TABLE refund DROP COLUMN updated_at;
ALTER TABLE "order" DROP COLUMN updated_at, DROP COLUMN money;
DROP INDEX order_burns_idx;
ALTER TABLE "order" DROP CONSTRAINT order_kind_check;
ALTER TABLE "order" ADD CONSTRAINT order_kind_check
    CHECK (kind IN ('sale', 'exchange')) NOT VALID;
DROP TABLE burn;
"""


def upgrade() -> None:
    op.execute(UP.replace("$MONEY", MONEY))


def downgrade() -> None:
    op.execute(DOWN)
