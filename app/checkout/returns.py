"""How far a refund moves a sale's lines, and what that gives back (ADR 0004).

The state of a line is how many fen of its tape and how many of its units have gone back. A refund
by quantity, by amount or of the whole moves it forward; what it gives back is the difference of
two positions, so the way there does not matter (semantics 1-4, 11, 24). Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, assert_never

from app.checkout.errors import NotRefundable, RefundExceedsRemaining
from app.checkout.slices import Allocation, Line, paid_up_to, position_of, returned
from app.errors import Invalid, NotFound

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class LineState:
    """What of a line has gone back: fen from the start of its tape, and whole units."""

    refunded_fen: int = 0
    refunded_quantity: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundQuantity:
    """Take back units of a line; the k-th unit gives the k-th value."""

    line: int
    quantity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundAmount:
    """Give back an amount, of a line or (None) of the order's lines in the order of their numbers.

    It is the customer's own: money and the worth of points; what coupons gave returns beside it. It
    moves no units: units taken back later give only what the amount has not given already.
    """

    fen: int
    line: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundWhole:
    """Take back all that is left of a line, or (None) of every refundable line."""

    line: int | None = None


Request = RefundQuantity | RefundAmount | RefundWhole
States = Mapping[int, LineState]


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReturn:
    """A line's part of a refund: units, and what went back to the customer."""

    line: int
    quantity: int
    fen: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """What goes back in one step; nothing in it is negative, and zeros are left out.

    `fen` = money by tender + `points_fen`, the worth of the points: what the customer gets.
    `points` are by (merchant that took them, lot); `clawed_points` are the earned points taken
    back, by merchant that gave them. `funded_fen` goes back to who funded coupons, by (merchant
    that had it, index in the allocation's `funded`). `added_fen` is what of the money had been paid
    for roll backs of coupons. `unearned_fen` was taken out of the money for what coupons give of
    what is kept, and stands in `funded_fen`.
    """

    fen: int = 0
    points_fen: int = 0
    money_fen: Mapping[str, int] = field(default_factory=dict)
    added_fen: int = 0
    unearned_fen: int = 0
    points: Mapping[tuple[int, int], int] = field(default_factory=dict)
    clawed_points: Mapping[int, int] = field(default_factory=dict)
    funded_fen: Mapping[tuple[int, int], int] = field(default_factory=dict)
    lines: tuple[LineReturn, ...] = ()


def refund(
    allocation: Allocation, states: States, requests: Sequence[Request]
) -> tuple[dict[int, LineState], Delta]:
    """Move a sale's lines as a refund asks, all or nothing; say what goes back.

    `states` are by line number; a line that is missing is untouched. Returns the new states of
    all lines and the difference.

    Raises:
        RefundExceedsRemaining: more fen or units than are left, or nothing is left.
        NotRefundable: a line that was sold so.
        NotFound: no such line.
        Invalid: an amount or quantity below one.
    """
    before = {line.number: states.get(line.number, LineState()) for line in allocation.lines}
    after = dict(before)
    for request in requests:
        after.update(_step(allocation, after, request))
    return after, difference(allocation, before, after)


def difference(allocation: Allocation, before: States, after: States) -> Delta:
    """Return what lies between two states: tenders, lots, funders, earned points and lines."""
    money: dict[str, int] = {}
    points: dict[tuple[int, int], int] = {}
    funded: dict[tuple[int, int], int] = {}
    clawed: dict[int, int] = {}
    moved: list[LineReturn] = []
    total = points_fen = added = 0
    for line in allocation.lines:
        old, new = before.get(line.number, LineState()), after.get(line.number, LineState())
        if old == new:
            continue
        quantity = new.refunded_quantity - old.refunded_quantity
        start, end = [
            returned(line, state.refunded_fen, allocation.first_funded) for state in (old, new)
        ]
        own = 0
        for source, upto in end.fen.items():
            fen = upto - start.fen.get(source, 0)
            if source in allocation.funded_sources:
                _add(funded, (line.merchant_id, source - allocation.first_funded), fen)
                continue
            own += fen
            if source >= allocation.funded_sources.stop:
                _add(money, allocation.added[source - allocation.funded_sources.stop], fen)
                added += fen
                continue
            if source < len(allocation.tenders):
                _add(money, allocation.tenders[source], fen)
                continue
            lot = allocation.lots[source - len(allocation.tenders)]
            points_fen += fen
            back = end.points[source] - start.points.get(source, 0)
            _add(points, (line.merchant_id, lot), back)
        total += own
        moved.append(LineReturn(line=line.number, quantity=quantity, fen=own))
        _add(clawed, line.merchant_id, end.clawed_points - start.clawed_points)
    return Delta(
        fen=total,
        points_fen=points_fen,
        money_fen=money,
        added_fen=added,
        points=points,
        clawed_points=clawed,
        funded_fen=funded,
        lines=tuple(moved),
    )


