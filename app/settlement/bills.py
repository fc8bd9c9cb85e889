"""Bills of the gateways as they were taken in: whole, once, and never changed (L10)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Row,
    UniqueConstraint,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as insert_once
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit
from app.settlement.bill_files import BadBill, BadLine, BillLine, Gateway, read
from config.database import Base, new_id, now_of


class Bill(Base):
    """A gateway's bill of a day; `content` is the hash of the file that was taken in first."""

    __tablename__ = "bill"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint("gateway", "day"),
        CheckConstraint("gateway IN ('wechat', 'alipay')", name="gateway"),
        CheckConstraint("octet_length(content) = 32", name="content"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    gateway: Mapped[str]
    day: Mapped[date]
    content: Mapped[bytes]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str]


class BillRow(Base):
    """A row of a bill: a payment (`refund_id` empty) or a refund, once in its day. Insert-only."""

    __tablename__ = "bill_row"
    __table_args__ = (
        UniqueConstraint("gateway", "day", "transaction_id", "refund_id"),
        CheckConstraint("way IN ('payment', 'refund')", name="way"),
        CheckConstraint("(way = 'refund') = (refund_id <> '')", name="refund"),
        CheckConstraint("fen > 0", name="fen"),
        Index(None, "bill_id"),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    bill_id: Mapped[int] = mapped_column(ForeignKey("bill.id"))
    gateway: Mapped[str]
    day: Mapped[date]
    way: Mapped[str]
    transaction_id: Mapped[str]
    refund_id: Mapped[str]
    order_number: Mapped[str]
    refund_number: Mapped[str]
    fen: Mapped[int]
    at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """What an import came to: rows that are new, and those that were there."""

    bill: str
    added: int
    already: int


def take_in(session: Session, content: bytes, *, gateway: Gateway, day: date, by: str) -> TakenIn:
    """Keep a gateway's bill of a day, all of it or nothing; the same bill again changes nothing.

    A gateway may add rows to a bill later; one that has changed or left out a row is refused. Two
    imports of one day queue.

    Raises:
        BadBill: as `bill_files.read`; or it is at odds with what was taken in before.
    """
    lines = read(content, gateway=gateway, day=day)
    queue(session, gateway=gateway, day=day)
    session.execute(
        insert_once(Bill)
        .values(
            public_id=new_id("bil"),
            gateway=gateway,
            day=day,
            content=hashlib.sha256(content).digest(),
            imported_at=now_of(session),
            imported_by=by,
        )
        .on_conflict_do_nothing(index_elements=["gateway", "day"])
    )
    bill = session.scalars(select(Bill).where(Bill.gateway == gateway, Bill.day == day)).one()
    kept = session.execute(select(*_KEPT).where(BillRow.bill_id == bill.id)).all()
    fresh = _fresh(lines, kept)
    if fresh:
        session.execute(insert(BillRow), [_columns(bill, line) for line in fresh])
        audit.record(
            session,
            actor=by,
            action="bill.import",
            object=bill.public_id,
            after={"gateway": gateway.value, "day": str(day), "rows": len(fresh)},
        )
    return TakenIn(bill=bill.public_id, added=len(fresh), already=len(kept))


def queue(session: Session, *, gateway: Gateway, day: date) -> None:
    """Wait until nobody else works on this gateway's day; then nobody does until the commit."""
    session.execute(_QUEUE, {"name": f"bill:{gateway}:{day}"})


_QUEUE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name || ':' || current_schema(), 0))")
_KEPT = (
    BillRow.transaction_id,
    BillRow.refund_id,
    BillRow.way,
    BillRow.order_number,
    BillRow.refund_number,
    BillRow.fen,
    BillRow.at,
)


def _fresh(lines: Sequence[BillLine], kept: Sequence[Row[*tuple[Any, ...]]]) -> list[BillLine]:
    """Return the lines that are new; refuse those that say other than before."""
    before = {(row.transaction_id, row.refund_id): tuple(row) for row in kept}
    bad = []
    fresh = []
    for line in lines:
        known = before.pop(line.key, None)
        if known is None:
            fresh.append(line)
        elif known != _content(line):
            bad.append(
                BadLine(
                    line=line.line, zh="与此前导入的同一笔不同", en="differs from what was imported"
                )
            )
    if before:
        missing = "、".join(sorted(transaction for transaction, _ in before)[:5])
        bad.append(
            BadLine(
                line=len(lines),
                zh=f"缺少此前导入的 {missing}",
                en=f"lacks {missing}, imported before",
            )
        )
    if bad:
        raise BadBill(bad)
    return fresh


def _content(line: BillLine) -> tuple[object, ...]:
    return (
        line.transaction_id, line.refund_id, line.way, line.order_number, line.refund_number,
        line.fen, line.at,
    )  # fmt: skip


def _columns(bill: Bill, line: BillLine) -> dict[str, object]:
    return {
        "bill_id": bill.id,
        "gateway": bill.gateway,
        "day": bill.day,
        "way": line.way,
        "transaction_id": line.transaction_id,
        "refund_id": line.refund_id,
        "order_number": line.order_number,
        "refund_number": line.refund_number,
        "fen": line.fen,
        "at": line.at,
    }
