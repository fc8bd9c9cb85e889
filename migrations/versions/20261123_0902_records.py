"""Records: news to send, the audit, changes that need two people.

Revision ID: records
Revises: ledger
"""

from alembic import op

revision = "records"
down_revision = "ledger"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    topic text NOT NULL,
    aggregate text NOT NULL,
    seq bigint NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT outbox_public_id_key UNIQUE (public_id),
    CONSTRAINT outbox_aggregate_seq_key UNIQUE (aggregate, seq),
    CONSTRAINT outbox_topic_check CHECK (topic ~ '^[a-z][a-z0-9_]*([.][a-z0-9_]+)+$'),
    CONSTRAINT outbox_payload_is_thin_check CHECK (octet_length(payload::text) <= 20000),
    CONSTRAINT outbox_state_check CHECK (state IN ('pending', 'done', 'dead')),
    CONSTRAINT outbox_seq_check CHECK (seq > 0),
    CONSTRAINT outbox_attempts_check CHECK (attempts >= 0)
);
CREATE INDEX outbox_due_idx ON outbox (next_attempt_at) WHERE state = 'pending';

CREATE TABLE audit_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    on_behalf_of text,
    action text NOT NULL,
    object text NOT NULL,
    before jsonb,
    after jsonb,
    reason text,
    source text NOT NULL,
    request_id text,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT audit_record_named_check CHECK (actor <> '' AND action <> '' AND object <> '')
);
CREATE INDEX audit_record_actor_at_idx ON audit_record (actor, at);
CREATE INDEX audit_record_object_at_idx ON audit_record (object, at);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON audit_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE change_request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    before jsonb,
    payload jsonb NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    CONSTRAINT change_request_public_id_key UNIQUE (public_id),
    CONSTRAINT change_request_status_check CHECK (status IN ('pending', 'approved', 'rejected')),
    CONSTRAINT change_request_decision_check CHECK (
        (status = 'pending') = (decided_by IS NULL)
        AND (status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT change_request_two_people_check CHECK (
        status <> 'approved' OR decided_by <> proposed_by),
    CONSTRAINT change_request_in_time_check CHECK (
        status <> 'approved' OR decided_at < expires_at)
);
CREATE INDEX change_request_open_idx ON change_request (kind, id) WHERE status = 'pending';

REVOKE UPDATE, DELETE, TRUNCATE ON audit_record FROM plaza_app;
REVOKE DELETE, TRUNCATE ON change_request FROM plaza_app;
"""

DOWN = """
DROP TABLE change_request, audit_record, outbox;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
