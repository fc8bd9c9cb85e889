"""E18: every route of the URL map, by everybody, for one's own, somebody else's and nobody's (G9).

The roles are those of the policy. What staff look at is the district's, and so nobody's own: there
another one's thing is as good as one's own, and only what nothing is looks as absent.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.api.auth import Role
from app.lab.experiments.callers import Answer, Caller, Console, Desk, Nobody, Person
from app.lab.experiments.district import Lab, Size
from app.lab.experiments.findings import Tally
from app.lab.experiments.routes import Ask, Route, owned_fields, routes_of
from app.lab.experiments.samples import ANSWERED, USED_WITH, absent, ask_for, thing
from app.lab.experiments.stage import Stage
from app.lab.experiments.tables import moved

SIZE = SHORT_SIZE = Size(stores=2, members=2)
TITLE = ("越权访问：全部路由 × 角色 × 对象", "other people's things: routes × roles × objects")

_NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two who are alike: a store, a member, and a staff member."""

    desk: Desk
    person: Person
    console: Console

    @property
    def callers(self) -> Mapping[Role, Desk | Person | Console]:
        """Whom of this side a route is for."""
        return {Role.STORE: self.desk, Role.MEMBER: self.person, Role.STAFF: self.console}

    def stage(self, session: Session) -> Stage:
        """Return where a sample for this side is made."""
        return Stage(session=session, desk=self.desk, person=self.person, console=self.console)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One route, attacked by one side for what is the other's."""

    lab: Lab
    tally: Tally
    route: Route
    one: Side
    other: Side

    def ask_of(self, side: Side) -> Ask:
        """Return a right request, made for that side."""
        with self.lab.session() as session:
            return ask_for(self.route, side.stage(session))

    def send(self, caller: Caller, ask: Ask) -> Answer:
        """Send a request as somebody."""
        return self.lab.door.ask(caller, self.route.method, self.route.path(ask), ask.body)

    def expect(self, what: str, *, wanted: object, got: object) -> None:
        """Count one outcome for this route."""
        self.tally.expect(what, wanted=wanted, got=got, case=self.route.endpoint)


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:  # noqa: ARG001
    """Ask for everything as everybody: the routes are the cases."""
    sides = [
        Side(desk=desk, person=person, console=console)
        for desk, person, console in zip(lab.desks, lab.people, lab.consoles, strict=True)
    ]
    routes = [each for each in routes_of(lab.app) if each.role in sides[0].callers]
    for route in dice.sample(routes, len(routes)):
        # Some routes sign their caller out: each is asked on a device of its own.
        ours, theirs = (
            replace(
                side,
                person=lab.on_another_device(side.person),
                console=lab.at_another_console(side.console),
            )
            for side in sides
        )
        for one, other in ((ours, theirs), (theirs, ours)):
            attempt = Attempt(lab=lab, tally=tally, route=route, one=one, other=other)
            _as_somebody_else(attempt)
            _for_things_of_others(attempt)
            for name in owned_fields(route):
                _for_things_in_bodies(attempt, name)
            _as_oneself(attempt)


def _as_oneself(attempt: Attempt) -> None:
    """The control: whoever it is for gets it."""
    answer = attempt.send(attempt.one.callers[attempt.route.role], attempt.ask_of(attempt.one))
    good = 200 <= answer.status < 300 or answer.code == ANSWERED.get(attempt.route.endpoint)
    attempt.expect("own role, own thing", wanted="let in", got="let in" if good else answer.code)


def _as_somebody_else(attempt: Attempt) -> None:
    """Whoever is not of the route's role is nobody there, whatever he names."""
    sides = (attempt.one, attempt.other)
    strangers: list[Caller] = [Nobody()]
    for side in sides:
        strangers += [each for role, each in side.callers.items() if role is not attempt.route.role]
    own, foreign = (attempt.ask_of(side) for side in sides)
    before = attempt.lab.state()
    for caller in strangers:
        for ask in (own, foreign, _gone(own)):
            attempt.expect("another role", wanted=401, got=attempt.send(caller, ask).status)
    changed = moved(before, attempt.lab.state())
    attempt.expect("another role changes", wanted=_NOTHING, got=changed or _NOTHING)


def _for_things_of_others(attempt: Attempt) -> None:
    """Somebody else's thing in the path or the query is as good as none."""
    foreign = attempt.ask_of(attempt.other)
    gone = _gone(foreign)
    if gone == foreign:
        return
    caller = attempt.one.callers[attempt.route.role]
    before = attempt.lab.state()
    if attempt.route.role is Role.STAFF:
        nobodys = attempt.send(caller, gone)
        changed = moved(before, attempt.lab.state())
        attempt.expect("absent thing", wanted="404 not-found", got=nobodys.code)
        attempt.expect("absent thing changes", wanted=_NOTHING, got=changed or _NOTHING)
        return
    theirs, nobodys = attempt.send(caller, foreign), attempt.send(caller, gone)
    changed = moved(before, attempt.lab.state())
    attempt.expect("foreign thing", wanted="404 not-found", got=theirs.code)
    attempt.expect("absent thing", wanted="404 not-found", got=nobodys.code)
    attempt.expect(
        "foreign looks as absent", wanted=True,
        got=_face(theirs, _names(foreign)) == _face(nobodys, _names(gone)),
    )  # fmt: skip
    attempt.expect("foreign thing changes", wanted=_NOTHING, got=changed or _NOTHING)


def _for_things_in_bodies(attempt: Attempt, name: str) -> None:
    """The same for a thing that a body names."""
    ask = attempt.ask_of(attempt.one)
    owner = attempt.other
    with attempt.lab.session() as session:
        foreign = thing(name, attempt.route.role, owner.stage(session))
    gone, caller = absent(foreign), attempt.one.callers[attempt.route.role]
    besides = USED_WITH.get((attempt.route.endpoint, name), {})
    before = attempt.lab.state()
    theirs, nobodys = (
        attempt.send(caller, replace(ask, body={**(ask.body or {}), **besides, name: each}))
        for each in (foreign, gone)
    )
    changed = moved(before, attempt.lab.state())
    alike = _face(theirs, [foreign]) == _face(nobodys, [gone])
    refused = 400 <= theirs.status < 500
    attempt.expect(
        "foreign thing in a body", wanted="4xx, as absent",
        got="4xx, as absent" if alike and refused else f"{theirs.code}, {nobodys.code}",
    )  # fmt: skip
    attempt.expect("foreign thing in a body changes", wanted=_NOTHING, got=changed or _NOTHING)


def _gone(ask: Ask) -> Ask:
    """Return a request for things that nothing is."""
    query = dict(ask.query)
    if "line" in query:
        query["line"] = "gone"
    if "number" in query:
        query["number"] = absent(query["number"])
    return replace(ask, ids={name: absent(each) for name, each in ask.ids.items()}, query=query)


def _names(ask: Ask) -> list[str]:
    return [*ask.ids.values(), *ask.query.values()]


def _face(answer: Answer, names: list[str]) -> str:
    """Return what a refusal shows, without the request's own id and what was asked for."""
    shown = str({**answer.fields, "instance": answer.status})
    for name in sorted(names, key=len, reverse=True):
        shown = shown.replace(name, "…")
    return shown
