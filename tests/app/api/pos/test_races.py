"""P3: many at once at the tills' door; each has a definite answer and value is conserved."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import ledger
from app.members.identification import KnownMember
from config.database import Database
from migrations.run import create_district
from tests.app.api.pos.test_orders import _balance, _count, cash, identified, order, told
from tests.app.api.tills import Till, open_till
from tests.app.checkout.shops import give_points
from tests.factories import make_member, unique


@pytest.fixture
def member(database: Database, district: str, till: Till) -> KnownMember:
    with database.transaction(district) as session:
        made = make_member(session)
        give_points(session, till.shop, made, 500)
    return made


def test_one_number_under_twenty_keys_is_one_sale(
    till: Till, database: Database, member: KnownMember
) -> None:
    wish = order(identification_id=identified(database, till, member), tenders=cash(10_000))

    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(till.post, "/v1/pos/orders", wish) for _ in range(20)]
        answers = [each.result() for each in sent]

    assert sorted({answer.status_code for answer in answers}) == [200, 201]
    assert len({told(answer, answer.status_code)["order_id"] for answer in answers}) == 1
    assert sum(answer.status_code == 201 for answer in answers) == 1
    assert _balance(database, member) == 600


def test_burns_side_by_side_spend_no_point_twice(
    till: Till, database: Database, member: KnownMember
) -> None:
    known = identified(database, till, member)
    wishes = [
        order(identification_id=known, burn_points=200, tenders=cash(9_800)) for _ in range(8)
    ]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda wish: till.post("/v1/pos/orders", wish), wishes))

    earned = sum(told(each)["earned_points"] for each in answers if each.status_code == 201)
    burned = sum(told(each)["burned_points"] for each in answers if each.status_code == 201)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert burned <= 500 + earned
    assert _balance(database, member) == 500 + earned - burned
    with database.transaction("test", repeatable_read=True) as session:
        assert ledger.upkeep.audit_all(session) == []


def test_a_stopped_district_sells_nothing_and_still_tells_what_was_sold(
    till: Till, database: Database, owner_url: str
) -> None:
    """Decision 9: reading goes on, and a stored answer is told."""
    create_district(owner_url, "halted", name="停业商圈", sandbox=False)
    stopped, key = open_till(till.client, database, "halted"), unique("idem-key-")
    wish = order(tenders=cash(10_000))
    sold = stopped.post("/v1/pos/orders", wish, key=key)
    with database.transaction("halted") as session:
        session.connection().exec_driver_sql(
            "UPDATE public.district SET stopped = 'broken' WHERE id = 'halted'"
        )

    again = stopped.post("/v1/pos/orders", wish, key=key)
    found = stopped.get(f"/v1/pos/orders/{told(sold)['order_id']}")
    other = stopped.post("/v1/pos/orders", order(tenders=cash(10_000)))

    assert again.get_data() == sold.get_data()
    assert told(found, 200)["state"] == "paid"
    assert told(other, 503)["code"] == "maintenance"
    assert other.headers["Retry-After"] == "60"


def test_a_key_of_one_district_says_nothing_in_another(
    till: Till, database: Database, owner_url: str
) -> None:
    """Decision 7: the district comes from the key alone."""
    create_district(owner_url, "next-door", name="隔壁", sandbox=False)
    neighbour = open_till(till.client, database, "next-door")
    sold = told(neighbour.post("/v1/pos/orders", order(tenders=cash(10_000))))

    assert till.get(f"/v1/pos/orders/{sold['order_id']}").status_code == 404
    assert neighbour.get(f"/v1/pos/orders/{sold['order_id']}").status_code == 200
    assert _count(database, till) == 0
