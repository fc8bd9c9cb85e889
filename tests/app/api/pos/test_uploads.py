"""P1, semantics 40, decision 22: a day that was captured offline, each sale with its verdict."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.clock import server_now
from app.members import codes, devices, seeds
from app.members.identification import KnownMember
from app.members.presence import Mode
from app.members.seeds import IssuedSeed
from config.database import Database, now_of
from tests.app.api.pos.test_orders import AT, TEA, _balance, _count, cash, order, told
from tests.app.api.tills import Till
from tests.factories import make_member, new_phone, unique


@pytest.fixture
def hours_ago(database: Database, district: str) -> Any:
    with database.transaction(district) as session:
        now = now_of(session)
    return lambda hours: (now - timedelta(hours=hours)).isoformat()


@pytest.fixture
def member(database: Database, district: str) -> tuple[str, KnownMember]:
    phone = new_phone()
    with database.transaction(district) as session:
        return phone, make_member(session, phone=phone)


def captured(at: str, **fields: object) -> dict[str, object]:
    given = {"number": unique("N"), "occurred_at": at, "tenders": cash(10_000), "lines": [TEA]}
    return {**AT, **given, **fields}


def test_each_sale_has_its_verdict_and_the_good_ones_stand(
    till: Till, database: Database, member: tuple[str, KnownMember], hours_ago: Any
) -> None:
    phone, who = member
    sales = [
        captured(hours_ago(5), phone=phone),
        captured(hours_ago(4), tenders=cash(9_999)),
        captured(hours_ago(73)),
        captured(hours_ago(3), phone=new_phone()),
        captured(hours_ago(2), terminal_id="T9"),
        captured(hours_ago(1), phone=phone),
    ]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    verdicts = answer["verdicts"]
    assert [verdict["status"] for verdict in verdicts] == [201, 409, 400, 404, 404, 201]
    assert (answer["accepted"], answer["refused"]) == (2, 4)
    assert verdicts[0]["order"]["earned_points"] == 100
    assert verdicts[1]["problem"]["code"] == "state-conflict"
    assert "problem" not in verdicts[0]
    assert _count(database, till) == 2
    assert _balance(database, who) == 200


def test_an_upload_sent_again_is_answered_as_before(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales, key = [captured(hours_ago(1)) for _ in range(3)], unique("idem-key-")

    first = till.post("/v1/pos/orders/batch", {"orders": sales}, key=key)
    second = till.post("/v1/pos/orders/batch", {"orders": sales}, key=key)
    fresh = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)
    other = told(till.post("/v1/pos/orders/batch", {"orders": sales[:2]}, key=key), 422)

    assert first.get_data() == second.get_data()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert [verdict["status"] for verdict in fresh["verdicts"]] == [200, 200, 200]
    assert other["code"] == "idempotency-key-reused"
    assert _count(database, till) == 3


def test_a_sale_that_reached_us_before_is_known_in_an_upload(till: Till, hours_ago: Any) -> None:
    """The line broke after the sale and before its answer."""
    wish = order(tenders=cash(10_000))
    sold = told(till.post("/v1/pos/orders", wish))

    answer = told(till.post("/v1/pos/orders/batch", {
        "orders": [captured(hours_ago(0), number=wish["number"])]}), 200)  # fmt: skip

    assert answer["verdicts"][0]["status"] == 200
    assert answer["verdicts"][0]["order"]["order_id"] == sold["order_id"]


def test_a_refused_last_sale_does_not_undo_the_others(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales = [captured(hours_ago(1)), captured(hours_ago(1), tenders=cash(1))]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    assert [verdict["status"] for verdict in answer["verdicts"]] == [201, 409]
    assert _count(database, till) == 1


def test_an_upload_that_died_half_way_is_finished_by_its_repeat(
    till: Till, database: Database, hours_ago: Any
) -> None:
    """What the first request did before it died stands, and is not done again."""
    sales = [captured(hours_ago(1)) for _ in range(4)]
    told(till.post("/v1/pos/orders/batch", {"orders": sales[:2]}), 200)

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)

    assert [verdict["status"] for verdict in answer["verdicts"]] == [200, 200, 201, 201]
    assert _count(database, till) == 4


@pytest.mark.parametrize("count", [0, 501])
def test_an_upload_has_one_to_five_hundred_sales(till: Till, hours_ago: Any, count: int) -> None:
    sales = [captured(hours_ago(1))] * count

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 400)

    assert answer["errors"] == [{"pointer": "/orders", "code": "wrong-length"}]


def test_a_shape_that_is_wrong_is_told_with_its_place_and_nothing_is_sold(
    till: Till, database: Database, hours_ago: Any
) -> None:
    sales = [captured(hours_ago(1)), captured(hours_ago(1), burn_points=5)]

    answer = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 400)

    assert answer["errors"] == [{"pointer": "/orders/1/burn_points", "code": "unknown-field"}]
    assert _count(database, till) == 0


@pytest.fixture
def device(database: Database, member: tuple[str, KnownMember]) -> IssuedSeed:
    """The seed of the member's phone, fetched a day ago."""
    with database.transaction("test") as session:
        then = server_now(session) - timedelta(hours=20)
        opened = devices.open_on(session, member=member[1], source="web", now=then)
        return seeds.issue(session, opened, now=then)


