"""Breaks, aged, owned, closed with a reason: between our books and the gateways' bills (L10).

And of coupons that were taken offline and are not honoured (C18): what a store gave away by them.
"""

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
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import audit
from app.checkout.models import Order
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.settlement.bill_files import Gateway
from config.database import Base, new_id, now_of

PAGE = 500

#: What stands in a coupon's break in the place of a gateway.
COUPONS = "coupons"

#: Ages in days, each from the one before on: 0-1, 2-3, 4-7, more.
AGES = ((1, "0-1"), (3, "2-3"), (7, "4-7"))


class Reconciliation(Base):
    """A gateway's day as its last run found it; the table itself holds the sums together.

    Fen are what came in less what went back. `books_fen` is what tills and books differ by.
    """

    __tablename__ = "reconciliation"
    __table_args__ = (
        CheckConstraint("pos_fen = bill_fen + break_fen", name="bill"),
        CheckConstraint("ledger_fen = pos_fen - books_fen", name="books"),
    )

    gateway: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    pos_fen: Mapped[int]
    ledger_fen: Mapped[int]
    bill_fen: Mapped[int]
    break_fen: Mapped[int]
    books_fen: Mapped[int]
    run_at: Mapped[datetime]


class Break(Base):
    """One difference of a day. `gone_at`: a later run did not find it any more.

    A coupon's has a `reference`: its token, the terminal, and the till's number of the sale.
    """

    __tablename__ = "recon_break"
    __table_args__ = (
        UniqueConstraint("public_id"),
        UniqueConstraint(
            "gateway", "day", "kind", "order_id", "refund_id", "bill_row_id", "reference",
            name="recon_break_what_key", postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint(
            "kind IN ('missing_at_gateway', 'missing_here', 'amount_differs',"
            " 'refund_missing_at_gateway', 'refund_missing_here', 'duplicate', 'wrong_day',"
            " 'books_differ', 'coupon_used_twice', 'coupon_wrong_store', 'coupon_revoked',"
            " 'coupon_out_of_time', 'coupon_late', 'coupon_unmet')",
            name="kind",
        ),
        CheckConstraint(
            "(gateway = 'coupons') = (reference IS NOT NULL)"
            " AND (gateway = 'coupons') = starts_with(kind, 'coupon_')",
            name="reference",
        ),
        Index(
            "recon_break_reference_key", "reference", unique=True,
            postgresql_where=text("reference IS NOT NULL"),
        ),
        CheckConstraint("fen <> 0", name="fen"),
        CheckConstraint("(owner IS NULL) = (owned_at IS NULL)", name="owner"),
        CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (reason IS NULL)",
            name="closed",
        ),
        Index(
            "recon_break_open_idx", "day",
            postgresql_where=text("closed_at IS NULL AND gone_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    public_id: Mapped[str]
    gateway: Mapped[str]
    day: Mapped[date]
    kind: Mapped[str]
    order_id: Mapped[int | None] = mapped_column(ForeignKey("order.id"))
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refund.id"))
    bill_row_id: Mapped[int | None] = mapped_column(ForeignKey("bill_row.id"))
    fen: Mapped[int]
    opened_at: Mapped[datetime]
    owner: Mapped[str | None]
    owned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    reason: Mapped[str | None]
    gone_at: Mapped[datetime | None]
    reference: Mapped[str | None]


@dataclass(frozen=True, kw_only=True)
class Day:
    """A gateway's day: three sums in fen, what the breaks come to, how many are open."""

    gateway: Gateway
    day: date
    pos_fen: int
    ledger_fen: int
    bill_fen: int
    break_fen: int
    books_fen: int
    open_breaks: int

    @property
    def reconciled(self) -> bool:
        """Whether nothing is left to explain."""
        return self.open_breaks == 0


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A break as people see it: what differs, by how much, how old it is, whose it is."""

    public_id: str
    gateway: str
    day: date
    kind: str
    fen: int
    order: str | None
    refund: str | None
    transaction_id: str | None
    order_number: str | None
    age_days: int
    age: str
    owner: str | None
    closed: bool
    reason: str | None
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class CouponBreak:
    """A coupon's break as the store hears of it; it bears the `fen`."""

    public_id: str
    kind: str
    fen: int


def list_days(
    session: Session, *, gateway: Gateway | None = None, start: date, end: date
) -> list[Day]:
    """Return the days that were run, from the first to the last of these."""
    opened = (
        select(func.count())
        .where(
            Break.gateway == Reconciliation.gateway,
            Break.day == Reconciliation.day,
            Break.closed_at.is_(None),
            Break.gone_at.is_(None),
        )
        .scalar_subquery()
    )
    query = select(Reconciliation, opened).where(Reconciliation.day.between(start, end))
    if gateway is not None:
        query = query.where(Reconciliation.gateway == gateway)
    rows = session.execute(
        query.order_by(Reconciliation.day, Reconciliation.gateway).execution_options(
            populate_existing=True
        )
    )
    return [
        Day(
            gateway=Gateway(row.gateway),
            day=row.day,
            pos_fen=row.pos_fen,
            ledger_fen=row.ledger_fen,
            bill_fen=row.bill_fen,
            break_fen=row.break_fen,
            books_fen=row.books_fen,
            open_breaks=count,
        )
        for row, count in rows
    ]


def open_days(session: Session, *, gateway: Gateway, since: date) -> Sequence[date]:
    """Return the days from one on that have open breaks: a new bill may explain them."""
    return session.scalars(
        select(Break.day)
        .where(Break.gateway == gateway, Break.day >= since)
        .where(Break.closed_at.is_(None), Break.gone_at.is_(None))
        .group_by(Break.day)
        .order_by(Break.day)
    ).all()


def list_breaks(
    session: Session,
    *,
    gateway: Gateway | None = None,
    day: date | None = None,
    closed: bool = False,
) -> list[Listed]:
    """Return open breaks, oldest first; with `closed` those that were closed too. 500 at most."""
    rows = session.execute(
        _BREAKS, {"gateway": gateway, "day": day, "closed": closed, "limit": PAGE}
    )
    today = business_date(now_of(session))
    return [_listed(row, today) for row in rows]


def open_coupon(
    session: Session,
    *,
    kind: str,
    day: date,
    fen: int,
    order: str | None,
    reference: str,
    owner: str,
) -> CouponBreak:
    """Write down what a store gave by a coupon that is not honoured; the first word stands.

    `owner` looks into it from the start. The store bears the `fen`, which its sale says too.
    """
    now = now_of(session)
    row = {
        "public_id": new_id("brk"),
        "gateway": COUPONS,
        "day": day,
        "kind": kind,
        "order_id": select(Order.id).where(Order.public_id == order).scalar_subquery(),
        "fen": fen,
        "opened_at": now,
        "owner": owner,
        "owned_at": now,
        "reference": reference,
    }
    session.execute(insert(Break).values(row).on_conflict_do_nothing())
    stands = session.execute(
        select(Break.public_id, Break.kind, Break.fen).where(Break.reference == reference)
    ).one()
    return CouponBreak(public_id=stands.public_id, kind=stands.kind, fen=stands.fen)


def own(session: Session, public_id: str, *, owner: str, by: str) -> None:
    """Say who looks into an open break; another one later takes it over.

    Raises:
        NotFound: no such break.
        StateConflict: it is closed, or gone.
    """
    row = _get_open(session, public_id)
    before = row.owner
    row.owner, row.owned_at = owner, now_of(session)
    session.flush()
    audit.record(
        session,
        actor=by,
        action="break.own",
        object=public_id,
        before={"owner": before},
        after={"owner": owner},
    )


def close(session: Session, public_id: str, *, by: str, reason: str) -> None:
    """Close a break as explained; its fen stay in the day's sums, for they do differ.

    Raises:
        NotFound: no such break.
        Invalid: no reason is given.
        StateConflict: nobody owns it yet; or it is closed, or gone.
    """
    if not reason.strip():
        raise Invalid("reason", "须说明原因", "a reason is needed")
    row = _get_open(session, public_id)
    if row.owner is None:
        raise StateConflict(
            "break", public_id, "unowned", "须先有人负责", "somebody has to own it first"
        )
    row.closed_at, row.closed_by, row.reason = now_of(session), by, audit.masked(reason.strip())
    session.flush()
    audit.record(
        session, actor=by, action="break.close", object=public_id, after={"fen": row.fen},
        reason=reason,
    )  # fmt: skip


def _get_open(session: Session, public_id: str) -> Break:
    row = session.scalar(
        select(Break)
        .where(Break.public_id == public_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("break", public_id)
    if row.gone_at is not None:
        raise StateConflict("break", public_id, "gone", "差异已消失", "it is there no more")
    if row.closed_at is not None:
        raise StateConflict("break", public_id, "closed", "已关闭", "it is closed already")
    return row


def _listed(row: Row[Any], today: date) -> Listed:
    days = (today - row.day).days
    return Listed(
        public_id=row.public_id,
        gateway=row.gateway,
        day=row.day,
        kind=row.kind,
        fen=row.fen,
        order=row.order,
        refund=row.refund,
        transaction_id=row.transaction_id,
        order_number=row.order_number,
        age_days=days,
        age=next((name for most, name in AGES if days <= most), ">7"),
        owner=row.owner,
        closed=row.closed_at is not None,
        reason=row.reason,
        reference=row.reference,
    )


_BREAKS = text(
    """
    SELECT b.public_id, b.gateway, b.day, b.kind, b.fen, b.owner, b.closed_at, b.reason,
        b.reference,
        o.public_id AS "order", r.public_id AS refund, w.transaction_id, w.order_number
    FROM recon_break b
    LEFT JOIN "order" o ON o.id = b.order_id
    LEFT JOIN refund r ON r.id = b.refund_id
    LEFT JOIN bill_row w ON w.id = b.bill_row_id
    WHERE b.gone_at IS NULL AND (b.closed_at IS NULL OR :closed)
        AND (CAST(:gateway AS text) IS NULL OR b.gateway = :gateway)
        AND (CAST(:day AS date) IS NULL OR b.day = :day)
    ORDER BY b.day, b.id LIMIT :limit
    """
)
