"""The books: accounts, balances, journals, transfers by month, holds, marks.

Revision ID: ledger
Revises:
"""

from alembic import op

revision = "ledger"
down_revision = None
branch_labels = None
depends_on = None

UP = """
-- One row: where the books stand. `rolled_to` is the transaction-id horizon below which the
-- balances of deferred accounts already hold every transfer.
CREATE TABLE book (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    zone text NOT NULL DEFAULT 'Asia/Shanghai',
    first_open_day date NOT NULL DEFAULT '2000-01-01',
    rolled_to xid8 NOT NULL DEFAULT '0',
    audited_to xid8 NOT NULL DEFAULT '0',
    audited_at timestamptz
) WITH (fillfactor = 50);
INSERT INTO book DEFAULT VALUES;

CREATE TABLE wallet (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    CONSTRAINT wallet_owner_key UNIQUE (owner)
);

-- An id says what posting must know of an account, so that posting looks no account up:
-- house << 60 | number << 4 | exact << 3 | unit. A transfer between two units is refused by the
-- shape of its row, and ascending ids are the lock order: wallets and lots, then the house.
CREATE SEQUENCE account_number;
CREATE TABLE account (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    code text NOT NULL,
    unit text GENERATED ALWAYS AS (CASE id & 7 WHEN 0 THEN 'points' WHEN 1 THEN 'fen' END) STORED,
    exact boolean GENERATED ALWAYS AS (id & 8 <> 0) STORED,
    wallet_id bigint,
    opened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_name_key UNIQUE (name),
    CONSTRAINT account_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES wallet (id),
    CONSTRAINT account_id_check CHECK (
        id & 7 IN (0, 1) AND id >> 4 > 0 AND (wallet_id IS NULL) = (id >> 60 = 1)
        AND (id >> 60 = 1 OR id & 8 = 8))
);
CREATE INDEX account_wallet_id_idx ON account (wallet_id) WHERE wallet_id IS NOT NULL;

-- posted = credits less debits. Of an exact account the row holds every transfer, under lock, and
-- guards floor and ceiling; of a deferred one it holds the transfers below book.rolled_to.
-- No index on a changing column: updates stay heap-only.
CREATE TABLE account_balance (
    account_id bigint PRIMARY KEY,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0,
    floor bigint,
    ceiling bigint,
    CONSTRAINT account_balance_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id),
    -- A missing floor or ceiling makes its comparison NULL, which a CHECK lets pass.
    CONSTRAINT account_balance_guard_check CHECK (
        held >= 0 AND posted - held >= floor AND posted <= ceiling)
) WITH (fillfactor = 60);

CREATE TABLE journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    kind text NOT NULL,
    digest bytea NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    booked_on date NOT NULL,
    reverses_id bigint,
    hold_id bigint,
    details jsonb,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT journal_key_key UNIQUE (key)
);
CREATE INDEX journal_xid_idx ON journal (xid);
CREATE INDEX journal_reverses_id_idx ON journal (reverses_id) WHERE reverses_id IS NOT NULL;

-- Balanced by its shape: one row takes from one account what it gives to another of its unit.
CREATE TABLE transfer (
    journal_id bigint NOT NULL,
    line smallint NOT NULL,
    booked_on date NOT NULL,
    debit_id bigint NOT NULL,
    credit_id bigint NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT transfer_pkey PRIMARY KEY (journal_id, line, booked_on),
    CONSTRAINT transfer_shape_check CHECK (
        amount > 0 AND debit_id <> credit_id AND (debit_id # credit_id) & 7 = 0)
) PARTITION BY RANGE (booked_on);
CREATE INDEX transfer_debit_id_journal_id_idx ON transfer (debit_id, journal_id);
CREATE INDEX transfer_credit_id_journal_id_idx ON transfer (credit_id, journal_id);
CREATE TABLE transfer_default PARTITION OF transfer DEFAULT;

CREATE TABLE reversal (
    original_id bigint NOT NULL,
    line smallint NOT NULL,
    amount bigint NOT NULL,
    reversed bigint NOT NULL,
    CONSTRAINT reversal_pkey PRIMARY KEY (original_id, line),
    CONSTRAINT reversal_original_id_fkey FOREIGN KEY (original_id) REFERENCES journal (id),
    CONSTRAINT reversal_reversed_check CHECK (reversed BETWEEN 1 AND amount)
);

CREATE TABLE hold (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    digest bytea NOT NULL,
    state text NOT NULL DEFAULT 'open',
    wallet_id bigint,
    until timestamptz NOT NULL,
    placed_at timestamptz NOT NULL,
    ended_at timestamptz,
    captured_id bigint,
    CONSTRAINT hold_key_key UNIQUE (key),
    CONSTRAINT hold_wallet_id_fkey FOREIGN KEY (wallet_id) REFERENCES wallet (id),
    CONSTRAINT hold_captured_id_fkey FOREIGN KEY (captured_id) REFERENCES journal (id),
    CONSTRAINT hold_state_check CHECK (state IN ('open', 'captured', 'voided', 'expired')),
    CONSTRAINT hold_end_check CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT hold_capture_check CHECK ((state = 'captured') = (captured_id IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX hold_wallet_id_idx ON hold (wallet_id) WHERE state = 'open';
CREATE INDEX hold_until_idx ON hold (until) WHERE state = 'open';

CREATE TABLE hold_line (
    hold_id bigint NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT hold_line_pkey PRIMARY KEY (hold_id, account_id),
    CONSTRAINT hold_line_hold_id_fkey FOREIGN KEY (hold_id) REFERENCES hold (id),
    CONSTRAINT hold_line_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id),
    CONSTRAINT hold_line_amount_check CHECK (amount > 0)
);

-- Balance of an account at the end of a month, so that older partitions need not be read.
CREATE TABLE balance_mark (
    account_id bigint NOT NULL,
    through date NOT NULL,
    posted bigint NOT NULL,
    CONSTRAINT balance_mark_pkey PRIMARY KEY (account_id, through)
);

-- What the auditor has proved of an exact account, up to book.audited_to.
CREATE TABLE audit_mark (
    account_id bigint PRIMARY KEY,
    posted bigint NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE repeatable (
    name text PRIMARY KEY,
    sha256 text NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is insert-only: correct it by a reversal', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON transfer_default
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Slow-changing tables of the rooms call it: caches of this district then load anew.
CREATE FUNCTION touch_district() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE public.district SET revision = revision + 1 WHERE schema = TG_TABLE_SCHEMA;
    RETURN NULL;
END $$;

-- The application reads the books and writes them by the ledger's functions alone.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE
    ON book, wallet, account, account_balance, journal, transfer, transfer_default,
       reversal, hold, hold_line, balance_mark, audit_mark, repeatable
    FROM plaza_app;
"""

DOWN = """
DROP FUNCTION touch_district CASCADE;
DROP FUNCTION refuse_change CASCADE;
DROP TABLE repeatable, audit_mark, balance_mark, hold_line, hold, reversal, transfer, journal,
    account_balance, account, wallet, book;
DROP SEQUENCE account_number;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
