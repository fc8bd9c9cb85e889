"""X and Z totals of a terminal: by cashier and tender, what was taken and given back (P6)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.members.identification import KnownMember
from config.database import Database, now_of
from tests.app.api.pos.test_orders import AT, TEA, cash, identified, order, told
from tests.app.api.tills import Till
from tests.app.checkout.shops import give_points
from tests.factories import make_member, unique


def _member(database: Database, till: Till) -> KnownMember:
    with database.transaction("test") as session:
        made = make_member(session)
        give_points(session, till.shop, made, 500)
    return made


def test_totals_say_what_each_cashier_took_and_gave(till: Till, database: Database) -> None:
    known = identified(database, till, _member(database, till))
    both = [{"name": "cash", "fen": 4_000}, {"name": "wechat", "fen": 5_700}]
    first = told(till.post("/v1/pos/orders", order(
        identification_id=known, burn_points=300, tenders=both)))  # fmt: skip
    told(till.post("/v1/pos/orders", order(cashier_id="008", tenders=cash(10_000))))
    told(till.post("/v1/pos/orders", order()))  # Placed and not paid: no money yet.
    told(till.post(f"/v1/pos/orders/{first['order_id']}/refunds", {
        "terminal_id": "T1", "cashier_id": "008", "number": unique("R")}))  # fmt: skip

    totals = told(till.get("/v1/pos/totals?terminal_id=T1"), 200)

    cashiers = {each["cashier_id"]: each for each in totals["cashiers"]}
    assert set(cashiers) == {None, "007", "008"}  # None: the points given beforehand.
    assert cashiers["007"]["sold_fen"] == TEA["amount_fen"]
    assert (cashiers["007"]["burned_points"], cashiers["007"]["earned_points"]) == (300, 97)
    assert cashiers["007"]["tenders"] == [
        {"name": "cash", "taken_fen": 4_000, "given_fen": 0},
        {"name": "wechat", "taken_fen": 5_700, "given_fen": 0},
    ]
    assert (cashiers["008"]["orders"], cashiers["008"]["refunds"]) == (1, 1)
    assert (cashiers["008"]["restored_points"], cashiers["008"]["clawed_points"]) == (300, 97)
    assert cashiers["008"]["tenders"] == [
        {"name": "cash", "taken_fen": 10_000, "given_fen": 4_000},
        {"name": "wechat", "taken_fen": 0, "given_fen": 5_700},
    ]


def test_another_day_and_another_terminal_have_totals_of_their_own(till: Till) -> None:
    told(till.post("/v1/pos/orders", order(tenders=cash(10_000))))

    past = told(till.get("/v1/pos/totals?terminal_id=T1&day=2026-01-31"), 200)

    assert (past["day"], past["cashiers"]) == ("2026-01-31", [])
    assert till.get("/v1/pos/totals?terminal_id=T2").status_code == 404
    assert till.get("/v1/pos/totals?terminal_id=T1&day=31.1.2026").status_code == 400
    assert till.get("/v1/pos/totals").status_code == 400


def test_a_closed_terminal_has_its_numbered_report(till: Till, database: Database) -> None:
    """P6: what stands in one Z report stands in no other, and X goes on from there."""
    member = _member(database, till)  # Its points come of a sale without a cashier.
    known = identified(database, till, member)
    both = [{"name": "cash", "fen": 4_000}, {"name": "wechat", "fen": 5_700}]
    sold = told(till.post("/v1/pos/orders", order(
        identification_id=known, burn_points=300, tenders=both)))  # fmt: skip
    held = told(till.post("/v1/pos/burns", {
        **AT, "number": unique("B"), "order_fen": 5_000, "points": 100,
        "identification_id": known}))  # fmt: skip
    told(till.post(f"/v1/pos/burns/{held['burn_id']}/capture", AT), 200)

    first = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))
    told(till.post("/v1/pos/orders", order(cashier_id="008", tenders=cash(10_000))))
    told(till.post(f"/v1/pos/orders/{sold['order_id']}/refunds", {
        **AT, "number": unique("R"), "parts": [{"amount_fen": 100}]}))  # fmt: skip
    now = told(till.get("/v1/pos/totals?terminal_id=T1"), 200)
    second = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))
    third = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))

    cashier = next(each for each in first["cashiers"] if each["cashier_id"] == "007")
    assert (first["ordinal"], first["began_at"]) == (1, None)
    assert (cashier["orders"], cashier["burns"], cashier["sold_fen"]) == (1, 1, 10_000)
    assert (cashier["burned_points"], cashier["burned_fen"]) == (400, 400)
    assert cashier["tenders"] == [
        {"name": "cash", "taken_fen": 4_000, "given_fen": 0},
        {"name": "wechat", "taken_fen": 5_700, "given_fen": 0},
    ]
    assert (now["day"], now["since"]) == (None, first["closed_at"])
    assert (second["ordinal"], second["began_at"]) == (2, first["closed_at"])
    assert second["cashiers"] == now["cashiers"]
    assert [(each["cashier_id"], each["orders"], each["refunds"]) for each in now["cashiers"]] == [
        ("007", 0, 1),
        ("008", 1, 0),
    ]
    assert (third["cashiers"], third["first_at"]) == ([], None)
    listed = told(till.get("/v1/pos/totals/z?terminal_id=T1&limit=2"), 200)
    rest = told(till.get(f"/v1/pos/totals/z?terminal_id=T1&cursor={listed['next_cursor']}"), 200)
    assert listed["reports"] == [third, second]
    assert (rest["reports"], rest["next_cursor"]) == ([first], None)


def test_a_report_sent_again_closes_nothing(till: Till) -> None:
    told(till.post("/v1/pos/orders", order(tenders=cash(10_000))))
    asked, key = {**AT, "number": unique("Z")}, unique("idem-key-")
    first = till.post("/v1/pos/totals/z", asked, key=key)
    told(till.post("/v1/pos/orders", order(tenders=cash(10_000))))

    same = till.post("/v1/pos/totals/z", asked, key=key)
    other_key = till.post("/v1/pos/totals/z", asked)

    assert same.get_data() == first.get_data()
    assert other_key.headers["Business-Replayed"] == "true"
    assert told(other_key, 200) == told(first)
    assert till.get("/v1/pos/totals/z?terminal_id=T9").status_code == 404


def test_what_comes_late_stands_in_the_next_report(till: Till, database: Database) -> None:
    """A sale that was captured offline before a report, and one that was placed before it."""
    with database.transaction("test") as session:
        at = (now_of(session) - timedelta(hours=5)).isoformat()
    placed = told(till.post("/v1/pos/orders", order()))
    told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))
    late = order(tenders=cash(10_000), occurred_at=at)
    told(till.post("/v1/pos/orders/batch", {"orders": [late]}), 200)
    told(till.post(f"/v1/pos/orders/{placed['order_id']}/payment", {
        **AT, "tenders": cash(10_000)}), 200)  # fmt: skip

    report = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))

    (cashier,) = report["cashiers"]
    assert cashier["orders"] == 2
    assert report["first_at"] < report["began_at"] < report["closed_at"]


def test_a_sale_that_is_under_way_while_a_report_is_made_is_in_the_next(
    till: Till, database: Database
) -> None:
    """It bears an instant before the report's, and is committed after it."""
    with database.transaction("test") as session:
        till.shop.sell(session, None, 7_000)
        first = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))

    second = told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))

    assert first["cashiers"] == []
    assert [each["sold_fen"] for each in second["cashiers"]] == [7_000]


