"""How a replayed year's merchants stand to each other, and what its points come to (R3, L8)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.points.ageing import AsOf
from app.points.breakage import CONFIDENCE, Tested, back_test
from app.points.liability import Liability, liability
from app.settlement import periods, statements
from app.settlement.models import Period
from app.settlement.statements import MatrixCell

#: Who is none of the largest.
OTHERS = "others"

_LARGEST = 12
_LEAST_LATER_DAYS = 30  # A forecast of fewer days says nothing.


@dataclass(frozen=True, kw_only=True)
class Map:
    """Points by (issuer, redeemer): the largest merchants by name, the rest together as others."""

    names: Sequence[str]
    points: Mapping[tuple[str, str], int]

    @property
    def most(self) -> int:
        """The most points between two of those that have a name."""
        named = [points for pair, points in self.points.items() if OTHERS not in pair]
        return max(named, default=0)


@dataclass(frozen=True, kw_only=True)
class Coalition:
    """The map of all closed periods, the liability at the end of each, and the back-test."""

    map: Map
    months: Sequence[Liability]
    tested: Sequence[Tested]

    def to_json(self) -> dict[str, object]:
        """Return the back-test in figures: how many intervals held what came."""
        return {
            "confidence": CONFIDENCE,
            "months": len(self.months),
            "forecasts": len(self.tested),
            "inside": sum(each.inside for each in self.tested),
        }


def gather(session: Session) -> Coalition:
    """Read the closed periods of a district and look back at each one's end.

    The back-test ends with the last of them: the days after it have returns and no sales. Wants one
    snapshot: a repeatable-read transaction. Some seconds for each month of a full year.
    """
    closed = periods.list_closed(session)
    last = max(each.ends_on for each in closed)
    testable = [each.ends_on for each in closed if (last - each.ends_on).days >= _LEAST_LATER_DAYS]
    return Coalition(
        map=_map(session, closed),
        months=[liability(session, AsOf.end_of(each.ends_on)) for each in closed],
        tested=back_test(session, testable, until=last),
    )


def _map(session: Session, closed: Iterable[Period]) -> Map:
    return folded(cell for period in closed for cell in statements.matrix(session, period))


def folded(cells: Iterable[MatrixCell], *, largest: int = _LARGEST) -> Map:
    """Return the map of cells; those keep a name who issued and redeemed the most together."""
    cells, sums, points = list(cells), Counter[str](), Counter[tuple[str, str]]()
    for cell in cells:
        sums.update({cell.issuer: cell.points})
        sums.update({cell.redeemer: cell.points})
    ordered = sorted(sums, key=lambda name: (-sums[name], name))
    names = ordered[:largest]
    for cell in cells:
        issuer, redeemer = (
            name if name in names else OTHERS for name in (cell.issuer, cell.redeemer)
        )
        points[issuer, redeemer] += cell.points
    return Map(names=names + ([OTHERS] if len(ordered) > largest else []), points=points)
