"""The clock door: a job runs once at a time in a district; broken books stop their district."""

import pytest
from sqlalchemy import text

from app.tasks import TIMETABLE, Job, create_celery, run_job, stop_when_broken
from config.database import Database
from config.errors import DistrictStopped
from config.settings import Settings
from migrations.run import create_district


@pytest.fixture(scope="module")
def own_district(owner_url: str) -> str:
    create_district(owner_url, "clock", name="时钟", sandbox=False)
    return "clock"


def test_every_job_of_the_timetable_runs_twice_without_harm(
    database: Database, own_district: str
) -> None:
    for job in TIMETABLE:
        assert run_job(database, job, own_district)
        assert run_job(database, job, own_district)


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
