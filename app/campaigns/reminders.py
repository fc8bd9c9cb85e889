"""Members are reminded of coupons that end soon, thirty days and seven days before (C3).

Each coupon is told once of each lead, however often this runs: `coupon_notice` says of which.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import outbox
from app.campaigns.coupon_news import Topic
from app.clock import business_date, day_start
from app.outbox import News
from config.database import now_of

LEADS = (30, 7)
"""Days before the last one on which holders are reminded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """How many coupons were told of, and the row to go on from; None: all were."""

    coupons: int
    after: int | None


def remind_some(session: Session, *, day: date, lead: int, after: int, most: int) -> Told:
    """Tell of coupons, in their order, whose last day is so many days after a day, if not over.

    Coupons that live no longer than the lead are left out, and those of nobody known. Read without
    locks: what is used meanwhile is not left out.
    """
    last = day + timedelta(days=lead)
    if last < business_date(now_of(session)):
        return Told(coupons=0, after=None)
    rows = session.execute(
        _DUE,
        {
            "begins": day_start(last),
            "ends": day_start(last + timedelta(days=1)),
            "lead": lead,
            "lived": timedelta(days=lead),
            "after": after,
            "most": most,
            "now": now_of(session),
        },
    ).all()
    outbox.add_many(
        session,
        [
            News(
                topic=Topic.EXPIRING,
                # An aggregate of its own: a coupon's news is numbered under its lock.
                aggregate=f"{row.coupon}/calendar",
                payload={
                    "coupon": row.coupon,
                    "batch": row.batch,
                    "member": row.holder,
                    "last_day": last.isoformat(),
                    "days_ahead": lead,
                },
            )
            for row in rows
            if row.fresh
        ],
    )
    told = sum(row.fresh for row in rows)
    return Told(coupons=told, after=rows[-1].id if len(rows) == most else None)


_DUE = text(
    """
    WITH due AS MATERIALIZED (
        SELECT c.id, c.public_id AS coupon, b.code AS batch, c.holder
        FROM coupon c JOIN coupon_batch b ON b.id = c.batch_id
        WHERE c.valid_until > :begins AND c.valid_until <= :ends AND c.id > :after
            AND c.state = 'issued' AND c.holder IS NOT NULL
            AND c.valid_until - c.valid_from > :lived
        ORDER BY c.id LIMIT :most
    ), told AS (
        INSERT INTO coupon_notice (coupon_id, days_ahead, told_at)
        SELECT d.id, :lead, :now FROM due d ON CONFLICT DO NOTHING RETURNING coupon_id
    )
    SELECT d.*, t.coupon_id IS NOT NULL AS fresh
    FROM due d LEFT JOIN told t ON t.coupon_id = d.id ORDER BY d.id
    """
)
