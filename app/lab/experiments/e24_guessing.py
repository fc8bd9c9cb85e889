"""E24: guessing member codes, sign-ins and ids, and telling known phones by the clock (G12).

Nothing resets: whoever lost his phone's number signs in with another.
"""

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.clock import server_now
from app.lab.experiments.callers import Answer, Desk, Nobody, Person
from app.lab.experiments.district import DISTRICT, Lab, Size, seed_of, sold
from app.lab.experiments.findings import Tally
from app.members import codes, sign_in
from app.members.codes import OTP_DIGITS, STEP_SECONDS, MemberCode
from app.members.presence import Mode
from app.merchants import credentials
from config.database import CROCKFORD

SIZE = Size(stores=6, members=400)
SHORT_SIZE = Size(stores=6, members=140)
TITLE = ("枚举与猜测", "guessing and enumeration")

IDENTIFY = "/v1/pos/identify"
ODDS = 3e-8
MILLISECONDS = 5.0
LIMITED_SHARE = 0.99

_TARGETED = 5
_ROUNDS = 3
_NOBODY = Nobody()


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What known and unknown phones were answered, and how far apart the medians of time are."""

    faces: frozenset[str]
    apart_milliseconds: float


def run(lab: Lab, tally: Tally, *, cases: int, dice: random.Random) -> None:
    """Guess codes and ids as fast as one can, then ask about phones by turns."""
    _odds(tally)
    _lock_out(lab, tally, lab.desks[1])
    _sign_in_codes(lab, tally, dice)
    _staff(lab, tally)
    _ids(lab, tally, dice, cases // 100)
    _phones(lab, tally)
    _flood(lab, tally, dice, cases)


def _flood(lab: Lab, tally: Tally, dice: random.Random, cases: int) -> None:
    """One terminal guesses without a pause; half of it aims at one member's alias."""
    desk = lab.desks[0]
    with lab.session() as session:
        alias = seed_of(session, lab.people[0]).alias
    got: Counter[int] = Counter()
    for number in range(cases):
        target = alias if number % 2 else f"{dice.randrange(10**10):010d}"
        code = f"9{dice.choice('12')}{target}{dice.randrange(10**OTP_DIGITS):0{OTP_DIGITS}d}"
        answer = _identify(lab, desk, code, waits=False)
        got[answer.status] += 1
        tally.expect("a guessed member code", wanted="refused", case=code[:12],
                     got="refused" if answer.status in (404, 429) else answer.code)  # fmt: skip
    hits = cases - got[404] - got[429]
    tally.hold("member codes hit", expected="0", got=hits, threshold="0", met=hits == 0)
    share = got[429] / cases
    tally.hold("share of guesses told to wait", expected="≥ 99 %", got=f"{share:.2%}",
               threshold=f"≥ {LIMITED_SHARE:.0%}", met=share >= LIMITED_SHARE)  # fmt: skip


