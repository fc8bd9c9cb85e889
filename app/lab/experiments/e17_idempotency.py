"""E17: the table of idempotency, row by row, over every route that wants a key (G13)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.api import answers, idempotency
from app.api.answers import Scope
from app.api.auth import Role
from app.lab.experiments.callers import Answer, Console, Desk, Person, fresh_key, written
from app.lab.experiments.district import Lab, Size
from app.lab.experiments.findings import Tally
from app.lab.experiments.routes import Ask, Route, routes_of
from app.lab.experiments.samples import ask_for
from app.lab.experiments.stage import Stage
from app.lab.experiments.tables import moved
from config.database import now_of

SIZE = Size(stores=10, members=120)
SHORT_SIZE = Size(stores=4, members=12)
TITLE = ("幂等规则表", "the table of idempotency")

NUMBERED = (
    "pos.place_order",
    "pos.refund_order",
    "pos.void_order",
    "pos.exchange_order",
    "pos.upload_orders",
)
"""Routes whose body has the till's own number: it guards when the key is forgotten."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A route, who calls it, and a right request."""

    lab: Lab
    route: Route
    caller: Desk | Person | Console
    ask: Ask
    dice: random.Random

    @property
    def path(self) -> str:
        return self.route.path(self.ask)

    def send(self, key: str, *, body: object | None = None, header: str | None = None) -> Answer:
        """Send the request under a key; `header` is how the key is written, bare by default."""
        data = written(self.ask.body if body is None else body)
        headers = self.caller.headers(self.route.method, self.path, data, key=key)
        if header is not None:
            headers["Idempotency-Key"] = header
        return self.lab.door.send(self.route.method, self.path, headers=headers, body=data)


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Take every row of the table on every route in turn, then let a month go by."""
    routes = [route for route in routes_of(lab.app) if route.keyed]
    rows = list(_ROWS.items())
    old = max(cases // 10, len(NUMBERED))
    for number in range(cases - old):
        name, (wanted, check) = rows[number % len(rows)]
        case = _case(lab, routes[number // len(rows) % len(routes)], dice)
        tally.expect(name, wanted=wanted, got=check(case), case=case.route.endpoint)
    _after_a_month(lab, tally, [route for route in routes if route.endpoint in NUMBERED], old, dice)


def _case(lab: Lab, route: Route, dice: random.Random) -> Case:
    desk, person = dice.choice(lab.desks), dice.choice(lab.people)
    console = dice.choice(lab.consoles)
    with lab.session() as session:
        stage = Stage(session=session, desk=desk, person=person, console=console)
        ask = ask_for(route, stage)
    callers: dict[Role, Desk | Person | Console] = {
        Role.STORE: desk,
        Role.MEMBER: person,
        Role.STAFF: console,
    }
    return Case(lab=lab, route=route, caller=callers[route.role], ask=ask, dice=dice)


def _missing(case: Case) -> str:
    return case.send("").code


def _malformed(case: Case) -> str:
    key = case.dice.choice(
        ["short", "k" * 15, "k" * 65, "with a space in it", "-" * 16 + "/", '"' + "k" * 20, "é" * 8]
    )
    return case.send(key).code


def _replayed(case: Case) -> str:
    key = fresh_key()
    return _same(case.send(key), case.send(key))


def _quoted(case: Case) -> str:
    key = fresh_key()
    return _same(case.send(key), case.send(key, header=f'"{key}"'))


def _other_content(case: Case) -> str:
    """The same key with other content; another route where there can be no other content."""
    other = _changed(case.ask.body or {})
    if other is None:
        return _other_route(case)
    key = fresh_key()
    case.send(key)
    before = case.lab.state()
    refused = case.send(key, body=other)
    changed = moved(before, case.lab.state())
    return refused.code if not changed else f"{refused.code}, changed {changed}"


def _changed(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a body with another value that is right as well, or None if it has no such field."""
    for name, value in _OTHER_VALUES.items():
        if name in body:
            return {**body, name: value}
    if "orders" in body:
        return {"orders": [_changed(each) for each in body["orders"]]}
    return None


def _other_route(case: Case) -> str:
    """The same key and the same body at another path."""
    key = fresh_key()
    case.send(key)
    others = [
        route
        for route in routes_of(case.lab.app)
        if route.keyed and route.role is case.route.role and route.rule is not case.route.rule
    ]
    other = _case(case.lab, case.dice.choice(others), case.dice)
    data = written(other.ask.body)
    headers = case.caller.headers(other.route.method, other.path, data, key=key)
    return case.lab.door.send(other.route.method, other.path, headers=headers, body=data).code


