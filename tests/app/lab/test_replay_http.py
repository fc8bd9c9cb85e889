"""A replay over HTTP ends in the same books as one in process (O5, P7)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text

from app.lab import dataset, replay, replay_http
from app.lab.replay import DISTRICT, Plan
from app.lab.summary import Summary, summarise
from app.tasks import audit_in_full
from config.database import Database
from config.settings import Settings
from tests.serving import served

PLAN = Plan(baskets=300, seed=1, burn_share=0.2, refund_share=0.2)


@pytest.fixture(scope="module")
def base_url(settings: Settings, district: str) -> Iterator[str]:
    with served(settings) as address:
        yield address


def summary(database: Database) -> Summary:
    with database.transaction(DISTRICT, repeatable_read=True) as session:
        assert audit_in_full(session) == []
        return summarise(session, sold=0, seconds=0, sound=True)


def begin(settings: Settings, plan: Plan) -> Sequence[replay.Event]:
    baskets = dataset.read(plan.baskets)
    replay.open_district(settings, baskets, plan)
    return replay.events(baskets, plan)


def test_tills_over_http_leave_the_same_books_as_calls_in_process(
    settings: Settings, database: Database, base_url: str
) -> None:
    heard: list[int] = []
    replay.work(settings, begin(settings, PLAN), lambda: None)
    in_process = summary(database)
    events = begin(settings, PLAN)

    took = replay_http.work(database, events, base_url=base_url, tills=3, tell=heard.append)

    found = summary(database)
    assert found == in_process
    assert (found.baskets, len(took), heard[-1]) == (300, 300, len(events))
    assert found.burned > 0
    assert found.clawed_back > 0


def test_what_was_done_already_is_not_done_again(
    settings: Settings, database: Database, base_url: str
) -> None:
    """The first half in process, the rest by tills, then all of it once more."""
    plan = replace(PLAN, baskets=80)
    replay.work(settings, begin(settings, plan), lambda: None)
    undisturbed = summary(database)
    events = begin(settings, plan)
    replay.work(settings, events[: len(events) // 2], lambda: None)

    for _ in range(2):
        replay_http.work(database, events, base_url=base_url, tills=2, tell=lambda _: None)

    assert summary(database) == undisturbed


def test_a_burn_that_a_killed_run_had_sold_is_found_by_its_number(
    settings: Settings, database: Database, base_url: str
) -> None:
    """Its commit came after the numbers were read: the till looks before it asks for a quote."""
    plan = replace(PLAN, baskets=60, burn_share=1, refund_share=0)
    events = begin(settings, plan)
    replay_http.work(database, events, base_url=base_url, tills=2, tell=lambda _: None)
    sold = summary(database)
    keys = database.run(DISTRICT, replay_http._store_keys)
    counter = replay_http.Counter(base_url=base_url, database=database, store_keys=keys)

    counter.work(events)

    counter.close()
    assert summary(database) == sold


def test_only_the_stores_of_the_replay_may_send_more_than_others(
    settings: Settings, database: Database, district: str
) -> None:
    begin(settings, replace(PLAN, baskets=5))

    with database.connection() as connection:
        rows = connection.execute(
            text("SELECT id, pace FROM public.district WHERE id IN ('replay', :id)"),
            {"id": district},
        ).all()

    paces = {row.id: row.pace for row in rows}
    assert paces == {"replay": replay.PACE, district: 1}
