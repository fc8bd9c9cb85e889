"""Closed days are sealed: blocks of hashes and one signed record a day; so are audit rows.

Revision ID: seals
Revises: growth
"""

from alembic import op

revision = "seals"
down_revision = "growth"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE day_seal (
    day date PRIMARY KEY,
    number bigint NOT NULL,
    record text NOT NULL,
    hash bytea NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT day_seal_number_key UNIQUE (number),
    CONSTRAINT day_seal_shape_check CHECK (number >= 0 AND length(hash) = 32)
);
CREATE TABLE seal_block (
    day date NOT NULL,
    number integer NOT NULL,
    first_journal_id bigint NOT NULL,
    first_line smallint NOT NULL,
    transfers integer NOT NULL,
    points bigint NOT NULL,
    fen bigint NOT NULL,
    root bytea NOT NULL,
    CONSTRAINT seal_block_pkey PRIMARY KEY (day, number),
    CONSTRAINT seal_block_day_fkey FOREIGN KEY (day) REFERENCES day_seal (day),
    CONSTRAINT seal_block_shape_check CHECK (
        number >= 0 AND transfers BETWEEN 1 AND 1024 AND length(root) = 32)
);

-- The audit's rows, in runs of ids; each run's record names the one before it.
CREATE TABLE audit_seal (
    number bigint PRIMARY KEY,
    through_id bigint NOT NULL,
    record text NOT NULL,
    hash bytea NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_seal_through_id_key UNIQUE (through_id),
    CONSTRAINT audit_seal_shape_check CHECK (number >= 0 AND length(hash) = 32)
);

DO $$
DECLARE
    sealed text;
BEGIN
    FOREACH sealed IN ARRAY ARRAY['day_seal', 'seal_block', 'audit_seal'] LOOP
        EXECUTE format('CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_change()', sealed);
        EXECUTE format('CREATE TRIGGER never_truncated BEFORE TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', sealed);
    END LOOP;
END $$;

-- What is sealed names accounts: a name is for good.
CREATE TRIGGER named_for_good BEFORE UPDATE OF name ON account
    FOR EACH ROW WHEN (NEW.name <> OLD.name) EXECUTE FUNCTION refuse_change();

REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON day_seal, seal_block FROM plaza_app;
"""

DOWN = """
DROP TRIGGER named_for_good ON account;
DROP TABLE audit_seal, seal_block, day_seal;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
