"""C3, C4, C15, C16, C19: what the terms of a template say, and until when a coupon is good."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupons import terms
from coupons.errors import BadTemplate
from coupons.presets import DISTRICT_PAYS
from coupons.terms import (
    Budget,
    Ceiling,
    CodeLength,
    Limits,
    Return,
    Returns,
    Terms,
    Validity,
)

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)  # noon in Shanghai
FUNDED = {"parts": [{"funder": "district", "share_bps": 10_000}]}
AMOUNTS = st.none() | st.integers(1, 10**9)
CEILINGS = st.builds(Ceiling, all=AMOUNTS, day=AMOUNTS, store=AMOUNTS)


@given(
    said=st.builds(
        Terms,
        validity=st.builds(
            Validity,
            first=st.none() | st.just(date(2026, 12, 1)),
            through=st.none() | st.just(date(2027, 1, 31)),
            days=st.integers(5, 90),
            begins_after_days=st.integers(0, 5),
        ),
        funding=st.just(DISTRICT_PAYS),
        limits=st.builds(
            Limits, total=AMOUNTS, per_member=st.integers(1, 9), per_day=AMOUNTS, per_store=AMOUNTS
        ),
        budget=st.builds(Budget, fen=CEILINGS, count=CEILINGS, order_fen=CEILINGS),
        uses=st.integers(1, 10),
        returns=st.builds(
            Returns,
            policy=st.sampled_from(Return),
            courtesy_days=st.integers(0, 30),
            claw_back=st.booleans(),
        ),
        personal=st.just(value=False),
        claim=st.booleans(),
        transfer=st.integers(0, 3),
        offline_ok=st.booleans(),
        rush=st.booleans(),
        code=st.sampled_from(CodeLength),
    )
)
def test_what_is_dumped_is_read_back_the_same(said: Terms) -> None:
    assert terms.load(terms.dump(said)) == said


def test_what_is_left_out_has_the_default_of_the_rules() -> None:
    """semantics 5, 6: a whole order gives the coupon back; nothing is clawed back."""
    said = terms.load({"validity": {"days": 7}, "funding": FUNDED})

    assert (said.uses, said.transfer, said.personal, said.offline_ok) == (1, 0, False, False)
    assert not said.claim
    assert not said.rush
    assert said.returns == Returns(policy=Return.WHOLE, courtesy_days=0, claw_back=False)
    assert said.limits == Limits(per_member=1)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"validity": {}}, "terms.validity"),
        ({"validity": {"first": "2026-12-02", "through": "2026-12-01"}}, "terms.validity.through"),
        ({"validity": {"days": 1, "begins_after_days": 2}}, "terms.validity.days"),
        ({"validity": {"through": "2026-02-30"}}, "terms.validity.through"),
        ({"validity": {"through": 20261231}}, "terms.validity.through"),
        ({"limits": {"total": 0}}, "terms.limits.total"),
        ({"limits": {"per_hour": 5}}, "terms.limits.per_hour"),
        ({"budget": {"fen": {"week": 5}}}, "terms.budget.fen.week"),
        ({"budget": {"fen": {"all": 1.5}}}, "terms.budget.fen.all"),
        ({"uses": 0}, "terms.uses"),
        ({"returns": {"policy": "sometimes"}}, "terms.returns.policy"),
        ({"personal": True, "transfer": 1}, "terms.transfer"),
        ({"colour": "red"}, "terms.colour"),
        ({"funding": None}, "terms.funding"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(changed: dict[str, Any], path: str) -> None:
    document = {"validity": {"days": 7}, "funding": FUNDED} | changed

    with pytest.raises(BadTemplate) as refused:
        terms.load(document)

    assert refused.value.path == path
    assert " / " in str(refused.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(BadTemplate, match=r"terms\.funding"):
        terms.load({"validity": {"days": 7}})


def test_the_last_day_is_usable_to_its_end_in_shanghai() -> None:
    """C3: expires on D means usable through D 23:59:59.999"""
    said = Validity(through=date(2026, 12, 31))

    assert said.window(NOON) == (NOON, datetime(2026, 12, 31, 16, tzinfo=UTC))


def test_days_count_from_the_day_of_the_claim() -> None:
    assert Validity(days=0).window(NOON) == (NOON, datetime(2026, 12, 1, 16, tzinfo=UTC))
    assert Validity(days=7).window(NOON) == (NOON, datetime(2026, 12, 8, 16, tzinfo=UTC))


def test_with_both_the_earlier_end_wins() -> None:
    """C3"""
    ends = datetime(2026, 12, 3, 16, tzinfo=UTC)

    assert Validity(through=date(2026, 12, 3), days=30).window(NOON) == (NOON, ends)
    assert Validity(through=date(2027, 12, 3), days=2).window(NOON) == (NOON, ends)


def test_a_coupon_may_begin_later_than_its_claim() -> None:
    begins = datetime(2026, 12, 1, 16, tzinfo=UTC)
    ends = datetime(2026, 12, 31, 16, tzinfo=UTC)

    assert Validity(days=30, begins_after_days=1).window(NOON) == (begins, ends)
    fixed = Validity(first=date(2026, 12, 2), through=date(2026, 12, 31))
    assert fixed.window(NOON) == (begins, ends)


def test_what_is_over_has_no_window() -> None:
    assert Validity(through=date(2026, 11, 30)).window(NOON) is None


def test_courtesy_lasts_to_the_end_of_its_last_day() -> None:
    """semantics 6"""
    assert Returns().courtesy(NOON) is None
    assert Returns(courtesy_days=3).courtesy(NOON) == datetime(2026, 12, 4, 16, tzinfo=UTC)
