"""Coupons: templates, batches with counters, coupons, codes, locks and redemptions.

Revision ID: coupons
Revises: rewards
"""

from alembic import op

revision = "coupons"
down_revision = "rewards"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE coupon_template (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    code text NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT coupon_template_public_id_key UNIQUE (public_id),
    CONSTRAINT coupon_template_code_key UNIQUE (code),
    CONSTRAINT coupon_template_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$')
);
CREATE TABLE coupon_template_version (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template_id bigint NOT NULL,
    version bigint NOT NULL,
    document jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT coupon_template_version_template_id_version_key UNIQUE (template_id, version),
    CONSTRAINT coupon_template_version_template_id_fkey
        FOREIGN KEY (template_id) REFERENCES coupon_template (id),
    CONSTRAINT coupon_template_version_version_check CHECK (version >= 1)
);

-- A run of coupons: what it copies from the template's terms, the functions go by.
CREATE TABLE coupon_batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    code text NOT NULL,
    version_id bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    per_member bigint NOT NULL,
    uses bigint,
    value_fen bigint,
    personal boolean NOT NULL,
    transferable bigint NOT NULL,
    packed boolean NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_why text,
    CONSTRAINT coupon_batch_public_id_key UNIQUE (public_id),
    CONSTRAINT coupon_batch_code_key UNIQUE (code),
    CONSTRAINT coupon_batch_version_id_fkey
        FOREIGN KEY (version_id) REFERENCES coupon_template_version (id),
    CONSTRAINT coupon_batch_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT coupon_batch_window_check CHECK (starts_at < ends_at),
    CONSTRAINT coupon_batch_shape_check CHECK (
        per_member >= 1 AND uses >= 1 AND value_fen >= 1 AND transferable >= 0
        AND (uses IS NOT NULL OR value_fen IS NOT NULL)),
    CONSTRAINT coupon_batch_closed_check CHECK ((closed_at IS NULL) = (closed_why IS NULL))
);
CREATE INDEX coupon_batch_version_id_idx ON coupon_batch (version_id);
CREATE TABLE coupon_pack (
    pack_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT coupon_pack_pkey PRIMARY KEY (pack_id, batch_id),
    CONSTRAINT coupon_pack_pack_id_fkey FOREIGN KEY (pack_id) REFERENCES coupon_batch (id),
    CONSTRAINT coupon_pack_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT coupon_pack_count_check CHECK (count BETWEEN 1 AND 100 AND batch_id <> pack_id)
);

-- What a batch may come to in all, on a day, at a store; and how far it is. The tally is hot:
-- narrow, without an index on what moves, and with room on its page for the next version.
CREATE TABLE coupon_ceiling (
    batch_id bigint NOT NULL,
    what text NOT NULL,
    scope text NOT NULL,
    ceiling bigint NOT NULL,
    CONSTRAINT coupon_ceiling_pkey PRIMARY KEY (batch_id, what, scope),
    CONSTRAINT coupon_ceiling_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT coupon_ceiling_what_check
        CHECK (what IN ('issued', 'fen', 'count', 'order_fen')),
    CONSTRAINT coupon_ceiling_scope_check CHECK (scope IN ('all', 'day', 'store')),
    CONSTRAINT coupon_ceiling_ceiling_check CHECK (ceiling >= 0)
);
CREATE TABLE coupon_tally (
    batch_id bigint NOT NULL,
    what text NOT NULL,
    scope text NOT NULL,
    slot text NOT NULL,
    reserved bigint NOT NULL,
    used bigint NOT NULL,
    ceiling bigint NOT NULL,
    CONSTRAINT coupon_tally_pkey PRIMARY KEY (batch_id, what, scope, slot),
    CONSTRAINT coupon_tally_batch_id_what_scope_fkey
        FOREIGN KEY (batch_id, what, scope) REFERENCES coupon_ceiling (batch_id, what, scope),
    CONSTRAINT coupon_tally_slot_check CHECK ((scope = 'all') = (slot = '')),
    CONSTRAINT coupon_tally_sum_check
        CHECK (reserved >= 0 AND used >= 0 AND reserved + used <= ceiling)
) WITH (fillfactor = 50);

