"""Tables of the merchants' room. Rows are retired, never deleted (semantics 60)."""

from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base


class MerchantStatus(StrEnum):
    """Active; frozen by staff; exiting (issues no more, honours what is out); exited."""

    ACTIVE = "active"
    FROZEN = "frozen"
    EXITING = "exiting"
    EXITED = "exited"


class Standing(StrEnum):
    """Whether a store, a terminal or a cashier may be used."""

    ACTIVE = "active"
    FROZEN = "frozen"
    RETIRED = "retired"


class Funding(StrEnum):
    """How a merchant pays for the points it issues."""

    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class MayBurn(StrEnum):
    """Whose points may be burned at a merchant: anybody's, its own alone, nobody's."""

    ANY = "any"
    OWN = "own"
    NONE = "none"


class KeyState(StrEnum):
    """A store's key: signing; replaced and still valid for a while; past that; taken back."""

    ACTIVE = "active"
    ROTATED = "rotated"
    ENDED = "ended"
    REVOKED = "revoked"


class StaffStatus(StrEnum):
    """Whether a staff member may act."""

    ACTIVE = "active"
    DISABLED = "disabled"


_CODE = "code ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'"
_STANDING = "status IN ('active', 'frozen', 'retired')"


class Alarm(StrEnum):
    """What a merchant is told of once it is so: prepaid points run low; its credit is used up."""

    POINTS_LOW = "points_low"
    CREDIT_USED_UP = "credit_used_up"


class Trade(Base):
    """A trade (业态) that merchants are sorted into, and rules speak of."""

    __tablename__ = "trade"
    __table_args__ = (UniqueConstraint("code"), CheckConstraint(_CODE, name="code"))

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]


