"""What the district owes its members in points at an instant, and what it will hardly give (L8)."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy.orm import Session

from app.books import Code
from app.merchants.directory import get_directory
from app.money import worth_fen
from app.points import breakage
from app.points.ageing import AsOf, Band, OpenLot, list_open
from app.points.breakage import Estimate, Forecast
from ledger import statements
from ledger.statements import Cut

_ORDER = {band: place for place, band in enumerate(Band)}


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """What is expected to end unused, in points and in fen at the lots' own cost: an estimate."""

    points: Estimate
    fen: Estimate


@dataclass(frozen=True, kw_only=True)
class Row:
    """Points of an issuer (merchant code; None: all) in a band (None: all but what is owed).

    `fen` is what they cost at the rates frozen in their lots. `breakage` is None where nothing can
    be estimated, and for what members owe.
    """

    issuer: str | None
    band: Band | None
    lots: int
    points: int
    fen: int
    breakage: Breakage | None = None


@dataclass(frozen=True, kw_only=True)
class Liability:
    """The report: a row for each issuer and band, one for each issuer, and both totals.

    What members owe stands in rows of its own (`owed`) and in no other total. `booked_points` and
    `booked_owed_points` are the same two totals from the trial balance of that instant.
    `seen_days` is the age up to which points were watched; None: too little history to estimate.
    """

    as_of: AsOf
    rows: Sequence[Row]
    issuers: Sequence[Row]
    total: Row
    owed: Row
    booked_points: int
    booked_owed_points: int
    seen_days: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cell:
    """Points that are rounded to fen at once: of one issuer and cost, owed or not."""

    issuer_id: int
    owed: bool
    cost: Fraction


_Named = tuple[int | None, Band | None]


def liability(session: Session, as_of: AsOf) -> Liability:
    """Return what is outstanding as of a day or an instant, with the breakage to expect.

    Fen are rounded once for each issuer and cost, as a close does, and shared to the bands; so the
    total at the end of a closed month is what the settlement has as its float. Wants one snapshot
    for all of it: a repeatable-read transaction. Reads every transfer to that point three times.
    """
    history = breakage.learn(session, as_of)
    forecast = None if history is None else Forecast(history, day=as_of.day)
    counts: dict[_Named, int] = {}
    cells: dict[_Cell, dict[Band, int]] = {}
    for lot in list_open(session, as_of):
        band = lot.band(as_of.day)
        counts[lot.issuer_id, band] = counts.get((lot.issuer_id, band), 0) + 1
        cell = _Cell(issuer_id=lot.issuer_id, owed=band is Band.OWED, cost=lot.cost)
        points = cells.setdefault(cell, {})
        points[band] = points.get(band, 0) + lot.points
        if forecast is not None:
            forecast.add(lot, _weights(lot, band))
    return _report(session, as_of, counts, cells, forecast)


def _weights(lot: OpenLot, band: Band) -> Mapping[Hashable, float]:
    """Return what a lot weighs under each name of a row, in points and in fen."""
    fen = float(lot.points * lot.cost)
    names: Sequence[_Named] = ((lot.issuer_id, band), (lot.issuer_id, None), (None, None))
    return {
        (name, unit): weight
        for name in names
        for unit, weight in (("points", float(lot.points)), ("fen", fen))
    }


def _report(
    session: Session,
    as_of: AsOf,
    counts: Mapping[_Named, int],
    cells: Mapping[_Cell, Mapping[Band, int]],
    forecast: Forecast | None,
) -> Liability:
    merchants = get_directory(session).merchants
    sums = _sums(cells)
    rows = [
        Row(
            issuer=merchants[issuer].code,
            band=band,
            lots=counts[issuer, band],
            points=points,
            fen=fen,
            breakage=_breakage(forecast, (issuer, band)) if band is not Band.OWED else None,
        )
        for (issuer, band), (points, fen) in sums.items()
    ]
    rows.sort(key=lambda row: (row.issuer or "", _ORDER[row.band or Band.OWED]))
    ids = sorted({issuer for issuer, band in sums if band is not Band.OWED},
                 key=lambda issuer: merchants[issuer].code)  # fmt: skip
    out = [row for row in rows if row.band is not Band.OWED]
    booked = statements.trial_balance_at(session, as_of.cut or Cut())
    return Liability(
        as_of=as_of,
        rows=rows,
        issuers=[
            _total(
                [row for row in out if row.issuer == merchants[issuer].code],
                issuer=merchants[issuer].code,
                expected=_breakage(forecast, (issuer, None)),
            )
            for issuer in ids
        ],
        total=_total(out, expected=_breakage(forecast, (None, None))),
        owed=_total([row for row in rows if row.band is Band.OWED], band=Band.OWED),
        booked_points=booked.get(Code.LOT, 0),
        booked_owed_points=booked.get(Code.DEBT, 0),
        seen_days=None if forecast is None else forecast.seen_days,
    )


def _sums(cells: Mapping[_Cell, Mapping[Band, int]]) -> dict[tuple[int, Band], tuple[int, int]]:
    """Return (issuer, band) → points and fen; the fen of a cell's bands add up to what it is worth.

    Each band gets what the sum through it is worth, less what the bands before it got.
    """
    sums: dict[tuple[int, Band], tuple[int, int]] = {}
    for cell, bands in cells.items():
        before = given = 0
        for band in sorted(bands, key=_ORDER.__getitem__):
            before += bands[band]
            fen = worth_fen(before, cell.cost) - given
            given += fen
            points_so_far, fen_so_far = sums.get((cell.issuer_id, band), (0, 0))
            sums[cell.issuer_id, band] = (points_so_far + bands[band], fen_so_far + fen)
    return sums


def _total(
    rows: Sequence[Row],
    *,
    issuer: str | None = None,
    band: Band | None = None,
    expected: Breakage | None = None,
) -> Row:
    return Row(
        issuer=issuer,
        band=band,
        lots=sum(row.lots for row in rows),
        points=sum(row.points for row in rows),
        fen=sum(row.fen for row in rows),
        breakage=expected,
    )


def _breakage(forecast: Forecast | None, name: _Named) -> Breakage | None:
    if forecast is None:
        return None
    return Breakage(
        points=forecast.estimate((name, "points")), fen=forecast.estimate((name, "fen"))
    )
