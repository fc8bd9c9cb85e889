"""C16, G1, E36: batches over HTTP, and the second person where much is promised."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import audit
from app.merchants.staff import Role
from config.database import Database
from coupons import issuing
from tests.app.api.consoles import Console, signed_in
from tests.app.api.manage.test_templates import added
from tests.app.api.phones import told
from tests.coupons.makers import use_up
from tests.factories import unique

WINDOW = {
    "starts_at": "2026-01-01T00:00:00+08:00",
    "ends_at": "2099-01-01T00:00:00+08:00",
    "reason": "开业",
}


def asked_for(console: Console, **terms: Any) -> dict[str, Any]:
    """Open a batch, or ask for one, of a template of its own."""
    template = added(console, **terms)["template"]
    body = {"batch": unique("B"), "template": template, **WINDOW}
    return told(console.post("batches", body), 201)


def all_requests(console: Console) -> list[dict[str, Any]]:
    """Return every batch that waits, two a page."""
    page = told(console.get("batch-requests?limit=2"))
    found = page["requests"]
    while page["next_cursor"] is not None:
        page = told(console.get(f"batch-requests?limit=2&cursor={page['next_cursor']}"))
        found += page["requests"]
    return list(found)


@pytest.fixture
def batch(marketer: Console) -> str:
    """A batch of a hundred coupons at ¥50, opened by one person."""
    opened = asked_for(marketer, limits={"total": 100, "per_member": 2})
    return str(opened["batch"]["batch"])


@pytest.fixture
def request_id(marketer: Console) -> str:
    """A request for a batch that may cost ¥50,000."""
    return str(asked_for(marketer, limits={"total": 1_000})["request"]["request_id"])


def test_a_small_batch_is_opened_by_one_person_and_counts_what_it_has(
    marketer: Console, database: Database, batch: str
) -> None:
    with database.transaction("test") as session:
        given = [
            issuing.claim(session, batch=batch, holder=unique("mem_"))[0].coupon for _ in range(3)
        ]
        use_up(session, given[0])
        issuing.void(session, [given[1]], why="错发")

    stands = told(marketer.get(f"batches/{batch}"))

    assert stands["states"] == {"issued": 1, "used": 1, "void": 1, "opened": 0}
    issued = next(each for each in stands["counts"] if each["what"] == "issued")
    assert (issued["scope"], issued["ceiling"], issued["used"]) == ("all", 100, 3)
    assert (stands["opened_by"], stands["closed_at"]) == (marketer.staff_id, None)


def test_a_budget_shows_what_is_reserved_and_what_is_used(
    marketer: Console, database: Database
) -> None:
    """Semantics 37"""
    opened = asked_for(marketer, budget={"fen": {"all": 100_000}})
    batch = opened["batch"]["batch"]
    with database.transaction("test") as session:
        use_up(session, issuing.claim(session, batch=batch, holder="mem_x")[0].coupon, fen=5_000)

    counts = told(marketer.get(f"batches/{batch}"))["counts"]

    budget = next(each for each in counts if each["what"] == "fen")
    assert (budget["reserved"], budget["used"], budget["ceiling"]) == (0, 5_000, 100_000)


def test_a_batch_that_promises_much_waits_for_a_second_person(
    marketer: Console, finance: Console, database: Database, request_id: str
) -> None:
    """G1: who asks does not approve, and who may not does not either."""
    waiting = all_requests(finance)
    mine = next(each for each in waiting if each["request_id"] == request_id)
    path = f"batch-requests/{request_id}/approve"

    assert mine["promised_fen"] == 5_000_000
    assert mine["proposed_by"] == marketer.staff_id
    assert told(marketer.post(path, {}), 403)["code"] == "forbidden"
    opened = told(finance.post(path, {}))
    assert opened["batch"] == mine["batch"]
    assert opened["opened_by"] == finance.staff_id
    assert told(finance.post(path, {}), 409)["code"] == "state-conflict"
    with database.transaction("test") as session:
        acts = audit.list_records(session, about=f"coupon-batch:{mine['batch']}")
    assert [each.action for each in acts] == ["coupon.batch_open", "coupon.batch_propose"]


def test_an_admin_does_not_approve_what_he_asked_for(
    client: FlaskClient, database: Database
) -> None:
    admin = signed_in(client, database, Role.ADMIN)
    asked = asked_for(admin, limits={"total": 1_000})["request"]["request_id"]

    refused = told(admin.post(f"batch-requests/{asked}/approve", {}), 403)

    assert refused["code"] == "approval-required"


def test_of_two_who_approve_at_once_one_opens_the_batch(
    client: FlaskClient, database: Database, finance: Console, request_id: str
) -> None:
    second = signed_in(client, database, Role.FINANCE)
    path = f"batch-requests/{request_id}/approve"

    with ThreadPoolExecutor(2) as threads:
        statuses = list(
            threads.map(lambda each: each.post(path, {}).status_code, (finance, second))
        )

    assert sorted(statuses) == [200, 409]


def test_a_request_is_turned_down_or_taken_back_by_who_asked(
    marketer: Console, finance: Console, client: FlaskClient, database: Database, request_id: str
) -> None:
    colleague = signed_in(client, database, Role.MARKETER)
    why = {"reason": "太多"}

    assert colleague.post(f"batch-requests/{request_id}/withdraw", why).status_code == 404
    told(finance.post(f"batch-requests/{request_id}/reject", why))
    assert marketer.post(f"batch-requests/{request_id}/withdraw", why).status_code == 409
    mine = asked_for(marketer, limits={"total": 1_000})["request"]["request_id"]
    taken_back = told(marketer.post(f"batch-requests/{mine}/withdraw", why))
    assert taken_back == {"request_id": mine, "status": "rejected"}
    waiting = all_requests(finance)
    assert {request_id, mine}.isdisjoint({each["request_id"] for each in waiting})


def test_the_same_batch_again_is_the_one_that_is_there(marketer: Console) -> None:
    """Semantics 38"""
    template = added(marketer, limits={"total": 10})["template"]
    body = {"batch": unique("B"), "template": template, **WINDOW}

    first = told(marketer.post("batches", body), 201)["batch"]
    again = told(marketer.post("batches", body), 201)["batch"]
    other = told(marketer.post("batches", {**body, "ends_at": "2098-01-01T00:00:00+08:00"}), 409)

    assert first == again
    assert other["code"] == "business-key-conflict"


def test_a_closed_batch_issues_nothing_more(
    marketer: Console, database: Database, batch: str
) -> None:
    closed = told(marketer.post(f"batches/{batch}/close", {"reason": "停"}))

    assert closed["closed_why"] == "停"
    granted = marketer.post(
        f"batches/{batch}/grants",
        {"key": "k", "member_ids": ["mem_" + "0" * 26], "reason": "补"},
    )
    assert granted.status_code == 404  # Nobody is that member, and nothing was given.


def test_batches_are_listed_newest_first_in_pages(marketer: Console, batch: str) -> None:
    newer = asked_for(marketer, limits={"total": 10})["batch"]["batch"]

    first = told(marketer.get("batches?limit=1"))
    second = told(marketer.get(f"batches?limit=1&cursor={first['next_cursor']}"))

    assert [each["batch"] for each in (*first["batches"], *second["batches"])] == [newer, batch]


def test_what_is_not_there_is_404(marketer: Console, finance: Console) -> None:
    nobodys = "chg_" + "0" * 26
    assert marketer.get("batches/NOWHERE").status_code == 404
    assert marketer.post("batches/NOWHERE/close", {"reason": "x"}).status_code == 404
    assert finance.post(f"batch-requests/{nobodys}/approve", {}).status_code == 404
    assert finance.post(f"batch-requests/{nobodys}/reject", {"reason": "x"}).status_code == 404