def money_back(
    allocation: Allocation, before: Mapping[int, int], now: Mapping[int, int]
) -> Mapping[str, int]:
    """Return what a refund gave back in money, by tender, as the slices have it.

    `before` is what earlier refunds gave the customer of each line, `now` what this one did: money
    and the worth of points, as refunds write it down. The tape may have been rolled back since, for
    what had gone back by then stays as it was.
    """
    lines = {line.number: line for line in allocation.lines}
    marks = [
        {
            number: LineState(position_of(lines[number], fen, allocation.funded_sources))
            for number, fen in ((each, before.get(each, 0) + more * now[each]) for each in now)
        }
        for more in (0, 1)
    ]
    return difference(allocation, *marks).money_fen


def sold(allocation: Allocation) -> dict[int, LineState]:
    """Return the state in which everything has gone back, refundable or not.

    `difference(allocation, {}, sold(allocation))` is what the sale took and gave in all.
    """
    return {line.number: LineState(line.amount_fen, line.quantity) for line in allocation.lines}


def is_whole(allocation: Allocation, states: States) -> bool:
    """Whether a whole order has gone back, in one step or many; what may not go back keeps it."""
    whole = sold(allocation)
    return all(states.get(number) == state for number, state in whole.items())


def _step(allocation: Allocation, states: States, request: Request) -> dict[int, LineState]:
    if request.line is not None:
        lines = [_line(allocation, request.line)]
    else:
        lines = sorted(allocation.lines, key=lambda line: line.number)
        lines = [line for line in lines if line.refundable]
    match request:
        case RefundQuantity():
            return {line.number: _units(line, states[line.number], request) for line in lines}
        case RefundAmount():
            return _amount(lines, states, request, allocation.funded_sources)
        case RefundWhole():
            return _all(lines, states, request)
    assert_never(request)


def _line(allocation: Allocation, number: int) -> Line:
    for line in allocation.lines:
        if line.number == number:
            if not line.refundable:
                raise NotRefundable(number)
            return line
    raise NotFound("line", str(number))


def _within(asked: int, remaining: int, *, line: int | None, unit: str) -> None:
    if asked < 1:
        raise Invalid(unit, f"至少为 1，收到 {asked}", f"at least 1, got {asked}")
    if asked > remaining:
        raise RefundExceedsRemaining(line=line, unit=unit, asked=asked, remaining=remaining)


def _units(line: Line, state: LineState, request: RefundQuantity) -> LineState:
    left = line.quantity - state.refunded_quantity
    _within(request.quantity, left, line=line.number, unit="quantity")
    taken = state.refunded_quantity + request.quantity
    return LineState(max(state.refunded_fen, line.value_of_first(taken)), taken)


def _amount(
    lines: Sequence[Line], states: States, request: RefundAmount, funded: range
) -> dict[int, LineState]:
    gone = {
        line.number: paid_up_to(line, states[line.number].refunded_fen, funded) for line in lines
    }
    left = {
        line.number: paid_up_to(line, line.amount_fen, funded) - gone[line.number] for line in lines
    }
    _within(request.fen, sum(left.values()), line=request.line, unit="fen")
    moved: dict[int, LineState] = {}
    fen = request.fen
    for line in lines:
        step = min(left[line.number], fen)
        fen -= step
        state = states[line.number]
        if step:
            position = position_of(line, gone[line.number] + step, funded)
            state = LineState(max(state.refunded_fen, position), state.refunded_quantity)
        moved[line.number] = state
    return moved


def _all(lines: Sequence[Line], states: States, request: RefundWhole) -> dict[int, LineState]:
    whole = {line.number: LineState(line.amount_fen, line.quantity) for line in lines}
    if all(states[number] == state for number, state in whole.items()):
        raise RefundExceedsRemaining(line=request.line, unit="quantity", asked=1, remaining=0)
    return whole


def _add(sums: dict[K, int], key: K, amount: int) -> None:
    if amount:
        sums[key] = sums.get(key, 0) + amount
