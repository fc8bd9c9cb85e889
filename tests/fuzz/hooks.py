"""Loaded by Schemathesis: signs what it sends, and makes what is well-formed right.

What JSON Schema cannot say is put right here, in requests that are meant to be right alone: a
cursor is one that a page gave, a period is not too long, a sale is not of next year, tenders pay
what is due, keys and numbers are fresh, and till, district, member and order are some that there
are.

What to sign with comes in `PLAZA_TEST_FUZZ`; members sign in through the API itself.
"""

import base64
import itertools
import json
import os
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from schemathesis import Case, HookContext
from schemathesis.auths import GLOBAL_AUTH_STORAGE
from schemathesis.core.parameters import ParameterLocation

from app.api import signing
from app.api.signing import SCHEME, Signed
from config.database import new_id
from coupons.rules import spread

GIVEN = json.loads(os.environ["PLAZA_TEST_FUZZ"])
OPEN = (
    "/v1/pos/time", "/v1/member/sign-in", "/v1/member/sign-in/code", "/v1/member/tokens",
    "/v1/manage/sign-in",
)  # fmt: skip
WAITING = ("payment", "cancellation")
UNSIGNED = "X-Unsigned"  # never leaves
USES = 80  # of a token: a member may send a hundred requests at once

_numbers = itertools.count(int(time.time() * 1000) % 10**7)
_token: list[str] = []
_phone: list[str] = []
_orders: dict[str, str] = {}
_uses = itertools.count(1)
_consoles = itertools.cycle(GIVEN["consoles"])


class Signer(AuthBase):
    """Signs the very bytes that leave, as a till does; a member's route, or staff's, gets a token.

    A request that was drawn without its `Authorization` stays without one.
    """

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        parts = urlsplit(str(request.url))
        if request.headers.pop(UNSIGNED, None) or parts.path in OPEN:
            return request
        if parts.path.startswith("/v1/pos"):
            request.headers["Authorization"] = _signature(request, parts.path, parts.query)
        elif parts.path.startswith("/v1/member"):
            request.headers["Authorization"] = f"Bearer {_member_token()}"
        elif parts.path.startswith("/v1/manage"):
            leaver = parts.path.endswith("/sign-out")
            token = GIVEN["leaver"] if leaver else next(_consoles)
            request.headers["Authorization"] = f"Bearer {token}"
        return request


GLOBAL_AUTH_STORAGE.set_from_requests(Signer())


@schemathesis.serializer("text/csv")
def lines(_context: Any, value: object) -> bytes:
    """Return lines of text as they leave."""
    return str(value).encode("utf-8", "replace")


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Give a right write a key of its own, and put right what no schema can say."""
    if case.meta is None:
        return
    if not case.meta.generation.mode.is_positive:
        drawn = case.meta.components.get(ParameterLocation.HEADER)
        if drawn and drawn.mode.is_negative and "Authorization" not in (case.headers or {}):
            case.headers = CaseInsensitiveDict(case.headers or {})
            case.headers[UNSIGNED] = "yes"
        return
    _put_right(case)


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Any) -> None:
    """Sign in again after a sign-out or a quarter of an hour; remember what was sold."""
    if response.status_code == 401 and case.path.startswith("/v1/member"):
        _token.clear()
    if response.status_code == 201 and case.path == "/v1/pos/orders":
        sold = response.json()
        _orders[sold["state"]] = sold["order_id"]


def _put_right(case: Case[Any]) -> None:
    if case.headers is not None and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = new_id("fuzz")
    if case.media_type == "text/csv":  # Its other fields stand in the query.
        case.query, case.body = {"name": new_id("n")}, f"{new_id('old')}\n"
    elif case.query:
        case.query = _query(dict(case.query))
    if isinstance(case.body, dict):
        case.body = _body(dict(case.body))
    if "order_id" in (case.path_parameters or {}) and case.path.startswith("/v1/pos"):
        state = "awaiting_payment" if case.path.endswith(WAITING) else "paid"
        case.path_parameters["order_id"] = _orders.get(state, case.path_parameters["order_id"])


def _query(query: dict[str, Any]) -> dict[str, Any]:
    query.pop("cursor", None)
    if "from" in query or "to" in query:
        query |= {"from": "2026-11-01", "to": "2026-12-01"}
    if "number" in query:  # It names one thing of one terminal: no page of them.
        query = {"terminal_id": "T1", "number": query["number"]}
    if "terminal_id" in query:
        query["terminal_id"] = "T1"
    return query


def _body(body: dict[str, Any]) -> dict[str, Any]:
    if "district" in body:
        body["district"] = GIVEN["district"]
    if body.get("birthday") is not None:
        body["birthday"] = "05-20"
    if "at" in body and "lines" in body:
        return _trial(body)
    body = _coupons(body)
    if "string_to_sign" in body or "headers" in body:
        body["headers"] = f'Authorization: {SCHEME} key_id="{GIVEN["key_id"]}"'
    if isinstance(body.get("orders"), list):
        body["orders"] = [_sale(dict(sale), offline=True) for sale in body["orders"]]
        return body
    return _sale(body, offline=False)


def _coupons(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body of staff with a template that means something, and days that are not over."""
    if "cursor" in body:
        body["cursor"] = None
    if "starts_at" in body and "ends_at" in body:
        body |= {"starts_at": "2026-11-01T00:00:00+08:00", "ends_at": "2099-01-01T00:00:00+08:00"}
    if isinstance(body.get("template"), dict):
        body["template"] = {**GIVEN["template"], "code": new_id("t")}
    if body.get("preset") is not None:
        body |= {"preset": "money-off", "values": {**GIVEN["values"], "code": new_id("t")}}
    return body


