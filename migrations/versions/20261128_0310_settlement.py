"""Settlement: periods that are closed once, and the figures that they closed with.

Revision ID: settlement
Revises: redemption
"""

from alembic import op

revision = "settlement"
down_revision = "redemption"
branch_labels = None
depends_on = None

UP = """
-- Closed is what stands here: a row is written by the close and never changed.
CREATE TABLE settlement_period (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    closed_at timestamptz NOT NULL,
    closed_by text NOT NULL,
    transfers bigint NOT NULL,
    parties bigint NOT NULL,
    sum_points bigint NOT NULL,
    sum_fen bigint NOT NULL,
    gross_fen bigint NOT NULL,
    net_fen bigint NOT NULL,
    CONSTRAINT settlement_period_code_key UNIQUE (code),
    CONSTRAINT settlement_period_starts_on_key UNIQUE (starts_on),
    CONSTRAINT settlement_period_days_check CHECK (starts_on <= ends_on),
    CONSTRAINT settlement_period_zero_check CHECK (sum_points = 0 AND sum_fen = 0)
);

-- What moved between two kinds of account at one pair of rates: what is rounded, once (ADR 0013).
CREATE TABLE settlement_cell (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_id bigint NOT NULL,
    debit_code text NOT NULL,
    debit_merchant_id bigint,
    debit_cost_num bigint,
    debit_cost_den bigint,
    credit_code text NOT NULL,
    credit_merchant_id bigint,
    credit_cost_num bigint,
    credit_cost_den bigint,
    debit_num bigint NOT NULL,
    debit_den bigint NOT NULL,
    credit_num bigint NOT NULL,
    credit_den bigint NOT NULL,
    points bigint NOT NULL,
    transfers bigint NOT NULL,
    debit_fen bigint NOT NULL,
    credit_fen bigint NOT NULL,
    spread_fen bigint NOT NULL,
    CONSTRAINT settlement_cell_period_id_fkey FOREIGN KEY (period_id)
        REFERENCES settlement_period (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT settlement_cell_points_check CHECK (points > 0 AND transfers > 0)
);
CREATE INDEX settlement_cell_period_id_debit_merchant_id_idx
    ON settlement_cell (period_id, debit_merchant_id);
CREATE INDEX settlement_cell_period_id_credit_merchant_id_idx
    ON settlement_cell (period_id, credit_merchant_id);

-- Points that are out at the end of a period, by what they cost, and the fen that stand for them.
CREATE TABLE settlement_stock (
    period_id bigint NOT NULL,
    kind text NOT NULL,
    merchant_id bigint NOT NULL,
    cost_num bigint NOT NULL,
    cost_den bigint NOT NULL,
    points bigint NOT NULL,
    fen bigint NOT NULL,
    CONSTRAINT settlement_stock_pkey PRIMARY KEY (period_id, kind, merchant_id, cost_num, cost_den),
    CONSTRAINT settlement_stock_period_id_fkey FOREIGN KEY (period_id)
        REFERENCES settlement_period (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT settlement_stock_merchant_id_fkey FOREIGN KEY (merchant_id)
        REFERENCES merchant (id),
    CONSTRAINT settlement_stock_kind_check CHECK (kind IN ('lot', 'debt', 'prepaid'))
);

-- A party's statement: what each column moved of its points and its fen.
CREATE TABLE settlement_line (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period_id bigint NOT NULL,
    party text NOT NULL,
    merchant_id bigint,
    caption text NOT NULL,
    points bigint NOT NULL,
    fen bigint NOT NULL,
    CONSTRAINT settlement_line_key UNIQUE NULLS NOT DISTINCT
        (period_id, merchant_id, party, caption),
    CONSTRAINT settlement_line_period_id_fkey FOREIGN KEY (period_id)
        REFERENCES settlement_period (id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT settlement_line_merchant_id_fkey FOREIGN KEY (merchant_id)
        REFERENCES merchant (id),
    CONSTRAINT settlement_line_party_check CHECK ((party = 'merchant') = (merchant_id IS NOT NULL))
);

-- What of expired points goes back to who had paid for them.
ALTER TABLE programme
    ADD COLUMN breakage_num bigint NOT NULL DEFAULT 1,
    ADD COLUMN breakage_den bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT programme_breakage_check CHECK (
        breakage_num >= 0 AND breakage_num <= breakage_den AND breakage_den > 0
        AND gcd(breakage_num, breakage_den) = 1);

-- Journals that say what a point is worth to either side are few, and found by their day.
CREATE INDEX journal_rates_idx ON journal (booked_on) WHERE details ? 'rates';
-- Accounts that are nobody's wallet are few too.
CREATE INDEX account_house_idx ON account (code) WHERE wallet_id IS NULL;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