def _in_flight(case: Case) -> str:
    """Another transaction holds the key's lock, as the first request would."""
    key = fresh_key()
    scope = Scope(principal=case.caller.principal, key=key, fingerprint=bytes(32))
    with case.lab.session() as session:
        idempotency.begin(session, scope)
        meanwhile = case.send(key)
    later = case.send(key)
    return f"{meanwhile.code} {meanwhile.headers.get('Retry-After', '-')}, then {_kept(later)}"


def _other_principal(case: Case) -> str:
    """The key of one caller says nothing to another."""
    key = fresh_key()
    case.send(key)
    callers: dict[Role, Sequence[Desk | Person | Console]] = {
        Role.STORE: case.lab.desks,
        Role.MEMBER: case.lab.people,
        Role.STAFF: case.lab.consoles,
    }
    others = [each for each in callers[case.route.role] if each is not case.caller]
    stranger = case.dice.choice(others)
    with case.lab.session() as session:
        stage = Stage(
            session=session,
            desk=stranger if isinstance(stranger, Desk) else case.lab.desks[0],
            person=stranger if isinstance(stranger, Person) else case.lab.people[0],
            console=stranger if isinstance(stranger, Console) else case.lab.consoles[0],
        )
        ask = ask_for(case.route, stage)
    came = case.lab.door.ask(stranger, case.route.method, case.route.path(ask), ask.body, key=key)
    return f"{_kept(came)} {came.headers.get('Idempotency-Replayed', 'first')}"


def _after_a_month(
    lab: Lab, tally: Tally, routes: list[Route], cases: int, dice: random.Random
) -> None:
    """Forget every key as on the thirty-first day: the till's own numbers still guard."""
    sent = []
    for number in range(cases):
        case, key = _case(lab, routes[number % len(routes)], dice), fresh_key()
        sent.append((case, key, case.send(key)))
    with lab.session() as session:
        session.info["now"] = now_of(session) + answers.KEPT + timedelta(days=1)
        while answers.purge(session):
            pass
    before = lab.state()
    for case, key, first in sent:
        again = case.send(key)
        tally.expect(
            "after 31 days, by its number",
            wanted="200 known",
            got=f"{again.status} {_known(first, again)}",
            case=case.route.endpoint,
        )
    changed = moved(before, lab.state(), but=["idempotency"])
    tally.hold(
        "tables that they changed", expected="none", got=", ".join(changed) or "none",
        threshold="0", met=not changed,
    )  # fmt: skip


def _known(first: Answer, again: Answer) -> str:
    if "verdicts" in again.fields:
        (verdict,) = again.fields["verdicts"]
        (before,) = first.fields["verdicts"]
        known = verdict["status"] == 200 and verdict.get("order") == before.get("order")
    else:
        known = again.headers.get("Business-Replayed") == "true" and all(
            again.fields.get(name) == first.fields.get(name)
            for name in ("order_id", "refund_id", "number", "due_fen", "fen", "to_pay_fen")
        )
    return "known" if known else "new"


def _same(first: Answer, second: Answer) -> str:
    same = (first.status, first.body) == (second.status, second.body)
    replayed = second.headers.get("Idempotency-Replayed", "-")
    return f"{_kept(first)}, {'same bytes' if same else 'other bytes'}, {replayed}"


def _kept(answer: Answer) -> str:
    """Return whether an answer is of those that are kept, and good."""
    return "good" if 200 <= answer.status < 300 else answer.code


_OTHER_VALUES: dict[str, object] = {
    "cashier_id": "008",
    "name": "赵六",
    "decision": "declined",
    "phone": "13912345678",
    "points": "donate",
    "reason": "另一原因",
}
_ROWS: dict[str, tuple[str, Callable[[Case], str]]] = {
    "missing": ("400 idempotency-key-missing", _missing),
    "malformed": ("400 idempotency-key-invalid", _malformed),
    "repeated": ("good, same bytes, true", _replayed),
    "bare, then quoted": ("good, same bytes, true", _quoted),
    "other content": ("422 idempotency-key-reused", _other_content),
    "other route": ("422 idempotency-key-reused", _other_route),
    "in flight": ("409 idempotency-in-flight 1, then good", _in_flight),
    "other principal": ("good first", _other_principal),
}
