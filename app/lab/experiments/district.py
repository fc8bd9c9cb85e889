"""The district `lab`, made anew for each experiment: stores with keys, members, and staff."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import cast

from apiflask import APIFlask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.api.auth import Gate
from app.checkout import orders
from app.checkout.baskets import Basket, BasketLine, Tender
from app.clock import server_now
from app.errors import NotFound
from app.lab.experiments.callers import Console, Desk, Door, Person
from app.lab.experiments.tables import State, left_alone, roll_up, state_of
from app.members import devices, enrolment, seeds
from app.members.arrivals import NewMember
from app.members.identification import KnownMember, get_by_public_id
from app.members.models import Source
from app.members.seeds import IssuedSeed
from app.merchants import keys, registration, staff, staff_sessions
from app.merchants.directory import ListedTerminal, get_directory
from app.merchants.models import Funding, MayBurn
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.terms import Terms
from app.points import rewards, rules
from app.points.definitions import Definition, Kind
from app.points.rewards import Rewards
from app.points.rules import Names
from app.tasks import audit_in_full
from app.wiring import Services
from config.database import Database, new_id, now_of
from config.settings import Settings
from migrations import run
from migrations.run import DistrictExists

DISTRICT = "lab"
NAME = "实验 / experiments"

_ONE, _OTHER = "stf_lab_one", "stf_lab_other"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much there is to ask about; there are as many staff as stores."""

    stores: int
    tills: int = 1
    members: int


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The district, the application that serves it, and who may call."""

    app: APIFlask
    settings: Settings
    database: Database
    door: Door
    desks: tuple[Desk, ...]
    people: tuple[Person, ...]
    consoles: tuple[Console, ...]

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction in the district."""
        with self.database.transaction(DISTRICT) as session:
            session.info.update(source="lab", request_id=new_id("req"))
            yield session

    def on_another_device(self, person: Person) -> Person:
        """Sign a member in once more; who signs one device out leaves the other alone."""
        with self.session() as session:
            return sign_in(
                session, member_of(session, person), phone=person.phone, gate=gate_of(self.app)
            )

    def at_another_console(self, console: Console) -> Console:
        """Sign a staff member in once more, for the same reason."""
        with self.session() as session:
            return sign_in_staff(session, console.login)

    def broken_books(self) -> int:
        """Return how many invariants of the books do not hold, as `plaza audit` would."""
        with self.database.transaction(DISTRICT, repeatable_read=True) as session:
            session.execute(text("SET LOCAL statement_timeout = '5min'"))
            return len(audit_in_full(session))

    def state(self) -> State:
        """Return what the tables hold."""
        return state_of(self.database, DISTRICT)


@contextmanager
def opened(
    settings: Settings, size: Size, *, create_app: Callable[[Settings], APIFlask]
) -> Iterator[Lab]:
    """Make the district anew, serve it in this process, and keep the clock's jobs away from it.

    Raises:
        NotASandbox: there is a real district of this name; it is left alone.
    """
    owner_url = settings.database.owner_url
    _make_anew(owner_url)
    app = create_app(settings)
    services = cast("Services", app.extensions["plaza"])
    try:
        with left_alone(owner_url, DISTRICT), _quiet():
            with services.database.transaction(DISTRICT) as session:
                desks = _open_stores(session, size)
                people = _enrol(session, size, gate=gate_of(app))
                consoles = _hire(session, size)
            roll_up(services.database, DISTRICT)
            yield Lab(
                app=app,
                settings=settings,
                database=services.database,
                door=Door(app),
                desks=desks,
                people=people,
                consoles=consoles,
            )
    finally:
        services.close()


def gate_of(app: APIFlask) -> Gate:
    """Return the gate of an application, which issues its tokens."""
    return cast("Gate", app.extensions["plaza_gate"])


def sign_in(session: Session, member: KnownMember, *, phone: str, gate: Gate) -> Person:
    """Sign a member in on a device of its own."""
    device = devices.open_on(session, member=member, source="web", now=server_now(session))
    return Person(
        member=member.public_id,
        phone=phone,
        device=device.public_id,
        access=gate.token_for(session, device),
    )


def sign_in_staff(session: Session, login: str) -> Console:
    """Sign a staff member in; that a password and a code are needed is asked elsewhere."""
    member = staff.get_active(session, login)
    opened = staff_sessions.open_for(session, member, now=server_now(session))
    return Console(staff=member.public_id, login=login, token=opened.token)


