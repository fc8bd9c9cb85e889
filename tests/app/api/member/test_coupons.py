"""C4, C7, C17, C19, X1, X2; semantics 36, 38, 44, 45: a member's coupons over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import text

from app.api import guessing
from app.campaigns import segments
from app.clock import server_now
from app.members.sealing import coupon_keys
from config.database import Database
from coupons import codes, presets, runs
from tests.app.api.phones import Phone, new_member, told
from tests.app.checkout.shops import open_shop
from tests.app.checkout.test_coupons import off, open_batch
from tests.app.points.test_merging import merge
from tests.counting import sent_by_all
from tests.coupons.makers import make_batch
from tests.factories import unique

HERE = {"scope": {"include": {"categories": ["food"]}}}


def opened(database: Database, offer: dict[str, object] | None = None, **terms: object) -> str:
    """Open a batch that members may claim, and return its code."""
    with database.transaction("test") as session:
        return open_batch(session, offer or off(500), **{"claim": True, **terms}).code


def printed(database: Database, batch: str) -> str:
    """Return a code of a batch, as it stands on paper."""
    code = codes.new_code()
    with database.transaction("test") as session:
        keys = coupon_keys(session)
        run = runs.open_run(session, batch=batch, name=unique("r"), wanted=None, keys=keys, by="x")
        runs.take_over(session, run, [(1, code)], keys=keys)
    return code


def offer_of(phone: Phone, batch: str, query: str = "") -> Any:
    found = told(phone.get(f"coupons/offers?limit=100{query}"))["offers"]
    return next(each for each in found if each["batch"] == batch)


def test_a_claimed_coupon_stands_in_the_wallet_with_its_terms(
    phone: Phone, database: Database
) -> None:
    batch = opened(database, off(2_000, 10_000) | HERE)
    key = unique("claim-key-")

    before = offer_of(phone, batch)
    (got,) = told(phone.post("coupons/claims", {"batch": batch}, key=key), 201)["coupons"]
    repeated = phone.post("coupons/claims", {"batch": batch}, key=key)
    again = phone.post("coupons/claims", {"batch": batch})
    more = told(phone.post("coupons/claims", {"batch": batch, "n": 2}), 409)
    after = offer_of(phone, batch)

    assert (before["claimable"], before["why_not"], before["claimed"]) == (True, [], 0)
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Business-Replayed"] == "true"
    assert told(again)["coupons"][0]["coupon_id"] == got["coupon_id"]
    assert more["code"] == "already-claimed"
    assert (after["claimable"], after["claimed"]) == (False, 1)
    (held,) = told(phone.get("coupons"))["coupons"]
    assert held == told(phone.get(f"coupons/{got['coupon_id']}"))
    assert (held["standing"], held["zh"], held["uses_left"]) == ("usable", "测试券", 1)
    terms = held["terms"]
    assert (terms["funders"], terms["min_fen"]) == (["district"], 10_000)
    assert (terms["categories"], terms["exclusive"], terms["at_most"]) == (["food"], False, 1)


def test_what_a_merged_member_took_is_offered_no_more(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    """Semantics 46: the limit is of the person, under whatever name he took it."""
    batch, former = opened(database), new_member(client)
    told(former.post("coupons/claims", {"batch": batch}), 201)
    loser, survivor = former.member(database), phone.member(database)
    with database.transaction("test") as session:
        merge(session, loser, survivor)

    offer = offer_of(phone, batch)
    refused = told(phone.post("coupons/claims", {"batch": batch}), 409)

    assert (offer["claimed"], offer["claimable"]) == (1, False)
    assert [each["code"] for each in offer["why_not"]] == ["already-claimed"]
    assert refused["code"] == "already-claimed"


def test_offers_say_why_not_and_whether_they_serve_here_and_now(
    phone: Phone, database: Database
) -> None:
    with database.transaction("test") as session:
        here, other = open_shop(session), open_shop(session)
    scope = {"scope": {"include": {"merchants": [here.merchant.code]}}}
    placed = opened(database, off(100) | scope)
    gold = opened(database, off(100) | {"who": {"tiers": ["gold"]}})
    gone = opened(database, limits={"total": 1})
    told(new_member(phone.client).post("coupons/claims", {"batch": gone}), 201)

    at_home = offer_of(phone, placed, f"&store_id={here.till.store.code}")
    elsewhere = offer_of(phone, placed, f"&store_id={other.till.store.code}")

    assert (at_home["usable_here"], at_home["unusable"]) == (True, [])
    assert [each["code"] for each in elsewhere["unusable"]] == ["wrong-place"]
    assert [each["code"] for each in offer_of(phone, gold)["unusable"]] == ["wrong-tier"]
    assert [each["code"] for each in offer_of(phone, gone)["why_not"]] == ["sold-out"]
    assert told(phone.post("coupons/claims", {"batch": gone}), 409)["code"] == "sold-out"


def test_an_offer_for_a_segment_serves_its_members_alone(phone: Phone, database: Database) -> None:
    """C2"""
    code = unique("vip")
    with database.transaction("test") as session:
        segments.open_segment(session, code=code, title_zh="贵宾", title_en="VIP", by="system:test")
    chosen = opened(database, off(100) | {"who": {"segments": [code]}})

    before = offer_of(phone, chosen)
    with database.transaction("test") as session:
        segments.put_in(session, code, [phone.member(database).public_id], by="system:test")
    after = offer_of(phone, chosen)

    assert [each["code"] for each in before["unusable"]] == ["wrong-segment"]
    assert (after["usable_here"], after["unusable"]) == (True, [])


def test_offers_come_in_pages_and_in_one_query_each(phone: Phone, database: Database) -> None:
    batches = [opened(database) for _ in range(3)]

    first = told(phone.get("coupons/offers?limit=2"))
    inside = phone.client.application.extensions["plaza"].database
    with sent_by_all(inside) as statements:
        second = told(phone.get(f"coupons/offers?limit=2&cursor={first['next_cursor']}"))

    shown = [each["batch"] for each in (*first["offers"], *second["offers"])]
    assert shown[:3] == batches[::-1]
    assert 3 <= len(statements) + 1 <= 5  # BEGIN, who calls, the offers, and COMMIT


def test_thirty_offers_are_evaluated_in_one_statement_whatever_they_ask_for(
    phone: Phone, database: Database
) -> None:
    """Issue 5: BEGIN, who calls, the offers; tiers, birthdays and places are known by then."""
    with database.transaction("test") as session:
        shop = open_shop(session)
    asked: list[dict[str, object]] = [
        {"who": {"tiers": ["gold"]}},
        {"who": {"birthday": "month"}},
        {"who": {"first_purchase": "district"}},
        {"scope": {"include": {"merchants": [shop.merchant.code]}}},
        {"when": {"weekdays": [1, 2, 3]}},
    ]
    for each in asked * 6:
        opened(database, off(100) | each)
    told(phone.send("PATCH", "profile", {"birthday": "06-01"}))
    path = f"coupons/offers?limit=30&store_id={shop.till.store.code}"
    told(phone.get(path))

    inside = phone.client.application.extensions["plaza"].database
    with sent_by_all(inside) as statements:
        found = told(phone.get(path))["offers"]

    assert len(found) == 30
    assert len(statements) == 3
    assert {each["code"] for offer in found for each in offer["unusable"]} >= {"wrong-tier"}


def test_what_comes_by_code_is_neither_offered_nor_claimed(
    phone: Phone, database: Database
) -> None:
    batch = opened(database)
    printed(database, batch)

    found = told(phone.get("coupons/offers?limit=100"))["offers"]

    assert batch not in [each["batch"] for each in found]
    assert told(phone.post("coupons/claims", {"batch": batch}), 404)["code"] == "not-found"


def test_a_batch_is_claimed_no_more_once_it_has_codes_or_is_in_a_pack(
    phone: Phone, database: Database
) -> None:
    """A process that knew it as claimable hears of it with its next request."""
    coded, packed = [opened(database, limits={"per_member": 3, "total": 9}) for _ in range(2)]
    for batch in (coded, packed):
        told(phone.post("coupons/claims", {"batch": batch}), 201)

    printed(database, coded)
    with database.transaction("test") as session:
        named = {"code": unique("P"), "title_zh": "包", "title_en": "pack"}
        make_batch(session, presets.pack(**named, batches=[packed], total=9))

    for batch in (coded, packed):
        told(phone.post("coupons/claims", {"batch": batch, "n": 2}), 404)


def test_a_claim_takes_six_round_trips(phone: Phone, database: Database) -> None:
    """BEGIN and COMMIT included: the member, the key, the coupon with its news, the answer."""
    batch = opened(database, limits={"per_member": 9, "total": 99})
    inside = phone.client.application.extensions["plaza"].database
    told(phone.post("coupons/claims", {"batch": batch}), 201)

    with sent_by_all(inside) as statements:
        told(phone.post("coupons/claims", {"batch": batch, "n": 2}), 201)

    assert len(statements) + 1 == 6


def test_what_is_granted_alone_is_neither_offered_nor_claimed(
    phone: Phone, database: Database
) -> None:
    """Deny by default: a gift for a payment is not for whoever asks."""
    batch = opened(database, claim=False)

    offered = told(phone.get("coupons/offers?limit=100"))["offers"]

    assert batch not in {each["batch"] for each in offered}
    assert told(phone.post("coupons/claims", {"batch": batch}), 404)["code"] == "not-found"


def test_of_many_claims_of_the_last_coupon_one_is_answered_with_it(
    client: FlaskClient, database: Database
) -> None:
    """C4, semantics 36: exactly one wins, the others hear that there is no more."""
    batch = opened(database, limits={"total": 1})
    phones = [new_member(client) for _ in range(6)]

    with ThreadPoolExecutor(len(phones)) as pool:
        answers = list(pool.map(lambda each: each.post("coupons/claims", {"batch": batch}), phones))

    assert sorted(each.status_code for each in answers) == [201, *[409] * 5]
    assert {each.json["code"] for each in answers if each.status_code == 409} == {"sold-out"}
    with database.transaction("test") as session:
        issued = session.scalar(
            text("SELECT count(*) FROM coupon c JOIN coupon_batch b ON b.id = c.batch_id "
                 "WHERE b.code = :batch"), {"batch": batch})  # fmt: skip
    assert issued == 1


def test_a_code_is_exchanged_once_and_told_again_to_its_holder_alone(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    """C7, C17, semantics 44: unknown and foreign codes have one answer."""
    code = printed(database, opened(database))
    other = new_member(client)

    got = told(phone.post("coupons/exchanges", {"code": code.lower()}), 201)
    again = told(phone.post("coupons/exchanges", {"code": code}), 201)
    foreign = told(other.post("coupons/exchanges", {"code": code}), 404)
    unknown = told(other.post("coupons/exchanges", {"code": codes.new_code()}), 404)

    assert got == again
    assert {**foreign, "instance": ""} == {**unknown, "instance": ""}
    shown = told(phone.get(f"coupons/{got['coupon_id']}/code"))
    assert shown == told(phone.get(f"coupons/{got['coupon_id']}/code"))


def test_after_five_misses_a_member_waits_on_every_device(phone: Phone, database: Database) -> None:
    """C17, reliability 12"""
    code = printed(database, opened(database))
    for _ in range(5):
        told(phone.post("coupons/exchanges", {"code": codes.new_code()}), 404)

    waits = phone.post("coupons/exchanges", {"code": code})

    assert told(waits, 429)["code"] == "rate-limited"
    assert 800 < int(waits.headers["Retry-After"]) <= 900
    with database.transaction("test") as session:
        assert guessing.purge(session, now=server_now(session) + timedelta(days=2)) >= 5
    assert told(phone.post("coupons/exchanges", {"code": code}), 201)


def test_many_accounts_at_one_address_wait_together(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    """C17: by address too, which is kept as its blind index alone."""
    code = printed(database, opened(database))
    there = {"REMOTE_ADDR": phone.address}
    with (
        client.application.test_request_context(environ_base=there),
        database.transaction("test") as session,
    ):
        address, now = guessing.address_of(session), server_now(session)
        for n in range(guessing.ADDRESS_MISSES):
            guessing.count_miss(session, unique(f"mem_{n}"), now=now, address=address)

    assert phone.address not in address
    told(phone.post("coupons/exchanges", {"code": code}), 429)
    elsewhere = replace(phone, address=unique("10."))
    told(elsewhere.post("coupons/exchanges", {"code": code}), 201)


def test_a_code_to_show_belongs_to_the_holder_and_stays_the_same(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    batch = opened(database)
    (got,) = told(phone.post("coupons/claims", {"batch": batch}), 201)["coupons"]
    path = f"coupons/{got['coupon_id']}/code"

    first, second = told(phone.get(path)), told(phone.get(path))

    assert first == second
    assert codes.normal(first["code"]) == first["code"]
    stranger = new_member(client)
    assert told(stranger.get(path), 404)["code"] == "not-found"
    assert told(stranger.get(f"coupons/{got['coupon_id']}"), 404)["code"] == "not-found"


def test_a_coupon_is_handed_on_with_its_last_day_and_no_further(
    phone: Phone, client: FlaskClient, database: Database
) -> None:
    """C7, semantics 45"""
    friend, third = new_member(client), new_member(client)
    (got,) = told(phone.post("coupons/claims", {"batch": opened(database, transfer=1)}), 201)[
        "coupons"
    ]
    path = f"coupons/{got['coupon_id']}/transfers"

    shared = told(phone.post(path, {"phone": friend.number}))
    again = told(phone.post(path, {"phone": friend.number}))
    on = told(friend.post(path, {"phone": third.number}), 409)

    assert shared == again
    assert shared["valid_until"] == got["valid_until"]
    assert on["code"] == "state-conflict"
    assert told(phone.get("coupons"))["coupons"] == []
    assert [each["coupon_id"] for each in told(friend.get("coupons"))["coupons"]] == [
        got["coupon_id"]
    ]


def test_a_personal_coupon_stays(phone: Phone, client: FlaskClient, database: Database) -> None:
    """C19"""
    friend = new_member(client)
    batch = opened(database, personal=True)
    (got,) = told(phone.post("coupons/claims", {"batch": batch}), 201)["coupons"]

    kept = phone.post(f"coupons/{got['coupon_id']}/transfers", {"phone": friend.number})

    assert told(kept, 409)["code"] == "state-conflict"
