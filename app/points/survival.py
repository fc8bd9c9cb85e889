"""How long points live before they are used, learned from the district's own lots: pure counting.

A life table by steps of age of thirty days. A point is at risk in a step if it was there when the
step began; what is used of those at risk is the step's share, and the shares that are not used,
multiplied, say how much of an age is still there later. What is still out is censored and counts
for the whole steps that it was seen in (Kaplan and Meier 1958; for points: Gault, Llaguno and
Ménard, Loyalty Rewards and Gift Card Programs: Basic Actuarial Estimation Techniques, CAS E-Forum,
Summer 2012).

Members differ: who uses points often has none that are old. So the share falls with age, and ages
that no lot has reached yet follow the form that it falls by if members' habits differ and do not
change: as 1 / (1 + fall x step), of the shifted beta-geometric (Fader and Hardie, How to Project
Customer Retention, Journal of Interactive Marketing 21, 2007).

Points of one member go together, so the error is that of members and not of points: the table is
made anew without each of twenty groups of members in turn (the delete-a-group jackknife; Kott,
Journal of Official Statistics 17, 2001).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

STEP_DAYS = 30
GROUPS = 20

#: Fewer whole steps of age than these say too little of the rest of a point's life.
LEAST_STEPS = 6

#: How steeply the share may fall from step to step: what is tried is 0, 0.02, ... 2.
_FALLS = [part / 50 for part in range(101)]


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
    """The share of points that is used in each step of age, from the first.

    Beyond the known ones it is first / (1 + fall x step).
    """

    shares: Sequence[float]
    first: float = 0.0
    fall: float = 0.0

    def share(self, step: int) -> float:
        """Return what is used in a step, known or not."""
        if step < len(self.shares):
            return self.shares[step]
        return self.first / (1 + self.fall * step)

    def kept(self, *, age_days: int, days: int) -> float:
        """Return the share of points of an age that is not used in so many more days.

        Within a step use is even: a part of it keeps that power of what the whole step keeps.
        """
        share, day, end = 1.0, age_days, age_days + days
        while day < end:
            step = day // STEP_DAYS
            until = min((step + 1) * STEP_DAYS, end)
            share *= (1 - self.share(step)) ** ((until - day) / STEP_DAYS)
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
    shares = [min(max(part / whole, 0.0), 1.0) for part, whole in zip(used, risk, strict=True)]
    first, fall = _fall(shares, risk)
    return Curve(shares=shares, first=first, fall=fall)


def _fall(shares: Sequence[float], risk: Sequence[int]) -> tuple[float, float]:
    """Return where a falling share begins and how it falls, as is likeliest.

    The first step is left out: a lot still gathers points in it.
    """
    steps = range(1, len(shares))
    used = {step: shares[step] * risk[step] for step in steps}
    if not sum(used.values()):
        return 0.0, 0.0

    def likelihood(fall: float) -> tuple[float, float, float]:
        first = sum(used.values()) / sum(risk[step] / (1 + fall * step) for step in steps)
        found = 0.0
        for step in steps:
            share = min(first / (1 + fall * step), 1 - 1e-9)
            found += used[step] * math.log(share)
            found += (risk[step] - used[step]) * math.log(1 - share)
        return found, min(first, 1.0), fall

    _, first, fall = max(likelihood(fall) for fall in _FALLS)
    return first, fall
