"""What of the points that are out will never be used: an estimate with its interval (L8).

The estimate is the district's own survival of points by age (survival.py), followed for each lot
from its age to its last day. Its interval has two parts, added as variances:

- how well the curve is known, by leaving out each group of members in turn;
- that what each member does is one throw. A member who is expected to lose m of R points varies by
  m (R - m) at most, whatever he does (Bhatia and Davis, American Mathematical Monthly 107, 2000):
  as if each used all or nothing. Members are taken to be independent of each other.

So it rather errs on the wide side, within what the past can say. That the future is like the past
is assumed; `back_test` shows how that went so far.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from statistics import NormalDist

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.points.ageing import AsOf, OpenLot, list_open
from app.points.models import LotKind
from app.points.survival import GROUPS, STEP_DAYS, Count, History
from ledger.statements import Cut

#: The part of futures that an interval is to hold.
CONFIDENCE = 0.8

_DEVIATIONS = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What is expected and the interval of `CONFIDENCE` around it, each rounded once."""

    expected: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """What was foreseen at the end of a day to be unused on a later day, and what was.

    The forecast knew nothing of what was booked after its day. Points.
    """

    day: date
    until: date
    outstanding: int
    forecast: Estimate
    unused: int

    @property
    def inside(self) -> bool:
        """Whether the interval held it."""
        return self.forecast.low <= self.unused <= self.forecast.high


@dataclass(slots=True)
class _Sum:
    """Lots that are added up: by age and days left, what is lost for certain, and by member."""

    by_life: dict[tuple[int, int], float] = field(default_factory=dict)
    certain: float = 0.0
    total: float = 0.0
    variance: float = 0.0
    member: int | None = None
    members_own: float = 0.0
    members_loss: float = 0.0

    def add(self, member: int, life: tuple[int, int] | None, weight: float, kept: float) -> None:
        self.total += weight
        if life is None:
            self.certain += weight * kept
            return
        self.by_life[life] = self.by_life.get(life, 0.0) + weight
        if member != self.member:
            self.close_member()
            self.member = member
        self.members_own += weight
        self.members_loss += weight * kept

    def close_member(self) -> None:
        """Count what the last member's doings vary by, at most."""
        self.variance += self.members_loss * (self.members_own - self.members_loss)
        self.members_own = self.members_loss = 0.0


class Forecast:
    """Adds up what is expected to be left unused of lots, under any number of names.

    From the end of a day on; until each lot's last day, or until `until` where that comes before.
    """

    def __init__(self, history: History, *, day: date, until: date | None = None) -> None:
        self._history = history
        self._day = day
        self._until = until or date.max
        self._sums: dict[Hashable, _Sum] = {}
        self._kept = cache(self._kept_by_curve)

    @property
    def seen_days(self) -> int:
        """The age up to which points were watched."""
        return self._history.seen_days

    def add(self, lot: OpenLot, weights: Mapping[Hashable, float]) -> None:
        """Count a lot under each name with what it weighs there: points, or fen.

        The lots of a member have to come one after the other. What is owed is left out.
        """
        if lot.kind is LotKind.DEBT:
            return
        life, kept = self._life_of(lot)
        for name, weight in weights.items():
            self._sums.setdefault(name, _Sum()).add(lot.member_id, life, weight, kept)

    def estimate(self, name: Hashable) -> Estimate:
        """Return what is expected of all that was added under a name; nothing, of nothing."""
        found = self._sums.get(name, _Sum())
        found.close_member()
        sums = [found.certain] * (1 + GROUPS)
        for life, weight in found.by_life.items():
            for place, kept in enumerate(self._kept(life)):
                sums[place] += weight * kept
        expected, *without = sums
        mean = sum(without) / GROUPS
        of_curve = (GROUPS - 1) / GROUPS * sum((each - mean) ** 2 for each in without)
        reach = _DEVIATIONS * math.sqrt(of_curve + max(found.variance, 0.0))
        return Estimate(
            expected=round(expected),
            low=round(max(found.certain, expected - reach)),
            high=round(min(found.total, expected + reach)),
        )

    def _life_of(self, lot: OpenLot) -> tuple[tuple[int, int] | None, float]:
        """Return age and days left with the share that stays; no life: it is certain by now."""
        last = min(lot.expires_on or date.max, self._until)
        if last < self._day:
            return None, 1.0  # Over, and only not booked.
        if last == date.max:
            return None, 0.0  # What never ends is never lost.
        life = (max((self._day - lot.began_on).days, 0) + 1, (last - self._day).days)
        return life, self._kept(life)[0]

    def _kept_by_curve(self, life: tuple[int, int]) -> Sequence[float]:
        """Return what stays of a life by the whole curve, then without each group."""
        age, days = life
        curves = (self._history.curve, *self._history.without)
        return [curve.kept(age_days=age, days=days) for curve in curves]


