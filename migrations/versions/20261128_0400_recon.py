"""Merged members, opening balances of an older programme, bills of the gateways and their breaks.

Revision ID: recon
Revises: dues
"""

from alembic import op

revision = "recon"
down_revision = "dues"
branch_labels = None
depends_on = None

# A constraint is renewed without a look at the rows under the lock, then made valid beside them.
UP = """
ALTER TABLE device_session DROP CONSTRAINT device_session_ended_why_check;
ALTER TABLE device_session ADD CONSTRAINT device_session_ended_why_check
    CHECK (ended_why IN ('signed_out', 'everywhere', 'reused', 'closed', 'parked')) NOT VALID;
ALTER TABLE device_session VALIDATE CONSTRAINT device_session_ended_why_check;

-- One person who was kept twice: a link from the loser to the survivor, and what moved by lot.
ALTER TABLE member ADD COLUMN merged_into_id bigint;
ALTER TABLE member ADD CONSTRAINT member_merged_into_id_fkey
    FOREIGN KEY (merged_into_id) REFERENCES member (id) NOT VALID;
ALTER TABLE member VALIDATE CONSTRAINT member_merged_into_id_fkey;
CREATE INDEX member_merged_into_id_idx ON member (merged_into_id)
    WHERE merged_into_id IS NOT NULL;
ALTER TABLE member DROP CONSTRAINT member_status_check;
ALTER TABLE member ADD CONSTRAINT member_status_check
    CHECK (status IN ('active', 'frozen', 'parked', 'closed', 'merged')) NOT VALID;
ALTER TABLE member VALIDATE CONSTRAINT member_status_check;
ALTER TABLE member ADD CONSTRAINT member_merged_check
    CHECK (status <> 'merged' OR merged_into_id IS NOT NULL) NOT VALID;
ALTER TABLE member VALIDATE CONSTRAINT member_merged_check;

CREATE TABLE merge (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    loser_id bigint NOT NULL,
    survivor_id bigint NOT NULL,
    loser_status text NOT NULL,
    consents jsonb NOT NULL,
    cashiers jsonb NOT NULL,
    merged_at timestamptz NOT NULL,
    merged_by text NOT NULL,
    undone_at timestamptz,
    undone_by text,
    CONSTRAINT merge_public_id_key UNIQUE (public_id),
    CONSTRAINT merge_loser_id_fkey FOREIGN KEY (loser_id) REFERENCES member (id),
    CONSTRAINT merge_survivor_id_fkey FOREIGN KEY (survivor_id) REFERENCES member (id),
    CONSTRAINT merge_two_check CHECK (loser_id <> survivor_id),
    CONSTRAINT merge_undone_check CHECK ((undone_at IS NULL) = (undone_by IS NULL))
);
CREATE UNIQUE INDEX merge_loser_id_idx ON merge (loser_id) WHERE undone_at IS NULL;
CREATE INDEX merge_survivor_id_idx ON merge (survivor_id);

CREATE TABLE merged_lot (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merge_id bigint NOT NULL,
    from_account_id bigint NOT NULL,
    to_account_id bigint NOT NULL,
    points bigint NOT NULL,
    own_points bigint NOT NULL,
    CONSTRAINT merged_lot_merge_id_fkey FOREIGN KEY (merge_id) REFERENCES merge (id),
    CONSTRAINT merged_lot_from_account_id_fkey
        FOREIGN KEY (from_account_id) REFERENCES account (id),
    CONSTRAINT merged_lot_to_account_id_fkey FOREIGN KEY (to_account_id) REFERENCES account (id),
    CONSTRAINT merged_lot_points_check CHECK (points > 0 AND own_points >= 0)
);
CREATE INDEX merged_lot_merge_id_idx ON merged_lot (merge_id);

-- Rows of an older programme that were taken over, once for ever.
CREATE TABLE opening_row (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    key text NOT NULL,
    content bytea NOT NULL,
    account_id bigint NOT NULL,
    points bigint NOT NULL,
    CONSTRAINT opening_row_source_key_key UNIQUE (source, key),
    CONSTRAINT opening_row_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT opening_row_content_check CHECK (octet_length(content) = 16),
    CONSTRAINT opening_row_points_check CHECK (points > 0)
);

-- The gateways' bills of a day, and how they differ from what tills took.
CREATE TABLE bill (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    gateway text NOT NULL,
    day date NOT NULL,
    content bytea NOT NULL,
    imported_at timestamptz NOT NULL,
    imported_by text NOT NULL,
    CONSTRAINT bill_public_id_key UNIQUE (public_id),
    CONSTRAINT bill_gateway_day_key UNIQUE (gateway, day),
    CONSTRAINT bill_gateway_check CHECK (gateway IN ('wechat', 'alipay')),
    CONSTRAINT bill_content_check CHECK (octet_length(content) = 32)
);
CREATE TABLE bill_row (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bill_id bigint NOT NULL,
    gateway text NOT NULL,
    day date NOT NULL,
    way text NOT NULL,
    transaction_id text NOT NULL,
    refund_id text NOT NULL,
    order_number text NOT NULL,
    refund_number text NOT NULL,
    fen bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT bill_row_gateway_day_transaction_id_refund_id_key
        UNIQUE (gateway, day, transaction_id, refund_id),
    CONSTRAINT bill_row_bill_id_fkey FOREIGN KEY (bill_id) REFERENCES bill (id),
    CONSTRAINT bill_row_way_check CHECK (way IN ('payment', 'refund')),
    CONSTRAINT bill_row_refund_check CHECK ((way = 'refund') = (refund_id <> '')),
    CONSTRAINT bill_row_fen_check CHECK (fen > 0)
);
CREATE INDEX bill_row_bill_id_idx ON bill_row (bill_id);
CREATE TABLE reconciliation (
    gateway text NOT NULL,
    day date NOT NULL,
    pos_fen bigint NOT NULL,
    ledger_fen bigint NOT NULL,
    bill_fen bigint NOT NULL,
    break_fen bigint NOT NULL,
    books_fen bigint NOT NULL,
    run_at timestamptz NOT NULL,
    CONSTRAINT reconciliation_pkey PRIMARY KEY (gateway, day),
    CONSTRAINT reconciliation_bill_check CHECK (pos_fen = bill_fen + break_fen),
    CONSTRAINT reconciliation_books_check CHECK (ledger_fen = pos_fen - books_fen)
);
CREATE TABLE recon_break (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    gateway text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    order_id bigint,
    refund_id bigint,
    bill_row_id bigint,
    fen bigint NOT NULL,
    opened_at timestamptz NOT NULL,
    owner text,
    owned_at timestamptz,
    closed_at timestamptz,
    closed_by text,
    reason text,
    gone_at timestamptz,
    CONSTRAINT recon_break_public_id_key UNIQUE (public_id),
    CONSTRAINT recon_break_what_key UNIQUE NULLS NOT DISTINCT
        (gateway, day, kind, order_id, refund_id, bill_row_id),
    CONSTRAINT recon_break_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT recon_break_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund (id),
    CONSTRAINT recon_break_bill_row_id_fkey FOREIGN KEY (bill_row_id) REFERENCES bill_row (id),
    CONSTRAINT recon_break_kind_check CHECK (kind IN (
        'missing_at_gateway', 'missing_here', 'amount_differs', 'refund_missing_at_gateway',
        'refund_missing_here', 'duplicate', 'wrong_day', 'books_differ')),
    CONSTRAINT recon_break_fen_check CHECK (fen <> 0),
    CONSTRAINT recon_break_owner_check CHECK ((owner IS NULL) = (owned_at IS NULL)),
    CONSTRAINT recon_break_closed_check CHECK (
        (closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (reason IS NULL))
);
CREATE INDEX recon_break_open_idx ON recon_break (day)
    WHERE closed_at IS NULL AND gone_at IS NULL;
"""

DOWN = """
DROP TABLE recon_break, reconciliation, bill_row, bill, opening_row, merged_lot, merge;
ALTER TABLE member DROP CONSTRAINT member_merged_check;
ALTER TABLE member DROP CONSTRAINT member_status_check;
ALTER TABLE member ADD CONSTRAINT member_status_check
    CHECK (status IN ('active', 'frozen', 'parked', 'closed')) NOT VALID;
ALTER TABLE member DROP COLUMN merged_into_id;
ALTER TABLE device_session DROP CONSTRAINT device_session_ended_why_check;
ALTER TABLE device_session ADD CONSTRAINT device_session_ended_why_check
    CHECK (ended_why IN ('signed_out', 'everywhere', 'reused', 'closed')) NOT VALID;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
