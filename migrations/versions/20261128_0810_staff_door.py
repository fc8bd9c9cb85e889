"""The staff's door over HTTP: what they sign in with, their sessions, and refused sign-ins.

Revision ID: staff_door
Revises: promises
"""

from alembic import op

revision = "staff_door"
down_revision = "promises"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE staff_credential (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staff_id bigint NOT NULL,
    salt bytea NOT NULL,
    password_hash bytea NOT NULL,
    totp_key bytea NOT NULL,
    key_version bigint NOT NULL,
    last_step bigint NOT NULL,
    made_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT staff_credential_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff (id),
    CONSTRAINT staff_credential_kdf_check
        CHECK (octet_length(salt) = 16 AND octet_length(password_hash) = 32),
    CONSTRAINT staff_credential_last_step_check CHECK (last_step >= 0)
);
CREATE UNIQUE INDEX staff_credential_staff_id_key ON staff_credential (staff_id)
    WHERE ended_at IS NULL;

CREATE TABLE staff_session (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    staff_id bigint NOT NULL,
    token_hash bytea NOT NULL,
    opened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended_why text,
    CONSTRAINT staff_session_public_id_key UNIQUE (public_id),
    CONSTRAINT staff_session_token_hash_key UNIQUE (token_hash),
    CONSTRAINT staff_session_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES staff (id),
    CONSTRAINT staff_session_token_hash_check CHECK (octet_length(token_hash) = 32),
    CONSTRAINT staff_session_ended_why_check
        CHECK (ended_why IN ('signed_out', 'disabled', 'enrolled')),
    CONSTRAINT staff_session_ended_check CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE INDEX staff_session_staff_id_idx ON staff_session (staff_id);

CREATE TABLE staff_miss (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    who bytea NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT staff_miss_who_check CHECK (octet_length(who) = 16)
);
CREATE INDEX staff_miss_who_at_idx ON staff_miss (who, at);
CREATE INDEX staff_miss_at_idx ON staff_miss (at);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE staff_miss, staff_session, staff_credential")
