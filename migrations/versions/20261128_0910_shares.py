"""Coupons shared by a link.

Revision ID: shares
Revises: claw_backs
"""

from alembic import op

revision = "shares"
down_revision = "claw_backs"
branch_labels = None
depends_on = None

UP = """
-- A link by which a friend may take a coupon, once. Its token is known by a keyed hash alone.
CREATE TABLE coupon_share (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    coupon_id bigint NOT NULL,
    giver text NOT NULL,
    index bytea NOT NULL,
    state text NOT NULL,
    made_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    taker text,
    ended_at timestamptz,
    CONSTRAINT coupon_share_index_key UNIQUE (index),
    CONSTRAINT coupon_share_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_share_shape_check CHECK (
        octet_length(index) = 16 AND made_at < until
        AND state IN ('open', 'accepted', 'revoked')
        AND (state = 'open') = (ended_at IS NULL)
        AND (state = 'accepted') = (taker IS NOT NULL) AND giver <> taker)
);
CREATE UNIQUE INDEX coupon_share_open_key ON coupon_share (coupon_id) WHERE state = 'open';
CREATE TRIGGER never_deleted BEFORE DELETE ON coupon_share
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The functions of the workshop write it, and nobody else.
REVOKE INSERT ON coupon_share FROM plaza_app;
"""

DOWN = """
DROP TABLE coupon_share CASCADE;
DELETE FROM repeatable WHERE name = 'coupons/shares.sql';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
