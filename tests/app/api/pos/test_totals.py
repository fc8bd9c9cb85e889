"""X totals of a terminal: by cashier and tender, what was taken and what was given back (M3)."""

from app.members.identification import KnownMember
from config.database import Database
from tests.app.api.pos.test_orders import TEA, cash, identified, order, told
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
