"""The life of points: expired lots are found by their day, pending ones wait for a day or an event.

Revision ID: lifecycle
Revises: recon
"""

from alembic import op

revision = "lifecycle"
down_revision = "recon"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX lot_expires_on_member_id_idx ON lot (expires_on, member_id)
    WHERE expires_on IS NOT NULL;

-- Points that are pending: by the rule that gives them, and in lots that await an event.
ALTER TABLE rule_version ADD COLUMN pending jsonb;
ALTER TABLE lot ADD COLUMN awaits text, ADD COLUMN awaits_for text,
    DROP CONSTRAINT lot_meaning_key,
    ADD CONSTRAINT lot_meaning_key UNIQUE NULLS NOT DISTINCT (
        member_id, issuer_id, kind, expires_on, cost_num, cost_den, redemption_num,
        redemption_den, restriction_merchant_id, activates_on, courtesy, awaits, awaits_for),
    DROP CONSTRAINT lot_debt_check,
    ADD CONSTRAINT lot_debt_check CHECK (
        kind = 'lot' OR (expires_on IS NULL AND activates_on IS NULL
            AND restriction_merchant_id IS NULL AND NOT courtesy AND awaits IS NULL)),
    ADD CONSTRAINT lot_awaits_check CHECK (
        (awaits IS NULL) = (awaits_for IS NULL) AND (awaits IS NULL OR activates_on IS NULL));
CREATE INDEX lot_activates_on_member_id_idx ON lot (activates_on, member_id)
    WHERE activates_on IS NOT NULL;

-- The new ones come from lots.sql at the end of the migration.
DROP FUNCTION IF EXISTS points_lock_lots(bigint[], bigint[], timestamptz, date, bigint[]);
DROP FUNCTION IF EXISTS points_open_lots(
    bigint[], bigint[], text[], text[], bigint[], date[], bigint[], bigint[], bigint[], bigint[],
    bigint[], date[], boolean[], timestamptz[], bigint[], bigint[]);

-- What members were told of the days of their points, so that each is told once.
CREATE TABLE points_notice (
    member_id bigint NOT NULL,
    topic text NOT NULL,
    day date NOT NULL,
    days_ahead bigint NOT NULL,
    points bigint NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT points_notice_pkey PRIMARY KEY (member_id, topic, day, days_ahead),
    CONSTRAINT points_notice_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id)
);

-- Which steps of which day's change are done.
CREATE TABLE day_step (
    day date NOT NULL,
    step text NOT NULL,
    done_at timestamptz NOT NULL,
    counts jsonb NOT NULL,
    CONSTRAINT day_step_pkey PRIMARY KEY (day, step)
);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
