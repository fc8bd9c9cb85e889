"""How old the points are that members hold, now or at any instant of the past, by issuer (L8)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Self

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.clock import business_date
from app.merchants.directory import get_directory
from app.points.models import LotKind
from config.database import now_of
from ledger.statements import Cut

_AT_ONCE = 5_000  # lots that one answer of the server brings


class Band(StrEnum):
    """How long ago a lot began, in days; or what else is to be said of its points."""

    MONTH = "0-30"
    QUARTER = "31-90"
    HALF = "91-180"
    YEAR = "181-365"
    OLDER = "366-"
    EXPIRED = "expired"
    OWED = "owed"


#: The last day of age of each band but the last of them.
_LAST_DAYS = ((30, Band.MONTH), (90, Band.QUARTER), (180, Band.HALF), (365, Band.YEAR))


@dataclass(frozen=True, kw_only=True, slots=True)
class AsOf:
    """When somebody looks: the day by which points age and expire, and what the books said.

    Without a cut the books are read as they stand now.
    """

    day: date
    cut: Cut | None = None

    @classmethod
    def now(cls, session: Session) -> Self:
        """Return this moment."""
        return cls(day=business_date(now_of(session)))

    @classmethod
    def end_of(cls, day: date) -> Self:
        """Return the end of a business day, by the days of booking: what accountants close."""
        return cls(day=day, cut=Cut(through=day))

    @classmethod
    def at(cls, instant: datetime) -> Self:
        """Return an instant, by the instants of recording: what the books said then."""
        return cls(day=business_date(instant), cut=Cut(recorded_by=instant))


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLot:
    """A lot or debt lot that is not empty; `points` are below zero where they are owed.

    Held points are counted in. `began_on` is the day of its first earn, `expires_on` the last one
    as things stand, `cost` fen per point.
    """

    member_id: int
    issuer_id: int
    kind: LotKind
    began_on: date
    expires_on: date | None
    cost: Fraction
    points: int

    def band(self, day: date) -> Band:
        """Return the band that the lot stands in on a day."""
        if self.kind is LotKind.DEBT:
            return Band.OWED
        if self.expires_on is not None and self.expires_on < day:
            return Band.EXPIRED
        age = (day - self.began_on).days
        return next((band for last, band in _LAST_DAYS if age <= last), Band.OLDER)


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """Points of one issuer in one band; held ones are counted in. What is owed is below zero.

    `expired`: past their last day, and not booked so far.
    """

    issuer: str
    band: Band
    lots: int
    points: int


def outstanding(session: Session, as_of: AsOf | None = None) -> Sequence[Outstanding]:
    """Return what is outstanding, by issuer (merchant code) and band, none left out."""
    as_of = as_of or AsOf.now(session)
    merchants = get_directory(session).merchants
    sums: dict[tuple[int, Band], tuple[int, int]] = {}
    for lot in list_open(session, as_of):
        key = (lot.issuer_id, lot.band(as_of.day))
        lots, points = sums.get(key, (0, 0))
        sums[key] = (lots + 1, points + lot.points)
    found = [
        Outstanding(issuer=merchants[issuer].code, band=band, lots=lots, points=points)
        for (issuer, band), (lots, points) in sums.items()
    ]
    order = {band: place for place, band in enumerate(Band)}
    return sorted(found, key=lambda each: (each.issuer, order[each.band]))


def list_open(session: Session, as_of: AsOf) -> Iterator[OpenLot]:
    """Yield every lot that is or was not empty, a member's one after the other.

    They come from the server as they are taken, so the transaction has to stay open. As of the
    past it first adds up every transfer to that point: some seconds for a million of them.
    """
    cut = as_of.cut or Cut()
    rows = session.execute(
        _OPEN,
        {
            "day": as_of.day,
            "past": as_of.cut is not None,
            "through": cut.through,
            "recorded": cut.recorded_by,
        },
        execution_options={"yield_per": _AT_ONCE},
    )
    costs: dict[tuple[int, int], Fraction] = {}
    for row in rows:
        rate = (row.cost_num, row.cost_den)
        cost = costs.get(rate)
        if cost is None:
            cost = costs[rate] = Fraction(*rate)
        yield OpenLot(
            member_id=row.member_id,
            issuer_id=row.issuer_id,
            kind=LotKind(row.kind),
            began_on=row.began_on,
            expires_on=row.expires_on,
            cost=cost,
            points=row.points,
        )


_OPEN = text(
    """
    SELECT l.member_id, l.issuer_id, l.kind,
           CASE WHEN EXISTS (SELECT FROM points_promise)
                THEN (points_days(l, :day, coalesce(CAST(:recorded AS timestamptz), 'infinity')))[2]
                ELSE l.expires_on END AS expires_on,
           l.cost_num, l.cost_den,
           (l.first_earned_at AT TIME ZONE k.zone)::date AS began_on, b.posted AS points
    FROM lot l JOIN (
        SELECT account_id, posted FROM account_balance WHERE NOT :past
        UNION ALL
        SELECT account_id, posted FROM ledger_balances_at(:through, :recorded) WHERE :past
    ) b ON b.account_id = l.account_id, book k
    WHERE b.posted <> 0
    ORDER BY l.member_id, l.account_id
    """
)
