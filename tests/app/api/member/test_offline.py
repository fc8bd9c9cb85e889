"""C18, reliability 10: a member makes a coupon out for one store and sees where and until when."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from config.database import Database
from tests.app.api.member.test_coupons import opened
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import Shop, open_shop
from tests.app.checkout.test_coupons import off
from tests.factories import unique


@pytest.fixture
def shop(database: Database, district: str) -> Shop:
    with database.transaction(district) as session:
        return open_shop(session)


def claimed(phone: Phone, batch: str) -> str:
    (got,) = told(phone.post("coupons/claims", {"batch": batch}), 201)["coupons"]
    return str(got["coupon_id"])


def made_out(phone: Phone, coupon: str, shop: Shop, status: int = 201) -> dict[str, Any]:
    asked = {"store_id": shop.till.store.code}
    return told(phone.post(f"coupons/{coupon}/offline", asked), status)


def test_a_coupon_is_made_out_for_a_store_and_the_wallet_says_where_and_until_when(
    phone: Phone, database: Database, shop: Shop
) -> None:
    coupon = claimed(phone, opened(database, offline_ok=True))

    made = made_out(phone, coupon, shop)
    again = phone.post(f"coupons/{coupon}/offline", {"store_id": shop.till.store.code})
    held = told(phone.get(f"coupons/{coupon}"))

    ends, until = (datetime.fromisoformat(made[name]) for name in ("ends_at", "locked_until"))
    assert made["token"].startswith("OCT1.")
    assert (made["coupon_id"], made["fen"]) == (coupon, 500)
    assert until - ends == timedelta(hours=72)
    assert told(again)["token"] == made["token"]
    assert again.headers["Business-Replayed"] == "true"
    assert (held["standing"], held["locked_until"]) == ("locked", made["locked_until"])
    assert held["offline"] == {
        "store_id": shop.till.store.code,
        "store": shop.till.store.name,
        "ends_at": made["ends_at"],
    }
    assert told(phone.get("coupons"))["coupons"] == [held]


def test_a_coupon_that_is_not_made_out_says_so(phone: Phone, database: Database) -> None:
    coupon = claimed(phone, opened(database, offline_ok=True))

    held = told(phone.get(f"coupons/{coupon}"))

    assert (held["offline"], held["locked_until"]) == (None, None)


def test_there_is_no_way_back_before_its_end_and_the_answer_says_why(
    phone: Phone, database: Database, shop: Shop
) -> None:
    with database.transaction("test") as session:
        other = open_shop(session)
    coupon = claimed(phone, opened(database, offline_ok=True))
    made_out(phone, coupon, shop)

    refused = made_out(phone, coupon, other, 409)

    assert refused["code"] == "state-conflict"
    assert "断网的收银机无法得知撤回" in refused["detail"]
    assert "would not hear that it was taken back" in refused["detail"]


def test_what_would_not_serve_here_is_not_made_out(
    phone: Phone, database: Database, shop: Shop
) -> None:
    """Whose goods, whose tier: a till without the network could not look at it."""
    with database.transaction("test") as session:
        other = open_shop(session)
    scope = {"scope": {"include": {"merchants": [other.merchant.code]}}}
    elsewhere = claimed(phone, opened(database, off(500) | scope, offline_ok=True))
    gold = claimed(
        phone, opened(database, off(500) | {"who": {"tiers": ["gold"]}}, offline_ok=True)
    )
    online = claimed(phone, opened(database))

    assert made_out(phone, elsewhere, shop, 422)["code"] == "rule-not-met"
    assert made_out(phone, elsewhere, other)["coupon_id"] == elsewhere
    assert "限等级 gold" in made_out(phone, gold, shop, 422)["detail"]
    assert "模板不允许" in made_out(phone, online, shop, 422)["detail"]


def test_nobody_makes_out_what_is_not_his(phone: Phone, database: Database, shop: Shop) -> None:
    coupon = claimed(new_member(phone.client), opened(database, offline_ok=True))

    unknown = made_out(phone, "cpn_00000000000000000000000000", shop, 404)

    assert made_out(phone, coupon, shop, 404)["title"] == unknown["title"]
    assert told(phone.post(f"coupons/{coupon}/offline", {"store_id": "nowhere"}), 404)


def test_a_phone_that_asks_for_five_at_once_gets_three(
    phone: Phone, database: Database, shop: Shop
) -> None:
    """Exact under concurrency, over HTTP."""
    coupons = [claimed(phone, opened(database, offline_ok=True)) for _ in range(5)]
    asked = {"store_id": shop.till.store.code}

    with ThreadPoolExecutor(5) as pool:
        sent = [
            pool.submit(phone.post, f"coupons/{each}/offline", asked, key=unique("idem-key-"))
            for each in coupons
        ]
        statuses = Counter(each.result().status_code for each in sent)

    with database.transaction("test") as session:
        out = session.scalar(
            text("SELECT count(*) FROM coupon_offline WHERE holder = :holder"),
            {"holder": phone.member(database).public_id},
        )
    assert statuses == {201: 3, 409: 2}
    assert out == 3
