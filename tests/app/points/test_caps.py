"""E4, semantics 54: what a cap leaves of the points of rules, and on which days it counts. Pure."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.points.caps import Room, Used, rooms, why, within
from app.points.definitions import Cap, CapMode, CapPeriod, Definition, Kind
from app.points.earning import Earned, earn
from app.points.policy import Combine
from app.points.rulebook import EarnRule
from tests.app.points.rules import line, order, rule

DAY = date(2026, 11, 28)  # A Saturday.


def capped(*caps: str, code: str = "base", campaign: str | None = None) -> EarnRule:
    return rule(code=code, caps=tuple([Cap.parse(cap) for cap in caps]), campaign=campaign)


def earned(*rules: EarnRule, fen: tuple[int, ...] = (10_000, 5_000)) -> Earned:
    return earn(rules, order(*[line(each) for each in fen]), combine=Combine.MAX)


def test_a_cap_cuts_to_what_is_left_and_says_so() -> None:
    used: Used = {}

    first = within(earned(capped("day:200")), used, member_id=1, day=DAY)
    second = within(earned(capped("day:200")), used, member_id=1, day=DAY)
    third = within(earned(capped("day:200")), used, member_id=1, day=DAY)

    assert [each.total_points for each in (first, second, third)] == [150, 50, 0]
    assert second.line_points == (33, 17)
    (cut,) = second.cuts
    assert (cut.desired, cut.given) == (150, 50)
    assert why(cut) == (
        "应得 150 积分，每日上限 200，实得 50", "50 of 150 points: at most 200 a day"
    )  # fmt: skip
    assert first.cuts == ()


def test_a_cap_that_rejects_gives_nothing_and_uses_nothing() -> None:
    used: Used = {}

    first = within(earned(capped("day:100:reject")), used, member_id=1, day=DAY)
    smaller = within(earned(capped("day:100:reject"), fen=(9_000,)), used, member_id=1, day=DAY)

    assert (first.total_points, smaller.total_points) == (0, 90)
    assert (first.cuts[0].desired, first.cuts[0].given) == (150, 0)


def test_the_tightest_of_several_caps_decides() -> None:
    found = within(earned(capped("day:100", "week:40", "month:500")), {}, member_id=1, day=DAY)

    assert found.total_points == 40
    assert found.cuts[0].cap == Cap(period=CapPeriod.WEEK, points=40)


def test_rules_of_a_campaign_share_its_cap() -> None:
    one = capped("campaign:200", code="one", campaign="spring")
    two = capped("campaign:200", code="two", campaign="spring")

    found = within(earned(one, two), {}, member_id=1, day=DAY)

    assert [each.points for each in found.rules] == [150, 50]


def test_days_weeks_and_months_are_those_of_the_business_day() -> None:
    found = rooms(capped("day:1", "week:2", "month:3"), member_id=7, day=DAY)

    assert [room for _, room in found] == [
        Room(member_id=7, rule="base", start=DAY, end=DAY),
        Room(member_id=7, rule="base", start=date(2026, 11, 1), end=date(2026, 11, 30)),
        Room(member_id=7, rule="base", start=date(2026, 11, 23), end=date(2026, 11, 29)),
    ]


@given(
    caps=st.dictionaries(
        st.sampled_from([CapPeriod.DAY, CapPeriod.WEEK, CapPeriod.MONTH]),
        st.tuples(st.integers(1, 300), st.sampled_from(CapMode)),
    ),
    fens=st.lists(st.integers(0, 9_000), min_size=1, max_size=6),
)
def test_no_cap_is_ever_gone_above(
    caps: dict[CapPeriod, tuple[int, CapMode]], fens: list[int]
) -> None:
    wanted = tuple(
        [Cap(period=period, points=points, mode=mode) for period, (points, mode) in caps.items()]
    )
    used: Used = {}
    given_points = 0

    for fen in fens:
        found = within(earned(rule(caps=wanted), fen=(fen, fen)), used, member_id=1, day=DAY)
        assert found.total_points == sum(found.line_points)
        given_points += found.total_points

    assert all(given_points <= cap.points for cap in wanted)


@pytest.mark.parametrize("written", ["day", "day:x", "day:0", "year:5", "day:5:half", "day:²"])
def test_what_is_no_cap_is_refused(written: str) -> None:
    with pytest.raises(Invalid):
        Cap.parse(written)


def test_a_definition_keeps_its_caps_and_an_older_one_its_hash() -> None:
    """G1: what was approved without caps says the same as before."""
    definition = capped("campaign:9", "day:5:reject", campaign="spring").definition

    assert Definition.from_json(definition.to_json()) == definition
    assert not {"caps", "campaign"} & rule().definition.to_json().keys()


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("one cap a period", {"caps": ["day:1", "day:2"]}),
        ("goes with its code", {"caps": ["campaign:1"]}),
        ("goes with its code", {"campaign": "spring"}),
        ("cap base rules", {"caps": ["day:1"], "kind": Kind.MULTIPLIER}),
    ],
)
def test_caps_without_sense_are_refused(said: str, fields: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=said):
        Definition.from_json({"rate": "1/100", **fields})
