"""The change of day: in order, day by day, whatever was missed or cut off (O4, semantics 32)."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import day_change
from app.clock import GRACE, business_date
from app.day_change import DayStep
from app.errors import Invalid, StateConflict
from app.lab import bench_expiry
from app.lab.bench_sale import merchant
from app.lab.digest import digest
from app.members.identification import get_by_public_id
from app.merchants import registration
from app.points import lots
from config.database import Database, now_of
from config.embedded import wait_until
from config.settings import PROJECT, Settings
from ledger import statements, upkeep
from migrations.run import create_district, drop_district
from tests.app.cli.conftest import Plaza
from tests.app.cli.conftest import plaza as plaza_fixture

plaza = plaza_fixture

AT = datetime(2018, 1, 5, 4, tzinfo=UTC)
OVER = date(2018, 1, 1)


@pytest.fixture
def world(settings: Settings, database: Database, owner_url: str) -> Iterator[str]:
    """A sandbox whose forty members have four expired lots of a hundred points each."""
    yield open_world(settings, database, "days", members=40)
    drop_district(owner_url, "days")


def open_world(settings: Settings, database: Database, district: str, *, members: int) -> str:
    create_district(settings.database.owner_url, district, name="日切", sandbox=True)
    with database.transaction(district, at=AT) as session:
        upkeep.open_books(session, start=AT.date(), through=AT.date())
        registration.register_many(session, [merchant(n) for n in range(4)], by="test")
        session.execute(
            text("UPDATE public.district SET clock = :at WHERE id = :id"),
            {"at": AT, "id": district},
        )
    bench_expiry.fill(settings, district, members=members)
    return district


def steps(database: Database, district: str) -> list[tuple[date, str]]:
    with database.transaction(district) as session:
        rows = session.execute(select(DayStep.day, DayStep.step).order_by(DayStep.done_at))
        return [(row.day, row.step) for row in rows]


def change(database: Database, district: str, *, through: date) -> list[date]:
    return day_change.change_days(partial(database.run, district), through=through)


def test_a_district_begins_with_the_last_day_and_catches_up_from_there_in_order(
    database: Database, world: str
) -> None:
    names = [step.name for step in day_change.STEPS]

    assert change(database, world, through=date(2018, 1, 30)) == [date(2018, 1, 30)]
    assert change(database, world, through=date(2018, 1, 30)) == []
    assert change(database, world, through=date(2018, 2, 2)) == [
        date(2018, 1, 31), date(2018, 2, 1), date(2018, 2, 2)
    ]  # fmt: skip

    assert steps(database, world) == [
        (day, name)
        for day in (date(2018, 1, 30), date(2018, 1, 31), date(2018, 2, 1), date(2018, 2, 2))
        for name in names
    ]


def test_a_day_that_was_cut_off_is_finished_before_the_next(database: Database, world: str) -> None:
    class Killed(Exception):
        pass

    def kill(_: date, step: str, __: object) -> None:
        if step == "expire":
            raise Killed

    run = partial(database.run, world)
    day_change.change_days(run, through=OVER - timedelta(days=1))
    with pytest.raises(Killed):
        day_change.change_days(run, through=OVER, tell=kill)
    assert (OVER, "expire") not in steps(database, world)

    days = day_change.change_days(run, through=OVER + timedelta(days=1))

    assert days[-1] == OVER + timedelta(days=1)
    assert (OVER, "expire") in steps(database, world)
    with database.transaction(world) as session:
        assert breakage(session) == 40 * 400


def test_the_day_before_six_is_not_due_and_one_that_has_not_come_is_refused(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        due = business_date(now_of(session) - GRACE)

    with pytest.raises(Invalid, match="through"):
        change(database, district, through=due + timedelta(days=1))


def test_a_second_process_leaves_the_change_to_the_first(database: Database, world: str) -> None:
    met = []

    def meet(*_: object) -> None:
        # Between two portions nobody holds the lock: one that changes a day is stopped by it alone.
        with database.transaction(world) as session:
            session.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
                {"name": f"day_change:{world}"},
            )
            with pytest.raises(StateConflict):
                change(database, world, through=OVER)
            met.append(True)

    day_change.change_days(partial(database.run, world), through=OVER, tell=meet)

    assert met


def test_a_wallet_in_use_is_passed_over_and_booked_last(database: Database, world: str) -> None:
    """A sale never waits for more than a portion, and a portion for no sale."""
    with database.transaction(world) as session:
        member = get_by_public_id(session, "mem_bench1")
        lots.lock(session, member, day=OVER)
        first = database.run(
            world,
            lambda other: day_change.EXPIRE.some(other, OVER, None, 1_000),
            at=AT,
        )
        assert first[1]["lots"] == 39 * 4

    counts = day_change.walk(partial(database.run, world), day_change.EXPIRE, day=OVER, at=AT)

    assert counts["lots"] == 4


def test_expiry_that_is_killed_and_run_again_leaves_the_books_of_one_in_peace(
    plaza: Plaza, settings: Settings, database: Database, owner_url: str
) -> None:
    """O4, semantics 27: SIGKILL in the middle, by command."""
    for name in ("in-peace", "killed"):
        open_world(settings, database, name, members=1_500)
    command = [sys.executable, "-m", "app.cli", "--district", "killed", "points", "expire",
               "--as-of", "2018-01-01"]  # fmt: skip

    doomed = subprocess.Popen(
        command, cwd=PROJECT, env={**plaza.environ, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    begun = wait_until(lambda: booked(database, "killed") > 0, seconds=60)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    half = booked(database, "killed")
    for name in ("in-peace", "killed"):
        Plaza(environ=plaza.environ, district=name)("points", "expire", "--as-of", "2018-01-01")

    assert begun
    assert 0 < half <= 6_000
    assert booked(database, "in-peace") == booked(database, "killed") == 6_000
    with database.transaction("in-peace") as one, database.transaction("killed") as other:
        assert digest(one) == digest(other)
        assert upkeep.audit_all(other) == []
        assert set(statements.trial_balance(other).values()) == {0}
    for name in ("in-peace", "killed"):
        drop_district(owner_url, name)


def booked(database: Database, district: str) -> int:
    with database.transaction(district) as session:
        return session.scalar(text("SELECT count(*) FROM journal WHERE kind = 'expire'")) or 0


def breakage(session: Session) -> int:
    accounts = session.scalars(text("SELECT breakage_account_id FROM merchant")).all()
    return sum(each.posted for each in statements.balances(session, accounts).values())


def test_the_steps_run_in_the_documented_order() -> None:
    """Semantics 32: the result depends on it."""
    assert [step.name for step in day_change.STEPS] == [
        "activate", "extend", "expire", "tiers", "remind", "remind_of_coupons",
    ]  # fmt: skip
