"""The one sharing of a sale: money, points, coupons over lines, merchants and units (ADR 0004).

Done once, at the sale, by largest remainder, and stored as slices; never computed again (decisions
16 and 17; semantics 3, 18, 24). Pure: no database, no clock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.checkout.slices import Allocation, Funded, Line, Run, Slice
from app.points.policy import ReturnFirst
from coupons.rules import spread


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleLine:
    """A line as sold: `amount_fen` is its net price for all units, after the till's discounts.

    Coupons take `discount_fen` off it. Points may pay for the rest unless it is not `burnable`
    (its merchant takes no points).
    """

    number: int
    merchant_id: int
    quantity: int
    amount_fen: int
    refundable: bool = True
    burnable: bool = True
    discount_fen: int = 0

    @property
    def payable_fen(self) -> int:
        """What the customer pays for it, by money or points."""
        return self.amount_fen - self.discount_fen

    @property
    def burnable_fen(self) -> int:
        """What of it points may pay for."""
        return self.payable_fen if self.burnable else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Gift:
    """What one funder gives by one use of a coupon, in fen, on every line."""

    of: Funded
    shares: Sequence[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """A sale's sources on its lines: per line, its slices in the order of refund."""

    lines: Sequence[SaleLine]
    tenders: tuple[str, ...]
    lots: tuple[int, ...]
    parts: Sequence[Sequence[Slice]]
    funded: tuple[Funded, ...] = ()

    def paid_fen(self) -> list[dict[str, int]]:
        """Return the money on every line by tender: what earning rules count (E1)."""
        names = self.tenders
        return [
            {names[piece.source]: piece.fen for piece in slices if piece.source < len(names)}
            for slices in self.parts
        ]


def share(
    lines: Sequence[SaleLine],
    *,
    tenders: Sequence[tuple[str, int]],
    lots: Sequence[tuple[int, int]] = (),
    only: Mapping[int, int] | None = None,
    value_fen: int = 0,
    gifts: Sequence[Gift] = (),
    first: ReturnFirst = ReturnFirst.MONEY,
) -> Shared:
    """Share a sale's points and money over its lines, once, by largest remainder.

    `gifts` are shared already, and add up to what coupons take off each line: points and money go
    by what is left of it.

    `tenders` are (name, fen); `lots` are (lot id, points) in the order in which they were used,
    together worth `value_fen`; money and value add up to what is payable. Value goes over the
    burnable lines by amount, points by value, each lot and then each tender by what remains of
    every line. Where a point is worth more than a line's share, the fen of a line without a point
    stand under the first lot. Lots that are in `only` pay, before the others, for one merchant's
    lines alone.

    Raises:
        ValueError: sums that do not meet, a source named twice, a quantity below one, or points
            worth more than the lines that they may pay for.
    """
    _check(lines, tenders, lots, value_fen)
    if not lots and len(tenders) == 1:
        parts = [[Slice(0, line.payable_fen, 0)] if line.payable_fen else [] for line in lines]
    else:
        purses = _purses(lines, lots, only or {}, value_fen, len(tenders))
        parts = _parts(lines, tenders, purses, first)
    if gifts or any([line.discount_fen for line in lines]):
        parts = _with_gifts(lines, parts, gifts, len(tenders) + len(lots))
    return Shared(
        lines=lines,
        tenders=tuple([name for name, _ in tenders]),
        lots=tuple([lot for lot, _ in lots]),
        parts=parts,
        funded=tuple([gift.of for gift in gifts]),
    )


def allocate(shared: Shared, *, earned_points: Sequence[int] = ()) -> Allocation:
    """Write the tape of a shared sale: each line's slices and earned points, dealt to its units.

    `earned_points` are given by line (none: the sale earned nothing). Units cost the same but for
    a fen, the dearer first; each source goes by what remains of every unit, earned points by what
    of its price is the customer's own.

    Raises:
        ValueError: points earned on a line that costs its customer nothing.
    """
    first_lot = len(shared.tenders)
    first_funded = first_lot + len(shared.lots)
    earned = earned_points or (0,) * len(shared.lines)
    return Allocation(
        tenders=shared.tenders,
        lots=shared.lots,
        funded=shared.funded,
        lines=tuple(
            [
                Line(
                    number=line.number,
                    merchant_id=line.merchant_id,
                    refundable=line.refundable,
                    runs=_runs(line, slices, points, first_lot, first_funded),
                )
                for line, slices, points in zip(shared.lines, shared.parts, earned, strict=True)
            ]
        ),
    )


