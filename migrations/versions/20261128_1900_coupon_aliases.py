"""Names of coupon holders who turned out to be one, so that limits count them together.

Revision ID: coupon_aliases
Revises: best_coupons
"""

from alembic import op

revision = "coupon_aliases"
down_revision = "best_coupons"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE coupon_alias (
    alias text NOT NULL,
    holder text NOT NULL,
    taker text NOT NULL,
    last_coupon_id bigint NOT NULL,
    CONSTRAINT coupon_alias_pkey PRIMARY KEY (alias),
    CONSTRAINT coupon_alias_others_check CHECK (alias <> holder AND alias <> taker)
);
CREATE INDEX coupon_alias_holder_idx ON coupon_alias (holder);
CREATE INDEX coupon_alias_taker_idx ON coupon_alias (taker);

-- Members who are merged now, by who they are and by whom their own merge was with.
INSERT INTO coupon_alias (alias, holder, taker, last_coupon_id)
SELECT l.public_id, p.public_id, s.public_id, (SELECT coalesce(max(id), 0) FROM coupon)
FROM member l
JOIN member p ON p.id = l.merged_into_id
LEFT JOIN merge m ON m.loser_id = l.id AND m.undone_at IS NULL
JOIN member s ON s.id = coalesce(m.survivor_id, l.merged_into_id);

-- The functions of the workshop write it, and nobody else.
REVOKE INSERT ON coupon_alias FROM plaza_app;
"""

DOWN = """
DROP TABLE coupon_alias CASCADE;
DROP FUNCTION IF EXISTS coupon_part(text), coupon_take_over(text, text), coupon_seats(bigint, text),
    coupon_take_turns(text[]), coupon_person(text);
DELETE FROM repeatable
WHERE name IN ('coupons/aliases.sql', 'coupons/issuing.sql', 'coupons/shares.sql');
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
