"""Seals of days and what is proven by them (L11, decisions 1): real books, real verifier."""

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from app import sealing
from config.database import Database, new_id, schema_of
from config.embedded import wait_until
from ledger import Journal, proofs, upkeep, verifying
from ledger.proofs import NothingSealed, NotSealedYet, SealBroken
from migrations.run import create_district, drop_district
from tests.ledger.conftest import Books, move, open_books

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = date(2027, 3, 5)
KEYS = sealing.keys_from(bytes(range(32)))


@dataclass(frozen=True, kw_only=True)
class District:
    """A district whose clock stands wherever a test wants it."""

    database: Database
    id: str
    owner_url: str
    books: Books

    def earn(
        self, *points: int, day: date = FIRST, key: str = "", details: dict[str, str] | None = None
    ) -> str:
        """Earn in one journal, a line each; return its key."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI)
        journal = Journal(
            key=key or new_id("ord") + ":earn",
            kind="earn",
            occurred_at=noon,
            postings=[move(self.books.shop, self.books.lot, each) for each in points],
            details=details,
        )
        with self.database.transaction(self.id, at=noon) as session:
            ledger.post(session, [journal])
        return journal.key

    def earn_many(self, count: int, *, day: date = FIRST) -> None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI)
        journals = [
            Journal(
                key=new_id("ord") + ":earn",
                kind="earn",
                occurred_at=noon,
                postings=[move(self.books.shop, self.books.lot, n)],
            )
            for n in range(1, count + 1)
        ]
        with self.database.transaction(self.id, at=noon) as session:
            ledger.post_many(session, journals)

    def close(self, through: date) -> None:
        later = datetime(2028, 1, 1, tzinfo=SHANGHAI)
        with self.database.transaction(self.id, at=later) as session:
            upkeep.close_days(session, through=through)

    def try_to_seal(self, through: date, *, most: int = 400) -> list[date] | None:
        with self.database.transaction(self.id) as session:
            return proofs.seal_days(session, through=through, sign=KEYS.sign, most=most)

    def seal(self, through: date = FIRST) -> list[date]:
        """Close and seal; another test's transaction may hold it back a while."""
        self.close(through)
        return self.seal_closed(through)

    def seal_closed(self, through: date) -> list[date]:
        sealed: list[list[date]] = []

        def tried() -> bool:
            found = self.try_to_seal(through)
            if found is not None:
                sealed.append(found)
            return found is not None

        assert wait_until(tried, seconds=60)
        return sealed[0]

    def read(self) -> "Reading":
        return Reading(database=self.database, id=self.id)

    def audit(self) -> set[str]:
        with self.database.transaction(self.id, repeatable_read=True) as session:
            return {each.invariant for each in proofs.audit(session)}

    def damage(self, statement: str) -> None:
        """Do what only the owner of the tables can do, with the triggers off."""
        with psycopg.connect(self.owner_url) as owner:
            owner.execute(f"SET search_path = {schema_of(self.id)}, pg_temp".encode())
            for table in ("transfer", "journal", "account", "day_seal", "seal_block"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            owner.execute(statement.encode())


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the outside gets to see."""

    database: Database
    id: str

    def day(self, day: date = FIRST) -> bytes:
        with self.database.transaction(self.id, read_only=True) as session:
            return b"".join(proofs.export_day(session, day))

    def transfer(self, key: str, line: int = 1) -> bytes:
        with self.database.transaction(self.id, read_only=True) as session:
            return verifying.written(proofs.prove_transfer(session, key, line))

    def days(self, earlier: date, later: date) -> bytes:
        with self.database.transaction(self.id, read_only=True) as session:
            return verifying.written(proofs.prove_days(session, earlier=earlier, later=later))


@pytest.fixture
def books_of_2027(database: Database, owner_url: str) -> Iterator[District]:
    create_district(owner_url, "seals", name="封账", sandbox=True)
    with database.transaction("seals") as session:
        upkeep.open_books(session, start=date(2027, 3, 1), through=date(2027, 6, 30))
        books = open_books(session)
    yield District(database=database, id="seals", owner_url=owner_url, books=books)
    drop_district(owner_url, "seals")


def verified(data: bytes) -> verifying.Verdict:
    return verifying.verify(io.BytesIO(data), KEYS.trusted)


def test_a_closed_day_is_sealed_and_verifies(books_of_2027: District) -> None:
    books_of_2027.earn(5, 7)
    books_of_2027.earn(11, day=FIRST + timedelta(days=1))

    assert books_of_2027.seal() == [FIRST]

    verdict = verified(books_of_2027.read().day())
    assert (verdict.kind, verdict.entries) == ("day", 2)
    assert "2027-03-05" in verdict.says
    assert "12 points" in verdict.says


def test_the_bytes_of_an_entry_are_those_of_the_document(books_of_2027: District) -> None:
    """Control characters, quotes and Chinese in one key; details by their hash alone."""
    key = '龙井"\\\t\x1f\x7f/1'
    books_of_2027.earn(5, key=key, details={"order": "ord_1"})
    books_of_2027.seal()

    line = books_of_2027.read().day().splitlines()[1].decode()
    with books_of_2027.database.transaction("seals") as session:
        recorded = session.execute(text("SELECT recorded_at FROM journal")).scalar_one()
        names = {row.id: row.name for row in session.execute(text("SELECT id, name FROM account"))}
    shop, lot = names[books_of_2027.books.shop], names[books_of_2027.books.lot]

    written = f"{recorded:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".")
    # printf '{"order": "ord_1"}' | sha256sum
    details = "9f6536a68195e8ba40a694a51a138f55884d77a7993cc9cbf620e2016ff76fd7"
    assert line[67:] == (
        '{"key":"龙井\\"\\\\\\t\\u001f\x7f/1","line":1,"kind":"earn",'
        '"occurred_at":"2027-03-05T04:00:00",'
        f'"recorded_at":"{written}","booked_on":"2027-03-05",'
        f'"debit":"{shop}","credit":"{lot}","unit":"points","amount":5,"details":"{details}"}}'
    )
    assert verified(books_of_2027.read().transfer(key)).entries == 1


def test_a_day_without_transfers_is_sealed_too(books_of_2027: District) -> None:
    books_of_2027.earn(5)
    books_of_2027.earn(6, day=FIRST + timedelta(days=3))

    sealed = books_of_2027.seal(FIRST + timedelta(days=4))

    assert sealed == [FIRST + timedelta(days=n) for n in range(5)]
    assert verified(books_of_2027.read().day(FIRST + timedelta(days=1))).entries == 0


def test_nothing_is_sealed_before_anything_is_booked(books_of_2027: District) -> None:
    assert books_of_2027.seal() == []


def test_an_open_day_cannot_be_sealed(books_of_2027: District) -> None:
    """Decisions 1: closed first."""
    books_of_2027.earn(5)

    with pytest.raises(DBAPIError, match="still open"):
        books_of_2027.try_to_seal(FIRST)


def test_sealing_again_changes_nothing(books_of_2027: District) -> None:
    books_of_2027.earn(5)
    books_of_2027.seal()
    before = books_of_2027.read().day()

    again = books_of_2027.seal()

    assert again == []
    assert books_of_2027.read().day() == before


def test_a_sealing_that_was_killed_ends_the_same(books_of_2027: District) -> None:
    """Nothing is left of the first; keys, not clocks, make the record."""
    for n in range(3):
        books_of_2027.earn(n + 1, day=FIRST + timedelta(days=n))
    last = FIRST + timedelta(days=2)
    books_of_2027.close(last)

    def die(message: bytes) -> proofs.Signature:
        if b'"number":2' in message:
            raise KeyboardInterrupt
        return KEYS.sign(message)

    def try_until_it_dies() -> None:
        while True:
            with books_of_2027.database.transaction("seals") as session:
                proofs.seal_days(session, through=last, sign=die)

    with pytest.raises(KeyboardInterrupt):
        try_until_it_dies()
    with books_of_2027.database.transaction("seals") as session:
        assert proofs.last_sealed(session) is None
    assert books_of_2027.seal_closed(last)[-1] == last
    assert books_of_2027.audit() == set()


def test_so_many_days_at_a_time(books_of_2027: District) -> None:
    books_of_2027.earn(5)
    last = FIRST + timedelta(days=3)
    books_of_2027.close(last)

    found: list[int] = []
    while len(found) < 3:
        sealed = books_of_2027.try_to_seal(last, most=2)
        if sealed is not None:
            found.append(len(sealed))

    assert found == [2, 2, 0]


def test_what_may_still_book_on_the_day_is_waited_for(books_of_2027: District) -> None:
    """Decisions 1: a transaction that began before the closing books on the day it saw open."""
    noon = datetime(2027, 3, 5, 12, tzinfo=SHANGHAI)
    books_of_2027.earn(1)
    late = books_of_2027.books.earn("late:earn", 9)
    with books_of_2027.database.transaction("seals", at=noon) as session:
        ledger.post(session, [replace(late, occurred_at=noon)])
        books_of_2027.close(FIRST)
        assert books_of_2027.try_to_seal(FIRST) is None
    assert books_of_2027.seal_closed(FIRST) == [FIRST]

    assert verified(books_of_2027.read().day()).entries == 2


def test_a_thousand_transfers_and_some_are_proven_one_by_one(books_of_2027: District) -> None:
    """Blocks of 1,024: the first, the last, and both sides of the border; each at most 2 KB."""
    books_of_2027.earn_many(2_100)
    books_of_2027.seal()
    data = books_of_2027.read().day()

    assert verified(data).entries == 2_100
    lines = data.splitlines()[1:]
    keys = [line.split(b'"key":"')[1].split(b'"')[0].decode() for line in lines]
    for index in (0, 1, 1_023, 1_024, 2_047, 2_048, 2_099):
        proof = books_of_2027.read().transfer(keys[index])
        assert f'"entry":{index},' in proof.decode()
        assert verified(proof).kind == "transfer"
        assert len(proof) <= 2_048


def test_lines_of_one_journal_stand_in_two_blocks(books_of_2027: District) -> None:
    books_of_2027.earn_many(1_022)
    key = books_of_2027.earn(1, 2, 3, 4)
    books_of_2027.seal()

    entries = [books_of_2027.read().transfer(key, line).decode() for line in (1, 2, 3, 4)]

    assert [f'"entry":{n},' in each for n, each in zip(range(1_022, 1_026), entries, strict=True)] \
        == [True] * 4  # fmt: skip
    assert all(verified(each.encode()).entries == 1 for each in entries)


def test_a_later_day_stands_on_an_earlier_one(books_of_2027: District) -> None:
    for n in range(40):
        books_of_2027.earn(n + 1, day=FIRST + timedelta(days=n))
    last = FIRST + timedelta(days=39)
    books_of_2027.seal(last)

    for earlier, later in ((0, 1), (0, 39), (7, 8), (22, 39), (38, 39)):
        days = [FIRST + timedelta(days=n) for n in (earlier, later)]
        proof = books_of_2027.read().days(*days)
        assert verified(proof).entries == later - earlier
        assert len(proof) < 2_048
    with pytest.raises(ValueError, match="not before"):
        books_of_2027.read().days(last, last)


def test_what_is_not_sealed_is_not_proven(books_of_2027: District) -> None:
    key = books_of_2027.earn(5)
    read = books_of_2027.read()

    with pytest.raises(NotSealedYet, match="not sealed yet"):
        read.day()
    with pytest.raises(NotSealedYet):
        read.transfer(key)
    with pytest.raises(ledger.NoSuchJournal):
        read.transfer(key, 2)
    with pytest.raises(ledger.NoSuchJournal):
        read.transfer("nobody:earn")


def test_a_day_before_the_first_booking_is_never_sealed_and_says_so(
    books_of_2027: District,
) -> None:
    """Whether or not anything has been sealed so far."""
    books_of_2027.earn(5)
    before = FIRST - timedelta(days=1)

    for _ in range(2):
        with pytest.raises(NothingSealed, match=f"nothing was booked by {before}.*{FIRST}"):
            books_of_2027.read().day(before)
        books_of_2027.seal()


DAMAGES = [
    "UPDATE transfer SET amount = 6 WHERE amount = 5",
    "DELETE FROM transfer WHERE amount = 5",
    "INSERT INTO transfer SELECT journal_id, 9, booked_on, debit_id, credit_id, 1 FROM transfer "
    "WHERE amount = 5",
    "UPDATE transfer SET debit_id = credit_id, credit_id = debit_id WHERE amount = 5",
    "UPDATE transfer SET booked_on = booked_on + 1 WHERE amount = 5",
    "UPDATE journal SET key = key || 'x'",
    "UPDATE journal SET occurred_at = occurred_at + interval '1 s'",
    'UPDATE journal SET details = \'{"order": "ord_2"}\'',
    "UPDATE account SET name = name || 'x'",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_auditor_finds_whatever_was_changed_on_a_sealed_day(
    books_of_2027: District, damage: str
) -> None:
    """L11, L1"""
    key = books_of_2027.earn(5, 7, details={"order": "ord_1"})
    books_of_2027.seal(FIRST + timedelta(days=1))
    assert books_of_2027.audit() == set()

    books_of_2027.damage(damage)

    assert "a sealed day is as it was sealed" in books_of_2027.audit()
    with pytest.raises(SealBroken):
        books_of_2027.read().day()
    with pytest.raises((SealBroken, ledger.NoSuchJournal)):
        books_of_2027.read().transfer(key)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE day_seal SET record = replace(record, '\"points\":5', '\"points\":6')",
        "UPDATE day_seal SET hash = sha256('x') WHERE number = 0",
        "DELETE FROM seal_block; DELETE FROM day_seal WHERE number = 0",
        "UPDATE day_seal SET day = day + 10 WHERE number = 2",
        "UPDATE seal_block SET points = points + 1",
        "UPDATE seal_block SET root = sha256('x')",
    ],
)
def test_the_auditor_finds_whatever_was_changed_of_the_seals(
    books_of_2027: District, damage: str
) -> None:
    books_of_2027.earn(5)
    books_of_2027.seal(FIRST + timedelta(days=2))

    books_of_2027.damage(damage)

    assert books_of_2027.audit() != set()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE day_seal SET record = ''",
        "DELETE FROM seal_block",
        "TRUNCATE day_seal CASCADE",
        "INSERT INTO day_seal (day, number, record, hash, key_id, signature) "
        "VALUES ('2027-03-05', 0, '', sha256(''), '', '')",
        "UPDATE audit_seal SET record = ''",
    ],
)
def test_seals_are_written_once_and_by_their_function(session: Session, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused, session.begin_nested():
        session.execute(text(statement))

    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


def test_a_name_of_an_account_is_for_good(books_of_2027: District) -> None:
    with psycopg.connect(books_of_2027.owner_url) as owner:
        owner.execute("SET search_path = d_seals")
        with pytest.raises(psycopg.Error, match="insert-only"):
            owner.execute("UPDATE account SET name = name || 'x'")


def test_two_that_seal_at_once_seal_each_day_once(books_of_2027: District) -> None:
    for n in range(5):
        books_of_2027.earn(n + 1, day=FIRST + timedelta(days=n))
    last = FIRST + timedelta(days=4)
    books_of_2027.close(last)
    found: list[list[date]] = []

    def work() -> None:
        found.append(books_of_2027.seal_closed(last))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(day for days in found for day in days) == [
        FIRST + timedelta(days=n) for n in range(5)
    ]
    assert books_of_2027.audit() == set()


def test_posting_goes_on_while_days_are_sealed(books_of_2027: District) -> None:
    """What is posted meanwhile is booked on days that are open; every day verifies afterwards."""
    for n in range(4):
        books_of_2027.earn_many(600, day=FIRST + timedelta(days=n))
    end, posted = threading.Event(), [0]

    def post() -> None:
        while not end.is_set():
            books_of_2027.earn(3, day=FIRST)
            posted[0] += 1

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for n in range(4):
            books_of_2027.seal(FIRST + timedelta(days=n))
    finally:
        end.set()
        for thread in threads:
            thread.join()
    books_of_2027.seal(FIRST + timedelta(days=4))

    read = books_of_2027.read()
    counts = [verified(read.day(FIRST + timedelta(days=n))).entries for n in range(5)]
    assert sum(counts) == 2_400 + posted[0]
    assert books_of_2027.audit() == set()