def _check(
    lines: Sequence[SaleLine],
    tenders: Sequence[tuple[str, int]],
    lots: Sequence[tuple[int, int]],
    value_fen: int,
) -> None:
    if min([fen for _, fen in tenders], default=0) < 0 or value_fen < 0:
        raise ValueError("money and value may not be negative")
    if min([points for _, points in lots], default=1) < 1 or bool(lots) != bool(value_fen):
        raise ValueError("a lot gives at least one point, and points come with their value")
    total = burnable = 0
    for line in lines:
        if line.quantity < 1 or line.amount_fen < 0:
            raise ValueError(f"line {line.number}: quantity below one or negative amount")
        if not 0 <= line.discount_fen <= line.amount_fen:
            raise ValueError(f"line {line.number}: coupons take more off it than it costs")
        total += line.payable_fen
        burnable += line.burnable_fen
    if sum([fen for _, fen in tenders]) + value_fen != total or value_fen > burnable:
        raise ValueError("money and the value of the points do not add up to the lines")
    if len(dict(tenders)) != len(tenders) or len(dict(lots)) != len(lots):
        raise ValueError("a tender or a lot is named twice")


@dataclass(frozen=True, slots=True)
class _Purse:
    """Lots that may pay for the same lines: (source, points), and their worth on every line.

    `room_fen` is what of every line they could have paid for.
    """

    uses: Sequence[tuple[int, int]]
    values: Sequence[int]
    room_fen: Sequence[int]


def _purses(
    lines: Sequence[SaleLine],
    lots: Sequence[tuple[int, int]],
    only: Mapping[int, int],
    value_fen: int,
    first_lot: int,
) -> list[_Purse]:
    """Share the value to lots by their points, and to the lines that these may pay for."""
    uses: dict[int | None, list[tuple[int, int]]] = {}
    for source, (lot, points) in enumerate(lots, start=first_lot):
        uses.setdefault(only.get(lot), []).append((source, points))
    # Those that are bound to a merchant come first: the others find room on any line.
    owners = sorted(uses, key=lambda owner: owner is None)
    worth = spread(value_fen, [sum([points for _, points in uses[owner]]) for owner in owners])
    left = [line.burnable_fen for line in lines]
    purses = []
    for owner, value in zip(owners, worth, strict=True):
        theirs = [line.burnable_fen if owner in (None, line.merchant_id) else 0 for line in lines]
        room = [min(fen, most) for fen, most in zip(left, theirs, strict=True)]
        if value > sum(room):
            raise ValueError(f"points worth {value} fen find {sum(room)} fen to pay for")
        values = spread(value, room)
        left = [fen - share for fen, share in zip(left, values, strict=True)]
        # Worth less than a fen after others took the last: they stand where they might have paid.
        purses.append(_Purse(uses[owner], values, room if any(room) else theirs))
    return purses


def _parts(
    lines: Sequence[SaleLine],
    tenders: Sequence[tuple[str, int]],
    purses: Sequence[_Purse],
    first: ReturnFirst,
) -> list[list[Slice]]:
    """Share every source over the lines: per line, its slices in the order of refund."""
    left = [line.payable_fen for line in lines]
    for purse in purses:
        left = [fen - value for fen, value in zip(left, purse.values, strict=True)]
    money: list[list[Slice]] = [[] for _ in lines]
    for source, (_, fen) in enumerate(tenders):
        shares = spread(fen, left)
        left = [rest - share for rest, share in zip(left, shares, strict=True)]
        for slices, share in zip(money, shares, strict=True):
            if share:
                slices.append(Slice(source, share, 0))
    points: list[list[Slice]] = [[] for _ in lines]
    for purse in purses:
        points = [a + b for a, b in zip(points, _points(purse), strict=True)]
    return [_in_order(a, b, first) for a, b in zip(money, points, strict=True)]


def _with_gifts(
    lines: Sequence[SaleLine],
    parts: Sequence[Sequence[Slice]],
    gifts: Sequence[Gift],
    first_gift: int,
) -> list[list[Slice]]:
    """Return the slices of every line with what funders give behind them (L7)."""
    with_gifts = [list(slices) for slices in parts]
    for source, gift in enumerate(gifts, start=first_gift):
        for slices, fen in zip(with_gifts, gift.shares, strict=True):
            if fen:
                slices.append(Slice(source, fen, 0))
    for line, slices in zip(lines, with_gifts, strict=True):
        if sum([piece.fen for piece in slices]) != line.amount_fen:
            raise ValueError(f"line {line.number}: what coupons give is not what they take off")
    return with_gifts


