"""What counts of points say of their lives: a life table by hand, and its laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.points.survival import GROUPS, Count, Curve, History

SHARES = st.floats(min_value=0, max_value=1)
CURVES = st.builds(
    lambda shares, first, fall: Curve(shares=shares, first=first, fall=fall),
    st.lists(SHARES, max_size=14),
    SHARES,
    st.floats(min_value=0, max_value=2),
)
DAYS = st.integers(0, 500)


def counts(used: list[int], *, came: int = 100, groups: int = GROUPS) -> list[Count]:
    """Lots of `came` points in each group, of which so many are used in each step."""
    return [
        Count(group=group, seen=len(used), step=step, came=0 if step else came, used=part)
        for group in range(groups)
        for step, part in enumerate(used)
    ]


def learnt(all_counts: list[Count]) -> History:
    found = History.of(all_counts)
    assert found is not None
    return found


def test_a_share_is_what_is_used_of_what_was_still_there() -> None:
    history = learnt(counts([20, 0, 40, 10, 0, 0]))

    assert history.curve.shares == pytest.approx([0.2, 0, 0.5, 0.25, 0, 0])
    assert history.seen_days == 180
    assert [each.shares for each in history.without] == [history.curve.shares] * GROUPS


def test_what_is_still_out_counts_for_the_steps_in_which_it_was_seen() -> None:
    """Censored lots: 100 points seen for two steps beside 100 that were seen for six."""
    young = [Count(group=group, seen=2, step=0, came=100, used=60) for group in range(GROUPS)]
    beyond = [Count(group=group, seen=2, step=2, came=0, used=40) for group in range(GROUPS)]

    history = learnt([*counts([0, 50, 0, 0, 0, 25]), *young, *beyond])

    assert history.curve.shares == pytest.approx([60 / 200, 50 / 140, 0, 0, 0, 25 / 50])


def test_a_group_that_does_otherwise_shows_when_it_is_left_out() -> None:
    others = [each for each in counts([10, 0, 0, 0, 0, 0]) if each.group]
    first = [each for each in counts([90, 0, 0, 0, 0, 0]) if not each.group]

    history = learnt([*others, *first])

    assert history.without[0].shares[0] == pytest.approx(0.1)
    assert history.without[1].shares[0] == pytest.approx((18 * 10 + 90) / 1_900)


@pytest.mark.parametrize(
    "too_little",
    [
        [],
        counts([20, 0, 0, 0, 0]),
        counts([20, 0, 0, 0, 0, 0], groups=GROUPS - 1),
        counts([100, 0, 0, 0, 0, 0]),
        counts([0, 0, 0, 0, 0, 0]),
    ],
    ids=["nothing", "five steps", "a group without points", "nothing left to watch", "no use"],
)
def test_too_little_history_says_nothing(too_little: list[Count]) -> None:
    assert History.of(too_little) is None


def test_returns_of_what_was_used_never_make_a_share_negative() -> None:
    assert learnt(counts([50, -20, 0, 0, 0, 0])).curve.shares[1] == 0


def test_parts_of_a_step_keep_their_power_and_later_steps_use_ever_less() -> None:
    curve = Curve(shares=[0.19, 0.5], first=1.5, fall=0.5)

    assert curve.kept(age_days=0, days=30) == pytest.approx(0.81)
    assert curve.kept(age_days=15, days=15) == pytest.approx(0.9)
    assert curve.kept(age_days=15, days=45) == pytest.approx(0.9 * 0.5)
    assert curve.kept(age_days=60, days=15) == pytest.approx(0.25**0.5)
    assert curve.kept(age_days=60, days=60) == pytest.approx(0.25 * 0.4)
    assert curve.kept(age_days=7, days=0) == 1


def test_the_fall_of_the_share_is_found_again_and_goes_on() -> None:
    """Steps one to seven lose 0.4 / (1 + step / 2); the first, in which lots fill, does not fit."""
    left, used = 10**6, [123_456]
    for step in range(1, 8):
        left -= used[-1]
        used.append(round(left * 0.4 / (1 + step / 2)))

    curve = learnt(counts(used, came=10**6)).curve

    assert curve.fall == 0.5
    assert curve.first == pytest.approx(0.4, abs=1e-4)
    assert curve.share(8) == pytest.approx(0.4 / 5, abs=1e-4)


def test_a_share_that_does_not_fall_stays() -> None:
    curve = learnt(counts([0, 64, 0, 0, 0, 36], came=1_000)).curve

    rising = learnt(counts([0, 10, 20, 30, 40, 50], came=1_000)).curve

    assert curve.fall > 0
    assert rising.fall == 0
    assert rising.share(20) == pytest.approx(150 / (1_000 + 990 + 970 + 940 + 900))


@given(curve=CURVES, age=DAYS, first=DAYS, second=DAYS)
def test_what_is_kept_is_a_share_and_days_in_a_row_multiply(
    curve: Curve, age: int, first: int, second: int
) -> None:
    whole = curve.kept(age_days=age, days=first + second)
    parts = curve.kept(age_days=age, days=first), curve.kept(age_days=age + first, days=second)

    assert 0 <= whole <= min(parts) + 1e-9 <= 1 + 1e-9
    assert whole == pytest.approx(parts[0] * parts[1], abs=1e-9)
