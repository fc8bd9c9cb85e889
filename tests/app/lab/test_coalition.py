"""The map of issuers and redeemers, months looked back at, and how the page shows them (R3, L8)."""

from collections.abc import Iterator
from datetime import date
from xml.etree import ElementTree

import pytest
from sqlalchemy.orm import Session

from app.lab import coalition, report_coalition
from app.lab.coalition import OTHERS, Coalition
from app.settlement.spans import Span
from app.settlement.statements import MatrixCell
from config.database import Database
from ledger import upkeep
from migrations.run import create_district
from tests.app.checkout.shops import open_shop
from tests.app.settlement.months import at, close
from tests.factories import make_member

MONTHS = [Span.parse(f"2017-0{number}") for number in range(1, 9)]


@pytest.fixture
def eight_months(database: Database, owner_url: str) -> Iterator[Session]:
    """Forty members earn at A every month; half of them use it all at B. Each month is closed."""
    create_district(owner_url, "coalition", name="联盟", sandbox=True)
    with database.transaction("coalition") as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2018, 12, 31))
    with database.transaction("coalition") as session:
        at(session, 1, 1)
        a, b = open_shop(session), open_shop(session)
        members = [make_member(session) for _ in range(40)]
        for month in range(1, 9):
            at(session, month, 1)
            for member in members:
                a.sell(session, member, 1_000)
            at(session, month, 16)
            for member in members[:20]:
                b.sell(session, member, 10, burn=10)
        at(session, 9, 30)
        for each in MONTHS:
            close(session, each)
        yield session
        session.rollback()


def cell(issuer: str, redeemer: str, points: int) -> MatrixCell:
    return MatrixCell(issuer=issuer, redeemer=redeemer, points=points, cost_fen=0, redemption_fen=0)


def test_the_largest_keep_their_place_and_the_rest_are_summed() -> None:
    cells = [cell("a", "b", 50), cell("b", "a", 40), cell("b", "c", 9), cell("c", "d", 1),
             cell("a", "b", 5)]  # fmt: skip

    found = coalition.folded(cells, largest=2)

    assert (found.names, found.most) == (["b", "a", OTHERS], 55)
    assert found.points == {
        ("a", "b"): 55, ("b", "a"): 40, ("b", OTHERS): 9, (OTHERS, OTHERS): 1
    }  # fmt: skip
    assert coalition.folded(cells).names == ["b", "a", "c", "d"]
    assert coalition.folded([]).points == {}


def test_closed_months_are_looked_back_at_and_shown(eight_months: Session) -> None:
    """Forecasts begin once half a year is known; the last month has no later one to be held to."""
    found = coalition.gather(eight_months)

    assert list(found.map.points.values()) == [8 * 20 * 10]
    assert [each.as_of.day for each in found.months] == [each.ends_on for each in MONTHS]
    assert [each.total.points for each in found.months] == [200 * n for n in range(1, 9)]
    assert all(each.total.points == each.booked_points for each in found.months)
    assert [each.total.breakage is None for each in found.months] == [True] * 5 + [False] * 3
    assert [each.day for each in found.tested] == [each.ends_on for each in MONTHS[5:7]]
    assert found.to_json() == {"confidence": 0.8, "months": 8, "forecasts": 2, "inside": 2}

    shown = dict(report_coalition.sections(found))

    for body in list(shown.values())[:2]:
        svg = ElementTree.fromstring(body[: body.rindex("</svg>") + 6][body.index("<svg") :])
        assert svg.attrib["role"] == "img"
    assert any("区间命中 2 / 2" in body for body in shown.values())
    assert any("前 5 个月末历史不足" in body for body in shown.values())


def test_too_short_a_time_is_said_to_show_nothing() -> None:
    nothing = Coalition(map=coalition.folded([]), months=[], tested=[])

    shown = dict(report_coalition.sections(nothing))

    assert [body.count("nothing to show") + body.count("too little history to test")
            for body in shown.values()] == [1, 1, 1]  # fmt: skip
