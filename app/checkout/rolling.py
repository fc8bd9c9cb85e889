"""A sale's tape after coupons of it were rolled back alone (C14; semantics 7; ADR 0027).

What a coupon gave of units that are kept is paid instead: on their tape its slices become money,
unit by unit from the end, while refunds eat the tape from its beginning. So the part that has gone
back stays as it was, and where two marks stand says it all, whatever the way there. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.checkout.returns import (
    LineState,
    RefundAmount,
    RefundQuantity,
    RefundWhole,
    Request,
    States,
    difference,
    sold,
)
from app.checkout.slices import Allocation, Line, Run, Slice
from app.errors import Invalid, NotFound
from coupons.errors import RollBackExceeds
from coupons.rules import portion


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What of a coupon was rolled back on a line, in fen, and the tender that paid for it."""

    coupon: str
    line: int
    tender: str
    fen: int


def rolled_back(allocation: Allocation, parts: Sequence[Part]) -> Allocation:
    """Return a sale's tape with what was rolled back since, in the order in which it was.

    Within a unit the customer's part stays first, then comes what he added, then what funders still
    give: of each as much as of the others, in proportion to what it gave of the unit.
    """
    tenders = tuple(dict.fromkeys([part.tender for part in parts]))
    first = allocation.funded_sources.stop
    sources = {name: source for source, name in enumerate(tenders, start=first)}
    coupon_of = {
        source: each.coupon
        for source, each in enumerate(allocation.funded, start=allocation.first_funded)
    }
    lines = []
    for line in allocation.lines:
        queues: dict[str, list[tuple[int, int]]] = {}
        for part in parts:
            if part.line == line.number:
                queues.setdefault(part.coupon, []).append((sources[part.tender], part.fen))
        lines.append(replace(line, runs=_runs(line.runs, queues, coupon_of)) if queues else line)
    return replace(allocation, added=tenders, lines=tuple(lines))


def asked(
    allocation: Allocation, states: States, coupon: str, requests: Sequence[Request]
) -> dict[int, int]:
    """Return what is rolled back of a coupon, fen by line: no more than kept units still have.

    Units are the line's last ones that have it; an amount is of what the coupon gave.

    Raises:
        RollBackExceeds: more than it still gives, or it gives nothing any more.
        NotFound: no such line.
        Invalid: an amount or quantity below one.
    """
    left = {line.number: kept_units(allocation, line, states, coupon) for line in allocation.lines}
    wanted: dict[int, int] = {}
    for request in requests:
        if request.line is not None and request.line not in left:
            raise NotFound("line", str(request.line))
        lines = sorted(left) if request.line is None else [request.line]
        rest = {
            number: sum([count * fen for count, fen in left[number]]) - wanted.get(number, 0)
            for number in lines
        }
        for number, fen in _step(request, coupon, rest, left, wanted).items():
            wanted[number] = wanted.get(number, 0) + fen
    return {number: fen for number, fen in wanted.items() if fen}


def paid_by(
    wanted: Sequence[tuple[str, int, int]], tenders: Sequence[tuple[str, int]]
) -> list[Part]:
    """Return who pays for what is rolled back, (coupon, line, fen): each tender in turn.

    What the tenders (name, fen) do not cover is left out.
    """
    parts, purse = [], dict(tenders)
    for coupon, line, fen in wanted:
        left = fen
        for name, rest in purse.items():
            taken = min(left, rest)
            if taken:
                parts.append(Part(coupon=coupon, line=line, tender=name, fen=taken))
                purse[name] -= taken
                left -= taken
    return parts


def funded_back(before: Allocation, after: Allocation) -> dict[tuple[int, int], int]:
    """Return what a roll back gives back to funders: fen by (merchant that had it, index)."""
    had, has = (difference(each, {}, sold(each)).funded_fen for each in (before, after))
    back = {source: fen - has.get(source, 0) for source, fen in had.items()}
    return {source: fen for source, fen in back.items() if fen}


def fen_by_coupon(parts: Sequence[Part]) -> dict[str, int]:
    """Return what was rolled back of each coupon."""
    fen: dict[str, int] = {}
    for part in parts:
        fen[part.coupon] = fen.get(part.coupon, 0) + part.fen
    return fen