class Merchant(Base):
    """An independent business of the district, and the ledger accounts it is known by."""

    __tablename__ = "merchant"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint("status IN ('active', 'frozen', 'exiting', 'exited')", name="status"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    code: Mapped[str]
    name_zh: Mapped[str]
    name_en: Mapped[str]
    trade_id: Mapped[int] = mapped_column(ForeignKey("trade.id"))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    issued_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    prepaid_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    redeemed_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    breakage_account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    created_at: Mapped[datetime]


class Store(Base):
    """A place of a merchant where is sold; its code is unique in the district."""

    __tablename__ = "store"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("code"),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint(_STANDING, name="status"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"), index=True)
    code: Mapped[str]
    name: Mapped[str]
    floor: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    created_at: Mapped[datetime]


class Terminal(Base):
    """A till of a store; its code is the till's own id and unique in the store."""

    __tablename__ = "terminal"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("store_id", "code"),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint(_STANDING, name="status"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    code: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    created_at: Mapped[datetime]


class Cashier(Base):
    """Somebody who works at a store's tills, by the number the store gave."""

    __tablename__ = "cashier"
    __table_args__ = (
        UniqueConstraint("store_id", "code"),
        CheckConstraint(_CODE, name="code"),
        CheckConstraint(_STANDING, name="status"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    code: Mapped[str]
    name: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    created_at: Mapped[datetime]


class StoreKey(Base):
    """What the tills of a store sign with. `secret` is sealed by the master key.

    At most one key of a store is active and one rotated, so at most two can sign.
    """

    __tablename__ = "store_key"
    __table_args__ = (
        UniqueConstraint("key_id"),
        Index(
            "store_key_alive_idx",
            "store_id",
            "state",
            unique=True,
            postgresql_where=text("state IN ('active', 'rotated')"),
        ),
        CheckConstraint("key_id ~ '^pk_[a-z][a-z0-9-]{1,30}_[0-9A-Za-z]{4,40}$'", name="key_id"),
        CheckConstraint("state IN ('active', 'rotated', 'ended', 'revoked')", name="state"),
        CheckConstraint("(state IN ('ended', 'revoked')) = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint("state <> 'active' OR valid_until IS NULL", name="active"),
        CheckConstraint("state <> 'rotated' OR valid_until IS NOT NULL", name="rotated"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    key_id: Mapped[str]
    store_id: Mapped[int] = mapped_column(ForeignKey("store.id"))
    secret: Mapped[bytes]
    key_version: Mapped[int]
    state: Mapped[str]
    valid_until: Mapped[datetime | None]
    change_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ContractTerm(Base):
    """What was agreed with a merchant from a business date on; never changed, only followed.

    In force on a date is the latest `valid_from` that is not after it. Rates are exact fractions
    of a fen per point, in lowest terms.
    """

    __tablename__ = "contract_term"
    __table_args__ = (
        UniqueConstraint("merchant_id", "valid_from"),
        CheckConstraint("cost_num >= 0 AND cost_den > 0 AND gcd(cost_num, cost_den) = 1",
                        name="cost"),
        CheckConstraint("redemption_num >= 0 AND redemption_den > 0"
                        " AND gcd(redemption_num, redemption_den) = 1", name="redemption"),
        CheckConstraint("funding IN ('prepaid', 'postpaid')", name="funding"),
        CheckConstraint("may_burn IN ('any', 'own', 'none')", name="may_burn"),
        CheckConstraint("alert_points IS NULL OR (alert_points > 0 AND funding = 'prepaid')",
                        name="alert"),
        CheckConstraint("credit_limit_fen IS NULL OR (credit_limit_fen > 0"
                        " AND funding = 'postpaid')", name="credit"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    valid_from: Mapped[date]
    cost_num: Mapped[int]
    cost_den: Mapped[int]
    redemption_num: Mapped[int]
    redemption_den: Mapped[int]
    funding: Mapped[str]
    may_burn: Mapped[str]
    alert_points: Mapped[int | None]
    credit_limit_fen: Mapped[int | None]
    change_request_id: Mapped[int | None] = mapped_column(ForeignKey("change_request.id"))
    created_at: Mapped[datetime]

    def cost_fen_per_point(self) -> Fraction:
        """Return what one point costs its issuer, in fen."""
        return Fraction(self.cost_num, self.cost_den)

    def redemption_fen_per_point(self) -> Fraction:
        """Return what a redeemer is credited for one point, in fen."""
        return Fraction(self.redemption_num, self.redemption_den)


class MerchantStanding(Base):
    """An alarm that went up or down; the newest row of a merchant's alarm is how it stands.

    `amount` is what crossed the `level`: points that are left to give, or fen that are owed.
    """

    __tablename__ = "merchant_standing"
    __table_args__ = (
        Index(None, "merchant_id", "alarm", "id"),
        CheckConstraint("alarm IN ('points_low', 'credit_used_up')", name="alarm"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchant.id"))
    alarm: Mapped[str]
    raised: Mapped[bool]
    amount: Mapped[int]
    level: Mapped[int | None]
    at: Mapped[datetime]


class Staff(Base):
    """Somebody who runs the district, known by a login, who may do what his roles allow."""

    __tablename__ = "staff"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("login"),
        CheckConstraint("login ~ '^[a-z][a-z0-9._-]{1,39}$'", name="login"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        CheckConstraint(
            "cardinality(roles) > 0 AND roles <@"
            " ARRAY['admin', 'marketer', 'finance', 'support', 'auditor']",
            name="roles",
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    login: Mapped[str]
    name: Mapped[str]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[str] = mapped_column(server_default=text("'active'"))
    created_at: Mapped[datetime]


class StaffCredential(Base):
    """What a staff member signs in with over HTTP: the newest one that has not ended.

    `password_hash` is scrypt's; `totp_key` is sealed. `last_step` is the newest step whose
    one-time password was used: only later ones count.
    """

    __tablename__ = "staff_credential"
    __table_args__ = (
        CheckConstraint("octet_length(salt) = 16 AND octet_length(password_hash) = 32", name="kdf"),
        CheckConstraint("last_step >= 0", name="last_step"),
        Index(
            "staff_credential_staff_id_key",
            "staff_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    salt: Mapped[bytes]
    password_hash: Mapped[bytes]
    totp_key: Mapped[bytes]
    key_version: Mapped[int]
    last_step: Mapped[int]
    made_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class StaffSession(Base):
    """A staff member signed in over HTTP; its token is known by its hash alone."""

    __tablename__ = "staff_session"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("token_hash"),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint("ended_why IN ('signed_out', 'disabled', 'enrolled')", name="ended_why"),
        CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    token_hash: Mapped[bytes]
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]


class StaffMiss(Base):
    """A sign-in that was refused, by a keyed hash of the name that was given, known or not."""

    __tablename__ = "staff_miss"
    __table_args__ = (
        CheckConstraint("octet_length(who) = 16", name="who"),
        Index(None, "who", "at"),
        Index(None, "at"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    who: Mapped[bytes]
    at: Mapped[datetime]
