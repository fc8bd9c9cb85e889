"""Tables of the points' room: rules and their versions, the programme, burn terms, lots.

Nothing is deleted: a version is followed by another or retired (semantics 60).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base


class VersionState(StrEnum):
    """A version waits as a draft, is approved by a second person, and ends retired."""

    DRAFT = "draft"
    APPROVED = "approved"
    RETIRED = "retired"


class LotKind(StrEnum):
    """A lot holds points; a debt lot holds what the member owes."""

    LOT = "lot"
    DEBT = "debt"


class Rule(Base):
    """An earning rule by the name that marketers call it; what it says is in its versions."""

    __tablename__ = "rule"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        CheckConstraint("code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'", name="code"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    created_at: Mapped[datetime]


class RuleVersion(Base):
    """What a rule says from an instant on. Once approved it only ends (`effective_to`).

    In force at an instant is the version that began last, unless it has ended: a version replaces
    the one before it for good. One that was retired before it began ends where it begins.
    """

    __tablename__ = "rule_version"
    __table_args__ = (
        UniqueConstraint("rule_id", "version"),
        CheckConstraint("version > 0", name="version"),
        CheckConstraint("effective_to >= effective_from", name="interval"),
        CheckConstraint("kind IN ('base', 'multiplier')", name="kind"),
        CheckConstraint(
            "rate_num > 0 AND rate_den > 0 AND gcd(rate_num, rate_den) = 1", name="rate"
        ),
        CheckConstraint("rounding IN ('floor', 'half_up')", name="rounding"),
        CheckConstraint("scope IN ('order', 'line')", name="scope"),
        CheckConstraint("state IN ('draft', 'approved', 'retired')", name="state"),
        CheckConstraint("state <> 'approved' OR approved_by IS NOT NULL", name="approval"),
        CheckConstraint("approved_by <> proposed_by", name="two_people"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    rule_id: Mapped[int] = mapped_column(ForeignKey("rule.id"))
    version: Mapped[int]
    effective_from: Mapped[datetime]
    effective_to: Mapped[datetime | None]
    kind: Mapped[str]
    rate_num: Mapped[int]
    rate_den: Mapped[int]
    rounding: Mapped[str]
    scope: Mapped[str]
    conditions: Mapped[dict[str, Any]]
    excluded_categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    counted_tenders: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    pending: Mapped[dict[str, Any] | None]
    caps: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    campaign: Mapped[str | None]
    definition_hash: Mapped[str]
    state: Mapped[str]
    proposed_by: Mapped[str]
    approved_by: Mapped[str | None]
    change_request_id: Mapped[int] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]


class RuleUse(Base):
    """What a rule with a cap gave a member by an order, or a refund gave back of its room (E4).

    It counts on the order's business day, in the refund's row too. `source` is the public id of
    the order or refund.
    """

    __tablename__ = "rule_use"
    __table_args__ = (
        UniqueConstraint("source", "rule"),
        Index(None, "member_id", "business_date"),
        CheckConstraint("points <> 0", name="points"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    source: Mapped[str]
    rule: Mapped[str]
    campaign: Mapped[str | None]
    points: Mapped[int]
    business_date: Mapped[date]


class ProgrammeVersion(Base):
    """The district's points policy from an instant on; never changed, only followed."""

    __tablename__ = "programme"
    __table_args__ = (
        UniqueConstraint("effective_from"),
        CheckConstraint("expiry_months > 0", name="expiry"),
        CheckConstraint(
            "point_value_num > 0 AND point_value_den > 0"
            " AND gcd(point_value_num, point_value_den) = 1",
            name="point_value",
        ),
        CheckConstraint("combine IN ('max', 'sum', 'product')", name="combine"),
        CheckConstraint("negative_policy IN ('refuse', 'write_off', 'debt')", name="negative"),
        CheckConstraint("debt_floor_points <= 0", name="debt_floor"),
        CheckConstraint("return_first IN ('money_first', 'points_first')", name="return_first"),
        CheckConstraint(
            "breakage_num >= 0 AND breakage_num <= breakage_den AND breakage_den > 0"
            " AND gcd(breakage_num, breakage_den) = 1",
            name="breakage",
        ),
        CheckConstraint(
            "courtesy_days >= 0 AND hold_minutes > 0 AND quote_minutes > 0", name="durations"
        ),
        CheckConstraint(
            "CASE WHEN extend_months IS NULL THEN extended_by = '{}'"
            " ELSE extend_months > 0 AND expiry_months IS NOT NULL AND extended_by <> '{}'"
            " AND extended_by <@ ARRAY['purchase', 'check_in', 'burn'] END",
            name="extension",
        ),
        CheckConstraint("best_by IN ('discount', 'due')", name="best_by"),
        CheckConstraint("coupons_at_most BETWEEN 1 AND 30", name="coupons_at_most"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    effective_from: Mapped[datetime]
    expiry_months: Mapped[int | None]
    point_value_num: Mapped[int]
    point_value_den: Mapped[int]
    combine: Mapped[str]
    negative_policy: Mapped[str]
    debt_floor_points: Mapped[int | None]
    courtesy_days: Mapped[int]
    return_first: Mapped[str]
    hold_minutes: Mapped[int]
    quote_minutes: Mapped[int]
    breakage_num: Mapped[int] = mapped_column(server_default=text("1"))
    breakage_den: Mapped[int] = mapped_column(server_default=text("1"))
    extend_months: Mapped[int | None]
    extended_by: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    best_by: Mapped[str] = mapped_column(server_default=text("'discount'"))
    coupons_at_most: Mapped[int | None]
    change_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]


class BurnTermVersion(Base):
    """How points may be burned from an instant on, at a merchant (or any) for a tier (or any)."""

    __tablename__ = "burn_term"
    __table_args__ = (
        UniqueConstraint(
            "merchant_id", "tier", "effective_from", postgresql_nulls_not_distinct=True
        ),
        CheckConstraint("min_unit_points > 0", name="min_unit"),
        CheckConstraint(
            "max_share_num >= 0 AND max_share_num <= max_share_den AND max_share_den > 0"
            " AND gcd(max_share_num, max_share_den) = 1",
            name="max_share",
        ),
        CheckConstraint("daily_limit_points >= 0", name="daily_limit"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchant.id"))
    tier: Mapped[str | None]
    effective_from: Mapped[datetime]
    min_unit_points: Mapped[int]
    max_share_num: Mapped[int]
    max_share_den: Mapped[int]
    daily_limit_points: Mapped[int | None]
    change_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]


class Lot(Base):
    """What an account of a member's points means: issuer, expiry, cost and use (ADR 0002).

    `cost` is the exact fen that a point costs its issuer, `redemption` what it pays whoever takes
    it; both are frozen at the earn (semantics 51). Points are pending before `activates_on`, or
    until the event `awaits` of the order `awaits_for` (its public id; E3). A debt lot holds
    what the member owes that issuer; it never expires (semantics 33).
    """

    __tablename__ = "lot"
    __table_args__ = (
        UniqueConstraint(
            "member_id", "issuer_id", "kind", "expires_on", "cost_num", "cost_den",
            "redemption_num", "redemption_den",
            "restriction_merchant_id", "activates_on", "courtesy", "awaits", "awaits_for",
            name="lot_meaning_key", postgresql_nulls_not_distinct=True,
        ),
        Index(
            None, "expires_on", "member_id", postgresql_where=text("expires_on IS NOT NULL")
        ),
        Index(
            None, "activates_on", "member_id", postgresql_where=text("activates_on IS NOT NULL")
        ),
        CheckConstraint("kind IN ('lot', 'debt')", name="kind"),
        CheckConstraint("cost_num >= 0 AND cost_den > 0 AND gcd(cost_num, cost_den) = 1",
                        name="cost"),
        CheckConstraint("redemption_num >= 0 AND redemption_den > 0"
                        " AND gcd(redemption_num, redemption_den) = 1", name="redemption"),
        CheckConstraint(
            "kind = 'lot' OR (expires_on IS NULL AND activates_on IS NULL"
            " AND restriction_merchant_id IS NULL AND NOT courtesy AND awaits IS NULL)",
            name="debt",
        ),
        CheckConstraint(
            "(awaits IS NULL) = (awaits_for IS NULL)"
            " AND (awaits IS NULL OR activates_on IS NULL)", name="awaits",
        ),
    )  # fmt: skip

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id"), primary_key=True, autoincrement=False
    )
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    issuer_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    kind: Mapped[str]
    expires_on: Mapped[date | None]
    cost_num: Mapped[int]
    cost_den: Mapped[int]
    redemption_num: Mapped[int]
    redemption_den: Mapped[int]
    restriction_merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchant.id"))
    activates_on: Mapped[date | None]
    courtesy: Mapped[bool] = mapped_column(server_default=text("false"))
    awaits: Mapped[str | None]
    awaits_for: Mapped[str | None]
    first_earned_at: Mapped[datetime]


class MergedLot(Base):
    """Points, or a debt, that went from a lot of a merged member to one of the survivor.

    `own_points` are what the survivor's lot held before. It is there to be read: an undo follows
    the points in the books (tracing.py), for they may have gone on to other lots.
    """

    __tablename__ = "merged_lot"
    __table_args__ = (
        CheckConstraint("points > 0 AND own_points >= 0", name="points"),
        Index(None, "merge_id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merge_id: Mapped[int] = mapped_column(ForeignKey("merge.id"))
    from_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    to_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    points: Mapped[int]
    own_points: Mapped[int]


class PointsNotice(Base):
    """That a member was told of a day of his points, so many days ahead: each once."""

    __tablename__ = "points_notice"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id"), primary_key=True, autoincrement=False
    )
    topic: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    days_ahead: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    points: Mapped[int]
    told_at: Mapped[datetime]


class Adjustment(Base):
    """Points that staff gave (above zero) or took, why, and who agreed above the limit (G1)."""

    __tablename__ = "adjustment"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index(None, "member_id", "at"),
        CheckConstraint("points <> 0", name="points"),
        CheckConstraint("approved_by <> by", name="two_people"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    issuer_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    points: Mapped[int]
    reason: Mapped[str]
    by: Mapped[str]
    approved_by: Mapped[str | None]
    at: Mapped[datetime]


class Gift(Base):
    """Points that one member gave another, for the caps and the days in which they stay (B7)."""

    __tablename__ = "gift"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index(None, "giver_id", "at"),
        Index(None, "receiver_id", "at"),
        CheckConstraint("points > 0 AND giver_id <> receiver_id", name="sense"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    giver_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    receiver_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    points: Mapped[int]
    at: Mapped[datetime]
