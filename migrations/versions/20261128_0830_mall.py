"""The reward mall: what points buy, who took it, and its codes.

Revision ID: mall
Revises: roll_backs
"""

from alembic import op

revision = "mall"
down_revision = "roll_backs"
branch_labels = None
depends_on = None

UP = """
-- What members may take for points. `taken` of `stock` stand aside or are gone.
CREATE TABLE mall_item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    code text NOT NULL,
    title_zh text NOT NULL,
    title_en text NOT NULL,
    merchant_id bigint NOT NULL,
    batch_id bigint,
    points bigint NOT NULL,
    tier_points jsonb NOT NULL,
    cash_fen bigint NOT NULL,
    stock bigint NOT NULL,
    taken bigint NOT NULL DEFAULT 0,
    per_member bigint NOT NULL,
    pick_up_days bigint NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    put_up_by text NOT NULL,
    put_up_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_why text,
    CONSTRAINT mall_item_public_id_key UNIQUE (public_id),
    CONSTRAINT mall_item_code_key UNIQUE (code),
    CONSTRAINT mall_item_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchant (id),
    CONSTRAINT mall_item_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES coupon_batch (id),
    CONSTRAINT mall_item_code_check CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    CONSTRAINT mall_item_window_check CHECK (starts_at < ends_at),
    CONSTRAINT mall_item_price_check CHECK (
        points >= 1 AND cash_fen >= 0 AND (batch_id IS NULL OR cash_fen = 0)),
    CONSTRAINT mall_item_stock_check CHECK (stock >= 1 AND taken BETWEEN 0 AND stock),
    CONSTRAINT mall_item_limits_check CHECK (per_member >= 1 AND pick_up_days BETWEEN 1 AND 366),
    CONSTRAINT mall_item_ended_check CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) WITH (fillfactor = 50);

-- What a member took. `parts` are the lots that paid; `seat` one of the item's for each member.
CREATE TABLE mall_taking (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,
    item_id bigint NOT NULL,
    member_id bigint NOT NULL,
    state text NOT NULL,
    seat bigint NOT NULL,
    ceiling bigint NOT NULL,
    points bigint NOT NULL,
    parts jsonb NOT NULL,
    cash_fen bigint NOT NULL,
    coupon_id bigint,
    code_index bytea,
    sealed_code bytea,
    until timestamptz NOT NULL,
    taken_at timestamptz NOT NULL,
    ended_at timestamptz,
    store_id bigint,
    order_id bigint,
    made_good_points bigint NOT NULL DEFAULT 0,
    CONSTRAINT mall_taking_public_id_key UNIQUE (public_id),
    CONSTRAINT mall_taking_code_index_key UNIQUE (code_index),
    CONSTRAINT mall_taking_order_id_key UNIQUE (order_id),
    CONSTRAINT mall_taking_item_id_fkey FOREIGN KEY (item_id) REFERENCES mall_item (id),
    CONSTRAINT mall_taking_member_id_fkey FOREIGN KEY (member_id) REFERENCES member (id),
    CONSTRAINT mall_taking_coupon_id_fkey FOREIGN KEY (coupon_id) REFERENCES coupon (id),
    CONSTRAINT mall_taking_store_id_fkey FOREIGN KEY (store_id) REFERENCES store (id),
    CONSTRAINT mall_taking_order_id_fkey FOREIGN KEY (order_id) REFERENCES "order" (id),
    CONSTRAINT mall_taking_state_check CHECK (
        state IN ('waiting', 'given', 'picked_up', 'cancelled', 'lapsed')
        AND (state = 'waiting') = (ended_at IS NULL)
        AND (state = 'picked_up') = (store_id IS NOT NULL)
        AND (state = 'given') = (coupon_id IS NOT NULL)),
    CONSTRAINT mall_taking_code_check CHECK (
        (coupon_id IS NULL) = (code_index IS NOT NULL)
        AND (code_index IS NULL) = (sealed_code IS NULL)),
    CONSTRAINT mall_taking_seat_check CHECK (seat BETWEEN 1 AND ceiling),
    CONSTRAINT mall_taking_points_check CHECK (
        points >= 1 AND cash_fen >= 0 AND made_good_points BETWEEN 0 AND points
        AND (made_good_points = 0 OR state IN ('cancelled', 'lapsed'))),
    CONSTRAINT mall_taking_cash_check CHECK (
        order_id IS NULL OR (state = 'picked_up' AND cash_fen > 0))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX mall_taking_seat_key ON mall_taking (item_id, member_id, seat)
    WHERE state IN ('waiting', 'given', 'picked_up');
CREATE INDEX mall_taking_member_id_id_idx ON mall_taking (member_id, id);
CREATE INDEX mall_taking_until_idx ON mall_taking (until) WHERE state = 'waiting';

CREATE TRIGGER never_deleted BEFORE DELETE ON mall_item
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON mall_taking
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Written by the functions of app/checkout/mall.sql alone.
REVOKE INSERT ON mall_taking FROM plaza_app;
"""

DOWN = """
DROP TABLE mall_taking, mall_item CASCADE;
DELETE FROM repeatable WHERE name = 'app/checkout/mall.sql';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