CREATE TABLE coupon (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    batch_id bigint NOT NULL,
    version_id bigint NOT NULL,
    holder text,
    how text NOT NULL,
    origin text,
    store text,
    state text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    uses bigint,
    used bigint NOT NULL DEFAULT 0,
    value_fen bigint,
    personal boolean NOT NULL,
    transferable bigint NOT NULL,
    transfers bigint NOT NULL DEFAULT 0,
    issued_at timestamptz NOT NULL,
    voided_at timestamptz,
    voided_why text,
    CONSTRAINT coupon_public_id_key UNIQUE (public_id),
    CONSTRAINT coupon_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT coupon_version_id_fkey
        FOREIGN KEY (version_id) REFERENCES coupon_template_version (id),
    CONSTRAINT coupon_how_check CHECK (how IN ('claim', 'grant', 'code', 'pack', 'reissue')),
    CONSTRAINT coupon_validity_check CHECK (valid_from < valid_until),
    CONSTRAINT coupon_transfers_check CHECK (transfers BETWEEN 0 AND transferable),
    CONSTRAINT coupon_void_check CHECK ((state = 'void') = (voided_at IS NOT NULL)
        AND (voided_at IS NULL) = (voided_why IS NULL)),
    -- Used up is what has no use left, or no money; whatever else it is, never more than it had.
    CONSTRAINT coupon_state_check CHECK (state IN ('issued', 'used', 'void', 'opened')
        AND used >= 0 AND used <= uses AND value_fen >= 0
        AND (uses IS NOT NULL OR value_fen IS NOT NULL)
        AND (state NOT IN ('issued', 'used')
             OR (state = 'used')
                 = CASE WHEN uses IS NULL THEN value_fen = 0 ELSE used = uses END))
) WITH (fillfactor = 80);
CREATE INDEX coupon_holder_id_idx ON coupon (holder, id) WHERE holder IS NOT NULL;
CREATE INDEX coupon_batch_id_id_idx ON coupon (batch_id, id);
CREATE INDEX coupon_version_id_idx ON coupon (version_id);

-- The coupons of a batch that a holder took, by claim or from somebody: one seat each.
CREATE TABLE coupon_taking (
    batch_id bigint NOT NULL,
    holder text NOT NULL,
    seat bigint NOT NULL,
    key text NOT NULL,
    coupon_id bigint NOT NULL,
    ceiling bigint NOT NULL,
    CONSTRAINT coupon_taking_pkey PRIMARY KEY (batch_id, holder, seat),
    CONSTRAINT coupon_taking_batch_id_holder_key_key UNIQUE (batch_id, holder, key),
    CONSTRAINT coupon_taking_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_taking_seat_check CHECK (seat >= 1 AND seat <= ceiling)
);
CREATE TABLE coupon_transfer (
    coupon_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    giver text NOT NULL,
    taker text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT coupon_transfer_pkey PRIMARY KEY (coupon_id, ordinal),
    CONSTRAINT coupon_transfer_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_transfer_people_check CHECK (giver <> taker AND ordinal >= 1)
);

CREATE TYPE coupon_verdict AS (
    coupon text, verdict text, use_number bigint, redemption text, what text, at timestamptz,
    store text
);

-- One row for each time that an order set a use of a coupon aside; redeemed, it stays so.
CREATE TABLE coupon_lock (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    coupon_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    use_number bigint NOT NULL,
    order_ref text NOT NULL,
    state text NOT NULL,
    until timestamptz NOT NULL,
    discount_fen bigint NOT NULL,
    order_fen bigint NOT NULL,
    store text,
    day date NOT NULL,
    placed_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT coupon_lock_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_lock_state_check
        CHECK (state IN ('locked', 'redeemed', 'released', 'expired', 'returned')),
    CONSTRAINT coupon_lock_ended_check CHECK ((state = 'locked') = (ended_at IS NULL)),
    CONSTRAINT coupon_lock_amount_check
        CHECK (use_number >= 1 AND discount_fen >= 0 AND order_fen >= 0)
);
CREATE UNIQUE INDEX coupon_lock_use_key ON coupon_lock (coupon_id, use_number)
    WHERE state IN ('locked', 'redeemed');
CREATE INDEX coupon_lock_order_ref_coupon_id_idx ON coupon_lock (order_ref, coupon_id);
CREATE INDEX coupon_lock_batch_id_until_idx ON coupon_lock (batch_id, until)
    WHERE state = 'locked';

