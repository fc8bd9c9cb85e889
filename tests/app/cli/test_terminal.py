"""Keys of stores by command: two people, one look at the secret (P4)."""

import base64
from collections.abc import Callable

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.cli.conftest import Plaza
from tests.factories import make_merchant, store_of

Hire = Callable[..., Staff]


def _store(database: Database, district: str) -> str:
    with database.transaction(district) as session:
        return store_of(session, make_merchant(session)).code


def _request(printed: str) -> str:
    return next(word for word in printed.split() if word.startswith("chg_"))


def test_a_key_is_made_by_two_and_shown_once(
    plaza: Plaza, hire: Hire, database: Database, district: str
) -> None:
    store = _store(database, district)
    support, admin = hire(Role.SUPPORT).login, hire().login
    asked = plaza("terminal", "key", "add", store, "--reason", "新店接入", "--as", support)
    request = _request(asked)

    assert request in plaza("terminal", "key", "pending")
    denied = plaza.refused("terminal", "key", "approve", request, "--as", support)
    assert "没有权限" in denied
    issued = plaza.json("terminal", "key", "approve", request, "--as", admin)

    assert len(base64.b64decode(issued["secret"])) == 32
    listed = plaza("terminal", "key", "list", store)
    assert issued["key_id"] in listed
    assert issued["secret"] not in listed
    assert request not in plaza("terminal", "key", "pending")


def test_a_key_is_rotated_and_revoked(
    plaza: Plaza, hire: Hire, database: Database, district: str
) -> None:
    store, one, two = _store(database, district), hire().login, hire().login
    why = ("--reason", "年度轮换", "--as", one)
    first = plaza.json(
        "terminal", "key", "approve", _request(plaza("terminal", "key", "add", store, *why)),
        "--as", two,
    )  # fmt: skip

    asked = plaza("terminal", "key", "rotate", store, "--overlap-hours", "2", *why)
    assert "✔ pk_" in plaza("terminal", "key", "approve", _request(asked), "--as", two)
    plaza("terminal", "key", "revoke", first["key_id"], *why)

    rows = plaza.json("terminal", "key", "list", store)
    assert [row["state"] for row in rows] == ["active", "revoked"]
    assert "已失效" in plaza.refused("terminal", "key", "revoke", first["key_id"], *why)


def test_a_proposed_key_is_withdrawn(
    plaza: Plaza, hire: Hire, database: Database, district: str
) -> None:
    store, admin = _store(database, district), hire().login
    why = ("--reason", "写错了", "--as", admin)
    request = _request(plaza("terminal", "key", "add", store, *why))

    plaza("terminal", "key", "reject", request, *why)

    assert request not in plaza("terminal", "key", "pending")
    assert plaza.json("terminal", "key", "list", store) == []
