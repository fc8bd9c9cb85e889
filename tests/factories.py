"""Ready-made inhabitants of a district, for tests of every room.

Each function writes what it returns in the session that it is given. Names are made unique by a
running number, so that tests in one district do not meet; literal names may be given.
"""

import itertools
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy.orm import Session

from app.members import enrolment
from app.members.arrivals import NewMember
from app.members.identification import KnownMember
from app.members.models import Source
from app.merchants import registration, staff
from app.merchants.directory import (
    ListedMerchant,
    ListedStore,
    ListedTerminal,
    get_directory,
)
from app.merchants.models import Funding, MayBurn, Staff
from app.merchants.registration import NewMerchant, NewStore
from app.merchants.staff import Role
from app.merchants.terms import Terms
from config.database import new_id

TESTER = "system:test"

_numbers = itertools.count(1)


def unique(prefix: str) -> str:
    """Return a code that no other call in this process or another returns."""
    return f"{prefix}{new_id('x')[-12:]}{next(_numbers)}"


def make_terms(
    *,
    valid_from: date = date(2016, 1, 1),
    cost: str = "1",
    redemption: str = "9/10",
    funding: Funding = Funding.POSTPAID,
    may_burn: MayBurn = MayBurn.ANY,
    alert_points: int | None = None,
    credit_limit_fen: int | None = None,
) -> Terms:
    """Return contract terms; rates are written in fen per point."""
    return Terms(
        valid_from=valid_from,
        cost_fen_per_point=Fraction(cost),
        redemption_fen_per_point=Fraction(redemption),
        funding=funding,
        may_burn=may_burn,
        alert_points=alert_points,
        credit_limit_fen=credit_limit_fen,
    )


def make_merchant(
    session: Session,
    *,
    code: str | None = None,
    trade: str = "dining",
    terms: Terms | None = None,
    tills: Sequence[str] = ("T1",),
) -> ListedMerchant:
    """Register a merchant with one store (of the same code), its tills, and terms in force."""
    code = code or unique("M")
    registration.register(
        session,
        NewMerchant(
            code=code,
            name_zh=f"商户{code}",
            name_en=f"Merchant {code}",
            trade=trade,
            stores=[NewStore(code=code, name="一店", floor="1F", terminals=tills)],
            terms=terms or make_terms(),
        ),
        by=TESTER,
    )
    return get_directory(session).get_merchant(code)


def make_till(session: Session, merchant: ListedMerchant | None = None) -> ListedTerminal:
    """Return the first till of a merchant, of one made for it unless named."""
    store = store_of(session, merchant or make_merchant(session))
    return get_directory(session).get_terminal(store, "T1")


def store_of(session: Session, merchant: ListedMerchant) -> ListedStore:
    """Return the store that `make_merchant` opened."""
    return get_directory(session).get_store(merchant.code)


def new_phone() -> str:
    """Return a mobile number that no other call of this run returns."""
    return f"+8619{int.from_bytes(new_id('x')[-6:].encode()) % 10**8:08d}{next(_numbers) % 10}"


def make_member(
    session: Session,
    *,
    phone: str | None = None,
    card_number: str | None = None,
    name: str | None = None,
    birthday: str | None = None,
) -> KnownMember:
    """Enrol a registered member, by a fresh phone number unless something is given."""
    if phone is None and card_number is None:
        phone = new_phone()
    new = NewMember(
        source=Source.COUNTER, phone=phone, card_number=card_number, name=name, birthday=birthday
    )
    return enrolment.enrol(session, new).member


def make_staff(
    session: Session, *, roles: Sequence[Role] = (Role.ADMIN,), login: str | None = None
) -> Staff:
    """Add a staff member with these roles."""
    login = login or unique("s").lower()
    return staff.add(session, login=login, name="林测试", roles=roles, by=TESTER)
