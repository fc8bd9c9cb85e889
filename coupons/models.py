"""Tables of the coupon workshop. What has money in it the functions in the .sql files write.

A holder, an order and a store are opaque texts: who they are the callers know.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base

_CODE = "code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'"


class State(StrEnum):
    """What a coupon's row says; locked and expired are told by instants, not by a job.

    `opened` is a pack, which gave other coupons and is none itself.
    """

    ISSUED = "issued"
    USED = "used"
    VOID = "void"
    OPENED = "opened"


class How(StrEnum):
    """How a coupon came to its first holder."""

    CLAIM = "claim"
    GRANT = "grant"
    CODE = "code"
    PACK = "pack"
    REISSUE = "reissue"


class CouponTemplate(Base):
    """A template by its code. Retired, never deleted (semantics 60)."""

    __tablename__ = "coupon_template"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        CheckConstraint(_CODE, name="code"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    code: Mapped[str]
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class TemplateVersion(Base):
    """What a template says for ever to the coupons that were issued with it. Insert-only."""

    __tablename__ = "coupon_template_version"
    __table_args__ = (
        UniqueConstraint("template_id", "version"),
        CheckConstraint("version >= 1", name="version"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_template.id"))
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Batch(Base):
    """A run of coupons between two instants; copies what the functions need of the terms."""

    __tablename__ = "coupon_batch"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        Index(None, "version_id"),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint("starts_at < ends_at", name="window"),
        CheckConstraint("(closed_at IS NULL) = (closed_why IS NULL)", name="closed"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    code: Mapped[str]
    version_id: Mapped[int] = mapped_column(ForeignKey("coupon_template_version.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    per_member: Mapped[int]
    uses: Mapped[int | None]
    value_fen: Mapped[int | None]
    personal: Mapped[bool]
    transferable: Mapped[int]
    packed: Mapped[bool]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_why: Mapped[str | None]


class PackPart(Base):
    """So many coupons of a batch that a pack gives. Insert-only."""

    __tablename__ = "coupon_pack"
    __table_args__ = (
        CheckConstraint("count BETWEEN 1 AND 100 AND batch_id <> pack_id", name="count"),
    )

    pack_id: Mapped[int] = mapped_column(
        ForeignKey("coupon_batch.id"), primary_key=True, autoincrement=False
    )
    batch_id: Mapped[int] = mapped_column(
        ForeignKey("coupon_batch.id"), primary_key=True, autoincrement=False
    )
    count: Mapped[int]


class CeilingRow(Base):
    """What a batch may come to of one kind of amount: in all, on a day, at a store. Insert-only."""

    __tablename__ = "coupon_ceiling"

    batch_id: Mapped[int] = mapped_column(
        ForeignKey("coupon_batch.id"), primary_key=True, autoincrement=False
    )
    what: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    ceiling: Mapped[int]


class Tally(Base):
    """How far a ceiling is in one slot: reserved by locks, used for good. Hot and narrow."""

    __tablename__ = "coupon_tally"
    __table_args__ = (
        ForeignKeyConstraint(
            ["batch_id", "what", "scope"],
            ["coupon_ceiling.batch_id", "coupon_ceiling.what", "coupon_ceiling.scope"],
        ),
    )

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    what: Mapped[str] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[str] = mapped_column(primary_key=True)
    reserved: Mapped[int]
    used: Mapped[int]
    ceiling: Mapped[int]


class Coupon(Base):
    """One coupon. `uses` None: as often as the money on it (`value_fen`) lasts.

    `value_fen` of a re-issued coupon is what it takes off. `origin` says where it came from: the
    pack's coupon, or the redemption that a refund gave back; `store` where it was issued.
    """

    __tablename__ = "coupon"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index("coupon_holder_id_idx", "holder", "id", postgresql_where=text("holder IS NOT NULL")),
        Index(None, "batch_id", "id"),
        Index(None, "version_id"),
        Index(None, "valid_until", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    batch_id: Mapped[int] = mapped_column(ForeignKey("coupon_batch.id"))
    version_id: Mapped[int] = mapped_column(ForeignKey("coupon_template_version.id"))
    holder: Mapped[str | None]
    how: Mapped[str]
    origin: Mapped[str | None]
    store: Mapped[str | None]
    state: Mapped[str]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    uses: Mapped[int | None]
    used: Mapped[int] = mapped_column(server_default=text("0"))
    value_fen: Mapped[int | None]
    personal: Mapped[bool]
    transferable: Mapped[int]
    transfers: Mapped[int] = mapped_column(server_default=text("0"))
    issued_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    voided_why: Mapped[str | None]


class Taking(Base):
    """A seat in a batch that a holder took, by claim or from somebody. Insert-only."""

    __tablename__ = "coupon_taking"
    __table_args__ = (UniqueConstraint("batch_id", "holder", "key"),)

    batch_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(primary_key=True)
    seat: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str]
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    ceiling: Mapped[int]


class Alias(Base):
    """A name that another holder has taken over, so that limits count both as one.

    `taker` took it over himself, `holder` is who that is now: the same, or who took him over since.
    What was issued up to `last_coupon_id` was issued before, when each name had its own limits.
    """

    __tablename__ = "coupon_alias"
    __table_args__ = (
        Index(None, "holder"),
        Index(None, "taker"),
        CheckConstraint("alias <> holder AND alias <> taker", name="others"),
    )

    alias: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    taker: Mapped[str]
    last_coupon_id: Mapped[int]


class Transfer(Base):
    """A coupon changed hands. Insert-only."""

    __tablename__ = "coupon_transfer"

    coupon_id: Mapped[int] = mapped_column(
        ForeignKey("coupon.id"), primary_key=True, autoincrement=False
    )
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    giver: Mapped[str]
    taker: Mapped[str]
    at: Mapped[datetime]


class Share(Base):
    """A link by which a friend may take a coupon, once; its token is known by a keyed hash."""

    __tablename__ = "coupon_share"
    __table_args__ = (
        UniqueConstraint("index"),
        Index(
            "coupon_share_open_key",
            "coupon_id",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    giver: Mapped[str]
    index: Mapped[bytes]
    state: Mapped[str]
    made_at: Mapped[datetime]
    until: Mapped[datetime]
    taker: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class Lock(Base):
    """A use of a coupon that an order set aside; at most one lives for each use number.

    `locked` until an instant and dead after it; `redeemed` until a refund makes it `returned`.
    """

    __tablename__ = "coupon_lock"
    __table_args__ = (
        Index(
            "coupon_lock_use_key",
            "coupon_id",
            "use_number",
            unique=True,
            postgresql_where=text("state IN ('locked', 'redeemed')"),
        ),
        Index(None, "order_ref", "coupon_id"),
        Index(None, "batch_id", "until", postgresql_where=text("state = 'locked'")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    batch_id: Mapped[int]
    use_number: Mapped[int]
    order_ref: Mapped[str]
    state: Mapped[str]
    until: Mapped[datetime]
    discount_fen: Mapped[int]
    order_fen: Mapped[int]
    store: Mapped[str | None]
    day: Mapped[date]
    placed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Redemption(Base):
    """What a coupon took off an order, and the goods that it counted on. Insert-only."""

    __tablename__ = "coupon_redemption"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("lock_id"),
        UniqueConstraint("order_ref", "coupon_id"),
        Index(None, "coupon_id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    lock_id: Mapped[int] = mapped_column(ForeignKey("coupon_lock.id"))
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    use_number: Mapped[int]
    order_ref: Mapped[str]
    holder: Mapped[str | None]
    discount_fen: Mapped[int]
    order_fen: Mapped[int]
    store: Mapped[str | None]
    day: Mapped[date]
    redeemed_at: Mapped[datetime]


class RollBack(Base):
    """A part of a redemption that went back, and what became of the coupon. Insert-only."""

    __tablename__ = "coupon_roll_back"
    __table_args__ = (
        UniqueConstraint("redemption_id", "ordinal"),
        UniqueConstraint("redemption_id", "key"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    redemption_id: Mapped[int] = mapped_column(ForeignKey("coupon_redemption.id"))
    ordinal: Mapped[int]
    key: Mapped[str]
    fen: Mapped[int]
    order_fen: Mapped[int]
    whole_order: Mapped[bool]
    returned: Mapped[bool]
    reissued_id: Mapped[int | None] = mapped_column(ForeignKey("coupon.id"))
    at: Mapped[datetime]


class OfflineKey(Base):
    """A public key that has signed tokens. Insert-only."""

    __tablename__ = "coupon_offline_key"
    __table_args__ = (CheckConstraint("octet_length(public_key) = 32", name="public_key"),)

    kid: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[bytes]
    since: Mapped[datetime]


class OfflineCoupon(Base):
    """A coupon that is made out for one store (C18): `fen` off there, until `ends_at`.

    Its lock bears `jti` as its order, until `until`. With the sale that used it, at `used_at` by
    the till's clock, it says which order that is. `seat` is one of the three that a holder has.
    """

    __tablename__ = "coupon_offline"
    __table_args__ = (
        UniqueConstraint("order_ref"),
        Index(None, "coupon_id"),
        Index(None, "holder", "ends_at"),
        Index(None, "store", "ends_at"),
        Index(None, "until"),
        CheckConstraint("seat BETWEEN 1 AND 3", name="seat"),
        CheckConstraint("fen BETWEEN 1 AND 2000", name="fen"),
        CheckConstraint(
            "starts_at < ends_at AND ends_at <= starts_at + interval '24 hours'"
            " AND until = ends_at + interval '72 hours'",
            name="time",
        ),
        CheckConstraint("num_nulls(order_ref, used_at, taken_at, skewed) IN (0, 4)", name="use"),
    )

    jti: Mapped[str] = mapped_column(primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupon.id"))
    holder: Mapped[str]
    seat: Mapped[int]
    store: Mapped[str]
    kid: Mapped[str] = mapped_column(ForeignKey("coupon_offline_key.kid"))
    fen: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    until: Mapped[datetime]
    sealed: Mapped[bytes]
    order_ref: Mapped[str | None]
    used_at: Mapped[datetime | None]
    taken_at: Mapped[datetime | None]
    skewed: Mapped[bool | None]


class CodeRun(Base):
    """Printed codes of a batch that were made or imported together, under a name."""

    __tablename__ = "coupon_code_run"
    __table_args__ = (UniqueConstraint("public_id"), UniqueConstraint("batch_id", "name"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    batch_id: Mapped[int] = mapped_column(ForeignKey("coupon_batch.id"))
    name: Mapped[str]
    kind: Mapped[str]
    wanted: Mapped[int | None]
    short: Mapped[bool]
    sealed_key: Mapped[bytes | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    voided_why: Mapped[str | None]


class Code(Base):
    """A code by its keyed hash. One that was made follows from its run's key and its number."""

    __tablename__ = "coupon_code"
    __table_args__ = (
        UniqueConstraint("run_id", "number"),
        Index(
            "coupon_code_coupon_id_key",
            "coupon_id",
            unique=True,
            postgresql_where=text("coupon_id IS NOT NULL"),
        ),
    )

    index: Mapped[bytes] = mapped_column(primary_key=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_code_run.id"))
    number: Mapped[int | None]
    sealed: Mapped[bytes | None]
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupon.id"))
