"""The clock seals what is closed, signs it, chains the audit, and finds what was changed (L11)."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

import ledger
from app import audit, sealing
from app.sealing import ProofKeys
from app.tasks import TIMETABLE, districts_of, run_job
from config.database import Database, new_id, schema_of
from config.embedded import wait_until
from config.settings import Settings
from ledger import proofs, upkeep, verifying
from migrations.run import create_district, drop_district
from tests.ledger.conftest import Books, open_books

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = date(2027, 3, 5)
NOON = datetime(2027, 3, 5, 12, tzinfo=SHANGHAI)


@dataclass(frozen=True, kw_only=True)
class District:
    """A sandbox in which days close by command."""

    database: Database
    owner_url: str
    books: Books
    id: str = "sealing"

    def earn(self, points: int) -> None:
        journal = replace(self.books.earn(new_id("e"), points), occurred_at=NOON)
        with self.database.transaction(self.id, at=NOON) as session:
            ledger.post(session, [journal])

    def act(self, reason: str) -> None:
        with self.database.transaction(self.id) as session:
            audit.record(session, actor="system:test", action="a.b", object="x", reason=reason)

    def seal(self, *, close: date | None = None) -> list[date]:
        if close is not None:
            with self.database.transaction(
                self.id, at=datetime(2028, 1, 1, tzinfo=SHANGHAI)
            ) as session:
                upkeep.close_days(session, through=close)
        found: list[list[date]] = []

        def tried() -> bool:
            with self.database.transaction(self.id) as session:
                days = sealing.seal(session)
            found.extend([days] if days is not None else [])
            return days is not None

        assert wait_until(tried, seconds=60)
        return found[0]

    def audit(self, keys: ProofKeys | None = None) -> set[str]:
        with self.database.transaction(self.id, repeatable_read=True) as session:
            if keys is not None:
                session.info["proof_keys"] = keys
            return {each.invariant for each in sealing.audit(session)}

    def damage(self, statement: str) -> None:
        with psycopg.connect(self.owner_url) as owner:
            owner.execute(f"SET search_path = {schema_of(self.id)}, pg_temp".encode())
            for table in ("audit_record", "audit_seal", "day_seal"):
                owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            owner.execute(statement.encode())


@pytest.fixture
def sandbox_of_2027(database: Database, owner_url: str) -> Iterator[District]:
    create_district(owner_url, "sealing", name="封账", sandbox=True)
    with database.transaction("sealing") as session:
        upkeep.open_books(session, start=date(2027, 3, 1), through=date(2027, 6, 30))
        books = open_books(session)
    yield District(database=database, owner_url=owner_url, books=books)
    drop_district(owner_url, "sealing")


def test_a_closed_day_is_signed_by_the_key_of_the_installation(
    sandbox_of_2027: District, settings: Settings
) -> None:
    sandbox_of_2027.earn(5)

    assert sandbox_of_2027.seal(close=DAY) == [DAY]

    with sandbox_of_2027.database.transaction("sealing") as session:
        data = b"".join(proofs.export_day(session, DAY))
    keys = sealing.keys_of(settings)
    verdict = verifying.verify(io.BytesIO(data), verifying.trusted([keys.public.hex()]))
    assert verdict.entries == 1
    assert sandbox_of_2027.audit() == set()


def test_an_open_day_is_left_for_later(sandbox_of_2027: District) -> None:
    sandbox_of_2027.earn(5)

    assert sandbox_of_2027.seal() == []
    assert sandbox_of_2027.seal(close=DAY) == [DAY]
    assert sandbox_of_2027.seal() == []


def test_the_key_may_be_replaced_and_earlier_seals_still_hold(sandbox_of_2027: District) -> None:
    """The new installation trusts the public half of the retired key."""
    first = sealing.keys_from(bytes(range(32)))
    second = sealing.keys_from(bytes(range(1, 33)), retired=(first.public,))
    stranger = sealing.keys_from(bytes(range(1, 33)))
    sandbox_of_2027.earn(5)
    sandbox_of_2027.seal(close=DAY)
    with sandbox_of_2027.database.transaction("sealing") as session:
        ours = sealing.proof_keys(session)
    later = sealing.keys_from(bytes(range(32)), retired=(ours.public,))

    assert sandbox_of_2027.audit(later) == set()
    assert sandbox_of_2027.audit(stranger) == {"a day's record is signed by a key of ours"}
    assert second.holds(b"m", first.sign(b"m"))
    assert not second.holds(b"n", first.sign(b"m"))


def test_audit_rows_are_chained_in_runs(sandbox_of_2027: District) -> None:
    """Decisions 10."""
    sandbox_of_2027.act("first")
    sandbox_of_2027.seal()
    sandbox_of_2027.act("second")
    sandbox_of_2027.act("third")
    sandbox_of_2027.seal()
    sandbox_of_2027.seal()

    with sandbox_of_2027.database.transaction("sealing") as session:
        rows = session.scalars(sealing.audit_seals()).all()
    assert [row.number for row in rows] == [0, 1]
    assert f'"previous":"{rows[0].hash.hex()}"' in rows[1].record
    assert '"rows":2' in rows[1].record
    assert sandbox_of_2027.audit() == set()


DAMAGES = [
    ("UPDATE audit_record SET reason = 'other' WHERE reason = 'first'", "as they were sealed"),
    ("UPDATE audit_record SET actor = 'mem_x' WHERE reason = 'second'", "as they were sealed"),
    ("DELETE FROM audit_record WHERE reason = 'first'", "as they were sealed"),
    ("DELETE FROM audit_seal WHERE number = 0", "as they were sealed"),
    ("UPDATE audit_seal SET record = replace(record, '\"rows\":1', '\"rows\":2')", "as they were"),
    ("UPDATE audit_seal SET signature = sha256('x') || sha256('y')", "signed by a key"),
    ("UPDATE audit_seal SET key_id = 'x'", "signed by a key"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGES)
def test_what_was_changed_in_the_audit_is_found(
    sandbox_of_2027: District, damage: str, told: str
) -> None:
    for reason in ("first", "second"):
        sandbox_of_2027.act(reason)
        sandbox_of_2027.seal()
    assert sandbox_of_2027.audit() == set()

    sandbox_of_2027.damage(damage)

    assert any(told in each for each in sandbox_of_2027.audit())


def test_rows_that_are_not_sealed_yet_break_nothing(sandbox_of_2027: District) -> None:
    sandbox_of_2027.act("first")
    sandbox_of_2027.seal()
    sandbox_of_2027.act("second")

    assert sandbox_of_2027.audit() == set()


def test_a_row_that_commits_late_is_in_the_run_of_its_number(sandbox_of_2027: District) -> None:
    """Its number was taken before: the sealer waits for it rather than leaving a hole."""
    database = sandbox_of_2027.database
    with database.transaction("sealing") as late:
        audit.record(late, actor="system:test", action="a.b", object="x", reason="late")
        sandbox_of_2027.act("early")
        with database.transaction("sealing") as session:
            assert sealing.seal(session) is None
    sandbox_of_2027.seal()

    assert sandbox_of_2027.audit() == set()
    with database.transaction("sealing") as session:
        assert '"rows":2' in session.scalars(sealing.audit_seals()).all()[0].record


def test_the_clock_seals_every_district_but_sandboxes(
    database: Database, district: str, sandbox_of_2027: District
) -> None:
    job = next(each for each in TIMETABLE if each.name == "seal_days")

    assert district in districts_of(database, job)
    assert "sealing" not in districts_of(database, job)
    assert run_job(database, job, "sealing")
