"""P6: a store's orders and refunds by their last change, page by page, and none passed over."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config.database import Database
from tests.app.api.pos.test_orders import AT, cash, order, told
from tests.app.api.tills import Till, open_till
from tests.factories import unique


@pytest.fixture
def settled(database: Database, till: Till) -> Any:
    """Let the two seconds before now be over for what this till's store has written."""

    def wait() -> None:
        with database.transaction("test") as session:
            session.execute(text("SELECT pg_sleep(2.05)"))

    return wait


def pages(till: Till, path: str, *, limit: int = 100) -> Iterator[dict[str, Any]]:
    """Return a list page by page, until there is no more."""
    cursor = ""
    while True:
        sign = "&" if "?" in path else "?"
        page = dict(told(till.get(f"/v1/pos/{path}{sign}limit={limit}{cursor}"), 200))
        yield page
        if not page["has_more"]:
            return
        cursor = f"&cursor={page['next_cursor']}"


def ids(till: Till, path: str = "orders", *, limit: int = 100) -> list[str]:
    name = path.partition("?")[0]
    return [row[f"{name[:-1]}_id"] for page in pages(till, path, limit=limit)
            for row in page[name]]  # fmt: skip


def sell(till: Till, **fields: object) -> str:
    return str(told(till.post("/v1/pos/orders", order(tenders=cash(10_000), **fields)))["order_id"])


def test_orders_come_by_their_last_change_in_pages_that_overlap_nowhere(
    till: Till, settled: Any
) -> None:
    sold = [sell(till) for _ in range(5)]
    settled()

    assert ids(till) == sold
    assert ids(till, limit=2) == sold
    assert [len(page["orders"]) for page in pages(till, "orders", limit=2)] == [2, 2, 1]


def test_a_payment_a_cancellation_and_a_refund_move_an_order_on(till: Till, settled: Any) -> None:
    placed, given_up = [told(till.post("/v1/pos/orders", order()))["order_id"] for _ in range(2)]
    refunded, untouched = sell(till), sell(till)
    settled()
    (page,) = pages(till, "orders")
    told(till.post(f"/v1/pos/orders/{refunded}/refunds", {**AT, "number": unique("R")}))
    told(till.post(f"/v1/pos/orders/{given_up}/cancellation", AT), 200)
    told(till.post(f"/v1/pos/orders/{placed}/payment", {**AT, "tenders": cash(10_000)}), 200)
    settled()

    more = told(till.get(f"/v1/pos/orders?cursor={page['next_cursor']}"), 200)

    assert ids(till) == [untouched, refunded, given_up, placed]
    assert [(each["order_id"], each["state"]) for each in more["orders"]] == [
        (refunded, "paid"), (given_up, "cancelled"), (placed, "paid")]  # fmt: skip
    assert more["orders"][0]["refunded_fen"] == 10_000
    assert more["orders"][2]["tenders"] == cash(10_000)
    assert told(till.get(f"/v1/pos/orders?cursor={more['next_cursor']}"), 200)["orders"] == []


def test_what_commits_late_is_not_passed_over(till: Till, database: Database, settled: Any) -> None:
    """A sale that was written first and committed last: the page ends before both."""
    with database.transaction("test") as session:
        slow = till.shop.sell(session, None, 7_000).public_id
        quick = sell(till)
        settled()
        (page,) = pages(till, "orders")
        assert page["orders"] == []
        assert (page["next_cursor"], page["has_more"]) == (None, False)

    assert ids(till) == [slow, quick]


def test_since_an_instant_and_of_one_terminal(till: Till, settled: Any) -> None:
    first, second = sell(till), sell(till)
    settled()
    (page,) = pages(till, "orders")
    since = page["orders"][1]["updated_at"].replace("+00:00", "Z")

    assert ids(till, f"orders?updated_since={since}") in ([second], [first, second])
    assert ids(till, "orders?updated_since=2099-01-01T00:00:00Z") == []
    assert ids(till, "orders?terminal_id=T1") == [first, second]
    assert till.get("/v1/pos/orders?terminal_id=T9").status_code == 404


def test_refunds_have_a_list_of_their_own(till: Till, settled: Any) -> None:
    sold = sell(till)
    made = [
        told(till.post(f"/v1/pos/orders/{sold}/refunds", {
            **AT, "number": unique("R"), "parts": [{"amount_fen": fen}]}))["refund_id"]
        for fen in (100, 200, 300)
    ]  # fmt: skip
    settled()

    (page,) = pages(till, "refunds")

    assert ids(till, "refunds", limit=1) == made
    assert [each["fen"] for each in page["refunds"]] == [100, 200, 300]
    assert page["refunds"][0]["order_id"] == sold
    assert page["refunds"][0]["tenders"] == cash(100)


def test_a_store_sees_its_own_alone_and_reads_no_cursor_of_another(
    till: Till, database: Database, district: str, settled: Any
) -> None:
    """Reliability §11."""
    sell(till)
    elsewhere = open_till(till.client, database, district)
    settled()
    (page,) = pages(till, "orders")
    cursor = page["next_cursor"]

    assert ids(elsewhere) == []
    for path in ("orders", "refunds"):
        answer = told(elsewhere.get(f"/v1/pos/{path}?cursor={cursor}"), 400)
        assert answer["errors"] == [{"pointer": "/cursor", "code": "wrong-form"}]
    assert till.get(f"/v1/pos/refunds?cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "cursor=!", "updated_since=yesterday", "number=1",
     "terminal_id=T1&number=1&cursor=x", "sort=id"],
)  # fmt: skip
def test_a_wrong_question_is_refused(till: Till, query: str) -> None:
    assert till.get(f"/v1/pos/orders?{query}").status_code == 400


def test_a_change_s_instant_never_goes_back(till: Till, database: Database) -> None:
    """Two that change one order take turns: who comes second writes the later instant."""
    sold = sell(till)
    seen = []
    for _ in range(3):
        told(till.post(f"/v1/pos/orders/{sold}/refunds", {
            **AT, "number": unique("R"), "parts": [{"amount_fen": 1}]}))  # fmt: skip
        with database.transaction("test") as session:
            instant = text('SELECT updated_at FROM "order" WHERE public_id = :id')
            seen.append(session.execute(instant, {"id": sold}).scalar_one())

    assert seen == sorted(set(seen))
    assert seen[-1] - seen[0] < timedelta(minutes=1)