def test_reports_side_by_side_count_every_sale_once(till: Till) -> None:
    def sell(_: int) -> int:
        return till.post("/v1/pos/orders", order(tenders=cash(10_000))).status_code

    def close(_: int) -> list[dict[str, int]]:
        asked = {**AT, "number": unique("Z")}
        return list(told(till.post("/v1/pos/totals/z", asked))["cashiers"])

    with ThreadPoolExecutor(6) as pool:
        sold = [pool.submit(sell, number) for number in range(24)]
        closed = [pool.submit(close, number) for number in range(6)]
        assert {each.result() for each in sold} == {201}
        found = [cashier for each in closed for cashier in each.result()]
    found += close(0)

    assert sum(cashier["orders"] for cashier in found) == 24
    numbers = [each["ordinal"] for each in told(
        till.get("/v1/pos/totals/z?terminal_id=T1"), 200)["reports"]]  # fmt: skip
    assert numbers == [7, 6, 5, 4, 3, 2, 1]


def test_a_report_cannot_be_changed(till: Till, database: Database) -> None:
    told(till.post("/v1/pos/totals/z", {**AT, "number": unique("Z")}))

    for change in ("UPDATE z_report SET totals = '[]'", "DELETE FROM z_entry"):
        with (
            database.transaction("test") as session,
            pytest.raises(DBAPIError, match="permission denied"),
        ):
            session.execute(text(change))
