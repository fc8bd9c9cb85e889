"""The points policy as a value (B5; semantics 26 and 30)."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest

from app.errors import Invalid
from app.points.policy import BurnTerms, Programme

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def test_points_are_good_to_the_end_of_the_month_a_year_on() -> None:
    """semantics 30: whole months first, then the end of the month."""
    programme = Programme(effective_from=MARCH)

    assert programme.expires_on(date(2026, 1, 31)) == date(2027, 1, 31)
    assert programme.expires_on(date(2027, 2, 1)) == date(2028, 2, 29)


def test_points_may_never_expire() -> None:
    assert Programme(effective_from=MARCH, expiry_months=None).expires_on(date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"expiry_months": 0},
        {"point_value_fen": Fraction(0)},
        {"point_value_fen": Fraction(1, 2**54)},
        {"debt_floor_points": 1},
        {"courtesy_days": -1},
        {"hold_minutes": 0},
        {"quote_minutes": 10**6},
        {"coupons_at_most": 0},
        {"coupons_at_most": 31},
    ],
)
def test_a_programme_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=" / "):
        Programme(effective_from=MARCH, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"min_unit_points": 0},
        {"max_share": Fraction(3, 2)},
        {"max_share": Fraction(-1, 2)},
        {"daily_limit_points": -1},
    ],
)
def test_burn_terms_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=" / "):
        BurnTerms(effective_from=MARCH, **fields)
