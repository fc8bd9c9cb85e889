"""Coupons that a paid order gives, and what each order gave.

Revision ID: pay_gifts
Revises: mall
"""

from alembic import op

revision = "pay_gifts"
down_revision = "mall"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE pay_gift (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    batch_id bigint NOT NULL,
    conditions jsonb NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_why text,
    CONSTRAINT pay_gift_code_key UNIQUE (code),
    CONSTRAINT pay_gift_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT pay_gift_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT pay_gift_window_check CHECK (starts_at < ends_at),
    CONSTRAINT pay_gift_ended_check CHECK ((ended_at IS NULL) = (ended_why IS NULL))
);
CREATE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON pay_gift
    FOR EACH STATEMENT EXECUTE FUNCTION touch_district();
CREATE TRIGGER never_deleted BEFORE DELETE ON pay_gift
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What an order gave, once for each gift; without a coupon `why` none was to be had.
CREATE TABLE order_gift (
    order_id bigint NOT NULL,
    pay_gift_id bigint NOT NULL,
    coupon_id bigint,
    why text,
    at timestamptz NOT NULL,
    CONSTRAINT order_gift_pkey PRIMARY KEY (order_id, pay_gift_id),
    CONSTRAINT order_gift_coupon_id_key UNIQUE (coupon_id),
    CONSTRAINT order_gift_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT order_gift_pay_gift_id_fkey FOREIGN KEY (pay_gift_id) REFERENCES pay_gift (id),
    CONSTRAINT order_gift_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT order_gift_why_check CHECK ((coupon_id IS NULL) = (why IS NOT NULL))
);
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE ON order_gift
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

DOWN = """
DROP TABLE order_gift, pay_gift CASCADE;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
