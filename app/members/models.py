"""Tables of the members' room. What is personal is sealed; what is looked up is a blind index."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base


class Kind(StrEnum):
    """Registered: has agreed to be a member. Pseudonymous: known by paying alone."""

    REGISTERED = "registered"
    PSEUDONYMOUS = "pseudonymous"


class MemberStatus(StrEnum):
    """Active; frozen by staff; parked, since the phone is another person's; closed; merged.

    Who is merged is another member now, and is found as that one (semantics 46).
    """

    ACTIVE = "active"
    FROZEN = "frozen"
    PARKED = "parked"
    CLOSED = "closed"
    MERGED = "merged"


class Source(StrEnum):
    """Where somebody became a member, of the district or of a merchant."""

    COUNTER = "counter"
    WEB = "web"
    WECHAT = "wechat"
    ALIPAY = "alipay"
    PAYMENT = "payment"
    IMPORT = "import"


_SOURCES = "source IN ('counter', 'web', 'wechat', 'alipay', 'payment', 'import')"


class Member(Base):
    """One person in the district, and the wallet that holds the points.

    `phone`, `name`, `birthday` are sealed under the member's own `data_key`, which the master key
    wraps; destroying `data_key` shreds the person while the wallet stays (reliability §13).
    `merged_into_id` is the member that this one is now, after however many merges. A tier above the
    lowest holds through `tier_until`, and then until it is judged.
    """

    __tablename__ = "member"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("wallet_id"),
        UniqueConstraint("card_number"),
        UniqueConstraint("phone_index"),
        CheckConstraint("kind IN ('registered', 'pseudonymous')", name="kind"),
        CheckConstraint(
            "status IN ('active', 'frozen', 'parked', 'closed', 'merged')", name="status"
        ),
        CheckConstraint("status <> 'merged' OR merged_into_id IS NOT NULL", name="merged"),
        Index(
            "member_merged_into_id_idx",
            "merged_into_id",
            postgresql_where=text("merged_into_id IS NOT NULL"),
        ),
        CheckConstraint("tier ~ '^[a-z][a-z0-9_]{0,29}$'", name="tier"),
        CheckConstraint(_SOURCES, name="source"),
        CheckConstraint("card_number ~ '^[A-Za-z0-9-]{1,40}$'", name="card_number"),
        CheckConstraint(
            "phone_index IS NULL OR (octet_length(phone_index) = 16 AND phone IS NOT NULL)",
            name="phone_index",
        ),
        CheckConstraint(
            "data_key IS NOT NULL OR (phone IS NULL AND name IS NULL AND birthday IS NULL)",
            name="data_key",
        ),
        Index(
            "member_tier_until_idx", "tier_until", "id",
            postgresql_where=text("tier_until IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallet.id"))
    card_number: Mapped[str | None]
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    tier: Mapped[str] = mapped_column(server_default=text("'basic'"))
    tier_until: Mapped[date | None]
    source: Mapped[str]
    joined_at: Mapped[datetime]
    phone: Mapped[bytes | None]
    phone_index: Mapped[bytes | None]
    name: Mapped[bytes | None]
    birthday: Mapped[bytes | None]
    data_key: Mapped[bytes | None]
    key_version: Mapped[int]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))


class ChannelIdentity(Base):
    """An identity of a member in a channel's app, opaque: found by its index, sealed itself."""

    __tablename__ = "channel_identity"
    __table_args__ = (
        UniqueConstraint("identity_index"),
        CheckConstraint("octet_length(identity_index) = 16", name="identity_index"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    channel: Mapped[str]
    app_id: Mapped[str]
    identity_index: Mapped[bytes]
    identity: Mapped[bytes]
    created_at: Mapped[datetime]


class Membership(Base):
    """A member known to a merchant (双会员), once for ever; the merchant sees `pseudonym` alone."""

    __tablename__ = "membership"
    __table_args__ = (
        UniqueConstraint("pseudonym"),
        Index(None, "merchant_id", "pseudonym"),
        CheckConstraint(_SOURCES, name="source"),
        CheckConstraint("(consent_version IS NULL) = (consented_at IS NULL)", name="consent"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), primary_key=True)
    pseudonym: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime]
    consent_version: Mapped[str | None]
    consented_at: Mapped[datetime | None]


class CashierMember(Base):
    """Which member a cashier is, so that buying at one's own till is seen (semantics 56)."""

    __tablename__ = "cashier_member"

    cashier_id: Mapped[int] = mapped_column(ForeignKey("cashier.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)


class GrowthKind(StrEnum):
    """What moved a member's growth: an order's money, or a refund of it."""

    ORDER = "order"
    REFUND = "refund"


class Growth(Base):
    """A movement of a member's growth (成长值), once for its `source`: an order or refund (M6).

    It counts on its own business day: a refund lowers what there is, and nothing that was judged.
    """

    __tablename__ = "growth"
    __table_args__ = (
        UniqueConstraint("source"),
        Index(
            "growth_member_id_business_date_idx", "member_id", "business_date",
            postgresql_include=["amount"],
        ),
        CheckConstraint("kind IN ('order', 'refund')", name="kind"),
        CheckConstraint("amount <> 0 AND (kind = 'refund') = (amount < 0)", name="amount"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    kind: Mapped[str]
    source: Mapped[str]
    amount: Mapped[int]
    occurred_at: Mapped[datetime]
    business_date: Mapped[date]
    recorded_at: Mapped[datetime]


class TierStep(StrEnum):
    """How a member came to a tier: up at once, down after a cycle, or on for another cycle.

    Merged: with the tier of who was merged into him. Parted: back to his own, by an undo.
    """

    UPGRADED = "upgraded"
    DOWNGRADED = "downgraded"
    PROLONGED = "prolonged"
    MERGED = "merged"
    PARTED = "parted"


class TierChange(Base):
    """One step of a member's tier, with the growth that decided it; together they are its history.

    The cycle that begins with it is `cycle_from` to `cycle_to`; the lowest tier has no end (M5).
    """

    __tablename__ = "tier_change"
    __table_args__ = (
        Index(None, "member_id", "at"),
        CheckConstraint(
            "step IN ('upgraded', 'downgraded', 'prolonged', 'merged', 'parted')", name="step"
        ),
        CheckConstraint(
            "step IN ('merged', 'parted') OR (step = 'prolonged') = (tier = tier_before)",
            name="move",
        ),
        CheckConstraint("cycle_to >= cycle_from", name="cycle"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    step: Mapped[str]
    tier_before: Mapped[str]
    tier: Mapped[str]
    growth: Mapped[int]
    cycle_from: Mapped[date]
    cycle_to: Mapped[date | None]
    at: Mapped[datetime]
