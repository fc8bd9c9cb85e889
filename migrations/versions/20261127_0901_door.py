"""The tills' door: keys of stores, members known at a till, stored answers.

Revision ID: door
Revises: safeguards
"""

from alembic import op

revision = "door"
down_revision = "safeguards"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE store_key (
    id bigint GENERATED ALWAYS AS IDENTITY,
    key_id text NOT NULL,
    store_id bigint NOT NULL,
    secret bytea NOT NULL,
    key_version bigint NOT NULL,
    state text NOT NULL,
    valid_until timestamptz,
    change_request_id bigint,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT store_key_pkey PRIMARY KEY (id),
    CONSTRAINT store_key_key_id_key UNIQUE (key_id),
    CONSTRAINT store_key_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT store_key_change_request_id_fkey
        FOREIGN KEY (change_request_id) REFERENCES change_request (id),
    CONSTRAINT store_key_key_id_check
        CHECK (key_id ~ '^pk_[a-z][a-z0-9-]{1,30}_[0-9A-Za-z]{4,40}$'),
    CONSTRAINT store_key_state_check CHECK (state IN ('active', 'rotated', 'ended', 'revoked')),
    CONSTRAINT store_key_ended_check
        CHECK ((state IN ('ended', 'revoked')) = (ended_at IS NOT NULL)),
    CONSTRAINT store_key_active_check CHECK (state <> 'active' OR valid_until IS NULL),
    CONSTRAINT store_key_rotated_check CHECK (state <> 'rotated' OR valid_until IS NOT NULL)
);
-- One that signs and one that was rotated: no store has more than two that are valid.
CREATE UNIQUE INDEX store_key_alive_idx ON store_key (store_id, state)
    WHERE state IN ('active', 'rotated');
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON store_key
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();

-- Who is known at which terminal, for a quarter of an hour.
CREATE TABLE identification (
    id bigint GENERATED ALWAYS AS IDENTITY,
    public_id text NOT NULL,
    member_id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    mode text NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT identification_pkey PRIMARY KEY (id),
    CONSTRAINT identification_public_id_key UNIQUE (public_id),
    CONSTRAINT identification_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT identification_terminal_id_fkey FOREIGN KEY (terminal_id) REFERENCES terminal (id),
    CONSTRAINT identification_mode_check CHECK (mode IN ('earn', 'spend'))
);
CREATE INDEX identification_until_idx ON identification (until);

-- What a store's idempotency key was answered: kept for 30 days, never changed.
CREATE TABLE idempotency (
    principal text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (principal, key),
    CONSTRAINT idempotency_fingerprint_check CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_status_check
        CHECK (status BETWEEN 200 AND 299 OR status IN (409, 422))
);
CREATE INDEX idempotency_created_at_idx ON idempotency (created_at);
"""

DOWN = """
DROP TABLE idempotency, identification, store_key;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
