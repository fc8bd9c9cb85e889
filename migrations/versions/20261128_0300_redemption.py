"""A lot freezes what its points pay whoever takes them, beside what they cost their issuer.

Revision ID: redemption
Revises: till_parts
"""

from alembic import op

revision = "redemption"
down_revision = "till_parts"
branch_labels = None
depends_on = None

# What stood in the issuer's contract when the lot began; a debt is worth what it had cost. The
# accounts get the names that lots of the same meaning will be asked for by (app/points/lots.py).
UP = """
ALTER TABLE lot ADD COLUMN redemption_num bigint, ADD COLUMN redemption_den bigint;

UPDATE lot SET redemption_num = cost_num, redemption_den = cost_den WHERE kind = 'debt';
UPDATE lot l SET redemption_num = t.redemption_num, redemption_den = t.redemption_den
FROM contract_term t
WHERE l.redemption_num IS NULL AND t.merchant_id = l.issuer_id
    AND t.valid_from = (
        SELECT max(o.valid_from) FROM contract_term o
        WHERE o.merchant_id = l.issuer_id
            AND o.valid_from <= (l.first_earned_at AT TIME ZONE 'Asia/Shanghai')::date);
UPDATE lot SET redemption_num = cost_num, redemption_den = cost_den WHERE redemption_num IS NULL;

ALTER TABLE lot
    ALTER COLUMN redemption_num SET NOT NULL,
    ALTER COLUMN redemption_den SET NOT NULL,
    ADD CONSTRAINT lot_redemption_check CHECK (
        redemption_num >= 0 AND redemption_den > 0 AND gcd(redemption_num, redemption_den) = 1),
    DROP CONSTRAINT lot_meaning_key,
    ADD CONSTRAINT lot_meaning_key UNIQUE NULLS NOT DISTINCT (
        member_id, issuer_id, kind, expires_on, cost_num, cost_den, redemption_num,
        redemption_den, restriction_merchant_id, activates_on, courtesy);

UPDATE account a
SET name = concat_ws(':', l.kind, m.public_id, l.issuer_id,
    coalesce(l.expires_on::text, 'never'), l.cost_num || '/' || l.cost_den,
    l.redemption_num || '/' || l.redemption_den,
    coalesce(l.restriction_merchant_id::text, 'anywhere'),
    coalesce(l.activates_on::text, 'active'),
    CASE WHEN l.courtesy THEN 'courtesy' ELSE 'earned' END)
FROM lot l JOIN member m ON m.id = l.member_id
WHERE a.id = l.account_id;

-- The new ones come from lots.sql at the end of the migration.
DROP FUNCTION IF EXISTS points_lock_lots(bigint[], bigint[], timestamptz, date, bigint[]);
DROP FUNCTION IF EXISTS points_open_lots(
    bigint[], bigint[], text[], text[], bigint[], date[], bigint[], bigint[], bigint[], date[],
    boolean[], timestamptz[], bigint[], bigint[]);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    pass