def kept_units(
    allocation: Allocation, line: Line, states: States, coupon: str
) -> list[tuple[int, int]]:
    """Return the units of a line that are kept and have the coupon, from the last: (count, fen)."""
    sources = {
        source
        for source, each in enumerate(allocation.funded, start=allocation.first_funded)
        if each.coupon == coupon
    }
    position = states.get(line.number, LineState()).refunded_fen
    units = []
    for run in line.runs:
        price = run.unit_fen
        whole = min(run.count, position // price) if price else run.count
        # A unit in the middle of which a refund ended is kept: its coupons go back behind its own.
        position = position - whole * price if whole == run.count else 0
        fen = sum([piece.fen for piece in run.slices if piece.source in sources])
        if fen and run.count > whole:
            units.append((run.count - whole, fen))
    return units[::-1]


def _step(
    request: Request,
    coupon: str,
    rest: Mapping[int, int],
    left: Mapping[int, Sequence[tuple[int, int]]],
    wanted: Mapping[int, int],
) -> dict[int, int]:
    total = sum(rest.values())
    match request:
        case RefundWhole():
            found = dict(rest)
        case RefundQuantity(line=line, quantity=quantity):
            found = {line: _of_units(left[line], quantity, gone=wanted.get(line, 0))}
        case RefundAmount(fen=fen):
            if fen < 1:
                raise Invalid("fen", f"至少为 1，收到 {fen}", f"at least 1, got {fen}")
            if fen > total:
                raise RollBackExceeds(coupon, total)
            found = {}
            for number, most in rest.items():
                found[number] = min(most, fen)
                fen -= found[number]
    if not sum(found.values()):
        raise RollBackExceeds(coupon, total)
    return found


def _of_units(units: Sequence[tuple[int, int]], quantity: int, *, gone: int) -> int:
    """Return what so many units still have of a coupon; `gone` fen of the last ones are taken.

    Nothing where there are fewer, which the caller refuses.
    """
    if quantity < 1:
        raise Invalid("quantity", f"至少为 1，收到 {quantity}", f"at least 1, got {quantity}")
    found = 0
    for count, fen in units:
        passed = min(count, gone // fen)
        gone -= passed * fen
        taken = min(count - passed, quantity)
        if taken:
            found += taken * fen - gone
            gone, quantity = 0, quantity - taken
    return 0 if quantity else found


def _runs(
    runs: Sequence[Run],
    queues: Mapping[str, list[tuple[int, int]]],
    coupon_of: Mapping[int, str],
) -> tuple[Run, ...]:
    """Rewrite a line's units from the last; equal neighbours stay one run."""
    written: list[Run] = []
    for run in reversed(runs):
        gave: dict[str, int] = {}
        for piece in run.slices:
            if piece.source in coupon_of:
                coupon = coupon_of[piece.source]
                gave[coupon] = gave.get(coupon, 0) + piece.fen
        left = run.count
        while left:
            count = min([left, *[_alike(queues.get(each), gave[each], left) for each in gave]])
            taken = {each: _take(queues.get(each), gave[each], count) for each in gave}
            written.append(_rewritten(run, count, taken, coupon_of))
            left -= count
    return tuple(reversed(written))


def _alike(queue: Sequence[tuple[int, int]] | None, fen: int, left: int) -> int:
    """Return how many units from here on are treated alike, at least one."""
    if not queue:
        return left
    return max(queue[0][1] // fen, 1)


def _take(queue: list[tuple[int, int]] | None, fen: int, count: int) -> tuple[tuple[int, int], ...]:
    """Take what each of so many alike units has of a coupon out of a queue: (source, fen)."""
    taken: list[tuple[int, int]] = []
    while queue and fen:
        source, most = queue[0]
        each = min(fen, most // count)
        taken.append((source, each))
        fen -= each
        if most == each * count:
            queue.pop(0)
        else:
            queue[0] = (source, most - each * count)
    return tuple(taken)


def _rewritten(
    run: Run,
    count: int,
    taken: Mapping[str, tuple[tuple[int, int], ...]],
    coupon_of: Mapping[int, str],
) -> Run:
    own = [piece for piece in run.slices if piece.source not in coupon_of]
    added: dict[int, int] = {}
    given: list[Slice] = []
    for coupon, payers in taken.items():
        pieces = [each for each in run.slices if coupon_of.get(each.source) == coupon]
        for source, fen in payers:
            added[source] = added.get(source, 0) + fen
        gone = portion(sum([fen for _, fen in payers]), [piece.fen for piece in pieces])
        given += [
            Slice(piece.source, piece.fen - fen, piece.points)
            for piece, fen in zip(pieces, gone, strict=True)
            if piece.fen > fen
        ]
    paid = [Slice(source, fen, 0) for source, fen in added.items()]
    return Run(count, run.earned_points, (*own, *paid, *given))