def shown(device: IssuedSeed, at: str, mode: Mode = Mode.EARN) -> str:
    return codes.write(device.seed, alias=device.alias, mode=mode, at=datetime.fromisoformat(at))


def test_a_code_that_was_shown_offline_earns_at_its_own_time(
    till: Till,
    database: Database,
    member: tuple[str, KnownMember],
    device: IssuedSeed,
    hours_ago: Any,
) -> None:
    """Decision 24, reliability §9: checked at the business time, good once, earn alone."""
    then, now = hours_ago(5), hours_ago(0)
    good = captured(then, member_code=shown(device, then))
    sales = [
        captured(then, member_code=shown(device, then, Mode.SPEND)),
        captured(hours_ago(4), member_code=shown(device, then)),
        captured(then, member_code="91" + "0" * 18),
        captured(then, member_code="nonsense"),
        good,
        captured(then, member_code=good["member_code"]),
        captured(now, member_code=shown(device, now)),
    ]  # fmt: skip

    verdicts = told(till.post("/v1/pos/orders/batch", {"orders": sales}), 200)["verdicts"]

    assert [each["status"] for each in verdicts] == [404, 404, 404, 404, 201, 409, 201]
    assert verdicts[4]["order"]["earned_points"] == 100
    assert verdicts[5]["problem"]["code"] == "member-code-used"
    assert _count(database, till) == 2
    assert _balance(database, member[1]) == 200


def test_a_sale_with_a_code_sent_again_is_known(
    till: Till,
    database: Database,
    member: tuple[str, KnownMember],
    device: IssuedSeed,
    hours_ago: Any,
) -> None:
    """Decision 21: its number is looked up before its code is used up."""
    then = hours_ago(5)
    sale = captured(then, member_code=shown(device, then))

    with ThreadPoolExecutor(4) as pool:
        sent = [
            pool.submit(till.post, "/v1/pos/orders/batch", {"orders": [sale]}) for _ in range(4)
        ]
        statuses = [told(each.result(), 200)["verdicts"][0]["status"] for each in sent]

    assert sorted(statuses) == [200, 200, 200, 201]
    assert _balance(database, member[1]) == 100


def test_bad_codes_of_an_upload_shut_nobody_out(
    till: Till,
    database: Database,
    member: tuple[str, KnownMember],
    device: IssuedSeed,
    hours_ago: Any,
) -> None:
    """Not the next sale of the upload, not the terminal, and not the member's phone."""
    then = hours_ago(5)
    bad = [captured(then, member_code=f"91{device.alias}{number:08d}") for number in range(12)]
    good = captured(then, member_code=shown(device, then))

    verdicts = told(till.post("/v1/pos/orders/batch", {"orders": [*bad, good]}), 200)["verdicts"]

    assert [each["status"] for each in verdicts] == [404] * 12 + [201]
    known = {**AT, "member_code": shown(device, hours_ago(0), Mode.SPEND)}
    assert till.post("/v1/pos/identify", known, key="").status_code == 201


def test_a_captured_sale_names_its_member_once(till: Till, hours_ago: Any) -> None:
    sale = captured(hours_ago(1), phone=new_phone(), member_code="91" + "0" * 18)

    answer = told(till.post("/v1/pos/orders/batch", {"orders": [sale]}), 400)

    assert answer["errors"] == [{"pointer": "/orders/0/member_code", "code": "needs-phone-or-code"}]
