"""Merchants: trades, merchants, stores, terminals, cashiers, contract terms, staff.

Revision ID: merchants
Revises: records
"""

from alembic import op

revision = "merchants"
down_revision = "records"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE trade (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    CONSTRAINT trade_code_key UNIQUE (code),
    CONSTRAINT trade_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$')
);

CREATE TABLE merchant (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    trade_id bigint NOT NULL,
    status text NOT NULL DEFAULT 'active',
    issued_account_id bigint NOT NULL,
    prepaid_account_id bigint NOT NULL,
    redeemed_account_id bigint NOT NULL,
    breakage_account_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT merchant_public_id_key UNIQUE (public_id),
    CONSTRAINT merchant_code_key UNIQUE (code),
    CONSTRAINT merchant_trade_id_fkey FOREIGN KEY (trade_id) REFERENCES trade (id),
    CONSTRAINT merchant_issued_account_id_fkey
        FOREIGN KEY (issued_account_id) REFERENCES account (id),
    CONSTRAINT merchant_prepaid_account_id_fkey
        FOREIGN KEY (prepaid_account_id) REFERENCES account (id),
    CONSTRAINT merchant_redeemed_account_id_fkey
        FOREIGN KEY (redeemed_account_id) REFERENCES account (id),
    CONSTRAINT merchant_breakage_account_id_fkey
        FOREIGN KEY (breakage_account_id) REFERENCES account (id),
    CONSTRAINT merchant_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT merchant_status_check CHECK (
        status IN ('active', 'frozen', 'exiting', 'exited'))
);

CREATE TABLE store (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    merchant_id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    floor text,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL,
    CONSTRAINT store_public_id_key UNIQUE (public_id),
    CONSTRAINT store_code_key UNIQUE (code),
    CONSTRAINT store_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT store_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT store_status_check CHECK (status IN ('active', 'frozen', 'retired'))
);
CREATE INDEX store_merchant_id_idx ON store (merchant_id);

CREATE TABLE terminal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    store_id bigint NOT NULL,
    code text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL,
    CONSTRAINT terminal_public_id_key UNIQUE (public_id),
    CONSTRAINT terminal_store_id_code_key UNIQUE (store_id, code),
    CONSTRAINT terminal_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT terminal_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT terminal_status_check CHECK (status IN ('active', 'frozen', 'retired'))
);

CREATE TABLE cashier (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id bigint NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL,
    CONSTRAINT cashier_store_id_code_key UNIQUE (store_id, code),
    CONSTRAINT cashier_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT cashier_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT cashier_status_check CHECK (status IN ('active', 'frozen', 'retired'))
);

CREATE TABLE contract_term (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id bigint NOT NULL,
    valid_from date NOT NULL,
    cost_num bigint NOT NULL,
    cost_den bigint NOT NULL,
    redemption_num bigint NOT NULL,
    redemption_den bigint NOT NULL,
    funding text NOT NULL,
    may_burn text NOT NULL,
    change_request_id bigint,
    created_at timestamptz NOT NULL,
    CONSTRAINT contract_term_merchant_id_valid_from_key UNIQUE (merchant_id, valid_from),
    CONSTRAINT contract_term_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT contract_term_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT contract_term_cost_check CHECK (
        cost_num >= 0 AND cost_den > 0 AND gcd(cost_num, cost_den) = 1),
    CONSTRAINT contract_term_redemption_check CHECK (
        redemption_num >= 0 AND redemption_den > 0 AND gcd(redemption_num, redemption_den) = 1),
    CONSTRAINT contract_term_funding_check CHECK (funding IN ('prepaid', 'postpaid')),
    CONSTRAINT contract_term_may_burn_check CHECK (may_burn IN ('any', 'own', 'none'))
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON contract_term
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE staff (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    roles text[] NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL,
    CONSTRAINT staff_public_id_key UNIQUE (public_id),
    CONSTRAINT staff_login_key UNIQUE (login),
    CONSTRAINT staff_login_check CHECK (login ~ '^[a-z][a-z0-9._-]{1,39}$'),
    CONSTRAINT staff_status_check CHECK (status IN ('active', 'disabled')),
    CONSTRAINT staff_roles_check CHECK (cardinality(roles) > 0 AND roles <@
        ARRAY['admin', 'marketer', 'finance', 'support', 'auditor'])
);

-- What every sale needs of these is kept in memory until one of them changes.
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON trade
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON merchant
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON store
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON terminal
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON cashier
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON contract_term
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();

-- Retire, never delete: references always resolve.
REVOKE DELETE, TRUNCATE ON trade, merchant, store, terminal, cashier, contract_term, staff
    FROM plaza_app;
REVOKE UPDATE ON contract_term FROM plaza_app;

-- The common trades of a district; more are added by the district itself.
INSERT INTO trade (code, name_zh, name_en) VALUES
    ('dining', '餐饮', 'Dining'),
    ('cafe', '咖啡茶饮', 'Coffee and tea'),
    ('supermarket', '超市', 'Supermarket'),
    ('department', '百货', 'Department store'),
    ('fashion', '服饰鞋包', 'Fashion'),
    ('beauty', '美妆个护', 'Beauty'),
    ('jewellery', '珠宝钟表', 'Jewellery and watches'),
    ('electronics', '数码家电', 'Electronics'),
    ('home', '家居', 'Home'),
    ('sports', '运动户外', 'Sports'),
    ('kids', '亲子教育', 'Children and education'),
    ('leisure', '休闲娱乐', 'Leisure'),
    ('culture', '文化书店', 'Books and culture'),
    ('lodging', '住宿', 'Lodging'),
    ('services', '生活服务', 'Services'),
    ('parking', '停车', 'Parking');
"""

DOWN = """
DROP TABLE staff, contract_term, cashier, terminal, store, merchant, trade;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
