"""Merchants run low, reach their credit, leave; what leaving members gave away finds its use.

Revision ID: parting
Revises: lean_cells
"""

from alembic import op

revision = "parting"
down_revision = "lean_cells"
branch_labels = None
depends_on = None

UP = """
-- A prepaid merchant is warned below so many points; a postpaid one owes no more than its limit.
ALTER TABLE contract_term
    ADD COLUMN alert_points bigint,
    ADD COLUMN credit_limit_fen bigint,
    ADD CONSTRAINT contract_term_alert_check CHECK (
        alert_points IS NULL OR (alert_points > 0 AND funding = 'prepaid')),
    ADD CONSTRAINT contract_term_credit_check CHECK (
        credit_limit_fen IS NULL OR (credit_limit_fen > 0 AND funding = 'postpaid'));

-- Each crossing of such a level, once; the newest row of a kind is how a merchant stands.
CREATE TABLE merchant_standing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id bigint NOT NULL,
    alarm text NOT NULL,
    raised boolean NOT NULL,
    amount bigint NOT NULL,
    level bigint,
    at timestamptz NOT NULL,
    CONSTRAINT merchant_standing_merchant_id_fkey
        FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT merchant_standing_alarm_check CHECK (alarm IN ('points_low', 'credit_used_up'))
);
CREATE INDEX merchant_standing_merchant_id_alarm_id_idx
    ON merchant_standing (merchant_id, alarm, id);
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON merchant_standing
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();

-- What became of points that leaving members gave away, by issuer and cost.
CREATE TABLE donation_release (
    change_request_id bigint NOT NULL,
    issuer_id bigint NOT NULL,
    cost_num bigint NOT NULL,
    cost_den bigint NOT NULL,
    points bigint NOT NULL,
    purpose text NOT NULL,
    released_at timestamptz NOT NULL,
    CONSTRAINT donation_release_pkey
        PRIMARY KEY (change_request_id, issuer_id, cost_num, cost_den),
    CONSTRAINT donation_release_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT donation_release_issuer_id_fkey FOREIGN KEY (issuer_id) REFERENCES merchant (id),
    CONSTRAINT donation_release_points_check CHECK (points > 0),
    CONSTRAINT donation_release_purpose_check CHECK (purpose IN ('issuers', 'charity'))
);

-- A merchant that leaves: what was out and owed that day, and what was agreed then.
CREATE TABLE merchant_exit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    merchant_id bigint NOT NULL,
    begun_on date NOT NULL,
    breakage_num bigint NOT NULL,
    breakage_den bigint NOT NULL,
    share_num bigint NOT NULL,
    share_den bigint NOT NULL,
    out_points bigint NOT NULL,
    out_fen bigint NOT NULL,
    owed_points bigint NOT NULL,
    owed_fen bigint NOT NULL,
    unpaid_fen bigint NOT NULL,
    breakage_fen bigint NOT NULL,
    deposit_fen bigint NOT NULL,
    fund_limit_fen bigint NOT NULL,
    redeemer_months bigint NOT NULL,
    change_request_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT merchant_exit_public_id_key UNIQUE (public_id),
    CONSTRAINT merchant_exit_merchant_id_key UNIQUE (merchant_id),
    CONSTRAINT merchant_exit_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT merchant_exit_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT merchant_exit_breakage_check CHECK (
        breakage_num BETWEEN 0 AND breakage_den AND breakage_den > 0),
    CONSTRAINT merchant_exit_share_check CHECK (
        share_num BETWEEN 0 AND share_den AND share_den > 0),
    CONSTRAINT merchant_exit_losses_check CHECK (fund_limit_fen >= 0 AND redeemer_months >= 0)
);

-- Money of its deposit: above zero the merchant paid it, below zero it went back.
CREATE TABLE exit_deposit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    exit_id bigint NOT NULL,
    fen bigint NOT NULL,
    reference text NOT NULL,
    paid_on date NOT NULL,
    recorded_at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    CONSTRAINT exit_deposit_public_id_key UNIQUE (public_id),
    CONSTRAINT exit_deposit_exit_id_reference_key UNIQUE (exit_id, reference),
    CONSTRAINT exit_deposit_exit_id_fkey FOREIGN KEY (exit_id) REFERENCES merchant_exit (id),
    CONSTRAINT exit_deposit_fen_check CHECK (fen <> 0)
);

-- What it owed and others bore, in the declared order; below zero: what came back to them.
CREATE TABLE exit_loss (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    exit_id bigint NOT NULL,
    deposit_fen bigint NOT NULL,
    fund_fen bigint NOT NULL,
    change_request_id bigint,
    at timestamptz NOT NULL,
    by text NOT NULL,
    CONSTRAINT exit_loss_public_id_key UNIQUE (public_id),
    CONSTRAINT exit_loss_exit_id_fkey FOREIGN KEY (exit_id) REFERENCES merchant_exit (id),
    CONSTRAINT exit_loss_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id)
);
CREATE INDEX exit_loss_exit_id_idx ON exit_loss (exit_id);
CREATE TABLE exit_loss_share (
    loss_id bigint NOT NULL,
    merchant_id bigint NOT NULL,
    fen bigint NOT NULL,
    CONSTRAINT exit_loss_share_pkey PRIMARY KEY (loss_id, merchant_id),
    CONSTRAINT exit_loss_share_loss_id_fkey FOREIGN KEY (loss_id) REFERENCES exit_loss (id),
    CONSTRAINT exit_loss_share_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT exit_loss_share_fen_check CHECK (fen <> 0)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
