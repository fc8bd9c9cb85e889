"""Safeguards of the money path: what a parked refund asked for, a member's standing under lock.

Revision ID: safeguards
Revises: birthdays
"""

from alembic import op

revision = "safeguards"
down_revision = "birthdays"
branch_labels = None
depends_on = None

UP = """
-- No door parks refunds yet, so no row is without its fingerprint.
ALTER TABLE parked_refund
    ADD COLUMN fingerprint bytea NOT NULL,
    ADD COLUMN refused_at timestamptz,
    ADD COLUMN refusal text,
    ADD CONSTRAINT parked_refund_refusal_check CHECK ((refused_at IS NULL) = (refusal IS NULL));
DROP INDEX parked_refund_waiting_idx;
CREATE INDEX parked_refund_waiting_idx ON parked_refund (store_id, terminal_id, order_number)
    WHERE applied_at IS NULL AND refused_at IS NULL;

-- What a member burned in exchanges of a day, for the daily limit.
CREATE INDEX order_exchanges_idx ON "order" (member_id, recorded_at) WHERE kind = 'exchange';

-- The newest mark is looked for by its day alone.
CREATE INDEX balance_mark_through_idx ON balance_mark (through);

-- Between tables that the ledger's functions alone write, the auditor proves what a key checked
-- anew for each row, with a lock and a write of its own.
ALTER TABLE account_balance DROP CONSTRAINT account_balance_account_id_fkey;
ALTER TABLE hold_line
    DROP CONSTRAINT hold_line_hold_id_fkey, DROP CONSTRAINT hold_line_account_id_fkey;
ALTER TABLE hold DROP CONSTRAINT hold_captured_id_fkey;

-- It returns more than before: made anew with the other functions, after the migrations.
DROP FUNCTION IF EXISTS points_lock_lots(bigint, bigint, timestamptz, date, bigint[]);

-- How deep a debt may go is the member's, over all lots: refunds see to it under the wallet's lock.
UPDATE account_balance b SET floor = NULL
FROM account a WHERE a.id = b.account_id AND a.code = 'debt';

-- Whether who sold an order is who bought it (semantics 56).
ALTER TABLE "order" ADD COLUMN sold_to_self boolean NOT NULL DEFAULT false;

-- What an issuer bears for points that had been spent, until the burn of them is refunded too.
CREATE TABLE write_off (
    id bigint GENERATED ALWAYS AS IDENTITY,
    refund_id bigint NOT NULL,
    member_id bigint NOT NULL,
    issue_account_id bigint NOT NULL,
    points bigint NOT NULL,
    made_good bigint NOT NULL DEFAULT 0,
    orders_through bigint NOT NULL,
    CONSTRAINT write_off_pkey PRIMARY KEY (id),
    CONSTRAINT write_off_refund_id_issue_account_id_key UNIQUE (refund_id, issue_account_id),
    CONSTRAINT write_off_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refund (id),
    CONSTRAINT write_off_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT write_off_issue_account_id_fkey
        FOREIGN KEY (issue_account_id) REFERENCES account (id),
    CONSTRAINT write_off_sum_check CHECK (points > 0 AND made_good BETWEEN 0 AND points)
);
-- Of what was written off before it is not known by which merchant of the order: by its first.
INSERT INTO write_off (refund_id, member_id, issue_account_id, points, orders_through)
SELECT r.id, o.member_id, (o.homes -> 0 ->> 1)::bigint, r.written_off_points,
    (SELECT max(n.id) FROM "order" n
     WHERE n.member_id = o.member_id AND n.recorded_at <= r.recorded_at)
FROM refund r JOIN "order" o ON o.id = r.order_id WHERE r.written_off_points > 0;
CREATE INDEX write_off_member_id_idx ON write_off (member_id) WHERE made_good < points;
ALTER TABLE refund
    ADD COLUMN made_good_points bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT refund_made_good_check CHECK (made_good_points BETWEEN 0 AND restored_points);
REVOKE DELETE, TRUNCATE ON write_off FROM plaza_app;
"""

DOWN = """
ALTER TABLE refund DROP COLUMN made_good_points;
DROP TABLE write_off;
ALTER TABLE "order" DROP COLUMN sold_to_self;
DROP FUNCTION IF EXISTS points_lock_lots(bigint, bigint, timestamptz, date, bigint[]);
ALTER TABLE hold ADD CONSTRAINT hold_captured_id_fkey
    FOREIGN KEY (captured_id) REFERENCES journal (id);
ALTER TABLE hold_line
    ADD CONSTRAINT hold_line_hold_id_fkey FOREIGN KEY (hold_id) REFERENCES hold (id),
    ADD CONSTRAINT hold_line_account_id_fkey FOREIGN KEY (account_id) REFERENCES account (id);
ALTER TABLE account_balance ADD CONSTRAINT account_balance_account_id_fkey
    FOREIGN KEY (account_id) REFERENCES account (id);
DROP INDEX balance_mark_through_idx, order_exchanges_idx, parked_refund_waiting_idx;
CREATE INDEX parked_refund_waiting_idx
    ON parked_refund (store_id, terminal_id, order_number) WHERE applied_at IS NULL;
ALTER TABLE parked_refund DROP COLUMN fingerprint, DROP COLUMN refused_at, DROP COLUMN refusal;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