def seed_of(session: Session, person: Person) -> IssuedSeed:
    """Give a member's phone a fresh seed of member codes; the one before ends."""
    now = server_now(session)
    device = devices.find(session, person.device, now=now)
    if device is None:
        raise NotFound("device", person.device)
    return seeds.issue(session, device, now=now)


def till_of(session: Session, desk: Desk, till: str | None = None) -> ListedTerminal:
    """Return a till of a store, its first one unless named."""
    directory = get_directory(session)
    return directory.get_terminal(directory.get_store(desk.store_code), till or desk.tills[0])


def member_of(session: Session, person: Person) -> KnownMember:
    """Return the member whose phone it is."""
    return get_by_public_id(session, person.member)


def basket(
    session: Session, desk: Desk, *, fen: int = 3_000, person: Person | None = None
) -> Basket:
    """Return a basket of one line of three at a store."""
    return Basket(
        terminal=till_of(session, desk),
        number=new_id("n"),
        occurred_at=now_of(session),
        lines=[BasketLine(sku="6901", name="龙井", category="tea", amount_fen=fen, quantity=3)],
        member=None if person is None else member_of(session, person),
        cashier="007",
    )


def sold(session: Session, desk: Desk, *, fen: int = 3_000, person: Person | None = None) -> str:
    """Sell a basket for cash and return the order."""
    wish = basket(session, desk, fen=fen, person=person)
    return orders.sell(session, wish, [Tender(name="cash", fen=fen)]).public_id


def _make_anew(owner_url: str) -> None:
    try:
        run.create_district(owner_url, DISTRICT, name=NAME, sandbox=True)
    except DistrictExists:
        run.drop_district(owner_url, DISTRICT)
        run.create_district(owner_url, DISTRICT, name=NAME, sandbox=True)


def _open_stores(session: Session, size: Size) -> tuple[Desk, ...]:
    tills = tuple(f"T{number}" for number in range(1, size.tills + 1))
    codes = [f"lab-{number}" for number in range(1, size.stores + 1)]
    registration.register_many(session, [_merchant(code, tills) for code in codes], by="lab")
    request = rules.propose(
        session,
        code="yuan",
        definition=Definition(kind=Kind.BASE, rate=Fraction(1, 100)),
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=datetime(2016, 1, 1, tzinfo=UTC),
        by=_ONE,
        reason="lab",
    )
    rules.approve(session, request.public_id, by=_OTHER)
    _offer_rewards(session, issuer=codes[0])
    return tuple(_desk(session, code, tills) for code in codes)


def _offer_rewards(session: Session, *, issuer: str) -> None:
    wanted = Rewards(issuer=issuer, check_in_points=(1,))
    request = rewards.propose(session, wanted, begins=None, by=_ONE, reason="lab")
    rewards.REWARDS.approve(session, request.public_id, by=_OTHER)


def _desk(session: Session, code: str, tills: tuple[str, ...]) -> Desk:
    request = keys.propose(session, store=code, by=_ONE, reason="lab")
    issued = keys.approve(session, request.public_id, by=_OTHER)
    return Desk(
        store=get_directory(session).get_store(code).public_id,
        store_code=code,
        tills=tills,
        key_id=issued.key_id,
        secret=issued.secret,
    )


def _merchant(code: str, tills: tuple[str, ...]) -> NewMerchant:
    return NewMerchant(
        code=code,
        name_zh=f"商户{code}",
        name_en=f"Merchant {code}",
        trade="dining",
        stores=[NewStore(code=code, name="一店", terminals=tills)],
        terms=Terms(
            valid_from=date(2016, 1, 1),
            cost_fen_per_point=Fraction(1),
            redemption_fen_per_point=Fraction(9, 10),
            funding=Funding.POSTPAID,
            may_burn=MayBurn.ANY,
        ),
    )


def _enrol(session: Session, size: Size, *, gate: Gate) -> tuple[Person, ...]:
    phones = [f"+86198{number:08d}" for number in range(size.members)]
    new = [NewMember(source=Source.WEB, phone=phone, name="王小明") for phone in phones]
    enrolled = enrolment.enrol_many(session, new)
    return tuple(
        sign_in(session, each.member, phone=phone, gate=gate)
        for each, phone in zip(enrolled, phones, strict=True)
    )


def _hire(session: Session, size: Size) -> tuple[Console, ...]:
    logins = [f"lab{number}" for number in range(1, max(size.stores, 2) + 1)]
    for login in logins:
        staff.add(session, login=login, name="林溪", roles=[staff.Role.ADMIN], by="lab")
    return tuple(sign_in_staff(session, login) for login in logins)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the log to itself: thousands of refusals are meant here."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
