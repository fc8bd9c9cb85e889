"""How old the points are that members still hold: what each issuer has outstanding, by age (L8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clock import business_date
from app.merchants.directory import get_directory
from config.database import now_of


class Band(StrEnum):
    """How long ago a lot began, in days; or what else is to be said of its points."""

    MONTH = "0-30"
    QUARTER = "31-90"
    HALF = "91-180"
    YEAR = "181-365"
    OLDER = "366-"
    EXPIRED = "expired"
    OWED = "owed"


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """Points of one issuer in one band; held ones are counted in. What is owed is below zero.

    `expired`: past their last day, and not booked so far.
    """

    issuer: str
    band: Band
    lots: int
    points: int


def outstanding(session: Session) -> Sequence[Outstanding]:
    """Return what is outstanding now, by issuer (merchant code) and band, none left out."""
    today: date = business_date(now_of(session))
    merchants = get_directory(session).merchants
    order = {band: place for place, band in enumerate(Band)}
    found = [
        Outstanding(
            issuer=merchants[row.issuer_id].code,
            band=Band(row.band),
            lots=row.lots,
            points=row.points,
        )
        for row in session.execute(_OUTSTANDING, {"today": today})
    ]
    return sorted(found, key=lambda each: (each.issuer, order[each.band]))


_OUTSTANDING = text(
    """
    SELECT l.issuer_id, CASE
               WHEN l.kind = 'debt' THEN 'owed'
               WHEN l.expires_on < :today THEN 'expired'
               WHEN a.days <= 30 THEN '0-30'
               WHEN a.days <= 90 THEN '31-90'
               WHEN a.days <= 180 THEN '91-180'
               WHEN a.days <= 365 THEN '181-365'
               ELSE '366-' END AS band,
           count(*) AS lots, sum(b.posted)::bigint AS points
    FROM lot l JOIN account_balance b ON b.account_id = l.account_id, book k,
    LATERAL (VALUES (CAST(:today AS date) - (l.first_earned_at AT TIME ZONE k.zone)::date))
        AS a (days)
    WHERE b.posted <> 0
    GROUP BY 1, 2
    """
)
