"""Tables of the books. They are written by the functions in the .sql files and read by all."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, Xid8


class Unit(StrEnum):
    """What an account counts; the value 0 or 1 stands in the low bits of its id."""

    POINTS = "points"
    FEN = "fen"


class HoldState(StrEnum):
    """A hold ends once, in one of three ways."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class Book(Base):
    """One row: where the books of the district stand."""

    __tablename__ = "book"
    __table_args__ = (CheckConstraint("only_one", name="only_one"),)

    only_one: Mapped[bool] = mapped_column(primary_key=True, server_default=text("true"))
    zone: Mapped[str] = mapped_column(server_default="Asia/Shanghai")
    first_open_day: Mapped[date] = mapped_column(server_default="2000-01-01")
    rolled_to: Mapped[int] = mapped_column(Xid8, server_default="0")
    audited_to: Mapped[int] = mapped_column(Xid8, server_default="0")
    audited_at: Mapped[datetime | None]


class Wallet(Base):
    """The mutex of the accounts of one owner: lock it first, then its lots."""

    __tablename__ = "wallet"
    __table_args__ = (UniqueConstraint("owner"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]


class Account(Base):
    """One owner, one unit; a lot of points is an account."""

    __tablename__ = "account"
    __table_args__ = (
        UniqueConstraint("name"),
        Index("account_wallet_id_idx", "wallet_id", postgresql_where=text("wallet_id IS NOT NULL")),
        Index("account_house_idx", "code", postgresql_where=text("wallet_id IS NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    code: Mapped[str]
    unit: Mapped[str | None] = mapped_column(
        Computed("CASE id & 7 WHEN 0 THEN 'points' WHEN 1 THEN 'fen' END", persisted=True)
    )
    exact: Mapped[bool | None] = mapped_column(Computed("id & 8 <> 0", persisted=True))
    wallet_id: Mapped[int | None] = mapped_column(ForeignKey("wallet.id"))
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AccountBalance(Base):
    """What an account holds: credits less debits, and what of it is held."""

    __tablename__ = "account_balance"

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    posted: Mapped[int] = mapped_column(server_default="0")
    held: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="0")
    floor: Mapped[int | None]
    ceiling: Mapped[int | None]


class JournalRow(Base):
    """The transfers of one business event, under a key that is unique for ever."""

    __tablename__ = "journal"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("journal_xid_idx", "xid"),
        Index("journal_rates_idx", "booked_on", postgresql_where=text("details ? 'rates'")),
        Index(
            "journal_reverses_id_idx",
            "reverses_id",
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    digest: Mapped[bytes]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    booked_on: Mapped[date]
    reverses_id: Mapped[int | None]
    hold_id: Mapped[int | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    xid: Mapped[int] = mapped_column(Xid8, server_default=func.pg_current_xact_id())


class Transfer(Base):
    """A recorded posting: balanced by its shape, immutable, in monthly partitions."""

    __tablename__ = "transfer"
    __table_args__ = (
        Index("transfer_debit_id_journal_id_idx", "debit_id", "journal_id"),
        Index("transfer_credit_id_journal_id_idx", "credit_id", "journal_id"),
        {"postgresql_partition_by": "RANGE (booked_on)"},
    )

    journal_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    booked_on: Mapped[date] = mapped_column(primary_key=True)
    debit_id: Mapped[int]
    credit_id: Mapped[int]
    amount: Mapped[int]


class Reversal(Base):
    """How much of a transfer has been taken back."""

    __tablename__ = "reversal"

    original_id: Mapped[int] = mapped_column(
        ForeignKey("journal.id"), primary_key=True, autoincrement=False
    )
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    amount: Mapped[int]
    reversed: Mapped[int]


class Hold(Base):
    """Amounts set aside until an instant; dead after it, whether or not a job has said so."""

    __tablename__ = "hold"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("hold_wallet_id_idx", "wallet_id", postgresql_where=text("state = 'open'")),
        Index("hold_until_idx", "until", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    digest: Mapped[bytes]
    state: Mapped[str] = mapped_column(server_default=HoldState.OPEN)
    wallet_id: Mapped[int | None] = mapped_column(ForeignKey("wallet.id"))
    until: Mapped[datetime]
    placed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    captured_id: Mapped[int | None]


class HoldLine(Base):
    """One account of a hold and the amount kept of it."""

    __tablename__ = "hold_line"

    hold_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    amount: Mapped[int]


class BalanceMark(Base):
    """The balance of an account at the end of a closed day."""

    __tablename__ = "balance_mark"
    __table_args__ = (Index("balance_mark_through_idx", "through"),)

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    through: Mapped[date] = mapped_column(primary_key=True)
    posted: Mapped[int]


class AuditMark(Base):
    """What the auditor has proved of an exact account, up to `book.audited_to`."""

    __tablename__ = "audit_mark"

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    posted: Mapped[int]
    version: Mapped[int]


class DaySeal(Base):
    """A closed day as it was signed; `record` is what docs/proofs.md describes byte by byte."""

    __tablename__ = "day_seal"
    __table_args__ = (UniqueConstraint("number"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    number: Mapped[int]
    record: Mapped[str]
    hash: Mapped[bytes]
    key_id: Mapped[str]
    signature: Mapped[bytes]
    sealed_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class SealBlock(Base):
    """Up to 1,024 transfers of a sealed day, one after the other, as one node of its tree."""

    __tablename__ = "seal_block"

    day: Mapped[date] = mapped_column(ForeignKey("day_seal.day"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    first_journal_id: Mapped[int]
    first_line: Mapped[int] = mapped_column(SmallInteger)
    transfers: Mapped[int] = mapped_column(Integer)
    points: Mapped[int]
    fen: Mapped[int]
    root: Mapped[bytes]


account_number = Sequence("account_number", metadata=Base.metadata)
