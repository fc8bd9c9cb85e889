"""The members' door: devices and their tokens, member codes, burns to confirm, consents, leaving.

Revision ID: member_door
Revises: door
"""

from alembic import op

revision = "member_door"
down_revision = "door"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE device_session (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    source text NOT NULL,
    opened_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended_why text,
    CONSTRAINT device_session_public_id_key UNIQUE (public_id),
    CONSTRAINT device_session_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT device_session_source_check CHECK (source IN ('web', 'wechat', 'alipay')),
    CONSTRAINT device_session_ended_why_check
        CHECK (ended_why IN ('signed_out', 'everywhere', 'reused', 'closed')),
    CONSTRAINT device_session_ended_check CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX device_session_member_id_idx ON device_session (member_id);

CREATE TABLE code_seed (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias text NOT NULL,
    session_id bigint NOT NULL,
    seed bytea NOT NULL,
    key_version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended_why text,
    CONSTRAINT code_seed_alias_key UNIQUE (alias),
    CONSTRAINT code_seed_session_id_fkey
        FOREIGN KEY (session_id) REFERENCES device_session (id),
    CONSTRAINT code_seed_alias_check CHECK (alias ~ '^[0-9]{10}$'),
    CONSTRAINT code_seed_ended_why_check CHECK (ended_why IN ('replaced', 'guessed')),
    CONSTRAINT code_seed_ended_check CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX code_seed_session_id_idx ON code_seed (session_id);
CREATE INDEX code_seed_created_at_idx ON code_seed (created_at);

-- Each code once, for ever: seeds go after four days, their uses stay.
CREATE TABLE code_use (
    alias text NOT NULL,
    step bigint NOT NULL,
    mode text NOT NULL,
    used_at timestamptz NOT NULL,
    CONSTRAINT code_use_pkey PRIMARY KEY (alias, step, mode),
    CONSTRAINT code_use_mode_check CHECK (mode IN ('earn', 'spend'))
);

CREATE TABLE code_miss (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias text,
    terminal_id bigint NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT code_miss_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id)
);
CREATE INDEX code_miss_alias_at_idx ON code_miss (alias, at);
CREATE INDEX code_miss_terminal_id_at_idx ON code_miss (terminal_id, at);
CREATE INDEX code_miss_at_idx ON code_miss (at);

CREATE TABLE burn_confirmation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    points bigint NOT NULL,
    worth_fen bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    confirmed_at timestamptz,
    used_at timestamptz,
    CONSTRAINT burn_confirmation_public_id_key UNIQUE (public_id),
    CONSTRAINT burn_confirmation_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT burn_confirmation_terminal_id_fkey
        FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT burn_confirmation_amounts_check CHECK (points > 0 AND worth_fen > 0),
    CONSTRAINT burn_confirmation_used_check
        CHECK (used_at IS NULL OR confirmed_at IS NOT NULL)
);
CREATE INDEX burn_confirmation_waiting_idx ON burn_confirmation (member_id)
    WHERE confirmed_at IS NULL;

-- What a member agreed to, refused and took back: rows are only added.
CREATE TABLE consent (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    purpose text NOT NULL,
    channel text NOT NULL,
    merchant_id bigint,
    decision text NOT NULL,
    text_version text NOT NULL,
    text_sha256 bytea NOT NULL,
    decided_at timestamptz NOT NULL,
    evidence jsonb NOT NULL,
    CONSTRAINT consent_public_id_key UNIQUE (public_id),
    CONSTRAINT consent_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT consent_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT consent_purpose_check CHECK (
        purpose IN ('membership', 'marketing', 'personalisation', 'merchant_sharing')),
    CONSTRAINT consent_channel_check CHECK (
        channel IN ('any', 'sms', 'wechat', 'alipay', 'app')),
    CONSTRAINT consent_decision_check CHECK (decision IN ('given', 'declined', 'withdrawn')),
    CONSTRAINT consent_text_sha256_check CHECK (octet_length(text_sha256) = 32),
    CONSTRAINT consent_merchant_check
        CHECK ((purpose = 'merchant_sharing') = (merchant_id IS NOT NULL))
);
CREATE INDEX consent_member_id_idx
    ON consent (member_id, purpose, channel, merchant_id, id);

CREATE TABLE refresh_token (
    token_hash bytea NOT NULL,
    session_id bigint NOT NULL,
    issued_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    used_at timestamptz,
    CONSTRAINT refresh_token_pkey PRIMARY KEY (token_hash),
    CONSTRAINT refresh_token_session_id_fkey
        FOREIGN KEY (session_id) REFERENCES device_session (id),
    CONSTRAINT refresh_token_token_hash_check CHECK (octet_length(token_hash) = 32)
);
CREATE INDEX refresh_token_session_id_idx ON refresh_token (session_id);

-- Codes on their way to a phone; gone after a day.
CREATE TABLE sign_in_code (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    phone_index bytea NOT NULL,
    phone bytea NOT NULL,
    code bytea NOT NULL,
    key_version bigint NOT NULL,
    made_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    tries bigint NOT NULL,
    used_at timestamptz,
    CONSTRAINT sign_in_code_public_id_key UNIQUE (public_id),
    CONSTRAINT sign_in_code_phone_index_check CHECK (octet_length(phone_index) = 16),
    CONSTRAINT sign_in_code_tries_check CHECK (tries >= 0)
);
CREATE INDEX sign_in_code_phone_index_made_at_idx ON sign_in_code (phone_index, made_at);
CREATE INDEX sign_in_code_made_at_idx ON sign_in_code (made_at);

-- Whoever wishes to leave, until he is erased or thinks better of it.
CREATE TABLE closing (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    points text NOT NULL,
    asked_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    undone_at timestamptz,
    done_at timestamptz,
    CONSTRAINT closing_public_id_key UNIQUE (public_id),
    CONSTRAINT closing_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT closing_points_check CHECK (points IN ('burn', 'donate', 'forfeit')),
    CONSTRAINT closing_end_check CHECK (undone_at IS NULL OR done_at IS NULL)
);
CREATE UNIQUE INDEX closing_member_id_idx ON closing (member_id) WHERE undone_at IS NULL;
CREATE INDEX closing_due_idx ON closing (due_at) WHERE undone_at IS NULL AND done_at IS NULL;

CREATE TABLE data_export (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    asked_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    fetched_at timestamptz,
    CONSTRAINT data_export_public_id_key UNIQUE (public_id),
    CONSTRAINT data_export_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT data_export_fetched_in_time_check CHECK (fetched_at < until)
);
CREATE INDEX data_export_member_id_idx ON data_export (member_id);
"""

DOWN = """
DROP TABLE data_export, closing, sign_in_code, refresh_token, consent, burn_confirmation,
    code_miss, code_use, code_seed, device_session;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
