"""Whatever a till sends, it is answered by the tables and nothing breaks (issue: bad input)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.database import Database
from tests.app.api.pos.test_orders import AT, TEA, _count, cash, order, told
from tests.app.api.tills import Till
from tests.factories import unique

NOBODY = "ord_" + "0" * 26
NO_BURN = "bur_" + "0" * 26
SALE = order(tenders=cash(10_000), quote_id="quo_" + "0" * 26, burn_points=0)
CAPTURED = {**AT, "number": "N", "occurred_at": "2026-11-27T10:00:00Z", "lines": [TEA]}
BODIES: dict[str, dict[str, Any]] = {
    "identify": {**AT, "phone": "13800138000"},
    "quotes": {**AT, "lines": [TEA], "burn_points": 0},
    "orders": SALE,
    "orders/batch": {"orders": [{**CAPTURED, "tenders": cash(10_000)}]},
    f"orders/{NOBODY}/payment": {**AT, "tenders": cash(1)},
    f"orders/{NOBODY}/cancellation": AT,
    f"orders/{NOBODY}/refunds": {**AT, "number": "R", "parts": [{"line": 1, "quantity": 1}]},
    f"orders/{NOBODY}/void": {**AT, "number": "R"},
    f"orders/{NOBODY}/exchange": {
        **AT, "refund_number": "R", "number": "N", "lines": [TEA], "tenders": cash(1),
    },
    "burns": {
        **AT, "number": "B", "order_fen": 1, "points": 1, "identification_id": "idn_" + "0" * 26,
    },
    f"burns/{NO_BURN}/capture": {**AT, "points": 1},
    f"burns/{NO_BURN}/void": AT,
    "totals/z": {**AT, "number": "Z"},
}  # fmt: skip
ALLOWED = {200, 201, 400, 404, 409, 410, 422, 429}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 10**17, 10**30]),
    st.text(max_size=70),
    st.sampled_from(["", " ", "\x00", "'", "%s", "{x}", "T1", "ord_" + "Z" * 26, "茶" * 200]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a request of which one value, at any depth, is another one, gone, or too much."""
    path = draw(st.sampled_from(sorted(BODIES)))
    return path, draw(_damage(BODIES[path]))


def _damage(value: Any) -> st.SearchStrategy[Any]:
    if isinstance(value, dict) and value:
        return st.one_of(
            st.sampled_from(sorted(value)).flatmap(
                lambda name: _damage(value[name]).map(lambda odd: {**value, name: odd})
            ),
            st.sampled_from(sorted(value)).map(
                lambda name: {key: kept for key, kept in value.items() if key != name}
            ),
            st.text(max_size=8).map(lambda name: {**value, name: 1}),
        )
    if isinstance(value, list) and value:
        return st.one_of(_damage(value[0]).map(lambda odd: [odd, *value[1:]]), ODD)
    return ODD


@settings(max_examples=150)
@given(request=damaged())
def test_a_damaged_request_is_refused_by_the_tables(
    till: Till, request: tuple[str, dict[str, Any]]
) -> None:
    path, body = request

    answer = till.post(f"/v1/pos/{path}", body, key="" if path in ("identify", "quotes") else None)

    assert answer.status_code in ALLOWED, (path, body, answer.text)
    if answer.status_code >= 400:
        assert answer.content_type == "application/problem+json"
        assert answer.json is not None
        assert answer.json["code"] not in ("internal", "overloaded")


@settings(max_examples=60)
@given(body=st.binary(max_size=200), path=st.sampled_from(sorted(BODIES)))
def test_any_bytes_are_answered(till: Till, body: bytes, path: str) -> None:
    answer = till.send("POST", f"/v1/pos/{path}", body, key=unique("idem-key-"))

    assert answer.status_code in {400, 415, 429}


@pytest.mark.parametrize(
    "query",
    ["number=1", "number=", "terminal_id=T1&number=%00", "terminal_id=T1&number=%FF",
     "terminal_id=T1&number=1&x=1", "terminal_id=" + "T" * 41 + "&number=1"],
)  # fmt: skip
def test_a_bad_query_is_refused(till: Till, query: str) -> None:
    assert till.get(f"/v1/pos/orders?{query}").status_code in (400, 404)


def test_bad_input_sells_nothing(till: Till, database: Database) -> None:
    for body in ({}, {**SALE, "lines": []}, {**SALE, "number": ""}, {**SALE, "tenders": "cash"}):
        told(till.post("/v1/pos/orders", body), 400)

    assert _count(database, till) == 0
