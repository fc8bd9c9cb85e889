"""The clock door: the Celery application, its timetable, and tasks that only open a transaction.

A task may run twice, or at once in two workers, or not at all for a while: it re-reads the state
and a transaction advisory lock lets one work per job and district (decisions 27). Jobs that go by
the date skip sandbox districts, which have a clock of their own (decisions 2).
`python -m app.tasks worker` and `… beat` run it.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from celery import Celery, signals
from celery.schedules import crontab
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import closing, day_change, nudging, outbox, sealing
from app.api import answers, guessing
from app.campaigns.printing import print_waiting
from app.checkout import invariants, parking, referrals, takings
from app.clock import SHANGHAI, business_date, month_end, server_now
from app.errors import StateConflict
from app.members import presence, refreshing, seeds, sign_in
from app.members.closing import erase_due
from app.merchants import credentials
from app.points import merging
from app.points.lapsing import lapse
from app.settlement import credit
from app.wiring import HEARTBEAT, Services, build
from config.database import Database, district_of, lock_of, now_of
from config.embedded import die_with_parent
from config.errors import UnknownDistrict
from config.logging import bound, configure
from config.settings import Settings
from coupons import invariants as coupons
from ledger import holds, upkeep

log = logging.getLogger(__name__)

_HEARTBEAT_SECONDS = 5
_HEARTBEAT_LIFE_SECONDS = 30

OUTBOX_HANDLERS: Mapping[str, outbox.Handler] = {}
"""Which room hears which news: topic to handler."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Work that the clock does in every district, in one transaction of its own each.

    `every` is in seconds, or a minute of every hour or day in Shanghai. `after` gets what `work`
    returned, in a second transaction. `portions` opens many of its own, one after the other, in
    place of `work`. A district whose writes are stopped is left alone, unless
    `even_stopped`; a sandbox, where the work is `dated`: its clock moves only when it is told to.
    """

    name: str
    every: float | crontab
    work: Callable[[Session], object] = lambda _: None
    portions: Callable[[day_change.Run], object] | None = None
    after: Callable[[Session, object], None] | None = None
    dated: bool = False
    even_stopped: bool = False
    repeatable_read: bool = False
    minutes: int = 1


def _relay_news(session: Session) -> object:
    return outbox.relay(session, handlers=OUTBOX_HANDLERS, now=now_of(session))


def _make_partitions(session: Session) -> object:
    today = business_date(now_of(session))
    return upkeep.make_partitions(session, start=today, through=month_end(today, months_ahead=2))


def _erase_members(session: Session) -> object:
    """Erase who has left, and let the points that are left of all who did lapse."""
    return [erase_due(session, now=server_now(session)), lapse(session)]


def _give_referrals(session: Session) -> object:
    """Give what friends' first orders bring, and take back what came of orders that went back.

    One of the two in a run, for a transaction posts once.
    """
    return referrals.give(session) or referrals.take_back(session)


def _purge(session: Session) -> object:
    """Forget what has had its time: stored answers, who stood at a till, codes and tokens."""
    now = server_now(session)
    gone = [answers.purge(session), presence.purge(session)]
    return [*gone, *(purge(session, now=now) for purge in _PURGES)]


def _audit_in_full(session: Session) -> object:
    session.execute(text("SET LOCAL statement_timeout = '30min'"))
    return audit_in_full(session)


def audit_in_full(session: Session) -> list[upkeep.Violation]:
    """Check every invariant of the books, the rooms that post and the seals, over all history."""
    return [
        *upkeep.audit_all(session),
        *invariants.audit(session),
        *sealing.audit(session),
        *[upkeep.Violation(**asdict(each)) for each in coupons.audit(session)],
    ]


def stop_when_broken(session: Session, violations: object) -> None:
    """Stop the writes of a district whose books were found broken, and wake somebody.

    Only `plaza district resume`, with a reason, lifts it (decisions 9).
    """
    found = [str(each) for each in violations] if isinstance(violations, list) else []
    if found:
        district = district_of(session).id
        session.execute(_STOP, {"id": district, "reason": found[0]})
        log.error("books_broken", extra={"district": district, "violations": found[:10]})


_PURGES = (seeds.purge, refreshing.purge, sign_in.purge, guessing.purge, credentials.purge)

TIMETABLE: Sequence[Job] = (
    Job(name="roll_up", every=1, work=upkeep.roll_up),
    Job(name=nudging.TASK, every=5, work=_relay_news),
    Job(
        name="audit_recent",
        every=60,
        work=upkeep.audit_recent,
        after=stop_when_broken,
        even_stopped=True,
        repeatable_read=True,
    ),
    Job(name="watch_levels", every=10, work=credit.watch),
    Job(name="expire_holds", every=10, work=holds.expire, dated=True),
    Job(name="apply_parked_refunds", every=5, work=parking.apply_parked),
    Job(name="print_codes", every=5, portions=print_waiting, minutes=15),
    Job(name="give_referrals", every=300, work=_give_referrals),
    Job(name="lapse_takings", every=600, work=takings.lapse_due, dated=True),
    Job(name="alarm_unmatched_refunds", every=3600, work=parking.alarm_unmatched, dated=True),
    Job(name="close_days", every=crontab(minute="0"), work=closing.close_days, dated=True),
    Job(name="mark_month", every=crontab(minute="20"), work=closing.mark_month, dated=True),
    Job(
        name="change_days",
        every=crontab(minute="5,35"),
        portions=day_change.change_days,
        dated=True,
        minutes=25,
    ),
    Job(
        name="seal_days",
        every=crontab(minute="40"),
        work=sealing.seal,
        dated=True,
        minutes=15,
    ),
    Job(name="erase_members", every=600, work=_erase_members),
    Job(name="gather_merged", every=600, work=merging.gather),
    Job(name="purge", every=600, work=_purge),
    Job(name="make_partitions", every=crontab(hour="2", minute="10"), work=_make_partitions),
    Job(
        name="audit_in_full",
        every=crontab(hour="3", minute="30"),
        work=_audit_in_full,
        after=stop_when_broken,
        even_stopped=True,
        repeatable_read=True,
        minutes=40,
    ),
)


def create_celery(settings: Settings) -> Celery:
    """Return the Celery application: broker, binding rules (reliability §7), timetable."""
    celery = Celery("plaza", broker=settings.broker_url, set_as_current=False)
    rabbit = settings.broker_url.startswith("amqp")
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue="plaza",
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=1000,
        worker_soft_shutdown_timeout=30,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"confirm_publish": True} if rabbit else {},
        beat_scheduler="celery.beat:Scheduler",  # No file: what was due is due again from now.
        beat_max_loop_interval=1,
        timezone=SHANGHAI.key,
    )
    clock = _Clock(settings)
    for job in TIMETABLE:
        _register(celery, job, partial(clock.everywhere, job))
    heartbeat = Job(name="heartbeat", every=_HEARTBEAT_SECONDS, work=lambda _: None)
    _register(celery, heartbeat, clock.heartbeat)
    _follow_processes(celery, clock)
    return celery


def districts_of(database: Database, job: Job) -> Sequence[str]:
    """Return the ids of the districts that a job serves."""
    with database.connection() as connection:
        return connection.scalars(
            _DISTRICTS, {"sandboxes": not job.dated, "even_stopped": job.even_stopped}
        ).all()


def run_job(database: Database, job: Job, district: str) -> bool:
    """Do a job in one district, unless another worker is at it; tell whether it was done.

    A sandbox that is being dropped is left alone.
    """
    with bound(job=job.name, district=district):
        if job.portions is not None:
            return _run_portions(database, job.portions, district)
        with database.transaction(
            district, even_stopped=job.even_stopped, repeatable_read=job.repeatable_read
        ) as session:
            names = {"name": f"{job.name}:{district}", "district": lock_of(district)}
            if not session.scalar(_LOCK, names):
                return False
            outcome = job.work(session)
        if job.after is not None:
            with database.transaction(district, even_stopped=True) as session:
                job.after(session, outcome)
        return True


def _run_portions(
    database: Database, portions: Callable[[day_change.Run], object], district: str
) -> bool:
    try:
        portions(partial(database.run, district))
    except StateConflict:
        return False
    return True


class _Clock:
    """What a worker process keeps open, made after its fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: Services | None = None

    def services(self) -> Services:
        if self._services is None:
            self._services = build(self._settings, pool_size=2, statement_timeout_seconds=30)
        return self._services

    def close(self) -> None:
        if self._services is not None:
            self._services.close()

    def everywhere(self, job: Job, only: str | None = None) -> None:
        """Do a job in every district that it serves; one that fails does not stop the rest.

        `only` names a single one of them, for a nudge.
        """
        database = self.services().database
        for district in districts_of(database, job):
            if only not in (None, district):
                continue
            try:
                run_job(database, job, district)
            except UnknownDistrict:
                log.info("district_gone", extra={"job": job.name, "district": district})
            except Exception:
                log.exception("job_failed", extra={"job": job.name, "district": district})

    def heartbeat(self, _: str | None = None) -> None:
        """Tell that clock, broker and worker are alive, for `/readyz`."""
        self.services().redis.set(HEARTBEAT, "1", ex=_HEARTBEAT_LIFE_SECONDS)


