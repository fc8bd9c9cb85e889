"""The example of docs/settlement.md, row by row: three merchants, two months, twice zero."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.merchants.models import Funding
from app.merchants.prepaying import buy_points
from app.settlement import statements
from app.settlement.models import Period
from config.settings import PROJECT
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member, make_terms

DOCUMENT = PROJECT / "docs/settlement.md"


def test_the_example_of_three_merchants_is_true(books: Session) -> None:
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="1", redemption="9/10"))
    b = open_shop(books, terms=make_terms(cost="3/2", redemption="6/5"))
    c = open_shop(books, terms=make_terms(cost="1", redemption="1", funding=Funding.PREPAID))
    shops = {"A": a, "B": b, "C": c}
    member = make_member(books)
    buy_points(books, c.merchant.code, 200, reference="bank-1", by="mei")
    first = a.sell(books, member, 100_00, at=at(books, 1, 11))
    c.sell(books, member, 60_00, at=at(books, 1, 12))
    b.sell(books, member, 50_00, burn=120, at=at(books, 1, 13))
    at(books, 2, 3)
    january = close(books, JANUARY)
    a.refund(books, first.public_id, at=at(books, 2, 4))
    at(books, 3, 3)
    february = close(books, FEBRUARY)

    told = _tables()
    assert told[0] == _named(books, january, shops)
    assert told[1] == _named(books, february, shops)
    assert (january.net_fen, january.gross_fen) == (338, 482)
    statement = statements.statement(books, january, merchant=c.merchant.code)
    assert statement.outstanding.redeemed_elsewhere_points == -20
    assert statement.outstanding.closing_points == 40
    carried = statements.statement(books, february, merchant=a.merchant.code)
    assert (carried.opening_fen, carried.net_fen, carried.closing_fen) == (-100, 100, 0)
    (cell, other) = sorted(statements.matrix(books, january), key=lambda each: each.points)
    assert (cell.points, cell.cost_fen, cell.redemption_fen) == (20, 20, 20)
    assert (other.points, other.cost_fen, other.redemption_fen) == (100, 100, 90)


def _named(
    session: Session, period: Period, shops: Mapping[str, Shop]
) -> dict[tuple[str, str], tuple[int, int]]:
    letters = {shop.merchant.code: letter for letter, shop in shops.items()}
    return {
        (letters.get(party, party), caption): figures
        for (party, caption), figures in lines(session, period).items()
    }


def _tables() -> list[dict[tuple[str, str], tuple[int, int]]]:
    """Return the tables of the example that name parties, without their sums."""
    found: list[dict[tuple[str, str], tuple[int, int]]] = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if cells[:4] == ["party", "row", "points", "fen"]:
            found.append({})
        elif found and len(cells) == 5 and cells[2].lstrip("-").isdigit():
            found[-1][cells[0], cells[1]] = (int(cells[2]), int(cells[3]))
    return found
