"""E16: requests of tills that come again, as they were, under a new key, or altered (A3)."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from app.checkout.models import Order, Refund
from app.lab.experiments.callers import Answer, Desk, fresh_key, written
from app.lab.experiments.district import Lab, Size
from app.lab.experiments.findings import Tally
from app.lab.experiments.samples import CASH, LINE
from app.lab.experiments.tables import moved
from config.database import new_id

SIZE = Size(stores=10, members=1)
SHORT_SIZE = Size(stores=3, members=1)
TITLE = ("收银请求重放与篡改", "requests of tills that come again or altered")
ORDERS = "/v1/pos/orders"

_AGAIN = 40  # replays of each first request


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request that was answered, byte for byte."""

    desk: Desk
    path: str
    body: dict[str, Any]
    key: str
    headers: dict[str, str]
    answer: Answer

    @property
    def bytes(self) -> bytes:
        return written(self.body)


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Send sales and refunds once, then each of them again in every way that there is."""
    firsts = [_first(lab, dice) for _ in range(max(cases // _AGAIN, 2))]
    firsts += [_refund(lab, dice, sale) for sale in firsts[::2]]
    for each in firsts:
        tally.expect("first", wanted="201", got=each.answer.status, case=each.path)
    before = lab.state()
    attempts = list(_ATTEMPTS.items())
    for number in range(cases - len(firsts)):
        name, (wanted, attempt) = attempts[number % len(attempts)]
        first = dice.choice(firsts)
        tally.expect(name, wanted=wanted, got=attempt(lab, first, dice), case=first.path)
    _hold(lab, tally, firsts, changed=moved(before, lab.state(), but=["idempotency"]))


def _hold(lab: Lab, tally: Tally, firsts: list[Sent], *, changed: list[str]) -> None:
    with lab.session() as session:
        stored = (
            session.scalar(select(func.count()).select_from(Order)),
            session.scalar(select(func.count()).select_from(Refund)),
        )
    sales = sum(first.path == ORDERS for first in firsts)
    sent = (sales, len(firsts) - sales)
    tally.hold(
        "A3 orders, refunds", expected=str(sent), got=stored, threshold="=", met=stored == sent
    )
    tally.hold(
        "tables that a replay changed", expected="none", got=", ".join(changed) or "none",
        threshold="0", met=not changed,
    )  # fmt: skip
    broken = lab.broken_books()
    tally.hold("A1 A2 audit", expected="0", got=broken, threshold="0", met=not broken)


def _first(lab: Lab, dice: random.Random) -> Sent:
    fen = dice.randrange(300, 90_000)
    body = {
        "terminal_id": "T1", "cashier_id": "007", "number": new_id("n"),
        "lines": [{**LINE, "amount_fen": fen}], "tenders": [{**CASH[0], "fen": fen}],
    }  # fmt: skip
    return _sent(lab, dice.choice(lab.desks), ORDERS, body)


def _refund(lab: Lab, dice: random.Random, sale: Sent) -> Sent:
    body = {
        "terminal_id": "T1", "cashier_id": "007", "number": new_id("r"),
        "parts": [{"line": 1, "quantity": dice.randint(1, 3)}],
    }  # fmt: skip
    order = sale.answer.fields.get("order_id")
    return _sent(lab, sale.desk, f"{ORDERS}/{order}/refunds", body)


def _sent(lab: Lab, desk: Desk, path: str, body: dict[str, Any]) -> Sent:
    key, data = fresh_key(), written(body)
    headers = desk.headers("POST", path, data, key=key)
    answer = lab.door.send("POST", path, headers=headers, body=data)
    return Sent(desk=desk, path=path, body=body, key=key, headers=headers, answer=answer)


def _same_bytes(lab: Lab, first: Sent, _: random.Random) -> str:
    return lab.door.send("POST", first.path, headers=first.headers, body=first.bytes).code


def _same_key(lab: Lab, first: Sent, _: random.Random) -> str:
    came = lab.door.ask(first.desk, "POST", first.path, first.body, key=first.key)
    same = (came.status, came.body) == (first.answer.status, first.answer.body)
    return f"{'same' if same else 'other'} {came.headers.get('Idempotency-Replayed', '-')}"


def _same_number(lab: Lab, first: Sent, _: random.Random) -> str:
    came = lab.door.ask(first.desk, "POST", first.path, first.body)
    names = ("order_id", "refund_id", "number", "due_fen", "fen", "earned_points", "tenders")
    same = all(came.fields.get(name) == first.answer.fields.get(name) for name in names)
    again = came.headers.get("Business-Replayed", "-")
    return f"{came.status} {'same' if same else 'other'} {again}"


def _other_content(lab: Lab, first: Sent, dice: random.Random) -> str:
    fen = dice.randrange(100_000, 200_000)
    other = {**first.body, "parts": [{"amount_fen": 1}]}
    if first.path == ORDERS:
        other = {
            **first.body,
            "lines": [{**LINE, "amount_fen": fen}],
            "tenders": [{**CASH[0], "fen": fen}],
        }
    return lab.door.ask(first.desk, "POST", first.path, other).code


def _resigned(
    lab: Lab,
    first: Sent,
    *,
    method: str = "POST",
    path: str | None = None,
    body: bytes | None = None,
    **headers: str,
) -> str:
    """Sign the first request anew, then send something else under that signature."""
    signed = first.desk.headers("POST", first.path, first.bytes, key=first.key)
    return lab.door.send(
        method,
        path or first.path,
        headers={**signed, **{name.replace("_", "-"): value for name, value in headers.items()}},
        body=first.bytes if body is None else body,
    ).code


def _query(lab: Lab, first: Sent, dice: random.Random) -> str:
    return _resigned(lab, first, path=f"{first.path}?{dice.choice(['x=1', 'dry_run=0', '='])}")


def _path_case(lab: Lab, first: Sent, _: random.Random) -> str:
    """The same route, its path spelt in another way: %6F is an o."""
    return _resigned(lab, first, path=first.path.replace("/orders", "/%6Frders"))


def _letter_case(lab: Lab, first: Sent, _: random.Random) -> str:
    return _resigned(lab, first, path=first.path.replace("/orders", "/Orders"))


def _whitespace(lab: Lab, first: Sent, dice: random.Random) -> str:
    spaced = dice.choice(
        [first.bytes + b"\n", b" " + first.bytes, json.dumps(first.body, indent=1).encode()]
    )
    return _resigned(lab, first, body=spaced)


def _amount(lab: Lab, first: Sent, dice: random.Random) -> str:
    return _resigned(
        lab, first, body=written({**first.body, "number": new_id("n"), "x": dice.random()})
    )


def _other_key(lab: Lab, first: Sent, _: random.Random) -> str:
    return _resigned(lab, first, Idempotency_Key=fresh_key())


def _other_store(lab: Lab, first: Sent, dice: random.Random) -> str:
    others = [desk for desk in lab.desks if desk is not first.desk]
    stolen = first.headers["Authorization"].replace(first.desk.key_id, dice.choice(others).key_id)
    return _resigned(lab, first, Authorization=stolen)


_REFUSED = "401 bad-signature"
_ATTEMPTS: dict[str, tuple[str, Callable[[Lab, Sent, random.Random], str]]] = {
    "same nonce": (_REFUSED, _same_bytes),
    "same key": ("same true", _same_key),
    "new key, same number": ("200 same true", _same_number),
    "new key, same number, other content": ("409 business-key-conflict", _other_content),
    "query altered": (_REFUSED, _query),
    "path respelt": (_REFUSED, _path_case),
    "path in capitals": ("404 not-found", _letter_case),
    "white space in the body": (_REFUSED, _whitespace),
    "body altered": (_REFUSED, _amount),
    "idempotency key altered": (_REFUSED, _other_key),
    "another store's key": (_REFUSED, _other_store),
}
