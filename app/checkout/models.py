"""Tables of checkout: quotes, orders with lines and slices, burns, refunds, early refunds too."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base


class OrderState(StrEnum):
    """Placed and holding what it will take; paid; or given up before payment."""

    AWAITING_PAYMENT = "awaiting_payment"
    PAID = "paid"
    CANCELLED = "cancelled"


class OrderKind(StrEnum):
    """A plain sale, the new order of an exchange, or the burn of a sale that is kept elsewhere.

    Or what was paid when a coupon of another order was rolled back: no goods, no points.
    """

    SALE = "sale"
    EXCHANGE = "exchange"
    BURN = "burn"
    ROLL_BACK = "roll_back"


class BurnState(StrEnum):
    """Points set aside until an instant; taken; or given up."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    VOIDED = "voided"


class TakingState(StrEnum):
    """Goods wait to be picked up, a coupon was given; given up by the member, or by the clock."""

    WAITING = "waiting"
    GIVEN = "given"
    PICKED_UP = "picked_up"
    CANCELLED = "cancelled"
    LAPSED = "lapsed"


class Quote(Base):
    """A price promised until an instant."""

    __tablename__ = "quote"
    __table_args__ = (UniqueConstraint("public_id"),)

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    fingerprint: Mapped[bytes]
    priced_at: Mapped[datetime]
    until: Mapped[datetime]
    answer: Mapped[dict[str, Any]]


