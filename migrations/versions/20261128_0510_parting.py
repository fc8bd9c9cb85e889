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
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