def _odds(tally: Tally) -> None:
    """How many of all passwords hold at one instant, counted and not believed."""
    seed, at = bytes(range(32)), 1_768_464_000
    good = 0
    for step in range(-10, 11):
        otp = codes.one_time_password(seed, mode=Mode.SPEND, step=at // STEP_SECONDS + step)
        code = MemberCode(mode=Mode.SPEND, alias="0" * 10, otp=otp)
        good += code.matching_step(seed, at=datetime.fromtimestamp(at, UTC)) is not None
    odds = good / 10**OTP_DIGITS
    tally.hold("odds of a targeted guess", expected=f"{ODDS:.0e}", got=f"{odds:.0e}",
               threshold=f"≤ {ODDS:.0e}", met=odds <= ODDS)  # fmt: skip


def _lock_out(lab: Lab, tally: Tally, desk: Desk) -> None:
    """After five wrong passwords the alias is dead: the right one holds no more."""
    with lab.session() as session:
        now, issued = server_now(session), seed_of(session, lab.people[1])
    right = codes.write(issued.seed, alias=issued.alias, mode=Mode.EARN, at=now)
    wrong = [
        f"{right[:12]}{(int(right[12:]) + 1_000 + n) % 10**OTP_DIGITS:08d}"
        for n in range(_TARGETED)
    ]
    for code in wrong:
        tally.expect(
            "a wrong password", wanted="404 not-found", got=_identify(lab, desk, code).code
        )
    tally.expect("the right one after five wrong", wanted="404 not-found",
                 got=_identify(lab, lab.desks[2], right).code)  # fmt: skip
    with lab.session() as session:
        issued = seed_of(session, lab.people[2])
    right = codes.write(issued.seed, alias=issued.alias, mode=Mode.EARN, at=now)
    tally.expect("the right one of another", wanted="201",
                 got=_identify(lab, lab.desks[2], right).status)  # fmt: skip


def _sign_in_codes(lab: Lab, tally: Tally, dice: random.Random) -> None:
    """Six digits live for five tries; then the right ones are as good as any."""
    for person in lab.people[3:6]:
        with lab.session() as session:
            made = sign_in.make_code(session, person.phone, now=server_now(session), sends=False)
        wrong = [f"{(int(made.code) + 1 + dice.randrange(999_000)) % 10**6:06d}" for _ in range(5)]
        for code in (*wrong, made.code):
            tally.expect("a sign-in code, the right one last", wanted="401 unauthenticated",
                         got=_signed_in(lab, person.phone, code).code)  # fmt: skip


def _staff(lab: Lab, tally: Tally) -> None:
    """Five wrong passwords for a name that there is, and for one that there is not; then both wait.

    Whoever has the right password and code waits too.
    """
    password = "right horse battery"  # noqa: S105  (of the lab, and gone with it)
    with lab.session() as session:
        now, login = server_now(session), lab.consoles[0].login
        uri = credentials.enrol(session, login, password, by=lab.consoles[0].staff, now=now).uri
        code = credentials.one_time_password(uri, at=now)
    for name in (login, "nobody"):
        for _ in range(credentials.MISSES):
            tally.expect("a wrong password of staff", wanted="401 unauthenticated",
                         got=_staff_signed_in(lab, name, "wrong horse battery", code))  # fmt: skip
        tally.expect("the right one after five wrong of staff", wanted="429 rate-limited",
                     got=_staff_signed_in(lab, name, password, code))  # fmt: skip


def _staff_signed_in(lab: Lab, login: str, password: str, code: str) -> str:
    body = {"district": DISTRICT, "login": login, "password": password, "code": code}
    return lab.door.ask(_NOBODY, "POST", "/v1/manage/sign-in", body, waits=False).code


def _ids(lab: Lab, tally: Tally, dice: random.Random, cases: int) -> None:
    """Ids near a true one: the same instant, other random characters; the next number."""
    desk = lab.desks[3]
    with lab.session() as session:
        order = sold(session, desk, person=lab.people[6])
    for number in range(cases):
        tail = "".join(dice.choices(CROCKFORD, k=16))
        guess = order[:-16] + tail if number % 4 else _next(order, number // 4 + 1)
        caller: Desk | Person = desk if number % 2 else lab.people[number % len(lab.people)]
        path = f"/v1/pos/orders/{guess}" if caller is desk else f"/v1/member/orders/{guess}"
        tally.expect("an id near a true one", wanted="404 not-found",
                     got=lab.door.ask(caller, "GET", path).code, case=guess)  # fmt: skip


def _next(public_id: str, step: int) -> str:
    """Return the id that would follow if ids were counted."""
    prefix, _, digits = public_id.partition("_")
    number = sum(CROCKFORD.index(each) << 5 * place for place, each in enumerate(reversed(digits)))
    return prefix + "_" + "".join(
        CROCKFORD[(number + step) >> shift & 31] for shift in range(125, -1, -5)
    )  # fmt: skip


def _phones(lab: Lab, tally: Tally) -> None:
    """Known and unknown phones by turns: the same answer, and as fast.

    A busy machine makes one round slower than another by chance; what is slower by its nature is so
    in each of them. So the round counts in which they are least apart.
    """
    known = [person.phone for person in lab.people[10:]]
    pairs = len(known) // _ROUNDS
    for what, ask in (("a code asked for", _asked_code), ("a wrong code", _wrong_code)):
        rounds = []
        for begin in range(0, pairs * _ROUNDS, pairs):
            unknown = [f"+86196{number:08d}" for number in range(begin, begin + pairs)]
            rounds.append(_compared(lab, known[begin : begin + pairs], unknown, ask))
        faces = {face for each in rounds for face in each.faces}
        tally.hold(f"{what}: known and unknown phones look", expected="the same",
                   got="the same" if len(faces) == 1 else sorted(faces), threshold="the same",
                   met=len(faces) == 1)  # fmt: skip
        apart = min(each.apart_milliseconds for each in rounds)
        tally.hold(f"{what}: medians apart", expected=f"< {MILLISECONDS:g} ms",
                   got=f"{apart:.2f} ms", threshold=f"< {MILLISECONDS:g} ms",
                   met=apart < MILLISECONDS)  # fmt: skip


def _compared(
    lab: Lab, known: list[str], unknown: list[str], ask: Callable[[Lab, str], Answer]
) -> Compared:
    took: dict[bool, list[float]] = {True: [], False: []}
    faces = set()
    for number, pair in enumerate(zip(known, unknown, strict=True)):
        for is_known in (True, False) if number % 2 else (False, True):
            began = time.perf_counter()
            answer = ask(lab, pair[0] if is_known else pair[1])
            took[is_known].append((time.perf_counter() - began) * 1000)
            faces.add(f"{answer.code} {sorted(answer.fields)}")
    apart = abs(statistics.median(took[True]) - statistics.median(took[False]))
    return Compared(faces=frozenset(faces), apart_milliseconds=apart)


def _asked_code(lab: Lab, phone: str) -> Answer:
    body = {"district": DISTRICT, "phone": phone}
    return lab.door.ask(_NOBODY, "POST", "/v1/member/sign-in/code", body)


def _wrong_code(lab: Lab, phone: str) -> Answer:
    return _signed_in(lab, phone, "000000")


def _signed_in(lab: Lab, phone: str, code: str) -> Answer:
    body = {"district": DISTRICT, "phone": phone, "code": code}
    return lab.door.ask(_NOBODY, "POST", "/v1/member/sign-in", body)


def _identify(lab: Lab, desk: Desk, code: str, *, waits: bool = True) -> Answer:
    body = {"terminal_id": desk.tills[0], "cashier_id": "007", "member_code": code}
    return lab.door.ask(desk, "POST", IDENTIFY, body, waits=waits)
