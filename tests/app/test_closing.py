"""Days close at 06:00 and months are marked, however late or often the clock looks (1, 9, 59)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

import ledger
from app import closing
from config.database import Database, new_id
from config.embedded import wait_until
from ledger import Journal, statements, upkeep
from migrations.run import create_district, drop_district
from tests.ledger.conftest import Books, move, open_books

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2027, month, day, hour, minute, tzinfo=SHANGHAI)


@dataclass(frozen=True, kw_only=True)
class District:
    """A district whose clock stands wherever a test wants it."""

    database: Database
    id: str
    books: Books

    def earn(self, points: int, *, when: datetime) -> date:
        """Earn so many points and return the day on which they were booked."""
        journal = Journal(key=new_id("e"), kind="earn", occurred_at=when,
                          postings=[move(self.books.shop, self.books.lot, points)])  # fmt: skip
        with self.database.transaction(self.id, at=when) as session:
            return ledger.post(session, [journal])[0].booked_on

    def close(self, now: datetime) -> bool:
        return self.database.run(self.id, closing.close_days, at=now)

    def mark(self, now: datetime) -> bool:
        return self.database.run(self.id, closing.mark_month, at=now)

    def mark_soon(self, now: datetime) -> bool:
        """Look until the mark is written: another test's transaction may hold it back a while."""
        return wait_until(lambda: self.mark(now), seconds=30)

    def marks(self) -> list[date]:
        with self.database.transaction(self.id) as session:
            days = session.scalars(text("SELECT DISTINCT through FROM balance_mark ORDER BY 1"))
            return list(days)

    def first_open_day(self) -> date:
        with self.database.transaction(self.id) as session:
            day: date = session.execute(text("SELECT first_open_day FROM book")).scalar_one()
        return day

    def balance(self, through: date) -> int:
        with self.database.transaction(self.id) as session:
            return statements.balance_through(session, self.books.lot, through=through)


@pytest.fixture
def district_in_2027(database: Database, owner_url: str) -> Iterator[District]:
    create_district(owner_url, "closing", name="日结", sandbox=True)
    with database.transaction("closing") as session:
        upkeep.make_partitions(session, start=date(2027, 1, 1), through=date(2027, 6, 30))
        books = open_books(session)
    yield District(database=database, id="closing", books=books)
    drop_district(owner_url, "closing")


def test_a_day_closes_at_six_of_the_next(district_in_2027: District) -> None:
    """semantics 59"""
    district = district_in_2027
    district.close(at(3, 10))

    assert not district.close(at(3, 11, 5, 59))
    assert district.earn(5, when=at(3, 10, 23, 59)) == date(2027, 3, 10)
    assert district.close(at(3, 11, 6))
    assert district.first_open_day() == date(2027, 3, 11)
    assert district.earn(5, when=at(3, 10, 23, 59)) == date(2027, 3, 11)


def test_closing_again_or_after_a_month_of_silence_ends_the_same(
    district_in_2027: District,
) -> None:
    district = district_in_2027

    closed = [district.close(now) for now in (at(3, 11, 6), at(3, 11, 7), at(4, 20, 15))]

    assert closed == [True, False, True]
    assert district.first_open_day() == date(2027, 4, 20)


def test_a_day_that_was_closed_by_hand_is_left_closed(district_in_2027: District) -> None:
    district = district_in_2027
    with district.database.transaction(district.id) as session:
        session.info["now"] = at(3, 12, 1)
        upkeep.close_days(session, through=date(2027, 3, 11))

    assert not district.close(at(3, 11, 6))
    assert district.first_open_day() == date(2027, 3, 12)


def test_a_month_is_marked_once_when_its_last_day_has_closed(district_in_2027: District) -> None:
    district = district_in_2027
    district.earn(10, when=at(1, 31, 23))
    district.earn(3, when=at(2, 1, 8))
    district.close(at(1, 31, 6))

    assert not district.mark(at(1, 31, 7))
    assert district.marks() == []
    district.close(at(2, 1, 6))
    assert district.mark_soon(at(2, 1, 7))
    assert not district.mark(at(2, 1, 8))
    assert not district.mark(at(2, 9, 8))

    assert district.marks() == [date(2027, 1, 31)]
    assert (district.balance(date(2027, 1, 31)), district.balance(date(2027, 2, 1))) == (10, 13)


def test_after_months_of_silence_the_newest_month_end_is_marked(
    district_in_2027: District,
) -> None:
    district = district_in_2027
    for month in (1, 2, 3):
        district.earn(10, when=at(month, 15))
    district.close(at(4, 20, 6))

    assert district.mark_soon(at(4, 20, 7))

    assert district.marks() == [date(2027, 3, 31)]
    ends = [date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30)]
    assert [district.balance(end) for end in ends] == [10, 20, 30, 30]
