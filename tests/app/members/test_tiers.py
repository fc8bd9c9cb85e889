"""M5, M6: what a scheme of tiers may say, and what it makes of growth and of days."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.members import tiers
from app.members.tiers import BASIC, Period, Scheme, Tier
from config.database import now_of

SILVER = Tier(code="silver", threshold=1_000, name_zh="银卡", name_en="Silver")
GOLD = Tier(code="gold", threshold=5_000, name_zh="金卡", name_en="Gold")
THREE = Scheme(tiers=(BASIC, SILVER, GOLD))
DAYS = st.dates(date(2016, 1, 1), date(2040, 12, 31))


def test_growth_is_made_whole_downwards() -> None:
    assert Scheme().growth_of(199) == 1
    assert Scheme(growth_per_yuan=Fraction(1, 3)).growth_of(900) == 3
    assert Scheme(growth_per_yuan=Fraction(0)).growth_of(900) == 0


def test_a_member_may_rise_several_steps_at_once() -> None:
    assert THREE.find_reached(5_000, above="basic") == GOLD
    assert THREE.find_reached(4_999, above="basic") == SILVER
    assert THREE.find_reached(4_999, above="silver") is None
    assert THREE.find_next("gold") is None
    assert (THREE.below("gold"), THREE.below("basic")) == (SILVER, BASIC)


@pytest.mark.parametrize(
    ("period", "day", "counts_from", "cycle_end"),
    [
        (Period.ROLLING, date(2026, 11, 28), date(2025, 11, 29), date(2027, 11, 27)),
        (Period.ROLLING, date(2028, 2, 29), date(2027, 3, 1), date(2029, 2, 27)),
        (Period.CALENDAR, date(2026, 11, 28), date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_twelve_months_and_calendar_years(
    period: Period, day: date, counts_from: date, cycle_end: date
) -> None:
    """semantics 30"""
    scheme = Scheme(period=period)

    assert (scheme.counts_from(day), scheme.cycle_end(day)) == (counts_from, cycle_end)


@given(day=DAYS)
def test_cycles_follow_each_other_for_about_a_year(day: date) -> None:
    for period in Period:
        scheme = Scheme(period=period)
        end = scheme.cycle_end(day)
        after = scheme.cycle_end(end + timedelta(days=1))

        assert day <= end
        assert timedelta(days=364) <= after - end <= timedelta(days=366)
        assert scheme.counts_from(day) <= day


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("thresholds begin at 0", {"tiers": (SILVER,)}),
        ("thresholds begin at 0", {"tiers": (BASIC, GOLD, SILVER)}),
        ("stands twice", {"tiers": (BASIC, SILVER, Tier(code="silver", threshold=9_000,
                                                        name_zh="银", name_en="S"))}),
        ("from 0 to 366", {"grace_days": -1}),
        ("a fraction from 0 on", {"growth_per_yuan": Fraction(-1)}),
    ],
)  # fmt: skip
def test_a_scheme_without_sense_is_refused(said: str, fields: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=said):
        Scheme(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("not a tier's code", {"code": "Gold"}),
        ("from 0 to", {"threshold": -1}),
        ("a Chinese and an English name", {"name_zh": " "}),
    ],
)
def test_a_tier_without_sense_is_refused(said: str, fields: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=said):
        Tier(**{**vars(GOLD), **fields})


def test_two_people_agree_on_a_scheme_and_no_tier_is_ever_taken_away(session: Session) -> None:
    """G1, semantics 60"""
    request = tiers.propose(session, THREE, begins=None, by="mei", reason="test")
    tiers.TIERS.approve(session, request.public_id, by="li")

    assert tiers.TIERS.at(session, now_of(session)) == THREE
    assert tiers.TIERS.at(session, now_of(session) - timedelta(days=1)) == Scheme()
    assert [scheme for scheme, _ in tiers.TIERS.history(session)] == [THREE]
    with pytest.raises(Invalid, match="silver cannot be taken away"):
        tiers.propose(session, Scheme(), begins=None, by="mei", reason="test")


def test_a_scheme_that_is_rejected_never_holds(session: Session) -> None:
    request = tiers.propose(session, THREE, begins=None, by="mei", reason="test")

    tiers.TIERS.reject(session, request.public_id, by="mei", reason="撤回")

    assert tiers.TIERS.at(session, now_of(session)) == Scheme()