def learn(session: Session, as_of: AsOf) -> History | None:
    """Return what the life of points says, of what was booked or recorded until then alone.

    None: too short or too thin a history; see `History.of`. Reads every transfer to that point.
    """
    cut = as_of.cut or Cut()
    rows = session.execute(
        _COUNTS,
        {
            "day": as_of.day,
            "through": cut.through,
            "recorded": cut.recorded_by,
            "groups": GROUPS,
            "days": STEP_DAYS,
        },
    )
    return History.of(
        Count(
            group=row.member_group,
            seen=row.seen,
            step=row.step,
            came=int(row.came),
            used=int(row.used),
        )
        for row in rows
    )


def back_test(session: Session, days: Iterable[date], *, until: date) -> Sequence[Tested]:
    """Forecast at the end of each day what is unused at a later one, and compare with what was.

    Each forecast is made of what was booked through its own day. Days at which nothing could be
    foreseen yet are left out. Points alone, all issuers together. Some seconds a day for a million
    transfers.
    """
    found = []
    for day in days:
        as_of = AsOf.end_of(day)
        history = learn(session, as_of)
        if history is None:
            continue
        forecast, outstanding = Forecast(history, day=day, until=until), 0
        for lot in list_open(session, as_of):
            if lot.kind is LotKind.LOT:
                outstanding += lot.points
                forecast.add(lot, {"all": lot.points})
        used = session.scalar(_USED_LATER, {"day": day, "until": until}) or 0
        found.append(
            Tested(
                day=day,
                until=until,
                outstanding=outstanding,
                forecast=forecast.estimate("all"),
                unused=outstanding - used,
            )
        )
    return found


# A lot is watched from its first day through its last one, or to the day of looking. Courtesy lots
# live for days by another rule. What goes to another lot or lapses ends the watch, unused.
_COUNTS = text(
    """
    WITH watched AS MATERIALIZED (
        SELECT l.account_id, l.member_id % :groups AS member_group, v.began_on,
               (least(:day, l.expires_on) - v.began_on + 1) / :days AS seen
        FROM lot l, book k,
        LATERAL (VALUES ((l.first_earned_at AT TIME ZONE k.zone)::date)) AS v (began_on)
        WHERE l.kind = 'lot' AND NOT l.courtesy
    ), moved AS (
        SELECT t.debit_id AS account_id, t.booked_on, t.journal_id, -t.amount AS came, 0 AS used
        FROM transfer t JOIN account o ON o.id = t.credit_id
        WHERE o.code IN ('lot', 'breakage')
        UNION ALL
        SELECT t.debit_id, t.booked_on, t.journal_id, 0, t.amount
        FROM transfer t JOIN account o ON o.id = t.credit_id
        WHERE o.code NOT IN ('lot', 'breakage')
        UNION ALL
        SELECT t.credit_id, t.booked_on, t.journal_id, t.amount, 0
        FROM transfer t JOIN account o ON o.id = t.debit_id
        WHERE o.code <> 'redeemed'
        UNION ALL
        SELECT t.credit_id, t.booked_on, t.journal_id, 0, -t.amount
        FROM transfer t JOIN account o ON o.id = t.debit_id
        WHERE o.code = 'redeemed'
    )
    SELECT w.member_group, w.seen, s.step, sum(m.came) AS came, sum(m.used) AS used
    FROM moved m JOIN watched w ON w.account_id = m.account_id,
    LATERAL (VALUES (greatest(m.booked_on - w.began_on, 0) / :days)) AS s (step)
    WHERE s.step < w.seen
        AND (CAST(:through AS date) IS NULL OR m.booked_on <= :through)
        AND (CAST(:recorded AS timestamptz) IS NULL OR EXISTS (
            SELECT FROM journal j WHERE j.id = m.journal_id AND j.recorded_at <= :recorded))
    GROUP BY 1, 2, 3
    """
)
_USED_LATER = text(
    """
    WITH open_lot AS MATERIALIZED (
        SELECT l.account_id, least(:until, l.expires_on) AS last_day
        FROM ledger_balances_at(:day, NULL) b
        JOIN lot l ON l.account_id = b.account_id AND l.kind = 'lot'
        WHERE b.posted > 0
    ), moved AS (
        SELECT t.debit_id AS account_id, t.booked_on, t.amount AS used
        FROM transfer t JOIN account o ON o.id = t.credit_id
        WHERE o.code NOT IN ('lot', 'breakage') AND t.booked_on > :day AND t.booked_on <= :until
        UNION ALL
        SELECT t.credit_id, t.booked_on, -t.amount
        FROM transfer t JOIN account o ON o.id = t.debit_id
        WHERE o.code = 'redeemed' AND t.booked_on > :day AND t.booked_on <= :until
    )
    SELECT sum(m.used)::bigint FROM moved m JOIN open_lot l ON l.account_id = m.account_id
    WHERE m.booked_on <= l.last_day
    """
)
