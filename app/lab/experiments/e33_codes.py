"""E33: member codes that were photographed, shown twice, or outlived their phone (A3)."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.checkout.models import Order
from app.clock import server_now
from app.lab.experiments.callers import Answer, Desk, Person
from app.lab.experiments.district import Lab, Size, seed_of, sold
from app.lab.experiments.findings import Tally
from app.lab.experiments.samples import LINE
from app.members import codes, devices
from app.members.codes import STEP_SECONDS
from app.members.devices import Ending
from app.members.presence import Mode
from config.database import new_id

SIZE = Size(stores=120, tills=6, members=300)
SHORT_SIZE = Size(stores=10, tills=3, members=20)
TITLE = ("会员码的截图、重用与过期", "member codes photographed, reused, outlived")

IDENTIFY = "/v1/pos/identify"

_POINTS_FEN = 100_000
_EDGE_SECONDS = 4


@dataclass(frozen=True, kw_only=True)
class Show:
    """A member's phone with a fresh seed, and the till where its codes are shown."""

    lab: Lab
    desk: Desk
    till: str
    person: Person
    alias: str
    seed: bytes
    at: datetime
    dice: random.Random

    def elsewhere(self) -> Desk:
        """Return another store."""
        return self.dice.choice([desk for desk in self.lab.desks if desk is not self.desk])

    def code(self, mode: Mode, *, steps: int = 0) -> str:
        """Return the code that the phone shows so many steps from now."""
        at = self.at + timedelta(seconds=steps * STEP_SECONDS)
        return codes.write(self.seed, alias=self.alias, mode=mode, at=at)

    def identify(self, code: str, *, desk: Desk | None = None) -> Answer:
        """Show a code at the till, or at another store's."""
        body = {"terminal_id": self.till, "cashier_id": "007", "member_code": code}
        return self.lab.door.ask(desk or self.desk, "POST", IDENTIFY, body)

    def burn(self, identification: str, *, desk: Desk | None = None) -> Answer:
        """Sell something for points to whoever was identified, here or at another store."""
        body = {
            "terminal_id": self.till, "cashier_id": "007", "number": new_id("n"),
            "identification_id": identification, "lines": [LINE], "burn_points": 100,
            "tenders": [{"name": "cash", "fen": LINE["amount_fen"] - 100}],
        }  # fmt: skip
        return self.lab.door.ask(desk or self.desk, "POST", "/v1/pos/orders", body)


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Try every trick on a phone of its own, at tills in turn; now and then an honest code."""
    with lab.session() as session:
        for person in lab.people:
            sold(session, lab.desks[0], fen=_POINTS_FEN, person=person)
        orders = session.scalar(select(func.count()).select_from(Order)) or 0
    tricks = list(_TRICKS.items())
    bought = 0
    for number in range(cases):
        name, (wanted, trick) = tricks[number % len(tricks)]
        got = trick(_show(lab, number, dice))
        tally.expect(name, wanted=wanted, got=got, case=name)
        bought += name == _HONEST and got == wanted
    with lab.session() as session:
        stored = (session.scalar(select(func.count()).select_from(Order)) or 0) - orders
    tally.hold("A3 orders", expected=str(bought), got=stored, threshold="=", met=stored == bought)
    broken = lab.broken_books()
    tally.hold("A1 A2 audit", expected="0", got=broken, threshold="0", met=not broken)


def _show(lab: Lab, number: int, dice: random.Random) -> Show:
    desk = lab.desks[number % len(lab.desks)]
    # In turn: the third burn of one member in an hour would wait for a tap.
    person = lab.on_another_device(lab.people[number // len(_TRICKS) % len(lab.people)])
    with lab.session() as session:
        seed, now = seed_of(session, person), server_now(session)
    return Show(
        lab=lab,
        desk=desk,
        till=desk.tills[number // len(lab.desks) % len(desk.tills)],
        person=person,
        alias=seed.alias,
        seed=seed.seed,
        at=_away_from_the_edge(now),
        dice=dice,
    )


def _away_from_the_edge(now: datetime) -> datetime:
    """Return the server's time, early enough in its step: a code is judged in the same one."""
    left = STEP_SECONDS - now.timestamp() % STEP_SECONDS
    if left < _EDGE_SECONDS:
        time.sleep(left + 0.1)
        now += timedelta(seconds=left + 0.1)
    return now


def _honest(show: Show) -> str:
    return show.burn(_id(show.identify(show.code(Mode.SPEND)))).code


def _photographed(show: Show) -> str:
    """A photo of the code that identifies, shown to burn."""
    return show.burn(_id(show.identify(show.code(Mode.EARN)))).code


def _other_mode(show: Show) -> str:
    """The same password under the digit that spends."""
    code = show.code(Mode.EARN)
    return show.identify(f"92{code[2:]}").code


def _twice(show: Show) -> str:
    code = show.code(show.dice.choice(list(Mode)))
    show.identify(code)
    return show.identify(code).code


def _twice_elsewhere(show: Show) -> str:
    code = show.code(show.dice.choice(list(Mode)))
    show.identify(code)
    return show.identify(code, desk=show.elsewhere()).code


def _identified_elsewhere(show: Show) -> str:
    """What one till was told is nothing to another's."""
    identification = _id(show.identify(show.code(Mode.SPEND)))
    return show.burn(identification, desk=show.elsewhere()).code


def _early_or_late(show: Show) -> str:
    """Two steps away and more, to either side."""
    steps = show.dice.choice([-2, 2]) * show.dice.choice([1, 1, 1, 2, 10])
    return show.identify(show.code(show.dice.choice(list(Mode)), steps=steps)).code


def _signed_out(show: Show) -> str:
    with show.lab.session() as session:
        now = server_now(session)
        device = devices.find(session, show.person.device, now=now)
        if device is not None:
            devices.end(session, device, why=Ending.SIGNED_OUT, now=now)
    return show.identify(show.code(show.dice.choice(list(Mode)))).code


def _replaced(show: Show) -> str:
    with show.lab.session() as session:
        seed_of(session, show.person)
    return show.identify(show.code(show.dice.choice(list(Mode)))).code


def _of_another(show: Show) -> str:
    """One member's seed under another's alias."""
    with show.lab.session() as session:
        other = seed_of(session, show.lab.people[0])
    mode = show.dice.choice(list(Mode))
    return show.identify(codes.write(show.seed, alias=other.alias, mode=mode, at=show.at)).code


def _id(answer: Answer) -> str:
    return str(answer.fields.get("identification_id", f"idn_{'0' * 26}"))


_HONEST = "an honest code, a burn"
_UNKNOWN = "404 not-found"
_TRICKS: Mapping[str, tuple[str, Callable[[Show], str]]] = {
    _HONEST: ("201", _honest),
    "a photo, to burn": ("422 rule-not-met", _photographed),
    "a photo under the other digit": (_UNKNOWN, _other_mode),
    "a code twice": ("409 member-code-used", _twice),
    "a code twice, elsewhere": ("409 member-code-used", _twice_elsewhere),
    "identified at one till, burned at another": ("410 expired", _identified_elsewhere),
    "two steps early or late": (_UNKNOWN, _early_or_late),
    "signed out": (_UNKNOWN, _signed_out),
    "an older seed": (_UNKNOWN, _replaced),
    "another's alias": (_UNKNOWN, _of_another),
}
