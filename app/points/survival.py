"""How long points live before they are used, learned from the district's own lots: pure counting.

A life table by steps of age of thirty days. A point is at risk in a step if it was there when the
step began; what is used of those at risk is the step's share, and the shares that are not used,
multiplied, say how much of an age is still there later. What is still out is censored and counts
for the whole steps that it was seen in (Kaplan and Meier 1958; for points: Gault, Llaguno and
Ménard, Loyalty Rewards and Gift Card Programs: Basic Actuarial Estimation Techniques, CAS E-Forum,
Summer 2012).

Points of one member go together, so the error is that of members and not of points: the table is
made anew without each of twenty groups of members in turn (the delete-a-group jackknife; Kott,
Journal of Official Statistics 17, 2001).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

STEP_DAYS = 30
GROUPS = 20

#: Fewer whole steps of age than these say too little of the rest of a point's life.
LEAST_STEPS = 6

#: Ages that no lot has reached yet are taken to be like the last so many that were.
_TAIL_STEPS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """What became of points in one step of age, of lots of one group of members.

    `seen` is in how many whole steps these lots could be watched. `came` is what was put in, less
    what left otherwise than by use: to another lot, or lapsed. `used` is what was spent, returned
    with its sale, or given away, less what came back of it.
    """

    group: int
    seen: int
    step: int
    came: int
    used: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """The share of points that is used in each step of age, from the first; then `tail`."""

    shares: Sequence[float]
    tail: float

    def kept(self, *, age_days: int, days: int) -> float:
        """Return the share of points of an age that is not used in so many more days.

        Within a step use is even: a part of it keeps that power of what the whole step keeps.
        """
        share, day, end = 1.0, age_days, age_days + days
        while day < end:
            step = day // STEP_DAYS
            if step >= len(self.shares):
                return share * float((1 - self.tail) ** ((end - day) / STEP_DAYS))
            until = min((step + 1) * STEP_DAYS, end)
            share *= (1 - self.shares[step]) ** ((until - day) / STEP_DAYS)
            day = until
        return share


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What was learned: the curve of all members, and the one without each group of them."""

    curve: Curve
    without: Sequence[Curve]

    @property
    def seen_days(self) -> int:
        """The age up to which points were watched."""
        return len(self.curve.shares) * STEP_DAYS

    @classmethod
    def of(cls, counts: Iterable[Count]) -> Self | None:
        """Return what counts say, or None where they are too few to say anything.

        It takes points of every group of members at risk in each of six steps from the first on,
        and some use of points in every group.
        """
        tables = _tables(counts)
        steps = 0
        while all(table.at_risk(steps) > 0 for table in tables):
            steps += 1
        if steps < LEAST_STEPS or any(table.all_used() <= 0 for table in tables):
            return None
        return cls(
            curve=_curve(tables, steps),
            without=[
                _curve([*tables[:group], *tables[group + 1 :]], steps) for group in range(GROUPS)
            ],
        )


class _Table:
    """The counts of one group: for each step what was at risk in it and what of that was used."""

    def __init__(self) -> None:
        self._risk: dict[int, int] = {}
        self._used: dict[int, int] = {}

    def add(self, count: Count) -> None:
        """Count what moved in one step, and that it was there or gone in the later ones."""
        self._risk[count.step] = self._risk.get(count.step, 0) + count.came
        self._used[count.step] = self._used.get(count.step, 0) + count.used
        for later in range(count.step + 1, count.seen):
            self._risk[later] = self._risk.get(later, 0) + count.came - count.used

    def at_risk(self, step: int) -> int:
        return self._risk.get(step, 0)

    def used(self, step: int) -> int:
        return self._used.get(step, 0)

    def all_used(self) -> int:
        return sum(self._used.values())


def _tables(counts: Iterable[Count]) -> list[_Table]:
    tables = [_Table() for _ in range(GROUPS)]
    for count in counts:
        if count.step < count.seen:
            tables[count.group].add(count)
    return tables


def _curve(tables: Sequence[_Table], steps: int) -> Curve:
    risk = [sum(table.at_risk(step) for table in tables) for step in range(steps)]
    used = [sum(table.used(step) for table in tables) for step in range(steps)]
    return Curve(
        shares=[_share(part, whole) for part, whole in zip(used, risk, strict=True)],
        tail=_share(sum(used[-_TAIL_STEPS:]), sum(risk[-_TAIL_STEPS:])),
    )


def _share(part: int, whole: int) -> float:
    return min(max(part / whole, 0.0), 1.0)