CREATE TABLE coupon_redemption (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    lock_id bigint NOT NULL,
    coupon_id bigint NOT NULL,
    use_number bigint NOT NULL,
    order_ref text NOT NULL,
    holder text,
    discount_fen bigint NOT NULL,
    order_fen bigint NOT NULL,
    store text,
    day date NOT NULL,
    redeemed_at timestamptz NOT NULL,
    CONSTRAINT coupon_redemption_public_id_key UNIQUE (public_id),
    CONSTRAINT coupon_redemption_lock_id_key UNIQUE (lock_id),
    CONSTRAINT coupon_redemption_order_ref_coupon_id_key UNIQUE (order_ref, coupon_id),
    CONSTRAINT coupon_redemption_lock_id_fkey FOREIGN KEY (lock_id) REFERENCES coupon_lock (id),
    CONSTRAINT coupon_redemption_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_redemption_amount_check CHECK (discount_fen >= 0 AND order_fen >= 0)
);
CREATE INDEX coupon_redemption_coupon_id_idx ON coupon_redemption (coupon_id);
CREATE TABLE coupon_roll_back (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    redemption_id bigint NOT NULL,
    ordinal bigint NOT NULL,
    key text NOT NULL,
    fen bigint NOT NULL,
    order_fen bigint NOT NULL,
    whole_order boolean NOT NULL,
    returned boolean NOT NULL,
    reissued_id bigint,
    at timestamptz NOT NULL,
    CONSTRAINT coupon_roll_back_redemption_id_ordinal_key UNIQUE (redemption_id, ordinal),
    CONSTRAINT coupon_roll_back_redemption_id_key_key UNIQUE (redemption_id, key),
    CONSTRAINT coupon_roll_back_redemption_id_fkey
        FOREIGN KEY (redemption_id) REFERENCES coupon_redemption (id),
    CONSTRAINT coupon_roll_back_reissued_id_fkey FOREIGN KEY (reissued_id) REFERENCES coupon (id),
    CONSTRAINT coupon_roll_back_amount_check CHECK (fen >= 0 AND order_fen >= 0 AND ordinal >= 1)
);

-- Printed codes. Those of a run follow from its sealed key and their number; others are sealed.
CREATE TABLE coupon_code_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    batch_id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    wanted bigint,
    short boolean NOT NULL,
    sealed_key bytea,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    voided_at timestamptz,
    voided_why text,
    CONSTRAINT coupon_code_run_public_id_key UNIQUE (public_id),
    CONSTRAINT coupon_code_run_batch_id_name_key UNIQUE (batch_id, name),
    CONSTRAINT coupon_code_run_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT coupon_code_run_kind_check CHECK (kind IN ('made', 'imported')
        AND (kind = 'made') = (wanted IS NOT NULL) AND (kind = 'made') = (sealed_key IS NOT NULL)),
    CONSTRAINT coupon_code_run_void_check CHECK ((voided_at IS NULL) = (voided_why IS NULL))
);
CREATE TABLE coupon_code (
    index bytea NOT NULL,
    run_id bigint,
    number bigint,
    sealed bytea,
    coupon_id bigint,
    CONSTRAINT coupon_code_pkey PRIMARY KEY (index),
    CONSTRAINT coupon_code_run_id_number_key UNIQUE (run_id, number),
    CONSTRAINT coupon_code_run_id_fkey FOREIGN KEY (run_id) REFERENCES coupon_code_run (id),
    CONSTRAINT coupon_code_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_code_shape_check CHECK (octet_length(index) = 16
        AND (run_id IS NULL) = (number IS NULL)
        AND (run_id IS NOT NULL OR (sealed IS NOT NULL AND coupon_id IS NOT NULL)))
);
CREATE UNIQUE INDEX coupon_code_coupon_id_key ON coupon_code (coupon_id)
    WHERE coupon_id IS NOT NULL;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['coupon_template_version', 'coupon_pack', 'coupon_ceiling',
                                'coupon_taking', 'coupon_transfer', 'coupon_redemption',
                                'coupon_roll_back'] LOOP
        EXECUTE format('CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_change()', kept);
    END LOOP;
    FOREACH kept IN ARRAY ARRAY['coupon_template', 'coupon_batch', 'coupon', 'coupon_lock'] LOOP
        EXECUTE format('CREATE TRIGGER never_deleted BEFORE DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_change()', kept);
    END LOOP;
END $$;

-- The functions of the workshop write these, and nobody else.
REVOKE INSERT ON coupon, coupon_tally, coupon_taking, coupon_transfer, coupon_lock,
    coupon_redemption, coupon_roll_back FROM plaza_app;
"""

DOWN = """
DROP TABLE coupon_code, coupon_code_run, coupon_roll_back, coupon_redemption, coupon_lock,
    coupon_transfer, coupon_taking, coupon, coupon_tally, coupon_ceiling, coupon_pack,
    coupon_batch, coupon_template_version, coupon_template CASCADE;
DROP TYPE coupon_verdict CASCADE;
DELETE FROM repeatable WHERE name LIKE 'coupons/%';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
