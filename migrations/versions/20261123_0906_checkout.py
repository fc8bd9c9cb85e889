"""Checkout: orders with their lines and slices, refunds, quotes, parked refunds.

Revision ID: checkout
Revises: points
"""

from alembic import op

revision = "checkout"
down_revision = "points"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE quote (
    id bigint GENERATED ALWAYS AS IDENTITY,
    public_id text NOT NULL,
    store_id bigint NOT NULL,
    member_id bigint,
    fingerprint bytea NOT NULL,
    priced_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    answer jsonb NOT NULL,
    CONSTRAINT quote_pkey PRIMARY KEY (id),
    CONSTRAINT quote_public_id_key UNIQUE (public_id),
    CONSTRAINT quote_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT quote_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id)
);

CREATE TABLE "order" (
    id bigint GENERATED ALWAYS AS IDENTITY,
    public_id text NOT NULL,
    store_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    number text NOT NULL,
    kind text NOT NULL,
    cashier text,
    member_id bigint,
    state text NOT NULL,
    occurred_at timestamptz NOT NULL,
    business_date date NOT NULL,
    recorded_at timestamptz NOT NULL,
    until timestamptz,
    fingerprint bytea NOT NULL,
    quote_id bigint,
    total_fen bigint NOT NULL,
    burned_points bigint NOT NULL,
    burned_fen bigint NOT NULL,
    due_fen bigint NOT NULL,
    earned_points bigint NOT NULL,
    refunded_fen bigint NOT NULL DEFAULT 0,
    refunds bigint NOT NULL DEFAULT 0,
    parts jsonb,
    slices jsonb,
    homes jsonb,
    earnings jsonb,
    CONSTRAINT order_pkey PRIMARY KEY (id),
    CONSTRAINT order_public_id_key UNIQUE (public_id),
    -- The till's own number, for ever: a re-send under another request key finds the first sale.
    CONSTRAINT order_store_id_terminal_id_number_kind_key
        UNIQUE (store_id, terminal_id, number, kind),
    CONSTRAINT order_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT order_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT order_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT order_quote_id_fkey FOREIGN KEY (quote_id) REFERENCES quote (id),
    CONSTRAINT order_state_check CHECK (state IN ('awaiting_payment', 'paid', 'cancelled')),
    CONSTRAINT order_kind_check CHECK (kind IN ('sale', 'exchange')),
    CONSTRAINT order_sum_check CHECK (
        burned_fen >= 0 AND due_fen >= 0 AND total_fen = burned_fen + due_fen
        AND burned_points >= 0 AND earned_points >= 0
        AND refunded_fen BETWEEN 0 AND total_fen AND refunds >= 0),
    CONSTRAINT order_paid_check CHECK ((state = 'paid') = (slices IS NOT NULL)),
    CONSTRAINT order_member_check CHECK (
        member_id IS NOT NULL OR (burned_points = 0 AND earned_points = 0))
) WITH (fillfactor = 90);
CREATE INDEX order_member_id_business_date_idx ON "order" (member_id, business_date);
CREATE INDEX order_store_id_business_date_idx ON "order" (store_id, business_date);
CREATE INDEX order_until_idx ON "order" (until) WHERE state = 'awaiting_payment';

CREATE TABLE order_line (
    order_id bigint NOT NULL,
    number smallint NOT NULL,
    merchant_id bigint NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    category text NOT NULL,
    quantity bigint NOT NULL,
    amount_fen bigint NOT NULL,
    burned_fen bigint NOT NULL DEFAULT 0,
    earned_points bigint NOT NULL DEFAULT 0,
    refundable boolean NOT NULL,
    refunded_fen bigint NOT NULL DEFAULT 0,
    refunded_quantity bigint NOT NULL DEFAULT 0,
    CONSTRAINT order_line_pkey PRIMARY KEY (order_id, number),
    CONSTRAINT order_line_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT order_line_sum_check CHECK (
        amount_fen >= 0 AND quantity > 0 AND burned_fen BETWEEN 0 AND amount_fen
        AND earned_points >= 0
        AND refunded_fen BETWEEN 0 AND amount_fen AND refunded_quantity BETWEEN 0 AND quantity)
) WITH (fillfactor = 90);

CREATE TABLE refund (
    id bigint GENERATED ALWAYS AS IDENTITY,
    public_id text NOT NULL,
    order_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    store_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    number text NOT NULL,
    cashier text,
    fingerprint bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    fen bigint NOT NULL,
    points_fen bigint NOT NULL,
    money jsonb NOT NULL,
    restored_points bigint NOT NULL,
    clawed_points bigint NOT NULL,
    debt_points bigint NOT NULL,
    written_off_points bigint NOT NULL,
    lines jsonb NOT NULL,
    CONSTRAINT refund_pkey PRIMARY KEY (id),
    CONSTRAINT refund_public_id_key UNIQUE (public_id),
    CONSTRAINT refund_order_id_ordinal_key UNIQUE (order_id, ordinal),
    CONSTRAINT refund_store_id_terminal_id_number_key UNIQUE (store_id, terminal_id, number),
    CONSTRAINT refund_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT refund_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT refund_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT refund_sum_check CHECK (
        fen >= 0 AND points_fen BETWEEN 0 AND fen AND restored_points >= 0 AND clawed_points >= 0
        AND debt_points >= 0 AND written_off_points >= 0
        AND debt_points + written_off_points <= clawed_points)
);

-- A refund that came before its sale was paid waits here (semantics 10).
CREATE TABLE parked_refund (
    id bigint GENERATED ALWAYS AS IDENTITY,
    store_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    order_number text NOT NULL,
    number text NOT NULL,
    request jsonb NOT NULL,
    parked_at timestamptz NOT NULL,
    applied_at timestamptz,
    CONSTRAINT parked_refund_pkey PRIMARY KEY (id),
    CONSTRAINT parked_refund_store_id_terminal_id_number_key
        UNIQUE (store_id, terminal_id, number),
    CONSTRAINT parked_refund_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT parked_refund_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id)
);
CREATE INDEX parked_refund_waiting_idx
    ON parked_refund (store_id, terminal_id, order_number) WHERE applied_at IS NULL;

-- Trade records are kept: the application may correct their progress, never remove them.
REVOKE DELETE, TRUNCATE ON "order", order_line, refund, parked_refund FROM plaza_app;
REVOKE UPDATE ON refund FROM plaza_app;
"""

DOWN = """
DROP TABLE parked_refund, refund, order_line, "order", quote;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