def _trial(body: dict[str, Any]) -> dict[str, Any]:
    """Return a sale of paper at a day that there is, with a template that means something."""
    body["at"] = "2026-12-01T12:00:00+08:00"
    if isinstance(body.get("member"), dict) and "birthday" in body["member"]:
        body["member"] = {**body["member"], "birthday": "05-20"}
    if "coupons" in body:
        body["coupons"] = [{"template": GIVEN["template"]}] if body["coupons"] else []
    return body


def _sale(sale: dict[str, Any], *, offline: bool) -> dict[str, Any]:
    if "terminal_id" in sale:
        sale["terminal_id"] = "T1"
    if "occurred_at" in sale:
        sale["occurred_at"] = datetime.now(UTC).isoformat(timespec="seconds") if offline else None
    if sale.get("identification_id") is not None:
        sale["identification_id"] = _identification()
    for name in ("number", "refund_number"):
        if name in sale:
            sale[name] = new_id("n")
    if "lines" in sale:
        sale["lines"] = [
            {
                **line,
                "merchant_id": None,
                "amount_fen": int(line["amount_fen"]) // len(sale["lines"]),
            }
            for line in sale["lines"]
        ]  # Together they stay within what one sale may come to.
    if "lines" in sale and sale.get("tenders") is not None:
        sale["tenders"] = _paid(sale)
    return sale


def _paid(sale: dict[str, Any]) -> list[dict[str, Any]]:
    """Return tenders of the names that were drawn, which together pay for the lines."""
    names = sorted({tender["name"] for tender in sale["tenders"]}) or ["cash"]
    shares = spread(sum(int(line["amount_fen"]) for line in sale["lines"]), [1] * len(names))
    return [{"name": name, "fen": fen} for name, fen in zip(names, shares, strict=True)]


def _signature(request: requests.PreparedRequest, path: str, query: str) -> str:
    body = request.body or b""
    timestamp, nonce = int(time.time()), new_id("n")
    asked = Signed(
        method=str(request.method),
        path=path,
        query=query,
        idempotency_key=_without_quotes(request.headers.get("Idempotency-Key", "").strip()),
        body=body.encode() if isinstance(body, str) else body,
    )
    text = asked.string_to_sign(key_id=GIVEN["key_id"], timestamp=timestamp, nonce=nonce)
    made = signing.sign(base64.b64decode(GIVEN["secret"]), text)
    return (
        f'{SCHEME} key_id="{GIVEN["key_id"]}",timestamp="{timestamp}",'
        f'nonce="{nonce}",signature="{base64.b64encode(made).decode()}"'
    )


def _without_quotes(key: str) -> str:
    quoted = len(key) >= 2 and key.startswith('"') and key.endswith('"')
    return key[1:-1] if quoted else key


def _member_token() -> str:
    if not _token or next(_uses) % USES == 0:
        phone = f"+86199{next(_numbers) % 10**8:08d}"
        who = {"district": GIVEN["district"], "phone": phone}
        sent = _post("/v1/member/sign-in/code", who)
        told = _post(
            "/v1/member/sign-in", {**who, "code": sent["code"], "consent_version": GIVEN["version"]}
        )
        _token[:], _phone[:] = [told["access_token"]], [phone]
    return _token[0]


def _identification() -> str:
    """Return a live identification of the member who is signed in, by phone."""
    _member_token()
    who = {"terminal_id": "T1", "cashier_id": "007", "phone": _phone[0]}
    return str(_post("/v1/pos/identify", who)["identification_id"])


def _post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    auth = Signer() if path.startswith("/v1/pos") else None
    answer = requests.post(GIVEN["url"] + path, json=body, auth=auth, timeout=10)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told
