"""What a rule says, as a value and as JSON (E1, E5, E10)."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.points.definitions import Birthday, Conditions, Definition, Hours, Kind, Rounding, Scope

CODES = st.frozensets(st.text("abcdef中文-_.1", min_size=1, max_size=8), max_size=3)
WINDOWS = st.builds(Hours, start=st.integers(0, 719), end=st.integers(720, 1440))
DEFINITIONS = st.builds(
    Definition,
    kind=st.sampled_from(Kind),
    rate=st.fractions(min_value=Fraction(1, 10**6), max_value=1000, max_denominator=10**9),
    rounding=st.sampled_from(Rounding),
    scope=st.sampled_from(Scope),
    conditions=st.builds(
        Conditions,
        merchants=CODES,
        trades=CODES,
        categories=CODES,
        tenders=CODES,
        weekdays=st.frozensets(st.integers(1, 7)),
        hours=st.lists(WINDOWS, max_size=2).map(lambda x: tuple(sorted(x))),
        tiers=CODES,
        birthday=st.none() | st.sampled_from(Birthday),
    ),
    excluded_categories=CODES,
    counted_tenders=st.none() | CODES,
)


@given(definition=DEFINITIONS)
def test_what_is_stored_is_read_back_exactly_with_its_hash(definition: Definition) -> None:
    again = Definition.from_json(json.loads(json.dumps(definition.to_json())))

    assert again == definition
    assert again.digest() == definition.digest()


def test_the_hash_is_of_what_the_rule_says() -> None:
    plain = Definition(kind=Kind.BASE, rate=Fraction(1, 100))

    assert plain.digest() == Definition.from_json({"rate": "2/200"}).digest()
    assert plain.digest() != Definition.from_json({"rate": "1/99"}).digest()
    assert plain.to_json() == {
        "kind": "base",
        "rate": "1/100",
        "rounding": "floor",
        "scope": "order",
        "conditions": {},
        "excluded_categories": ["delivery", "gift-card", "stored-value"],
        "counted_tenders": None,
    }


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [
        ("18:00-21:00", ["18:00", "20:59"], ["17:59", "21:00"]),
        ("22:00-02:00", ["22:00", "00:00", "01:59"], ["02:00", "21:59"]),
        ("00:00-24:00", ["00:00", "23:59"], []),
        ("20:00-00:00", ["20:00", "23:59"], ["00:00", "19:59"]),
    ],
)
def test_hours_are_half_open_and_may_pass_midnight(
    written: str, inside: list[str], outside: list[str]
) -> None:
    window = Hours.parse(written)

    assert all(window.hold(_minute(time)) for time in inside)
    assert not any(window.hold(_minute(time)) for time in outside)


def _minute(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rate": "0"},
        {"rate": "-1/2"},
        {"rate": "one"},
        {"rate": "1/0"},
        {"rate": f"1/{2**54}"},
        {"rate": "1", "kind": "bonus"},
        {"rate": "1", "rounding": "up"},
        {"rate": "1", "scope": "shop"},
        {"rate": "1", "colour": "red"},
        {"rate": "1", "excluded_categories": ["a b"]},
        {"rate": "1", "counted_tenders": [""]},
        {"rate": "1", "conditions": {"weekdays": [0]}},
        {"rate": "1", "conditions": {"moon": "full"}},
        {"rate": "1", "conditions": {"birthday": "year"}},
        {"rate": "1", "conditions": {"hours": ["7-9"]}},
        {"rate": "1", "conditions": {"hours": ["25:00-26:00"]}},
        {"rate": "1", "conditions": {"hours": ["10:60-11:00"]}},
        {"rate": "1", "conditions": {"hours": ["10:00-10:00"]}},
        {"rate": "1", "conditions": {"trades": ["a,b"]}},
    ],
)
def test_what_makes_no_sense_is_refused_in_both_languages(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=" / "):
        Definition.from_json(fields)
