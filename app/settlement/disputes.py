"""Figures that a merchant does not accept (semantics 53).

A disputed amount stays in every sum, is not payable meanwhile, and ends by an adjustment in the
open period, of nothing where the figure was right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import audit
from app.errors import Invalid, NotFound, StateConflict
from app.merchants.directory import get_directory
from app.merchants.models import Merchant
from app.money import yuan
from app.settlement import dues
from app.settlement.captions import Caption
from app.settlement.dues import Adjustment
from app.settlement.models import Dispute, Line, Period
from config.database import new_id, now_of


@dataclass(frozen=True, kw_only=True)
class Disputed:
    """A dispute with what it is about."""

    id: str
    period: str
    merchant: str
    caption: str
    fen: int
    reason: str
    opened_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    adjusted_fen: int | None


def open_dispute(
    session: Session,
    period: Period,
    *,
    merchant: str,
    caption: Caption,
    fen: int,
    reason: str,
    by: str,
) -> str:
    """Flag so many fen of one figure, which has one open dispute at a time; return its id.

    Raises:
        NotFound: no such merchant, or its statement has no such row.
        Invalid: more than the figure is, or of the other sign.
        StateConflict: it is disputed already.
    """
    listed = get_directory(session).get_merchant(merchant)
    line = session.scalar(
        select(Line).where(
            Line.period_id == period.id, Line.merchant_id == listed.id, Line.caption == caption
        )
    )
    if line is None:
        raise NotFound("line", f"{period.code} {merchant} {caption}")
    if fen == 0 or not 0 <= fen * (1 if line.fen > 0 else -1) <= abs(line.fen):
        raise Invalid("fen", f"该行为 {line.fen} 分，不能超出", f"within the row's {line.fen} fen")
    public_id: str | None = session.scalar(
        insert(Dispute)
        .values(
            public_id=new_id("dsp"),
            line_id=line.id,
            fen=fen,
            reason=reason,
            opened_at=now_of(session),
            opened_by=by,
        )
        .on_conflict_do_nothing()
        .returning(Dispute.public_id)
    )
    if public_id is None:
        raise StateConflict(
            "line", f"{period.code} {merchant} {caption}", "disputed", "已有争议", "is disputed"
        )
    audit.record(
        session,
        actor=by,
        action="settlement.dispute",
        object=listed.public_id,
        after={"period": period.code, "caption": caption.value, "fen": fen},
        reason=reason,
    )
    return public_id


def resolve(
    session: Session, dispute: str, *, adjust_fen: int, resolution: str, by: str
) -> Dispute:
    """End a dispute as another person than who opened it, with an adjustment or without one.

    `adjust_fen` is added to the merchant's due in the open period. It is no more than what is
    disputed, either way: who resolves decides alone, and about that amount only.

    Raises:
        NotFound: no such dispute.
        StateConflict: it is resolved, or `by` opened it.
        Invalid: more than what is disputed; `dues.propose` takes two people for that.
    """
    row = session.scalar(
        select(Dispute)
        .where(Dispute.public_id == dispute)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("dispute", dispute)
    if row.resolved_at is not None:
        raise StateConflict("dispute", dispute, "resolved", "已处理", "it is resolved")
    if row.opened_by == by:
        raise StateConflict(
            "dispute", dispute, "open", "须由另一人处理", "somebody else has to resolve it"
        )
    _check_bound(adjust_fen, disputed=row.fen)
    row.resolved_at = now_of(session)
    row.resolved_by = by
    row.resolution = resolution
    row.adjusted_fen = adjust_fen
    session.flush()
    code = session.scalars(
        select(Merchant.code)
        .join(Line, Line.merchant_id == Merchant.id)
        .where(Line.id == row.line_id)
    ).one()
    if adjust_fen:
        adjustment = Adjustment(merchant=code, fen=adjust_fen, subsidy=False, reason=resolution)
        dues.adjust(session, adjustment, key=row.public_id, by=by)
    return row


def _check_bound(adjust_fen: int, *, disputed: int) -> None:
    most = min(abs(disputed), dues.LIMIT_FEN)
    if abs(adjust_fen) > most:
        raise Invalid(
            "adjust",
            f"不能超过争议金额 {yuan(most)}；更多的调整须由两人办理：plaza settle adjust",
            f"not more than the {yuan(most)} in dispute; an adjustment of more takes two "
            "people: plaza settle adjust",
        )


def list_disputes(
    session: Session, *, period: Period | None = None, only_open: bool = False
) -> Sequence[Disputed]:
    """Return disputes, the oldest first."""
    query = (
        select(Dispute, Period.code, Merchant.code, Line.caption)
        .join(Line, Line.id == Dispute.line_id)
        .join(Period, Period.id == Line.period_id)
        .join(Merchant, Merchant.id == Line.merchant_id)
        .order_by(Dispute.id)
    )
    if period is not None:
        query = query.where(Period.id == period.id)
    if only_open:
        query = query.where(Dispute.resolved_at.is_(None))
    return [
        Disputed(
            id=row.public_id,
            period=period_code,
            merchant=merchant,
            caption=caption,
            fen=row.fen,
            reason=row.reason,
            opened_at=row.opened_at,
            resolved_at=row.resolved_at,
            resolution=row.resolution,
            adjusted_fen=row.adjusted_fen,
        )
        for row, period_code, merchant, caption in session.execute(query)
    ]


def disputed_fen(session: Session, period: Period, merchant_id: int) -> int:
    """Return what is disputed and open of a merchant's closing figure of a period.

    That figure carries forward what earlier periods left, so what is disputed of them is in it.
    """
    found = session.scalars(
        select(Dispute.fen)
        .join(Line, Line.id == Dispute.line_id)
        .where(
            Line.period_id <= period.id,
            Line.merchant_id == merchant_id,
            Dispute.resolved_at.is_(None),
        )
    )
    return sum(found)
