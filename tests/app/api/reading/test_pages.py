"""The pages for vendors: complete, offline, under a strict policy (P5, P7, reliability §12)."""

import json
import re

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api import problems
from app.api.openapi import document
from app.api.reading.advice import ADVICE
from app.api.reading.pages import ENTRIES, samples
from tests.factories import unique

PAGES = [entry.address for entry in ENTRIES]


@pytest.fixture
def address() -> dict[str, str]:
    """Where a reader sits."""
    return {"REMOTE_ADDR": unique("10.")}


def _read(client: FlaskClient, path: str, address: dict[str, str]) -> TestResponse:
    return client.get(path, environ_overrides=address)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_loads_nothing_from_elsewhere(
    client: FlaskClient, address: dict[str, str], path: str
) -> None:
    answer = _read(client, path, address)

    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]* (?:src|href)="([^"]*)"', answer.text)
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert all(each.startswith(("/docs/assets/", "data:")) for each in loaded)
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)
    assert answer.text.count('aria-current="page"') == 1


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(
    client: FlaskClient, address: dict[str, str], path: str
) -> None:
    text = _read(client, path, address).text
    anchors = {path: set(re.findall(r'id="([^"]+)"', text))}

    for link in set(re.findall(r'href="([/#][^"]*)"', text)):
        place, _, anchor = link.partition("#")
        place = place or path
        if place not in anchors:
            answer = _read(client, place, address)
            assert answer.status_code == 200, link
            anchors[place] = set(re.findall(r'id="([^"]+)"', answer.text))
        assert not anchor or anchor in anchors[place], link


def test_the_policy_of_a_page_forbids_all_but_its_own(
    client: FlaskClient, address: dict[str, str]
) -> None:
    policy = _read(client, "/docs", address).headers["Content-Security-Policy"]

    said = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert said["default-src"] == "'none'"
    assert said["script-src"] == said["style-src"] == "'self'"
    assert "unsafe" not in policy
    assert said["frame-ancestors"] == said["base-uri"] == said["form-action"] == "'none'"


@pytest.mark.parametrize(
    ("tag", "name"), [("pos", "tills"), ("member", "members"), ("manage", "manage")]
)
def test_the_reference_shows_every_route_with_every_field(
    app: APIFlask, client: FlaskClient, address: dict[str, str], tag: str, name: str
) -> None:
    described = json.loads(document(app))
    operations = [
        (path, operation)
        for path, methods in described["paths"].items()
        for operation in methods.values()
        if tag in operation["tags"]
    ]

    text = _read(client, f"/docs/reference-{name}", address).text

    assert len(operations) > 10
    for path, operation in operations:
        section = text.partition(f'id="{operation["operationId"]}"')[2].partition("</section>")[0]
        assert path in section
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            schema = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            for field in described["components"]["schemas"][schema]["properties"]:
                assert f"<code>{field}</code>" in section


def test_the_errors_are_all_there_and_each_kind_leads_to_its_row(
    client: FlaskClient, address: dict[str, str]
) -> None:
    """Reliability §15: `type` of a problem is an address."""
    text = _read(client, "/docs/errors", address).text

    for kind in problems.kinds():
        assert f'<tr id="{kind.code}"' in text
    led = _read(client, "/problems/member-code-used", address)
    assert (led.status_code, led.location) == (302, "/docs/errors#member-code-used")
    assert _read(client, "/problems/nonsense", address).status_code == 404


def test_every_sample_can_be_read(client: FlaskClient, address: dict[str, str]) -> None:
    assert set(samples()) == {"csharp", "java", "node", "php", "python"}
    for language in samples():
        answer = _read(client, f"/docs/samples/{language}", address)
        assert answer.status_code == 200
        assert answer.content_type == "text/plain; charset=utf-8"
        assert "POST" in answer.text or "plaza_client" in answer.text


def test_a_browser_that_has_a_page_is_not_sent_it_again(
    client: FlaskClient, address: dict[str, str]
) -> None:
    first = _read(client, "/docs/tills", address)
    again = client.get(
        "/docs/tills",
        headers={"If-None-Match": first.headers["ETag"]},
        environ_overrides=address,
    )

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/docs/nonsense", "/docs/assets/../pages.py", "/docs/assets/x", "/docs/samples/cobol"]
)
def test_what_is_no_page_is_404(client: FlaskClient, address: dict[str, str], path: str) -> None:
    answer = _read(client, path, address)

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_reading_does_not_use_up_what_tills_may_ask_unsigned(
    client: FlaskClient, address: dict[str, str]
) -> None:
    """Reliability §12"""
    pages = [_read(client, "/docs", address).status_code for _ in range(200)]

    assert pages.count(429) > 0
    assert pages[:110] == [200] * 110
    assert _read(client, "/v1/pos/time", address).status_code == 200


def test_a_route_names_the_codes_that_it_may_refuse_with(
    client: FlaskClient, address: dict[str, str]
) -> None:
    """P5: no code of somebody else's way to prove himself, none of keys where there is no key."""
    tills = _read(client, "/docs/reference-tills", address).text
    members = _read(client, "/docs/reference-members", address).text

    def section(text: str, anchor: str) -> str:
        return text.partition(f'id="{anchor}"')[2].partition("</section>")[0]

    order, quote = section(tills, "place_order"), section(tills, "make_quote")
    assert "#clock-skew" in order
    assert "#business-key-conflict" in order
    assert "#idempotency-key-missing" in order
    assert "#idempotency-key-missing" not in quote
    assert "#unauthenticated" not in order
    assert "#unauthenticated" in section(members, "get_balance")
    assert "#bad-signature" not in section(members, "get_balance")


def test_every_kind_of_refusal_says_what_to_do() -> None:
    """P5: a new code gets its row in app/api/reading/advice.py."""
    assert set(ADVICE) == {kind.code for kind in problems.kinds()}
    assert all(zh and en for zh, en in ADVICE.values())
