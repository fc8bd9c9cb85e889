"""Which fen and which point paid for which unit: the tape of a sale's slices (ADR 0004).

The price of every unit is a tape of slices, each from one source: a tender's money, a lot's
points, or what a funder gives by a coupon. `sharing` writes the tape once, at the sale; what has
gone back of a line is a function of a position on it, so any sequence of refunds that ends at the
same position has given back the same (decisions 16 and 17; semantics 2-4, 24). Pure: no database,
no clock. Money is in fen, points are whole.
"""

from dataclasses import dataclass, field
from typing import Any

_PLAIN = 1
_WITH_COUPONS = 2


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of one unit's price: `fen` of it from one source, there as `points` (0: money)."""

    source: int
    fen: int
    points: int


@dataclass(frozen=True, slots=True)
class Run:
    """`count` equal units side by side: what each earned, and its slices in refund order."""

    count: int
    earned_points: int
    slices: tuple[Slice, ...]

    @property
    def unit_fen(self) -> int:
        """Price of each unit of the run."""
        return sum([piece.fen for piece in self.slices])

    def own_fen(self, first_funded: int) -> int:
        """Return what of each unit's price was the customer's own: money, and points' worth."""
        return sum([piece.fen for piece in self.slices if piece.source < first_funded])

    def paid_fen(self, funded: range) -> int:
        """Return what the customer has paid of each unit, what roll backs added included."""
        return sum([piece.fen for piece in self.slices if piece.source not in funded])


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line with its tape: units in refund order, equal neighbours written once."""

    number: int
    merchant_id: int
    refundable: bool
    runs: tuple[Run, ...]

    @property
    def quantity(self) -> int:
        """Units sold."""
        return sum([run.count for run in self.runs])

    @property
    def amount_fen(self) -> int:
        """Net price of all units: the length of the tape."""
        return sum([run.count * run.unit_fen for run in self.runs])

    def value_of_first(self, quantity: int) -> int:
        """Return what the first `quantity` units cost; the k-th unit has the k-th value."""
        value = 0
        for run in self.runs:
            taken = min(run.count, quantity)
            value += taken * run.unit_fen
            quantity -= taken
        return value


@dataclass(frozen=True, slots=True)
class Funded:
    """What one funder gives by one use of a coupon, as a source of slices (L7)."""

    coupon: str
    funder: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Allocation:
    """A sale, shared for ever. A slice's source counts the tenders, then the lots, then `funded`.

    What is funded lies at the end of every unit: a customer's own money and points go back first.
    Behind those sources stand the tenders that paid for what was rolled back since, `added`: never
    stored with the sale, but worked out of its roll backs (`rolling`).
    """

    tenders: tuple[str, ...]
    lots: tuple[int, ...]
    lines: tuple[Line, ...]
    funded: tuple[Funded, ...] = field(default=())
    added: tuple[str, ...] = field(default=())

    @property
    def first_funded(self) -> int:
        """The first source that is no customer's."""
        return len(self.tenders) + len(self.lots)

    @property
    def funded_sources(self) -> range:
        """The sources that are no customer's."""
        return range(self.first_funded, self.first_funded + len(self.funded))


@dataclass(frozen=True, slots=True)
class Returned:
    """What a line has given back up to a position: by source, and the earned points taken back."""

    fen: dict[int, int]
    points: dict[int, int]
    clawed_points: int


def returned(line: Line, position_fen: int, first_funded: int) -> Returned:
    """Return what lies on the line's tape before a position, to be given back in all.

    Within a slice of points the points are rounded down. Within a unit the points it earned are
    taken back rounded up (the kept part is rounded down) by what of the customer's own has gone
    back, for what funders give earns nothing, nor does what a roll back added: nothing is gained by
    slicing. Both are exact at the
    end of every slice and unit, and neither ever falls as the position moves on.
    """
    fen: dict[int, int] = {}
    points: dict[int, int] = {}
    clawed = 0
    left = position_fen
    for run in line.runs:
        price = run.unit_fen
        if price == 0:
            continue
        whole = min(run.count, left // price)
        if whole:
            for piece in run.slices:
                fen[piece.source] = fen.get(piece.source, 0) + whole * piece.fen
                points[piece.source] = points.get(piece.source, 0) + whole * piece.points
            clawed += whole * run.earned_points
            left -= whole * price
        if whole < run.count:
            _eat(run.slices, left, fen, points)
            own = run.own_fen(first_funded)
            if own:
                clawed += -(-run.earned_points * min(left, own) // own)
            break
    return Returned(fen, points, clawed)


def paid_up_to(line: Line, position_fen: int, funded: range) -> int:
    """Return what of a tape before a position was the customer's own: money, and points' worth."""
    return sum(
        [
            fen
            for source, fen in returned(line, position_fen, funded.start).fen.items()
            if source not in funded
        ]
    )


def position_of(line: Line, paid_fen: int, funded: range) -> int:
    """Return the furthest position before which so much of a tape was the customer's own.

    So a unit whose own part has gone back is back with its coupons, and so are free ones behind.
    """
    position = 0
    for run in line.runs:
        own = run.paid_fen(funded)
        whole = run.count if own == 0 else min(run.count, paid_fen // own)
        position += whole * run.unit_fen
        paid_fen -= whole * own
        if whole < run.count:
            return position + paid_fen  # What is funded lies behind a unit's own part.
    return position


def _eat(slices: tuple[Slice, ...], left: int, fen: dict[int, int], points: dict[int, int]) -> None:
    for piece in slices:
        if left < piece.fen:
            fen[piece.source] = fen.get(piece.source, 0) + left
            part = piece.points * left // piece.fen
            points[piece.source] = points.get(piece.source, 0) + part
            return
        fen[piece.source] = fen.get(piece.source, 0) + piece.fen
        points[piece.source] = points.get(piece.source, 0) + piece.points
        left -= piece.fen


def dump(allocation: Allocation) -> list[Any]:
    """Return the allocation as nested lists of integers and names, for a jsonb column."""
    stored = [
        _WITH_COUPONS if allocation.funded else _PLAIN,
        list(allocation.tenders),
        list(allocation.lots),
        [
            [line.number, line.merchant_id, int(line.refundable), [_dump(run) for run in line.runs]]
            for line in allocation.lines
        ],
    ]
    if allocation.funded:
        stored.append([[each.coupon, each.funder] for each in allocation.funded])
    return stored


def load(stored: list[Any]) -> Allocation:
    """Return the allocation that `dump` stored.

    Raises:
        ValueError: written in a format that this version does not know.
    """
    if stored[0] not in (_PLAIN, _WITH_COUPONS):
        raise ValueError(f"unknown format of slices: {stored[0]!r}")
    _, tenders, lots, lines, *funded = stored
    return Allocation(
        tenders=tuple(tenders),
        lots=tuple(lots),
        lines=tuple([_load(*line) for line in lines]),
        funded=tuple([Funded(*each) for each in funded[0]]) if funded else (),
    )


def _dump(run: Run) -> list[int]:
    flat = [run.count, run.earned_points]
    for piece in run.slices:
        flat += (piece.source, piece.fen, piece.points)
    return flat


def _load(number: int, merchant_id: int, refundable: int, runs: list[list[int]]) -> Line:
    return Line(
        number=number,
        merchant_id=merchant_id,
        refundable=bool(refundable),
        runs=tuple(
            [
                Run(count, earned, tuple(map(Slice, flat[::3], flat[1::3], flat[2::3])))
                for count, earned, *flat in runs
            ]
        ),
    )
