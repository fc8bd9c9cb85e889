"""L5: months, half months or weeks; whatever is agreed and whenever, they tile the time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import Invalid
from app.settlement import periods
from app.settlement.errors import PeriodOutOfOrder, PeriodRunning
from app.settlement.models import Period
from app.settlement.periods import next_period
from app.settlement.spans import RHYTHM, Every, Rhythm, Span
from config.database import now_of
from tests.app.checkout.shops import open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines
from tests.factories import make_member

DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))


def agree(session: Session, every: Every, *, begins: datetime | None = None) -> None:
    request = RHYTHM.propose(session, Rhythm(every=every), begins=begins, by="mei", reason="账期")
    with pytest.raises(SamePerson):
        RHYTHM.approve(session, request.public_id, by="mei")
    RHYTHM.approve(session, request.public_id, by="li")


@pytest.mark.parametrize(
    ("code", "starts_on", "ends_on"),
    [
        ("2017-03", date(2017, 3, 1), date(2017, 3, 31)),
        ("2016-02", date(2016, 2, 1), date(2016, 2, 29)),
        ("2017-03-H1", date(2017, 3, 1), date(2017, 3, 15)),
        ("2017-02-H2", date(2017, 2, 16), date(2017, 2, 28)),
        ("2017-W09", date(2017, 2, 27), date(2017, 3, 5)),
        ("2020-W53", date(2020, 12, 28), date(2021, 1, 3)),
        ("2016-W01", date(2016, 1, 4), date(2016, 1, 10)),
    ],
)
def test_a_code_names_its_days(code: str, starts_on: date, ends_on: date) -> None:
    span = Span.parse(code)

    assert (span.code, span.starts_on, span.ends_on) == (code, starts_on, ends_on)
    after = ends_on + timedelta(days=1)
    assert span.closable_at == datetime(after.year, after.month, after.day, tzinfo=UTC) - (
        timedelta(hours=2)
    )


@pytest.mark.parametrize(
    "code", ["", "spring", "2017", "2017-13", "2017-00", "2017-W54", "2017-W00", "2017-03-H3",
             "2017-03-31", "2017-W09-1", "2017-03 "]
)  # fmt: skip
def test_what_is_no_period_is_refused(code: str) -> None:
    with pytest.raises(Invalid, match="2017-W09"):
        Span.parse(code)


@given(every=st.sampled_from(Every), day=DAYS)
def test_each_day_lies_in_one_period_of_each_kind_which_its_code_names(
    every: Every, day: date
) -> None:
    span = Span.of(every, day)

    assert span.starts_on <= day <= span.ends_on
    assert Span.of(every, span.starts_on) == Span.of(every, span.ends_on) == span
    assert Span.of(every, span.ends_on + timedelta(days=1)).starts_on > span.ends_on
    assert Span.parse(span.code) == span


@given(
    first=DAYS,
    begun=st.sampled_from(Every),
    changes=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(Every)), max_size=8),
)
def test_periods_tile_the_time_whatever_is_agreed_and_whenever(
    first: date, begun: Every, changes: Sequence[tuple[int, Every]]
) -> None:
    """No gap, no overlap, no code twice; and none crosses a boundary of its own kind."""
    agreed = sorted([(first + timedelta(days=after), every) for after, every in changes])
    spans: list[Span] = []
    starts_on = first

    while starts_on <= first + timedelta(days=500):
        every = [begun, *[each for day, each in agreed if day <= starts_on]][-1]
        spans.append(Span.beginning(every, starts_on))
        whole = Span.of(every, starts_on)
        assert (spans[-1].code, spans[-1].ends_on) == (whole.code, whole.ends_on)
        starts_on = spans[-1].ends_on + timedelta(days=1)

    days = [
        each.starts_on + timedelta(days=after)
        for each in spans
        for after in range((each.ends_on - each.starts_on).days + 1)
    ]
    assert days == [first + timedelta(days=after) for after in range(len(days))]
    assert len({each.code for each in spans}) == len(spans)
    assert len({each.closable_at for each in spans}) == len(spans)


def test_a_change_waits_for_the_end_of_the_period_that_runs_and_may_leave_a_short_one(
    books: Session,
) -> None:
    """Agreed on 20 January: January stays whole, then weeks, from a Wednesday on."""
    at(books, 1, 10)
    shop, member = open_shop(books), make_member(books)
    shop.sell(books, member, 10_00)
    at(books, 1, 20)
    agree(books, Every.WEEK)
    for day in (1, 5, 6, 13):
        shop.sell(books, member, day * 100, at=at(books, 2, day, 4))
    at(books, 2, 14)
    agree(books, Every.MONTH)
    shop.sell(books, member, 50_00, at=at(books, 2, 20, 4))
    at(books, 3, 3)

    closed = [close(books, JANUARY)]
    with pytest.raises(PeriodOutOfOrder, match="2017-W05"):
        close(books, FEBRUARY)
    closed += [close(books, next_period(books)) for _ in range(4)]

    assert [(each.code, str(each.starts_on), str(each.ends_on)) for each in closed] == [
        ("2017-01", "2017-01-01", "2017-01-31"),
        ("2017-W05", "2017-02-01", "2017-02-05"),
        ("2017-W06", "2017-02-06", "2017-02-12"),
        ("2017-W07", "2017-02-13", "2017-02-19"),
        ("2017-02", "2017-02-20", "2017-02-28"),
    ]
    code = shop.merchant.code
    assert [lines(books, each).get((code, "issued"), (0, 0))[0] for each in closed] == [
        -10, -6, -6, -13, -50,
    ]  # fmt: skip
    with pytest.raises(PeriodRunning):
        close(books, Span.parse("2017-03"))


def test_halves_of_a_month_come_to_what_the_month_does(books: Session) -> None:
    at(books, 1, 1, 4)
    agree(books, Every.HALF_MONTH, begins=datetime(2016, 12, 1, tzinfo=UTC))
    shop, member = open_shop(books), make_member(books)
    for day in (1, 15, 16, 31):
        shop.sell(books, member, day * 100, at=at(books, 1, day, 4))
    at(books, 2, 3)

    halves = [close(books, Span.parse(f"2017-01-H{half}")) for half in (1, 2)]

    code = shop.merchant.code
    assert [lines(books, each)[code, "issued"] for each in halves] == [(-16, -16), (-47, -47)]
    assert [(each.sum_points, each.sum_fen) for each in halves] == [(0, 0), (0, 0)]


def test_a_half_can_be_closed_from_six_in_the_morning(books: Session) -> None:
    at(books, 1, 10)
    agree(books, Every.HALF_MONTH, begins=datetime(2016, 12, 1, tzinfo=UTC))
    open_shop(books).sell(books, make_member(books), 10_00)
    half = Span.parse("2017-01-H1")
    at(books, 1, 15, 21)
    with pytest.raises(PeriodRunning):
        periods.check_closable(books, half)

    at(books, 1, 15, 22)

    assert isinstance(close(books, half), Period)


def test_only_what_is_known_can_be_agreed(books: Session) -> None:
    with pytest.raises(Invalid, match="half-month"):
        Rhythm.from_json({"every": "day"})
    assert RHYTHM.at(books, now_of(books)) == Rhythm(every=Every.MONTH)
