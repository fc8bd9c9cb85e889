"""Reliability §0, §11, §12: every route of members, from the URL map, against everybody else.

A route that is added later is tested without a word here; one with a new kind of id in its path
fails until `MAKERS` says how such a thing comes to be.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import jwt
import pytest
import redis
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from app.api.auth import Role
from app.api.edge import Contract
from app.api.policy import POLICY
from app.checkout import takings
from app.clock import server_now
from app.members import confirming, exporting
from app.members.identification import KnownMember, find_by_phone
from app.merchants.directory import get_directory
from config.database import Database
from tests.app.api.phones import Phone, new_member
from tests.app.api.tills import Till
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import give_points, open_shop
from tests.app.checkout.test_coupons import give, off
from tests.factories import make_member, make_merchant, make_till, new_phone, unique

FRIEND = new_phone()
STORE = unique("S")
BODIES = {
    "member.share_coupon": {"phone": FRIEND},
    "member.make_out_coupon": {"store_id": STORE},
    "member.change_profile": {"name": "王五"},
    "member.close_account": {"points": "burn"},
    "member.decide_consent": {
        "purpose": "marketing", "channel": "sms", "decision": "given", "version": "2026-11",
    },
}  # fmt: skip


def _order(session: Session, member: KnownMember) -> str:
    return open_shop(session).sell(session, member, 1_000).public_id


def _burn(session: Session, member: KnownMember) -> str:
    return confirming.ask(
        session, member=member, terminal_id=make_till(session).id, points=1, worth_fen=1,
        now=server_now(session),
    ).public_id  # fmt: skip


def _coupon(session: Session, member: KnownMember) -> str:
    if find_by_phone(session, FRIEND) is None:
        make_member(session, phone=FRIEND)
    if STORE not in {store.code for store in get_directory(session).stores.values()}:
        make_merchant(session, code=STORE)
    return give(session, member, off(100), transfer=1, offline_ok=True)


def _export(session: Session, member: KnownMember) -> str:
    return exporting.ask(session, member=member, now=server_now(session)).public_id


def _taking(session: Session, member: KnownMember) -> str:
    shop = open_shop(session)
    give_points(session, shop, member, 1)
    return takings.take(
        session, member, item=put_up(session, shop, points=1).code, points=1
    ).public_id


MAKERS: dict[str, Callable[[Session, KnownMember], str]] = {
    "order_id": _order,
    "burn_id": _burn,
    "export_id": _export,
    "coupon_id": _coupon,
    "taking_id": _taking,
}


@dataclass(frozen=True)
class Route:
    """A route of the members' API with ids in its path that are one member's."""

    endpoint: str
    method: str
    path: str
    takes_ids: bool


def _rules(app: APIFlask, role: Role) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        if POLICY[rule.endpoint] is role:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                yield rule, method


def _contract(app: APIFlask, endpoint: str) -> Contract:
    contract = getattr(app.view_functions[endpoint], "contract", None)
    assert isinstance(contract, Contract)
    return contract


@pytest.fixture
def routes(app: APIFlask, phone: Phone, database: Database) -> list[Route]:
    """Every route of members, with things of the member whose phone it is."""
    member = phone.member(database)
    made = []
    with database.transaction("test") as session:
        for rule, method in _rules(app, Role.MEMBER):
            built = rule.build({name: MAKERS[name](session, member) for name in rule.arguments})
            assert built is not None
            made.append(
                Route(rule.endpoint, method, built[1].removeprefix("/v1/member/"),
                      bool(rule.arguments))
            )  # fmt: skip
    return made


def send(phone: Phone, route: Route) -> int:
    return phone.send(route.method, route.path, BODIES.get(route.endpoint, {})).status_code


def test_another_member_s_things_are_as_good_as_none(
    routes: list[Route], phone: Phone, client: FlaskClient
) -> None:
    """E18: foreign is absent; the owner is the control."""
    stranger = new_member(client)
    with_ids = [route for route in routes if route.takes_ids]

    assert {route.endpoint: send(stranger, route) for route in with_ids} == {
        route.endpoint: 404 for route in with_ids
    }
    assert {send(phone, route) for route in with_ids} <= {200, 201}
    assert len(with_ids) >= len(MAKERS)


def test_whoever_is_not_signed_in_gets_nothing(routes: list[Route], phone: Phone) -> None:
    header, body, signature = phone.access.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = [
        "",
        "nonsense",
        f"{header}.{body}.",
        f"{header}.{body}.{signature[::-1]}",
        jwt.encode(claims, key="", algorithm="none"),
        phone.refresh,
    ]
    for access in forged:
        anybody = replace(phone, access=access, address=unique("10."))
        assert {send(anybody, route) for route in routes} == {401}, access


def test_a_till_is_no_member_and_a_member_is_no_till(
    app: APIFlask, routes: list[Route], phone: Phone, till: Till
) -> None:
    for route in routes:
        path, body = f"/v1/member/{route.path}", json.dumps(BODIES.get(route.endpoint, {}))
        answer = till.send(route.method, path, body.encode() if route.method != "GET" else b"",
                           key=unique("idem-key-"))  # fmt: skip
        assert answer.status_code == 401, path
    for rule, method in _rules(app, Role.STORE):
        built = rule.build({name: "ord_" + "0" * 26 for name in rule.arguments})
        assert built is not None
        answer = phone.client.open(
            built[1], method=method, json={} if method != "GET" else None,
            headers={"Authorization": f"Bearer {phone.access}"},
            environ_overrides={"REMOTE_ADDR": phone.address},
        )  # fmt: skip
        assert answer.status_code == 401, built[1]


def test_a_member_is_answered_in_the_district_of_the_token_alone(
    phone: Phone, database: Database
) -> None:
    """Decision 7: the district is a claim, so it cannot be chosen."""
    answer = phone.client.get(
        "/v1/member/profile?district=neighbour",
        headers={"Authorization": f"Bearer {phone.access}"},
        environ_overrides={"REMOTE_ADDR": phone.address},
    )

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["member_id"] == phone.member(database).public_id


def test_a_member_who_sends_too_much_is_told_to_wait(
    phone: Phone, database: Database, redis_url: str
) -> None:
    """Reliability §12: 600 a minute; here the member is thirty seconds ahead of that."""
    bucket = f"plaza:limit:test:member:{phone.member(database).public_id}"
    with redis.Redis.from_url(redis_url) as connection:
        connection.set(bucket, int((time.time() + 30) * 1_000_000), ex=40)

    refused = phone.get("profile")

    assert refused.status_code == 429
    assert 15 <= int(refused.headers["Retry-After"]) <= 30


def test_whoever_guesses_tokens_is_limited_by_address(phone: Phone) -> None:
    guessing = replace(phone, access="a.b.c", address=unique("10."))

    statuses = [guessing.get("profile").status_code for _ in range(70)]

    assert set(statuses) == {401, 429}
    assert statuses.index(429) >= 60
    assert phone.get("profile").status_code == 200


def test_every_write_but_those_whose_answers_are_secret_wants_a_key(app: APIFlask) -> None:
    """Reliability §1: not on signing in and out; the seed and the data are stored nowhere."""
    unkeyed = {
        rule.endpoint
        for role in (Role.MEMBER, Role.ANYONE)
        for rule, method in _rules(app, role)
        if method != "GET" and not _contract(app, rule.endpoint).keyed
    }

    assert unkeyed == {
        "member.send_sign_in_code",
        "member.start_session",
        "member.refresh_session",
        "member.end_session",
        "member.end_all_sessions",
        "member.make_code_seed",
        "member.fetch_export",
        "member.exchange_code",  # A code is good once, and told again to its holder.
        "member.accept_share",  # So is the token of a link, and
        "member.make_share",  # it is told once and stored nowhere.
        "manage.start_staff_session",
        "reading.explain_signature",  # It writes nothing.
    }


def test_unknown_fields_are_refused_everywhere(routes: list[Route], phone: Phone) -> None:
    """Reliability §11"""
    statuses = {
        route.endpoint: phone.send(
            route.method, route.path, {**BODIES.get(route.endpoint, {}), "role": "admin"}
        ).status_code
        for route in routes
        if route.method != "GET"
    }

    assert set(statuses.values()) == {400}


def test_nothing_personal_is_logged(
    phone: Phone, routes: list[Route], caplog: pytest.LogCaptureFixture
) -> None:
    """Reliability §0 rule 9"""
    with caplog.at_level("DEBUG"):
        for route in routes:
            if "sign-out" not in route.path:
                send(phone, route)

    logged = "".join(str(vars(record)) for record in caplog.records)
    assert "request_answered" in logged
    for secret in (phone.number, phone.number[3:], phone.access, phone.refresh, "王五"):
        assert secret not in logged
