"""Tables of campaigns: segments, what the mall offers, what paid orders give, what was told."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base


class MallItem(Base):
    """What members may take for points: a coupon of a batch, or goods that a merchant hands out.

    `tier_points` are prices of single tiers in place of `points`. `taken` of `stock` stand aside or
    are gone: the functions of app/checkout/mall.sql move it. Ended, never deleted (semantics 60).
    """

    __tablename__ = "mall_item"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'", name="code"),
        CheckConstraint("starts_at < ends_at", name="window"),
        CheckConstraint(
            "points >= 1 AND cash_fen >= 0 AND (batch_id IS NULL OR cash_fen = 0)", name="price"
        ),
        CheckConstraint("stock >= 1 AND taken BETWEEN 0 AND stock", name="stock"),
        CheckConstraint("per_member >= 1 AND pick_up_days BETWEEN 1 AND 366", name="limits"),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_batch.id"))
    points: Mapped[int]
    tier_points: Mapped[dict[str, Any]]
    cash_fen: Mapped[int]
    stock: Mapped[int]
    taken: Mapped[int] = mapped_column(server_default=text("0"))
    per_member: Mapped[int]
    pick_up_days: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    put_up_by: Mapped[str]
    put_up_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


class PayGift(Base):
    """A coupon of a batch that paid orders give while it runs (支付有礼). Ended, never deleted.

    `conditions` are those of an offer, on what an order paid.
    """

    __tablename__ = "pay_gift"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'", name="code"),
        CheckConstraint("starts_at < ends_at", name="window"),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    code: Mapped[str]
    batch_id: Mapped[int] = mapped_column(ForeignKey("coupon_batch.id"))
    conditions: Mapped[dict[str, Any]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


class Segment(Base):
    """A named list of members, for what only they may use (人群)."""

    __tablename__ = "segment"
    __table_args__ = (
        UniqueConstraint("code"),
        CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'", name="code"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    code: Mapped[str]
    title_zh: Mapped[str]
    title_en: Mapped[str]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]


class SegmentMember(Base):
    """A member is in a segment. The row goes when he leaves it."""

    __tablename__ = "segment_member"
    __table_args__ = (Index("segment_member_member_id_idx", "member_id"),)

    segment_id: Mapped[int] = mapped_column(
        ForeignKey("segment.id"), primary_key=True, autoincrement=False
    )
    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id"), primary_key=True, autoincrement=False
    )
    since: Mapped[datetime]


class CouponNotice(Base):
    """A holder was told so many days ahead that a coupon ends. Insert-only."""

    __tablename__ = "coupon_notice"
    __table_args__ = (CheckConstraint("days_ahead >= 0", name="days_ahead"),)

    coupon_id: Mapped[int] = mapped_column(
        ForeignKey("coupon.id"), primary_key=True, autoincrement=False
    )
    days_ahead: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    told_at: Mapped[datetime]
