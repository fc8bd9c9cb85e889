"""What is owed in points as of a day or an instant: by issuer and age, in points and fen (L8)."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.money import worth_fen
from app.points import ageing
from app.points.ageing import AsOf, Band
from app.points.liability import Liability, Row, liability
from ledger.statements import trial_balance_at
from tests.app.checkout.shops import open_shop
from tests.app.points.calendar import at
from tests.factories import make_member, make_terms


def figures(found: Liability) -> dict[tuple[str | None, Band | None], tuple[int, int]]:
    return {(row.issuer, row.band): (row.points, row.fen) for row in found.rows}


def test_points_stand_by_issuer_and_age_at_the_cost_of_their_lots(years: Session) -> None:
    """A debt stands by itself, and what expired and was not booked too."""
    at(years, 2017, 1, 10)
    tea = open_shop(years, terms=make_terms(cost="1/3"))
    book = open_shop(years, terms=make_terms(cost="3/2"))
    one, two = make_member(years), make_member(years)
    tea.sell(years, one, 10_000)
    at(years, 2017, 12, 20)
    tea.sell(years, one, 4_000)
    spent = book.sell(years, two, 7_000)
    tea.sell(years, two, 100, burn=70)
    at(years, 2018, 1, 25)
    book.refund(years, spent.public_id)
    at(years, 2018, 2, 3)

    now = liability(years, AsOf.now(years))
    end_of_year = liability(years, AsOf.end_of(date(2017, 12, 31)))

    codes = tea.merchant.code, book.merchant.code
    assert figures(now) == {
        (codes[0], Band.EXPIRED): (100, 34),
        (codes[0], Band.QUARTER): (40, 13),
        (codes[1], Band.OWED): (-70, -105),
    }
    assert figures(end_of_year) == {
        (codes[0], Band.YEAR): (100, 34),
        (codes[0], Band.MONTH): (40, 13),
    }
    assert (now.total.points, now.total.fen, now.total.lots) == (140, 47, 2)
    assert (now.owed.points, now.owed.fen) == (-70, -105)
    assert [(row.issuer, row.points) for row in now.issuers] == [(codes[0], 140)]
    assert now.seen_days is None
    assert now.total.breakage is None


def test_totals_agree_with_the_trial_balance_of_that_instant(years: Session) -> None:
    """By the day of booking and by the instant of recording, which differ where a sale is late."""
    sold = at(years, 2017, 3, 31, 4)
    shop, member = open_shop(years), make_member(years)
    shop.sell(years, member, 10_000)
    at(years, 2017, 3, 31, 6)
    shop.sell(years, member, 100, burn=30)
    told = at(years, 2017, 4, 1, 1)
    shop.sell(years, member, 2_000, at=sold)
    at(years, 2017, 9, 1)

    cuts = {
        100: AsOf.at(sold), 70: AsOf.at(told - timedelta(seconds=1)), 90: AsOf.at(told)
    }  # fmt: skip
    by_day = AsOf.end_of(date(2017, 3, 31))

    for points, as_of in [*cuts.items(), (90, by_day)]:
        found = liability(years, as_of)
        assert as_of.cut is not None
        booked = trial_balance_at(years, as_of.cut)
        assert found.total.points == found.booked_points == booked["lot"] == points
        assert sum(booked.values()) == 0
        bands = ageing.outstanding(years, as_of)
        assert sum(each.points for each in bands) == points
    assert [(row.band, row.points) for row in liability(years, AsOf.now(years)).rows] == [
        (Band.HALF, 90)
    ]


def test_expected_breakage_comes_in_points_and_fen_with_its_interval(years: Session) -> None:
    """Twenty members use everything at once and twenty nothing, for seven months."""
    at(years, 2017, 1, 1)
    shop = open_shop(years, terms=make_terms(cost="1/2"))
    members = [make_member(years) for _ in range(40)]
    for month in range(1, 8):
        at(years, 2017, month, 1)
        for member in members:
            shop.sell(years, member, 1_000)
        at(years, 2017, month, 16)
        for member in members[:20]:
            shop.sell(years, member, 10, burn=10)

    found = liability(years, AsOf.end_of(date(2017, 7, 31)))

    def three(row: Row) -> list[tuple[int, int, int]]:
        assert row.breakage is not None
        return [
            (each.low, each.expected, each.high) for each in (row.breakage.points, row.breakage.fen)
        ]

    assert (found.total.points, found.total.fen) == (1_400, 700)
    assert three(found.total) == [(1_400, 1_400, 1_400), (700, 700, 700)]
    assert found.seen_days == 210
    assert three(found.issuers[0]) == three(found.total)
    early = liability(years, AsOf.end_of(date(2017, 7, 10)))
    low, expected, high = three(early.total)[0]
    assert 1_200 < low < expected < high < early.total.points == 1_600


@given(
    points=st.integers(-(10**9), 10**9),
    rate=st.fractions(min_value=0, max_value=1_000, max_denominator=1_000),
)
def test_worth_is_the_nearest_fen_and_the_same_below_zero(points: int, rate: Fraction) -> None:
    assert abs(worth_fen(points, rate) - points * rate) <= Fraction(1, 2)
    assert worth_fen(-points, rate) == -worth_fen(points, rate)
    assert worth_fen(1, Fraction(1, 2)) == 1
