"""Segments: named lists of members, for coupons that only they may use.

Revision ID: segments
Revises: coupon_notices
"""

from alembic import op

revision = "segments"
down_revision = "coupon_notices"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE segment (
    id bigint GENERATED ALWAYS AS IDENTITY,
    code text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    CONSTRAINT segment_pkey PRIMARY KEY (id),
    CONSTRAINT segment_code_key UNIQUE (code),
    CONSTRAINT segment_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$')
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON segment
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE segment_member (
    segment_id bigint NOT NULL,
    member_id bigint NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT segment_member_pkey PRIMARY KEY (segment_id, member_id),
    CONSTRAINT segment_member_segment_id_fkey FOREIGN KEY (segment_id) REFERENCES segment (id),
    CONSTRAINT segment_member_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id)
);
CREATE INDEX segment_member_member_id_idx ON segment_member (member_id);
"""

DOWN = """
DROP TABLE segment_member;
DROP TABLE segment;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
