"""A replay ends in the same books however it got there (O5)."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context

import psycopg
import pytest
from sqlalchemy import text

from app.lab import dataset, replay
from app.lab.replay import DISTRICT, Event, OtherPlan, Plan
from app.lab.summary import Summary, summarise
from app.tasks import audit_in_full
from config.database import Database, district_of
from config.errors import NotASandbox
from config.settings import Settings
from migrations.run import create_district, drop_district

PLAN = Plan(baskets=150, seed=1, burn_share=0.3, refund_share=0.2)


def quiet() -> None:
    """Hear the progress and say nothing."""


def run(settings: Settings, plan: Plan) -> None:
    baskets = dataset.read(plan.baskets)
    replay.open_district(settings, baskets, plan)
    replay.work(settings, replay.events(baskets, plan), quiet)


def summary(database: Database) -> Summary:
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        violations = audit_in_full(session)
        assert violations == []
        return summarise(session, sold=0, seconds=0, sound=not violations)


def work_in_a_child(settings: Settings, events: Sequence[Event]) -> None:
    replay.work(settings, events, quiet)


def test_the_same_seed_gives_the_same_digest_and_another_seed_another(
    settings: Settings, database: Database
) -> None:
    found = []
    for plan in (PLAN, PLAN, replace(PLAN, seed=2)):
        run(settings, plan)
        found.append(summary(database))

    assert found[0] == found[1]
    assert found[0].digest != found[2].digest
    assert found[0].burned > 0
    assert found[0].refunded_fen > 0
    assert found[0].trial_balance == 0


def test_a_run_that_was_killed_is_finished_with_the_same_digest(
    settings: Settings, database: Database
) -> None:
    run(settings, PLAN)
    undisturbed = summary(database)
    baskets = dataset.read(PLAN.baskets)
    replay.open_district(settings, baskets, PLAN)
    events = replay.events(baskets, PLAN)

    child = get_context("spawn").Process(target=work_in_a_child, args=(settings, events))
    child.start()
    _wait_for_orders(database, 40)
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    assert summary(database).baskets < PLAN.baskets
    assert replay.begun(database, PLAN)
    for part in (0, 1):  # The rest by two, who share the members.
        replay.work(settings, [e for e in events if e.basket.household % 2 == part], quiet)

    assert summary(database) == undisturbed


def test_without_burns_and_refunds_the_year_earns_its_whole_yuan(
    settings: Settings, database: Database
) -> None:
    plan = replace(PLAN, burn_share=0, refund_share=0)
    baskets = dataset.read(plan.baskets)

    run(settings, plan)

    found = summary(database)
    assert found.earned == sum(sum(basket.fens) // 100 for basket in baskets)
    assert found.net_fen == sum(sum(basket.fens) for basket in baskets)
    assert (found.burned, found.refunded_fen, found.outstanding) == (0, 0, found.earned)
    with pytest.raises(OtherPlan):
        replay.begun(database, PLAN)


def test_a_replay_killed_before_its_first_sale_is_begun_anew(
    settings: Settings, database: Database
) -> None:
    baskets = dataset.read(20)
    replay.open_district(settings, baskets, PLAN)
    owner_url = settings.database.owner_url

    assert replay.begun(database, PLAN)
    drop_district(owner_url, DISTRICT)
    assert not replay.begun(database, PLAN)  # Killed after the old district was dropped.
    create_district(owner_url, DISTRICT, name="回放", sandbox=True)
    assert not replay.begun(database, PLAN)  # Killed before the new one was filled.


def test_a_real_district_of_this_name_is_left_alone(settings: Settings, database: Database) -> None:
    with database.connection() as connection:
        known = connection.scalar(text("SELECT count(*) FROM public.district WHERE id = 'replay'"))
    owner_url = settings.database.owner_url
    if known:
        drop_district(owner_url, DISTRICT)
    create_district(owner_url, DISTRICT, name="真实商圈", sandbox=False)

    try:
        with pytest.raises(NotASandbox, match="replay"):
            replay.open_district(settings, dataset.read(5), PLAN)
        assert database.run(DISTRICT, lambda session: district_of(session).name) == "真实商圈"
    finally:
        _make_sandbox(owner_url)


def test_a_members_events_stay_in_the_order_of_time() -> None:
    events = replay.events(dataset.read(500), PLAN)

    assert [event.at for event in events] == sorted(event.at for event in events)
    refunds = [event for event in events if event.parts]
    assert all(event.at > event.basket.sold_at for event in refunds)


def _make_sandbox(owner_url: str) -> None:
    """Let the tests after this one make the district anew."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("UPDATE public.district SET sandbox = true WHERE id = 'replay'")


def _wait_for_orders(database: Database, count: int) -> None:
    for _ in range(600):
        with database.transaction(DISTRICT, read_only=True) as session:
            if (session.scalar(text('SELECT count(*) FROM "order"')) or 0) >= count:
                return
        time.sleep(0.05)
    raise AssertionError("the child sold nothing")