def _register(celery: Celery, job: Job, work: Callable[[str | None], None]) -> None:
    def task(district: str | None = None) -> None:
        work(district)

    seconds = 60 * job.minutes
    celery.task(
        task, name=job.name, shared=False, lazy=False,
        soft_time_limit=seconds - 15, time_limit=seconds,
    )  # fmt: skip
    life = 3600 if isinstance(job.every, crontab) else max(2 * job.every, 10)
    celery.conf.beat_schedule[job.name] = {
        "task": job.name,
        "schedule": job.every,
        "options": {"expires": life},
    }


def _follow_processes(celery: Celery, clock: _Clock) -> None:
    def begin(**_: object) -> None:
        die_with_parent(signal.SIGKILL)

    def ready(**_: object) -> None:
        celery.send_task("heartbeat")

    def end(**_: object) -> None:
        clock.close()

    def set_up_logging(**_: object) -> None:
        return  # Ours stands already; a receiver keeps Celery from making its own.

    signals.setup_logging.connect(set_up_logging, weak=False)
    signals.worker_process_init.connect(begin, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_process_shutdown.connect(end, weak=False)


_DISTRICTS = text(
    "SELECT id FROM public.district WHERE (NOT sandbox OR :sandboxes)"
    " AND (stopped IS NULL OR :even_stopped) ORDER BY id"
)
_STOP = text("UPDATE public.district SET stopped = :reason WHERE id = :id AND stopped IS NULL")
_LOCK = text(
    "SELECT CASE WHEN pg_try_advisory_xact_lock_shared(hashtextextended(:district, 0))"
    " THEN pg_try_advisory_xact_lock(hashtextextended(:name, 0)) ELSE false END"
)


def main(part: str) -> None:
    """Run a worker or the beat until it is told to stop."""
    settings = Settings.from_environ(os.environ)
    configure(settings.log_level)
    celery = create_celery(settings)
    if part == "beat":
        celery.Beat(quiet=True, loglevel=settings.log_level).run()
    else:
        celery.worker_main(
            [
                "worker",
                f"--concurrency={settings.worker_processes}",
                f"--loglevel={settings.log_level}",
                "--without-gossip",
                "--without-mingle",
            ]
        )


if __name__ == "__main__":
    main(sys.argv[1])