class Order(Base):
    """A sale at a till. `slices` say for ever who paid for which unit (ADR 0004).

    `number` is the till's own; with store, terminal and kind it is the sale's business key.
    Coupons take `discount_fen` off it; `coupons` says which, and who gives it on which line. Of it
    `rolled_back_fen` has been taken back since, coupon by coupon: see `OrderRollBack`.
    `parts` are the lots that a waiting order holds. `homes` say where the earned points came from
    and went to; `earnings` which rules gave them, `money` what each tender paid. `sold_to_self`:
    its cashier is the member who bought, which is flagged (semantics 56). `updated_at` is by the
    real clock, in sandboxes too, and moves with every change.
    """

    __tablename__ = "order"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("store_id", "terminal_id", "number", "kind"),
        Index("order_member_id_business_date_idx", "member_id", "business_date"),
        Index("order_store_id_business_date_idx", "store_id", "business_date"),
        Index(
            "order_exchanges_idx",
            "member_id",
            "recorded_at",
            postgresql_where=text("kind = 'exchange'"),
        ),
        Index(
            "order_burns_idx",
            "member_id",
            "recorded_at",
            postgresql_where=text("burned_points > 0"),
        ),
        Index(None, "store_id", "updated_at", "id"),
        Index("order_until_idx", "until", postgresql_where=text("state = 'awaiting_payment'")),
        CheckConstraint("(state = 'paid') = (slices IS NOT NULL)", name="paid"),
        CheckConstraint(
            "discount_fen >= 0 AND (discount_fen = 0 OR coupons IS NOT NULL)", name="discount"
        ),
        CheckConstraint("rolled_back_fen BETWEEN 0 AND discount_fen", name="rolled_back"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    number: Mapped[str]
    kind: Mapped[str]
    cashier: Mapped[str | None]
    sold_to_self: Mapped[bool] = mapped_column(server_default=text("false"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    state: Mapped[str]
    occurred_at: Mapped[datetime]
    business_date: Mapped[date]
    recorded_at: Mapped[datetime]
    until: Mapped[datetime | None]
    fingerprint: Mapped[bytes]
    quote_id: Mapped[int | None] = mapped_column(ForeignKey("quote.id"))
    total_fen: Mapped[int]
    burned_points: Mapped[int]
    burned_fen: Mapped[int]
    due_fen: Mapped[int]
    discount_fen: Mapped[int] = mapped_column(server_default=text("0"))
    earned_points: Mapped[int]
    refunded_fen: Mapped[int] = mapped_column(server_default=text("0"))
    refunds: Mapped[int] = mapped_column(server_default=text("0"))
    rolled_back_fen: Mapped[int] = mapped_column(server_default=text("0"))
    parts: Mapped[list[Any] | None]
    coupons: Mapped[list[Any] | None]
    slices: Mapped[list[Any] | None]
    homes: Mapped[list[Any] | None]
    earnings: Mapped[list[Any] | None]
    money: Mapped[dict[str, Any] | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class OrderLine(Base):
    """A line of an order and how much of it has gone back.

    `refunded_fen` is how far its tape has gone back, what coupons gave included (ADR 0004).
    """

    __tablename__ = "order_line"
    __table_args__ = (
        CheckConstraint("discount_fen >= 0 AND discount_fen <= amount_fen", name="discount"),
    )

    order_id: Mapped[int] = mapped_column(
        ForeignKey("order.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    merchant_id: Mapped[int]
    sku: Mapped[str]
    name: Mapped[str]
    category: Mapped[str]
    quantity: Mapped[int]
    amount_fen: Mapped[int]
    discount_fen: Mapped[int] = mapped_column(server_default=text("0"))
    burned_fen: Mapped[int] = mapped_column(server_default=text("0"))
    earned_points: Mapped[int] = mapped_column(server_default=text("0"))
    refundable: Mapped[bool]
    refunded_fen: Mapped[int] = mapped_column(server_default=text("0"))
    refunded_quantity: Mapped[int] = mapped_column(server_default=text("0"))


class Refund(Base):
    """What went back in one step: `fen` = money by tender + `points_fen`.

    What coupons had given of it, `discount_fen`, went back to who had funded it. Of that
    `unearned_fen` was taken out of this refund: what is kept is too little for its coupon.

    `clawed_points` is what the refund took back of the points earned; of these `debt_points` the
    member now owes and `written_off_points` the merchant bears. Of `restored_points` the first
    `made_good_points` went to merchants that had borne them.
    """

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("order_id", "ordinal"),
        UniqueConstraint("store_id", "terminal_id", "number"),
        Index(None, "store_id", "updated_at", "id"),
        CheckConstraint("unearned_fen >= 0", name="unearned"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"))
    ordinal: Mapped[int]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    number: Mapped[str]
    cashier: Mapped[str | None]
    fingerprint: Mapped[bytes]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    fen: Mapped[int]
    points_fen: Mapped[int]
    discount_fen: Mapped[int] = mapped_column(server_default=text("0"))
    unearned_fen: Mapped[int] = mapped_column(server_default=text("0"))
    money: Mapped[dict[str, Any]]
    restored_points: Mapped[int]
    made_good_points: Mapped[int] = mapped_column(server_default=text("0"))
    clawed_points: Mapped[int]
    debt_points: Mapped[int]
    written_off_points: Mapped[int]
    lines: Mapped[list[Any]]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class OrderRollBack(Base):
    """A part of what one coupon took off an order, taken back alone and paid instead (C14).

    `parts` are [line, tender, fen], in the order in which they were taken from the ends of the
    lines' tapes. It was paid by an order of its own, of kind `roll_back`, `paid_by_id`; or out of
    the money of a refund that left too little for the coupon, `refund_id` (semantics 5).
    """

    __tablename__ = "order_roll_back"
    __table_args__ = (
        UniqueConstraint("paid_by_id"),
        UniqueConstraint("refund_id", "coupon"),
        Index(None, "order_id"),
        CheckConstraint("fen > 0", name="fen"),
        CheckConstraint("num_nonnulls(paid_by_id, refund_id) = 1", name="paid"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"))
    coupon: Mapped[str]
    fen: Mapped[int]
    parts: Mapped[list[Any]]
    paid_by_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refund.id"))
    recorded_at: Mapped[datetime]


class Burn(Base):
    """Points held for a sale that a system of the till's own keeps; captured, they are an order.

    `points` of the member, worth `worth_fen` of a sale of `order_fen`, are held in the lots `parts`
    until an instant. `number` is the till's own; with store and terminal it is the business key.
    """

    __tablename__ = "burn"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("store_id", "terminal_id", "number"),
        UniqueConstraint("order_id"),
        Index("burn_member_id_recorded_at_idx", "member_id", "recorded_at"),
        CheckConstraint("(state = 'authorised') = (ended_at IS NULL)", name="end"),
        CheckConstraint("(state = 'captured') = (order_id IS NOT NULL)", name="order"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    number: Mapped[str]
    cashier: Mapped[str | None]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    state: Mapped[str]
    recorded_at: Mapped[datetime]
    until: Mapped[datetime]
    fingerprint: Mapped[bytes]
    order_fen: Mapped[int]
    points: Mapped[int]
    worth_fen: Mapped[int]
    parts: Mapped[list[Any]]
    captured_points: Mapped[int] = mapped_column(server_default=text("0"))
    captured_fen: Mapped[int] = mapped_column(server_default=text("0"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    ended_at: Mapped[datetime | None]


class WriteOff(Base):
    """Earned points that a refund could not take back: their issuer bears them (semantics 1).

    They had been spent. If an order up to `orders_through`, the member's newest one then, gives
    points back later, those make this good first.
    """

    __tablename__ = "write_off"
    __table_args__ = (
        UniqueConstraint("refund_id", "issue_account_id"),
        Index("write_off_member_id_idx", "member_id", postgresql_where=text("made_good < points")),
        CheckConstraint("points > 0 AND made_good BETWEEN 0 AND points", name="sum"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("refund.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    issue_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    points: Mapped[int]
    made_good: Mapped[int] = mapped_column(server_default=text("0"))
    orders_through: Mapped[int]


class ParkedRefund(Base):
    """A refund that arrived before its sale was paid: given later, or refused (semantics 10)."""

    __tablename__ = "parked_refund"
    __table_args__ = (
        UniqueConstraint("store_id", "terminal_id", "number"),
        Index(
            "parked_refund_waiting_idx",
            "store_id",
            "terminal_id",
            "order_number",
            postgresql_where=text("applied_at IS NULL AND refused_at IS NULL"),
        ),
        CheckConstraint("(refused_at IS NULL) = (refusal IS NULL)", name="refusal"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    terminal_id: Mapped[int] = mapped_column(ForeignKey("terminal.id"))
    order_number: Mapped[str]
    number: Mapped[str]
    fingerprint: Mapped[bytes]
    request: Mapped[dict[str, Any]]
    parked_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    refusal: Mapped[str | None]


class OrderGift(Base):
    """What a paid order gave of a pay-gift, once; without a coupon `why` there was none."""

    __tablename__ = "order_gift"
    __table_args__ = (
        UniqueConstraint("coupon_id"),
        CheckConstraint("(coupon_id IS NULL) = (why IS NOT NULL)", name="why"),
    )

    order_id: Mapped[int] = mapped_column(
        ForeignKey("order.id"), primary_key=True, autoincrement=False
    )
    pay_gift_id: Mapped[int] = mapped_column(
        ForeignKey("pay_gift.id"), primary_key=True, autoincrement=False
    )
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupon.id"))
    why: Mapped[str | None]
    at: Mapped[datetime]


class MallTaking(Base):
    """What a member took of the mall: `points` of the lots `parts`, one of the item's stock.

    Goods wait until an instant for their code, sealed for the member and found by its hash; with
    the pick-up `order_id` is the sale of the cash part. A coupon is given at once. Of points that
    came back `made_good_points` went to merchants that had borne them.
    """

    __tablename__ = "mall_taking"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code_index"),
        UniqueConstraint("order_id"),
        Index(
            "mall_taking_seat_key",
            "item_id",
            "member_id",
            "seat",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'given', 'picked_up')"),
        ),
        Index(None, "member_id", "id"),
        Index("mall_taking_until_idx", "until", postgresql_where=text("state = 'waiting'")),
        CheckConstraint("seat BETWEEN 1 AND ceiling", name="seat"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    item_id: Mapped[int] = mapped_column(ForeignKey("mall_item.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    state: Mapped[str]
    seat: Mapped[int]
    ceiling: Mapped[int]
    points: Mapped[int]
    parts: Mapped[list[Any]]
    cash_fen: Mapped[int]
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupon.id"))
    code_index: Mapped[bytes | None]
    sealed_code: Mapped[bytes | None]
    until: Mapped[datetime]
    taken_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    made_good_points: Mapped[int] = mapped_column(server_default=text("0"))
