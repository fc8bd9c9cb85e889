"""The clock door: a job runs once at a time in a district; broken books stop their district."""

from collections.abc import Iterator
from threading import Thread

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import outbox
from app.tasks import TIMETABLE, Job, create_celery, districts_of, run_job, stop_when_broken
from config.database import Database
from config.embedded import wait_until
from config.errors import DistrictStopped, UnknownDistrict
from config.settings import Settings
from migrations.run import create_district, drop_district


@pytest.fixture(scope="session")
def own_district(owner_url: str) -> str:
    create_district(owner_url, "clock", name="时钟", sandbox=False)
    return "clock"


@pytest.fixture(scope="module")
def sandbox(owner_url: str) -> Iterator[str]:
    create_district(owner_url, "clockless", name="沙盒", sandbox=True)
    yield "clockless"
    drop_district(owner_url, "clockless")


def test_every_job_of_the_timetable_runs_twice_without_harm(
    database: Database, own_district: str
) -> None:
    for job in TIMETABLE:
        assert run_job(database, job, own_district)
        assert run_job(database, job, own_district)


def test_only_what_goes_by_the_date_leaves_sandboxes_alone(
    database: Database, own_district: str, sandbox: str
) -> None:
    """decisions 2"""
    served = {job.name: set(districts_of(database, job)) for job in TIMETABLE}

    assert all(own_district in districts for districts in served.values())
    assert {name for name, districts in served.items() if sandbox not in districts} == {
        "expire_holds", "alarm_unmatched_refunds", "close_days", "mark_month", "change_days",
        "seal_days", "lapse_takings",
    }  # fmt: skip


def test_a_sandbox_is_rolled_up_and_its_news_handed_on(
    settings: Settings, database: Database, sandbox: str
) -> None:
    with database.transaction(sandbox) as session:
        outbox.add(session, topic="test.said", aggregate="x_1", payload={})
    tasks = create_celery(settings).tasks

    for name in ("relay_news", "roll_up", "make_partitions", "audit_recent"):
        tasks[name]()

    with database.transaction(sandbox) as session:
        assert outbox.oldest_pending(session) is None
        assert session.scalar(text("SELECT audited_at FROM book")) is not None


def test_a_sandbox_is_dropped_after_the_job_that_is_at_it_and_left_alone_meanwhile(
    database: Database, owner_url: str
) -> None:
    create_district(owner_url, "short-lived", name="沙盒", sandbox=True)
    done: list[bool] = []
    other = Job(name="other", every=1, work=lambda _: done.append(True))

    def work(_: Session) -> None:
        dropping.start()
        assert wait_until(lambda: _waits_for_a_lock(database), seconds=10)
        done.append(run_job(database, other, "short-lived"))

    dropping = Thread(target=drop_district, args=(owner_url, "short-lived"))

    assert run_job(database, Job(name="slow", every=1, work=work), "short-lived")
    dropping.join()

    assert done == [False]
    with pytest.raises(UnknownDistrict):
        run_job(database, other, "short-lived")


def test_a_job_at_work_elsewhere_is_left_to_it(database: Database, own_district: str) -> None:
    seen = []

    def work_and_meet_another(_: object) -> None:
        seen.append(run_job(database, job, own_district))

    job = Job(name="meet", every=1, work=work_and_meet_another)

    assert run_job(database, job, own_district)
    assert seen == [False]


def test_broken_books_stop_the_writes_of_their_district(
    database: Database, own_district: str
) -> None:
    """decisions 9"""
    broken = Job(name="broken", every=60, work=lambda _: ["A1: 7"], after=stop_when_broken)
    run_job(database, broken, own_district)

    with (
        pytest.raises(DistrictStopped, match="A1: 7"),
        database.transaction(own_district) as session,
    ):
        session.execute(text("CREATE TABLE never (id int)"))

    with database.transaction(own_district, even_stopped=True) as session:
        session.execute(text("UPDATE public.district SET stopped = NULL WHERE id = 'clock'"))


def test_celery_keeps_the_binding_rules(settings: Settings) -> None:
    """reliability §7"""
    conf = create_celery(settings).conf

    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_ignore_result
    assert conf.accept_content == ["json"]
    assert {job.name for job in TIMETABLE} | {"heartbeat"} == set(conf.beat_schedule)
    assert all(entry["options"]["expires"] for entry in conf.beat_schedule.values())


def _waits_for_a_lock(database: Database) -> bool:
    with database.engine.connect() as connection:
        waiting = connection.scalar(
            text(
                "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted"
            )
        )
    return bool(waiting)
