"""Tables of closed periods, written by the close and never changed, and of what follows it."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base

_PERIOD = "settlement_period.id"


class Period(Base):
    """A closed period and the sums over all its parties, which the table itself holds to zero."""

    __tablename__ = "settlement_period"
    __table_args__ = (
        UniqueConstraint("code"),
        UniqueConstraint("starts_on"),
        CheckConstraint("starts_on <= ends_on", name="days"),
        CheckConstraint("sum_points = 0 AND sum_fen = 0", name="zero"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    code: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    closed_at: Mapped[datetime]
    closed_by: Mapped[str]
    transfers: Mapped[int]
    parties: Mapped[int]
    sum_points: Mapped[int]
    sum_fen: Mapped[int]
    gross_fen: Mapped[int]
    net_fen: Mapped[int]


class Cell(Base):
    """What moved between two kinds of account of two merchants at one pair of rates.

    A lot's merchant is its issuer. Rates are exact fen per point; each side is rounded once, here,
    and `spread_fen` is what the difference of the rates comes to (decision 18). A close writes tens
    of thousands, so what tells a period's is its place on disk, and no foreign key is looked up for
    each: a close alone writes them. Nor does an index hold `id`: the table alone gives it out, and
    it is only for their order.
    """

    __tablename__ = "settlement_cell"
    __table_args__ = (
        CheckConstraint("points > 0 AND transfers > 0", name="points"),
        Index(None, "period_id", postgresql_using="brin"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    period_id: Mapped[int]
    debit_code: Mapped[str]
    debit_merchant_id: Mapped[int | None]
    debit_cost_num: Mapped[int | None]
    debit_cost_den: Mapped[int | None]
    credit_code: Mapped[str]
    credit_merchant_id: Mapped[int | None]
    credit_cost_num: Mapped[int | None]
    credit_cost_den: Mapped[int | None]
    debit_num: Mapped[int]
    debit_den: Mapped[int]
    credit_num: Mapped[int]
    credit_den: Mapped[int]
    points: Mapped[int]
    transfers: Mapped[int]
    debit_fen: Mapped[int]
    credit_fen: Mapped[int]
    spread_fen: Mapped[int]


class Stock(Base):
    """Points that are out when a period ends (`lot`), owed (`debt`) or bought ahead (`prepaid`).

    `fen` is what stands for them, at the rate of the row.
    """

    __tablename__ = "settlement_stock"
    __table_args__ = (CheckConstraint("kind IN ('lot', 'debt', 'prepaid')", name="kind"),)

    period_id: Mapped[int] = mapped_column(
        ForeignKey(_PERIOD, deferrable=True, initially="DEFERRED"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), primary_key=True)
    cost_num: Mapped[int] = mapped_column(primary_key=True)
    cost_den: Mapped[int] = mapped_column(primary_key=True)
    points: Mapped[int]
    fen: Mapped[int]


class Line(Base):
    """One figure of a party's statement: what a caption moved of its points and of its fen."""

    __tablename__ = "settlement_line"
    __table_args__ = (
        UniqueConstraint(
            "period_id", "merchant_id", "party", "caption",
            name="settlement_line_key", postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("(party = 'merchant') = (merchant_id IS NOT NULL)", name="party"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    period_id: Mapped[int] = mapped_column(
        ForeignKey(_PERIOD, deferrable=True, initially="DEFERRED")
    )
    party: Mapped[str]
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchant.id"))
    caption: Mapped[str]
    points: Mapped[int]
    fen: Mapped[int]


class Release(Base):
    """Donated points of one issuer and cost that two people have given to a purpose."""

    __tablename__ = "donation_release"
    __table_args__ = (
        CheckConstraint("points > 0", name="points"),
        CheckConstraint("purpose IN ('issuers', 'charity')", name="purpose"),
    )

    change_request_id: Mapped[int] = mapped_column(
        ForeignKey("change_request.id"), primary_key=True
    )
    issuer_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), primary_key=True)
    cost_num: Mapped[int] = mapped_column(primary_key=True)
    cost_den: Mapped[int] = mapped_column(primary_key=True)
    points: Mapped[int]
    purpose: Mapped[str]
    released_at: Mapped[datetime]


class CharityPayment(Base):
    """Money of the district's charity that two people have paid to a cause by bank."""

    __tablename__ = "charity_payment"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("reference"),
        UniqueConstraint("change_request_id"),
        CheckConstraint("fen > 0", name="fen"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    fen: Mapped[int]
    recipient: Mapped[str]
    reference: Mapped[str]
    paid_on: Mapped[date]
    change_request_id: Mapped[int] = mapped_column(ForeignKey("change_request.id"))
    recorded_at: Mapped[datetime]


class Exit(Base):
    """A merchant that leaves: what was out and owed that day, and what was agreed then, for good.

    `breakage_num/den` is the share of its points that is expected to expire; `share_num/den` is
    how much of what expired points cost goes back to it. `fund_limit_fen` and `redeemer_months`
    are what the district had declared of losses before it left. One that was cancelled says when
    and by which agreement; a merchant has at most one that was not.
    """

    __tablename__ = "merchant_exit"
    __table_args__ = (
        UniqueConstraint("public_id"),
        Index(
            "merchant_exit_merchant_id_idx",
            "merchant_id",
            unique=True,
            postgresql_where=text("cancelled_at IS NULL"),
        ),
        CheckConstraint("(cancelled_at IS NULL) = (cancel_request_id IS NULL)", name="cancelled"),
        CheckConstraint("breakage_num BETWEEN 0 AND breakage_den AND breakage_den > 0",
                        name="breakage"),
        CheckConstraint("share_num BETWEEN 0 AND share_den AND share_den > 0", name="share"),
        CheckConstraint("fund_limit_fen >= 0 AND redeemer_months >= 0", name="losses"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    begun_on: Mapped[date]
    breakage_num: Mapped[int]
    breakage_den: Mapped[int]
    share_num: Mapped[int]
    share_den: Mapped[int]
    out_points: Mapped[int]
    out_fen: Mapped[int]
    owed_points: Mapped[int]
    owed_fen: Mapped[int]
    unpaid_fen: Mapped[int]
    breakage_fen: Mapped[int]
    deposit_fen: Mapped[int]
    fund_limit_fen: Mapped[int]
    redeemer_months: Mapped[int]
    change_request_id: Mapped[int] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    cancel_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))


class Deposit(Base):
    """Money of a deposit that changed hands: above zero, the merchant paid it."""

    __tablename__ = "exit_deposit"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("exit_id", "reference"),
        CheckConstraint("fen <> 0", name="fen"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    exit_id: Mapped[int] = mapped_column(ForeignKey("merchant_exit.id"))
    fen: Mapped[int]
    reference: Mapped[str]
    paid_on: Mapped[date]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]


class Loss(Base):
    """What a merchant owed and others bore, by the declared order; below zero: what came back."""

    __tablename__ = "exit_loss"
    __table_args__ = (UniqueConstraint("public_id"), Index(None, "exit_id"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    exit_id: Mapped[int] = mapped_column(ForeignKey("merchant_exit.id"))
    deposit_fen: Mapped[int]
    fund_fen: Mapped[int]
    change_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))
    at: Mapped[datetime]
    by: Mapped[str]


class LossShare(Base):
    """What of a loss one redeemer bore, or got back."""

    __tablename__ = "exit_loss_share"
    __table_args__ = (CheckConstraint("fen <> 0", name="fen"),)

    loss_id: Mapped[int] = mapped_column(ForeignKey("exit_loss.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), primary_key=True)
    fen: Mapped[int]


class Payment(Base):
    """Money that changed hands for a closed period: above zero, the merchant paid the district."""

    __tablename__ = "settlement_payment"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("merchant_id", "reference"),
        CheckConstraint("fen <> 0", name="fen"),
        Index(None, "period_id", "merchant_id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    period_id: Mapped[int] = mapped_column(ForeignKey(_PERIOD))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    fen: Mapped[int]
    reference: Mapped[str]
    paid_on: Mapped[date]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]


class Dispute(Base):
    """Fen of a figure that its merchant does not accept; resolved once, by another person."""

    __tablename__ = "settlement_dispute"
    __table_args__ = (
        UniqueConstraint("public_id"),
        CheckConstraint("fen <> 0", name="fen"),
        CheckConstraint(
            "(resolved_at IS NULL) = (resolved_by IS NULL)"
            " AND (resolved_at IS NULL) = (resolution IS NULL)"
            " AND (resolved_at IS NULL) = (adjusted_fen IS NULL)",
            name="end",
        ),
        Index(
            "settlement_dispute_open_idx",
            "line_id",
            unique=True,
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    line_id: Mapped[int] = mapped_column(ForeignKey("settlement_line.id"))
    fen: Mapped[int]
    reason: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution: Mapped[str | None]
    adjusted_fen: Mapped[int | None]
