"""What of our day stands in the gateway's bill, and what does not (L10). Pure.

A row of the bill is ours if it bears the order's or refund's id, or the till's number; the same
number of several tills is told apart by its amount. Whatever is left on either side is a break, and
what the breaks come to is exactly what the two sums differ by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.settlement.bill_files import Way


class BreakKind(StrEnum):
    """How our books and a bill differ."""

    MISSING_AT_GATEWAY = "missing_at_gateway"
    MISSING_HERE = "missing_here"
    AMOUNT_DIFFERS = "amount_differs"
    REFUND_MISSING_AT_GATEWAY = "refund_missing_at_gateway"
    REFUND_MISSING_HERE = "refund_missing_here"
    DUPLICATE = "duplicate"
    WRONG_DAY = "wrong_day"
    BOOKS_DIFFER = "books_differ"


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Money that an order took or a refund gave by one tender.

    `names` are its own (id and the till's number), `order_names` those of the order of a refund.
    """

    id: int
    way: Way
    names: frozenset[str]
    order_names: frozenset[str]
    fen: int


@dataclass(frozen=True, kw_only=True)
class Theirs:
    """A row of a bill, as it is kept."""

    id: int
    way: Way
    order_number: str
    refund_number: str
    fen: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A break: `fen` is what ours has more than theirs, refunds counted below zero.

    Of a break of the wrong day one side stands on the day, and the other one's id is named too.
    """

    kind: BreakKind
    ours: Ours | None
    theirs: Theirs | None
    fen: int


def match(
    ours: Sequence[Ours],
    theirs: Sequence[Theirs],
    *,
    ours_elsewhere: Sequence[Ours] = (),
    theirs_elsewhere: Sequence[Theirs] = (),
) -> list[Difference]:
    """Return all breaks of a day; `…elsewhere` is what bears the same names on other days.

    The sum of ours less the sum of theirs is the sum of the breaks, whatever is given.
    """
    pairs, left, extra = _pair(ours, theirs)
    found = [
        Difference(
            kind=BreakKind.AMOUNT_DIFFERS,
            ours=mine,
            theirs=row,
            fen=mine.way.signed(mine.fen) - row.way.signed(row.fen),
        )
        for mine, row in pairs
        if mine.fen != row.fen
    ]
    late, left, _ = _pair(left, theirs_elsewhere)
    found += [_wrong_day(mine, row, fen=mine.way.signed(mine.fen)) for mine, row in late]
    early, _, extra = _pair(ours_elsewhere, extra)
    found += [_wrong_day(mine, row, fen=-row.way.signed(row.fen)) for mine, row in early]
    known = {name for mine, _ in (*pairs, *late, *early) for name in mine.names}
    found += [_only_ours(mine) for mine in left]
    found += [_only_theirs(row, known) for row in extra]
    return found


def _pair(
    ours: Iterable[Ours], theirs: Iterable[Theirs]
) -> tuple[list[tuple[Ours, Theirs]], list[Ours], list[Theirs]]:
    """Pair what bears the same name: first where the amount is the same, then the rest."""
    pairs: list[tuple[Ours, Theirs]] = []
    rows = list(theirs)
    left = {mine.id: mine for mine in ours if mine.way is Way.PAYMENT}
    back = {mine.id: mine for mine in ours if mine.way is Way.REFUND}
    for exact, by_order in ((True, False), (False, False), (True, True)):
        named = {
            Way.PAYMENT: _by_name(left.values(), by_order=False),
            Way.REFUND: _by_name(back.values(), by_order=by_order),
        }
        rest = []
        for row in rows:
            pool = left if row.way is Way.PAYMENT else back
            called = named[row.way].get(_name(row, by_order=by_order), ())
            mine = _choose(called, row, pool, exact=exact)
            if mine is None:
                rest.append(row)
            else:
                pairs.append((mine, row))
                del pool[mine.id]
        rows = rest
    return pairs, [*left.values(), *back.values()], rows


def _by_name(ours: Iterable[Ours], *, by_order: bool) -> Mapping[str, list[Ours]]:
    named: dict[str, list[Ours]] = {}
    for mine in ours:
        for name in mine.order_names if by_order else mine.names:
            named.setdefault(name, []).append(mine)
    return named


def _name(row: Theirs, *, by_order: bool) -> str:
    return row.refund_number if row.way is Way.REFUND and not by_order else row.order_number


def _choose(
    candidates: Iterable[Ours], row: Theirs, pool: Mapping[int, Ours], *, exact: bool
) -> Ours | None:
    fitting = [each for each in candidates if each.id in pool]
    return next((each for each in fitting if not exact or each.fen == row.fen), None)


def _wrong_day(mine: Ours, row: Theirs, *, fen: int) -> Difference:
    return Difference(kind=BreakKind.WRONG_DAY, ours=mine, theirs=row, fen=fen)


def _only_ours(mine: Ours) -> Difference:
    kind = (
        BreakKind.MISSING_AT_GATEWAY
        if mine.way is Way.PAYMENT
        else BreakKind.REFUND_MISSING_AT_GATEWAY
    )
    return Difference(kind=kind, ours=mine, theirs=None, fen=mine.way.signed(mine.fen))


def _only_theirs(row: Theirs, known: set[str]) -> Difference:
    if _name(row, by_order=False) in known:
        kind = BreakKind.DUPLICATE
    elif row.way is Way.PAYMENT:
        kind = BreakKind.MISSING_HERE
    else:
        kind = BreakKind.REFUND_MISSING_HERE
    return Difference(kind=kind, ours=None, theirs=row, fen=-row.way.signed(row.fen))
