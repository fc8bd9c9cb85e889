"""Members: identity under seal, channel identities, memberships of merchants.

Revision ID: members
Revises: merchants
"""

from alembic import op

revision = "members"
down_revision = "merchants"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE member (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    wallet_id bigint NOT NULL,
    card_number text,
    kind text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    tier text NOT NULL DEFAULT 'basic',
    source text NOT NULL,
    joined_at timestamptz NOT NULL,
    phone bytea,
    phone_index bytea,
    name bytea,
    data_key bytea,
    key_version bigint NOT NULL,
    CONSTRAINT member_public_id_key UNIQUE (public_id),
    CONSTRAINT member_wallet_id_key UNIQUE (wallet_id),
    CONSTRAINT member_card_number_key UNIQUE (card_number),
    CONSTRAINT member_phone_index_key UNIQUE (phone_index),
    CONSTRAINT member_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES wallet (id),
    CONSTRAINT member_kind_check CHECK (kind IN ('registered', 'pseudonymous')),
    CONSTRAINT member_status_check CHECK (status IN ('active', 'frozen', 'parked', 'closed')),
    CONSTRAINT member_tier_check CHECK (tier ~ '^[a-z][a-z0-9_]{0,29}$'),
    CONSTRAINT member_source_check CHECK (
        source IN ('counter', 'web', 'wechat', 'alipay', 'payment', 'import')),
    CONSTRAINT member_card_number_check CHECK (card_number ~ '^[A-Za-z0-9-]{1,40}$'),
    CONSTRAINT member_phone_index_check CHECK (
        phone_index IS NULL OR (octet_length(phone_index) = 16 AND phone IS NOT NULL)),
    CONSTRAINT member_data_key_check CHECK (
        data_key IS NOT NULL OR (phone IS NULL AND name IS NULL))
);

CREATE TABLE channel_identity (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id bigint NOT NULL,
    channel text NOT NULL,
    app_id text NOT NULL,
    identity_index bytea NOT NULL,
    identity bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT channel_identity_identity_index_key UNIQUE (identity_index),
    CONSTRAINT channel_identity_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT channel_identity_identity_index_check CHECK (octet_length(identity_index) = 16)
);
CREATE INDEX channel_identity_member_id_idx ON channel_identity (member_id);

CREATE TABLE membership (
    member_id bigint NOT NULL,
    merchant_id bigint NOT NULL,
    pseudonym text NOT NULL,
    source text NOT NULL,
    created_at timestamptz NOT NULL,
    consent_version text,
    consented_at timestamptz,
    CONSTRAINT membership_pkey PRIMARY KEY (member_id, merchant_id),
    CONSTRAINT membership_pseudonym_key UNIQUE (pseudonym),
    CONSTRAINT membership_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT membership_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT membership_source_check CHECK (
        source IN ('counter', 'web', 'wechat', 'alipay', 'payment', 'import')),
    CONSTRAINT membership_consent_check CHECK (
        (consent_version IS NULL) = (consented_at IS NULL))
);
CREATE INDEX membership_merchant_id_pseudonym_idx ON membership (merchant_id, pseudonym);

CREATE TABLE cashier_member (
    cashier_id bigint NOT NULL,
    member_id bigint NOT NULL,
    CONSTRAINT cashier_member_pkey PRIMARY KEY (cashier_id),
    CONSTRAINT cashier_member_cashier_id_fkey FOREIGN KEY (cashier_id) REFERENCES cashier (id),
    CONSTRAINT cashier_member_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id)
);
CREATE INDEX cashier_member_member_id_idx ON cashier_member (member_id);

-- A person is shredded by destroying the data key, never by deleting rows that others refer to.
REVOKE DELETE, TRUNCATE ON member, membership FROM plaza_app;
"""

DOWN = """
DROP TABLE cashier_member, membership, channel_identity, member;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