def _in_order(money: list[Slice], points: list[Slice], first: ReturnFirst) -> list[Slice]:
    # Points worth less than a fen go behind the others: they return when those have returned.
    points = sorted(points, key=_weighs_nothing)
    if first is ReturnFirst.POINTS and points and points[0].fen:
        return points + money
    return money + points


def _points(purse: _Purse) -> list[list[Slice]]:
    """Share every lot over the lines by points, and each line's value over its lots."""
    values = purse.values
    weights = values if any(values) else purse.room_fen
    left = spread(sum([used for _, used in purse.uses]), weights)
    cells: list[list[tuple[int, int]]] = [[] for _ in values]
    for source, used in purse.uses:
        shares = spread(used, left)
        left = [rest - share for rest, share in zip(left, shares, strict=True)]
        for cell, share in zip(cells, shares, strict=True):
            if share:
                cell.append((source, share))
    first = purse.uses[0][0]
    return [
        _slices(cell or [(first, 0)], value) if cell or value else []
        for cell, value in zip(cells, values, strict=True)
    ]


def _slices(cell: Sequence[tuple[int, int]], value: int) -> list[Slice]:
    fens = spread(value, [points for _, points in cell]) if len(cell) > 1 else [value]
    return [Slice(source, fen, points) for (source, points), fen in zip(cell, fens, strict=True)]


def _weighs_nothing(piece: Slice) -> bool:
    return piece.fen == 0


@dataclass(frozen=True, slots=True)
class _Units:
    """Equal units while a line is dealt out to them: `left_fen` of each has no source yet."""

    count: int
    left_fen: int
    slices: tuple[Slice, ...] = ()

    def pay(self, source: int, fen: int) -> "_Units":
        return _Units(self.count, self.left_fen - fen, (*self.slices, Slice(source, fen, 0)))

    def endow(self, points: int) -> "_Units":
        *others, last = self.slices
        return _Units(self.count, self.left_fen, (*others, Slice(last.source, last.fen, points)))


def _runs(
    line: SaleLine,
    slices: Sequence[Slice],
    earned_points: int,
    first_lot: int,
    first_funded: int,
) -> tuple[Run, ...]:
    """Share a line to its units: prices first, then each source by what remains of every unit."""
    if earned_points and not line.payable_fen:
        raise ValueError(f"line {line.number} earned points on nothing")
    if line.quantity == 1:
        return (Run(1, earned_points, tuple(slices)),)
    price, dearer = divmod(line.amount_fen, line.quantity)
    units = [_Units(dearer, price + 1), _Units(line.quantity - dearer, price)]
    for piece in slices:
        units = [
            run.pay(piece.source, fen)
            for run, fen in _deal(piece.fen, units, [run.left_fen for run in units])
        ]
        if piece.points:
            # Points worth less than a fen go where the line's other points went, if it has any.
            weights = [
                run.slices[-1].fen if piece.fen else _points_fen(run, first_lot) for run in units
            ]
            if not any(weights):
                weights = [sum([paid.fen for paid in run.slices]) for run in units]
            units = [run.endow(points) for run, points in _deal(piece.points, units, weights)]
    own = [sum([piece.fen for piece in run.slices if piece.source < first_funded]) for run in units]
    return tuple(
        [
            Run(run.count, points, tuple([x for x in run.slices if x.fen or x.points]))
            for run, points in _deal(earned_points, units, own)
        ]
    )


def _points_fen(run: _Units, first_lot: int) -> int:
    return sum([piece.fen for piece in run.slices if piece.source >= first_lot])


def _deal(
    total: int, units: Sequence[_Units], weights: Sequence[int]
) -> Iterator[tuple[_Units, int]]:
    """Spread over single units written as runs: a run is split where its units get unequal shares.

    Gives what `spread` gives over all units, in time that does not depend on their number.
    """
    if not total:
        yield from ((run, 0) for run in units if run.count)
        return
    whole = sum([run.count * weight for run, weight in zip(units, weights, strict=True)])
    shares = [total * weight // whole for weight in weights]
    left = total - sum([run.count * share for run, share in zip(units, shares, strict=True)])
    one_more = [0] * len(units)
    for index in sorted(range(len(units)), key=lambda i: -(total * weights[i] % whole)):
        one_more[index] = min(left, units[index].count)
        left -= one_more[index]
    for run, share, more in zip(units, shares, one_more, strict=True):
        if more:
            yield replace(run, count=more), share + 1
        if more < run.count:
            yield replace(run, count=run.count - more), share
