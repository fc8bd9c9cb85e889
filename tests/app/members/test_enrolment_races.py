"""M1: however many tills enrol the same person at the same moment, there is one member."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier, Semaphore
from typing import TypeVar

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.members import enrolment, memberships
from app.members.arrivals import ChannelName, NewMember
from app.members.errors import DetailDiffers
from app.members.identification import find_by_phone, get_by_public_id
from app.members.models import Membership, Source
from app.merchants.directory import get_directory
from config.database import Database
from config.settings import Settings
from tests.factories import make_member, make_merchant, new_phone, unique

THREADS = 64
CONNECTIONS = 32

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Rush:
    """Many threads that do the same at once, each in a transaction on a connection of its own."""

    database: Database
    district: str

    def run(self, work: Callable[[Session], T]) -> list[T]:
        """Start all threads together and return what each of them got."""
        start, connections = Barrier(THREADS), Semaphore(CONNECTIONS)

        def one(_: int) -> T:
            start.wait()
            with connections:
                return self.database.run(self.district, work)

        with ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(one, range(THREADS)))

    def now(self, work: Callable[[Session], T]) -> T:
        """Do something once, in a transaction of its own."""
        return self.database.run(self.district, work)


@pytest.fixture
def rush(settings: Settings, district: str) -> Iterator[Rush]:
    """A rush on the test district, through more connections than a process has."""
    wide = Database(
        settings.database.url, pool_size=CONNECTIONS, info={"key_ring": settings.key_ring}
    )
    yield Rush(database=wide, district=district)
    wide.dispose()


def _wallets(session: Session) -> int:
    return session.scalar(text("SELECT count(*) FROM wallet")) or 0


def test_64_tills_that_enrol_one_phone_make_one_member_with_one_wallet(rush: Rush) -> None:
    new = NewMember(source=Source.COUNTER, phone=new_phone())
    wallets = rush.now(_wallets)

    enrolled = rush.run(lambda session: enrolment.enrol(session, new))

    assert len({each.member.id for each in enrolled}) == 1
    assert [each.created for each in enrolled].count(True) == 1
    assert rush.now(_wallets) == wallets + 1


def test_64_payments_of_one_stranger_make_one_pseudonymous_member(rush: Rush) -> None:
    payer = ChannelName(channel="wechat", app_id="wxapp1", identity=unique("o"))

    enrolled = rush.run(lambda session: enrolment.enrol_by_payment(session, payer))

    assert len({each.member.public_id for each in enrolled}) == 1
    assert [each.created for each in enrolled].count(True) == 1


def test_batches_that_share_people_in_opposite_orders_do_not_deadlock(rush: Rush) -> None:
    people = [NewMember(source=Source.IMPORT, card_number=unique("C")) for _ in range(20)]
    turns = iter(range(THREADS))

    def enrol_all(session: Session) -> frozenset[int]:
        batch = people if next(turns) % 2 else people[::-1]
        return frozenset(each.member.id for each in enrolment.enrol_many(session, batch))

    assert len(set(rush.run(enrol_all))) == 1


def test_64_first_orders_at_a_merchant_make_one_membership(rush: Rush) -> None:
    member = rush.now(make_member)
    code = rush.now(make_merchant).code

    def join(session: Session) -> int:
        merchant = get_directory(session).get_merchant(code)
        return len(
            memberships.join(session, member=member, merchants=[merchant], source=Source.PAYMENT)
        )

    assert sum(rush.run(join)) == 1
    made = rush.now(
        lambda session: session.scalar(
            select(func.count()).select_from(Membership).where(Membership.member_id == member.id)
        )
    )
    assert made == 1


def test_a_phone_and_an_identity_raced_from_two_sides_end_in_one_member(rush: Rush) -> None:
    card, phone = unique("C"), new_phone()
    turns = iter(range(THREADS))

    def enrol(session: Session) -> str:
        if next(turns) % 2:
            new = NewMember(source=Source.COUNTER, card_number=card)
        else:
            new = NewMember(source=Source.COUNTER, card_number=card, phone=phone)
        return enrolment.enrol(session, new).member.public_id

    (public_id,) = set(rush.run(enrol))

    member = rush.now(lambda session: get_by_public_id(session, public_id))
    assert member.card_number == card


def test_of_two_phones_brought_to_one_card_at_once_one_stays_and_the_other_is_refused(
    rush: Rush,
) -> None:
    card, phones = unique("C"), (new_phone(), new_phone())
    rush.now(lambda session: make_member(session, card_number=card))
    turns = iter(range(THREADS))

    def bring(session: Session) -> str | None:
        phone = phones[next(turns) % 2]
        try:
            enrolment.enrol(
                session, NewMember(source=Source.COUNTER, card_number=card, phone=phone)
            )
        except DetailDiffers:
            return None
        return phone

    (kept,) = set(rush.run(bring)) - {None}

    holder = rush.now(lambda session: find_by_phone(session, str(kept)))
    assert holder is not None
    assert holder.card_number == card
