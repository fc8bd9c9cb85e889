"""C7, C20: coupons granted and called back over HTTP, the used ones named and left alone."""

import pytest

from app import audit
from config.database import Database
from coupons import issuing, wallets
from coupons.wallets import Standing
from tests.app.api.consoles import Console
from tests.app.api.manage import test_batches
from tests.app.api.phones import told
from tests.coupons.makers import use_up
from tests.factories import make_member, unique

batch = test_batches.batch


@pytest.fixture
def members(database: Database) -> list[str]:
    with database.transaction("test") as session:
        return sorted(make_member(session).public_id for _ in range(3))


def test_members_are_granted_a_coupon_each_once_a_key(
    marketer: Console, database: Database, batch: str, members: list[str]
) -> None:
    path, body = f"batches/{batch}/grants", {"key": "k1", "member_ids": members, "reason": "补"}

    first = told(marketer.post(path, body), 201)["granted"]
    again = told(marketer.post(path, body), 201)["granted"]
    more = told(marketer.post(path, {**body, "key": "k2"}), 201)["granted"]
    over = told(marketer.post(path, {**body, "key": "k3"}), 201)["granted"]

    assert [each["verdict"] for each in first] == ["issued"] * 3
    assert [each["member_id"] for each in first] == members
    assert [each["coupon_id"] for each in again] == [each["coupon_id"] for each in first]
    assert {each["verdict"] for each in again} == {"repeat"}
    assert {each["verdict"] for each in more} == {"issued"}
    assert {(each["verdict"], each["coupon_id"]) for each in over} == {("claim-limit", None)}
    with database.transaction("test") as session:
        acts = audit.list_records(session, about=f"coupon-batch:{batch}")
    assert acts[0].reason == "补"


def test_a_grant_to_somebody_unknown_gives_nobody_anything(
    marketer: Console, batch: str, members: list[str]
) -> None:
    body = {"key": "k1", "member_ids": [*members, "mem_" + "0" * 26], "reason": "补"}

    assert marketer.post(f"batches/{batch}/grants", body).status_code == 404
    assert told(marketer.get(f"batches/{batch}"))["states"]["issued"] == 0


def test_a_grant_that_the_stock_does_not_cover_gives_nobody_anything(
    marketer: Console, members: list[str]
) -> None:
    small = test_batches.asked_for(marketer, limits={"total": 2})["batch"]["batch"]
    body = {"key": "k1", "member_ids": members, "reason": "补"}

    assert told(marketer.post(f"batches/{small}/grants", body), 409)["code"] == "sold-out"
    assert told(marketer.get(f"batches/{small}"))["states"]["issued"] == 0


def test_coupons_are_called_back_and_used_ones_named(
    marketer: Console, database: Database, batch: str
) -> None:
    with database.transaction("test") as session:
        used, held = (
            issuing.claim(session, batch=batch, holder=unique("mem_"))[0].coupon for _ in range(2)
        )
        use_up(session, used)
    body = {"coupon_ids": [used, held, "cpn_" + "0" * 26], "reason": "错发"}

    done = told(marketer.post("coupons/void", body))
    again = told(marketer.post("coupons/void", body))

    assert done == {"voided": 1, "used": [used], "next_cursor": None}
    assert (again["voided"], again["used"]) == (0, [used])
    with database.transaction("test") as session:
        assert wallets.find(session, coupons=[held])[0].standing is Standing.VOID


def test_a_batch_is_called_back_step_by_step(
    marketer: Console, database: Database, batch: str
) -> None:
    with database.transaction("test") as session:
        given = [
            issuing.claim(session, batch=batch, holder=unique("mem_"))[0].coupon for _ in range(5)
        ]
        use_up(session, given[2])
    path, body = f"batches/{batch}/void", {"reason": "失窃"}

    steps = [told(marketer.post(path, body))]
    while steps[-1]["next_cursor"] is not None:
        steps.append(told(marketer.post(path, {**body, "cursor": steps[-1]["next_cursor"]})))

    assert sum(step["voided"] for step in steps) == 4
    assert [coupon for step in steps for coupon in step["used"]] == [given[2]]
    stands = told(marketer.get(f"batches/{batch}"))
    assert stands["states"] == {"issued": 0, "used": 1, "void": 4, "opened": 0}
    assert stands["closed_why"] == "失窃"
    foreign = {**body, "cursor": steps[0]["next_cursor"], "run": "other"}
    assert marketer.post(path, foreign).status_code == 400
    with database.transaction("test") as session:
        acts = audit.list_records(session, about=f"coupon-batch:{batch}")
    assert [each.action for each in acts].count("coupon.void") == 1
