"""Coupons that are made out for a store without the network, and the breaks of those used wrongly.

Revision ID: offline_coupons
Revises: pay_gifts
"""

from alembic import op

revision = "offline_coupons"
down_revision = "pay_gifts"
branch_labels = None
depends_on = None

UP = """
-- A public key that has signed tokens; tills are told of it until the last of them is over.
CREATE TABLE coupon_offline_key (
    kid text NOT NULL,
    public_key bytea NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT coupon_offline_key_pkey PRIMARY KEY (kid),
    CONSTRAINT coupon_offline_key_public_key_check CHECK (octet_length(public_key) = 32)
);

-- A coupon that is made out for one store. What it promises never changes; its use is written once.
CREATE TABLE coupon_offline (
    jti text NOT NULL,
    coupon_id bigint NOT NULL,
    holder text NOT NULL,
    seat bigint NOT NULL,
    store text NOT NULL,
    kid text NOT NULL,
    fen bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    sealed bytea NOT NULL,
    order_ref text,
    used_at timestamptz,
    taken_at timestamptz,
    skewed boolean,
    CONSTRAINT coupon_offline_pkey PRIMARY KEY (jti),
    CONSTRAINT coupon_offline_order_ref_key UNIQUE (order_ref),
    CONSTRAINT coupon_offline_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT coupon_offline_kid_fkey FOREIGN KEY (kid) REFERENCES coupon_offline_key (kid),
    CONSTRAINT coupon_offline_seat_check CHECK (seat BETWEEN 1 AND 3),
    CONSTRAINT coupon_offline_fen_check CHECK (fen BETWEEN 1 AND 2000),
    CONSTRAINT coupon_offline_time_check CHECK (
        starts_at < ends_at AND ends_at <= starts_at + interval '24 hours'
        AND until = ends_at + interval '72 hours'),
    CONSTRAINT coupon_offline_use_check CHECK (
        num_nulls(order_ref, used_at, taken_at, skewed) IN (0, 4))
);
CREATE INDEX coupon_offline_coupon_id_idx ON coupon_offline (coupon_id);
CREATE INDEX coupon_offline_holder_ends_at_idx ON coupon_offline (holder, ends_at);
CREATE INDEX coupon_offline_store_ends_at_idx ON coupon_offline (store, ends_at);
CREATE INDEX coupon_offline_until_idx ON coupon_offline (until);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON coupon_offline_key
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON coupon_offline
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER used_for_good BEFORE UPDATE ON coupon_offline
    FOR EACH ROW WHEN (
        OLD.order_ref IS NOT NULL
        OR (NEW.jti, NEW.coupon_id, NEW.holder, NEW.seat, NEW.store, NEW.kid, NEW.fen,
            NEW.starts_at, NEW.ends_at, NEW.until, NEW.sealed)
            IS DISTINCT FROM (OLD.jti, OLD.coupon_id, OLD.holder, OLD.seat, OLD.store, OLD.kid,
                              OLD.fen, OLD.starts_at, OLD.ends_at, OLD.until, OLD.sealed))
    EXECUTE FUNCTION refuse_change();
REVOKE INSERT ON coupon_offline, coupon_offline_key FROM plaza_app;

-- A break may be of a coupon: `reference` says by which sale, also where that was refused.
ALTER TABLE recon_break
    ADD COLUMN reference text,
    DROP CONSTRAINT recon_break_what_key,
    ADD CONSTRAINT recon_break_what_key UNIQUE NULLS NOT DISTINCT
        (gateway, day, kind, order_id, refund_id, bill_row_id, reference),
    DROP CONSTRAINT recon_break_kind_check,
    ADD CONSTRAINT recon_break_kind_check CHECK (kind IN (
        'missing_at_gateway', 'missing_here', 'amount_differs', 'refund_missing_at_gateway',
        'refund_missing_here', 'duplicate', 'wrong_day', 'books_differ', 'coupon_used_twice',
        'coupon_wrong_store', 'coupon_revoked', 'coupon_out_of_time', 'coupon_late',
        'coupon_unmet')) NOT VALID,
    ADD CONSTRAINT recon_break_reference_check CHECK (
        (gateway = 'coupons') = (reference IS NOT NULL)
        AND (gateway = 'coupons') = starts_with(kind, 'coupon_')) NOT VALID;
ALTER TABLE recon_break
    VALIDATE CONSTRAINT recon_break_kind_check,
    VALIDATE CONSTRAINT recon_break_reference_check;
CREATE UNIQUE INDEX recon_break_reference_key ON recon_break (reference)
    WHERE reference IS NOT NULL;
"""
DOWN = """
DELETE FROM recon_break WHERE gateway = 'coupons';
ALTER TABLE recon_break
    DROP CONSTRAINT recon_break_reference_check,
    DROP CONSTRAINT recon_break_kind_check,
    ADD CONSTRAINT recon_break_kind_check CHECK (kind IN (
        'missing_at_gateway', 'missing_here', 'amount_differs', 'refund_missing_at_gateway',
        'refund_missing_here', 'duplicate', 'wrong_day', 'books_differ')),
    DROP CONSTRAINT recon_break_what_key,
    ADD CONSTRAINT recon_break_what_key UNIQUE NULLS NOT DISTINCT
        (gateway, day, kind, order_id, refund_id, bill_row_id),
    DROP COLUMN reference;
DROP TABLE coupon_offline, coupon_offline_key CASCADE;
DELETE FROM repeatable WHERE name = 'coupons/offline.sql';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
