"""E19: every column of every table as a field of every body: refused, and nothing changes."""

import itertools
import random
from collections.abc import Iterator

from app.api.auth import Role
from app.api.fields import UNKNOWN, instance
from app.lab.experiments.callers import Answer, Caller, Nobody
from app.lab.experiments.district import Lab, Size
from app.lab.experiments.findings import Tally
from app.lab.experiments.routes import Ask, Route, Spot, routes_of, spots
from app.lab.experiments.samples import ask_for
from app.lab.experiments.stage import Stage
from app.lab.experiments.tables import moved
from migrations.models import metadata

SIZE = Size(stores=20, members=40)
SHORT_SIZE = Size(stores=4, members=8)
TITLE = ("批量赋值：表的每一列", "mass assignment: every column of every table")

USUAL = (
    "role", "roles", "is_admin", "permissions", "balance", "tenant_id", "tenant", "issued",
    "user_id", "district", "store", "member", "price_fen", "discount_fen", "__proto__", "$where",
)  # fmt: skip
"""What attackers try first, whether or not there is such a column."""

_VALUES = (1, "admin", True, None, [1], {"a": 1})


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Add each name to each object of each body; so many `cases` take a sample of the names."""
    names = {column.name for table in metadata.sorted_tables for column in table.columns}
    wanted = [*USUAL, *sorted(names)]
    found = list(_spots(lab, dice))
    if cases:
        wanted = dice.sample(wanted, max(cases // len(found), 1))
    tally.total = len(found) * len(wanted)
    callers: dict[Role, Iterator[Caller]] = {
        Role.STORE: itertools.cycle(lab.desks),
        Role.MEMBER: itertools.cycle(lab.people),
        Role.STAFF: itertools.cycle(lab.consoles),
        Role.ANYONE: itertools.cycle([Nobody()]),
    }
    before = lab.state()
    for route, ask, spot in found:
        for name in (each for each in wanted if each not in spot.known):
            body = spot.add(name, dice.choice(_VALUES))
            caller = next(callers[route.role])
            answer = lab.door.ask(caller, route.method, route.path(ask), body)
            tally.expect(
                "a field inside the body" if spot.pointer else "a field of the body",
                wanted="400 unknown-field",
                got=_verdict(answer, f"{spot.pointer}/{name}"),
                case=f"{route.endpoint} {spot.pointer}/{name}",
            )
    changed = moved(before, lab.state(), but=["staff_session"])  # When it was last used.
    tally.hold(
        "tables that they changed", expected="none", got=", ".join(changed) or "none",
        threshold="0", met=not changed,
    )  # fmt: skip


def _spots(lab: Lab, dice: random.Random) -> Iterator[tuple[Route, Ask, Spot]]:
    for route in routes_of(lab.app):
        takes = route.contract.takes if route.contract else None
        if takes is None:
            continue
        with lab.session() as session:
            stage = Stage(
                session=session,
                desk=dice.choice(lab.desks),
                person=dice.choice(lab.people),
                console=dice.choice(lab.consoles),
            )
            ask = ask_for(route, stage)
        for spot in spots(instance(takes), ask.body or {}):
            yield route, ask, spot


def _verdict(answer: Answer, pointer: str) -> str:
    told = {fault["pointer"]: fault["code"] for fault in answer.fields.get("errors", [])}
    return answer.code if told.get(pointer) == UNKNOWN else f"{answer.code} {told}"
