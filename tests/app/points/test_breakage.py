"""What will never be used: an estimate that knows its own past alone, and how it did (L8)."""

from datetime import date
from fractions import Fraction

import pytest
from sqlalchemy.orm import Session

from app.points import breakage
from app.points.ageing import AsOf, OpenLot
from app.points.breakage import Estimate, Forecast
from app.points.models import LotKind
from app.points.survival import GROUPS, Curve, History
from tests.app.checkout.shops import open_shop
from tests.app.points.calendar import at
from tests.factories import make_member

END_OF_OCTOBER = date(2017, 10, 31)
HALF = Curve(shares=[0.5, 0.0])


@pytest.fixture
def ten_months(years: Session) -> Session:
    """Forty members earn 100 points on the first of each month; half of them use all at mid-month.

    On 2 November, and each of the twenty groups has one of either kind.
    """
    at(years, 2017, 1, 1)
    shop = open_shop(years)
    members = [make_member(years) for _ in range(2 * GROUPS)]
    for month in range(1, 11):
        at(years, 2017, month, 1)
        for member in members:
            shop.sell(years, member, 10_000)
        at(years, 2017, month, 16)
        for member in members[:GROUPS]:
            shop.sell(years, member, 100, burn=100)
    at(years, 2017, 11, 2)
    return years


def lot(
    member: int, points: int, *, began: date = date(2017, 10, 31), ends: date | None = None,
    kind: LotKind = LotKind.LOT,
) -> OpenLot:  # fmt: skip
    return OpenLot(
        member_id=member, issuer_id=1, kind=kind, began_on=began, expires_on=ends,
        cost=Fraction(1), points=points,
    )  # fmt: skip


def forecast(*lots: OpenLot, without: list[Curve] | None = None) -> Estimate:
    history = History(curve=HALF, without=without or [HALF] * GROUPS)
    made = Forecast(history, day=END_OF_OCTOBER)
    for each in lots:
        made.add(each, {"all": each.points})
    return made.estimate("all")


def test_the_past_says_that_half_is_used_at_once_and_the_rest_never(ten_months: Session) -> None:
    """A point either goes within its first thirty days or stays."""
    history = breakage.learn(ten_months, AsOf.end_of(END_OF_OCTOBER))

    assert history is not None
    assert history.curve.shares[0] == pytest.approx(0.5)
    assert sum(history.curve.shares[1:]) == history.curve.first == 0
    assert history.seen_days == 300
    assert [each.shares[0] for each in history.without] == pytest.approx([0.5] * GROUPS)


def test_a_forecast_knows_nothing_of_what_came_later(ten_months: Session) -> None:
    by_day = AsOf.end_of(date(2017, 8, 31))
    by_instant = AsOf.at(at(ten_months, 2017, 9, 1, 3))
    before = [breakage.learn(ten_months, each) for each in (by_day, by_instant)]

    assert [each and each.seen_days for each in before] == [240, 240]


def test_half_a_year_is_the_least_that_says_anything(ten_months: Session) -> None:
    assert breakage.learn(ten_months, AsOf.end_of(date(2017, 6, 28))) is None
    assert breakage.learn(ten_months, AsOf.end_of(date(2017, 6, 29))) is not None


def test_each_past_forecast_is_held_against_what_came(ten_months: Session) -> None:
    """At the ends of July and August; of June nothing can be said, and it is left out."""
    days = [date(2017, 5, 31), date(2017, 7, 31), date(2017, 8, 31)]

    found = breakage.back_test(ten_months, days, until=END_OF_OCTOBER)

    assert [each.day for each in found] == days[1:]
    assert [each.outstanding for each in found] == [14_000, 16_000]
    assert [each.unused for each in found] == [14_000, 16_000]
    assert [each.forecast.expected for each in found] == [14_000, 16_000]
    assert all(each.inside for each in found)


def test_a_forecast_that_was_wrong_is_said_to_be(ten_months: Session) -> None:
    """In the end the others use what they had kept: nobody could have known."""
    shop = open_shop(ten_months)
    for member in [make_member(ten_months) for _ in range(3)]:
        at(ten_months, 2017, 9, 1)
        shop.sell(ten_months, member, 1_000_000)
        at(ten_months, 2017, 10, 20)
        shop.sell(ten_months, member, 10_000, burn=10_000)

    (found,) = breakage.back_test(ten_months, [date(2017, 9, 30)], until=END_OF_OCTOBER)

    assert (found.outstanding, found.unused) == (18_000 + 30_000, 18_000)
    assert not found.inside


def test_what_is_over_is_lost_and_what_never_ends_is_not() -> None:
    over = lot(1, 40, began=date(2016, 9, 1), ends=date(2017, 9, 30))

    assert forecast(over) == Estimate(expected=40, low=40, high=40)
    assert forecast(lot(1, 40)) == Estimate(expected=0, low=0, high=0)
    assert forecast(lot(1, -40, kind=LotKind.DEBT)) == Estimate(expected=0, low=0, high=0)
    assert forecast() == Estimate(expected=0, low=0, high=0)


def test_one_member_is_one_throw_and_many_are_many() -> None:
    """A lot that began yesterday keeps half: 1,000 points of one member, then 10 of a hundred."""
    ends, yesterday = date(2018, 10, 31), date(2017, 10, 30)
    young = Curve(shares=[0.0, 0.5])
    history = History(curve=young, without=[young] * GROUPS)

    def of(*lots: OpenLot) -> Estimate:
        made = Forecast(history, day=END_OF_OCTOBER)
        for each in lots:
            made.add(each, {"all": each.points})
        return made.estimate("all")

    one = of(*[lot(1, 100, began=yesterday, ends=ends)] * 10)
    many = of(*[lot(member, 10, began=yesterday, ends=ends) for member in range(100)])

    assert one == Estimate(expected=500, low=0, high=1_000)
    assert many == Estimate(expected=500, low=500 - 64, high=500 + 64)


def test_a_curve_that_hangs_on_a_few_widens_the_interval() -> None:
    ends = date(2018, 10, 31)
    lots = [lot(member, 10, began=date(2017, 9, 1), ends=ends) for member in range(100)]
    shaken = [Curve(shares=[0.5, 0.0], first=part / 1_000) for part in range(GROUPS)]

    sure, unsure = forecast(*lots), forecast(*lots, without=shaken)

    assert sure == Estimate(expected=1_000, low=1_000, high=1_000)
    assert unsure.expected == 1_000
    assert unsure.low < 900
    assert unsure.high == 1_000
