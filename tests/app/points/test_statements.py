"""L12: the balance and tier of any past instant are those that the member saw then."""

from dataclasses import dataclass
from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.clock import business_date
from app.members import merges, standing, tiers
from app.members.errors import UnknownMember
from app.members.identification import KnownMember, get_by_public_id, get_named
from app.members.tiers import BASIC, Scheme, Tier
from app.points import merging, statements
from app.points.expiry import Place, expire_some
from app.points.statements import Balance
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.checkout.test_growing import judge_all
from tests.app.points.calendar import at, later
from tests.factories import make_member, new_phone

SILVER = Tier(code="silver", threshold=1_000, name_zh="银卡", name_en="Silver")


@dataclass(frozen=True)
class Seen:
    """What a member saw at an instant, by the reading of that time."""

    at: datetime
    member: str
    balance: Balance
    tier: str


class Diary:
    """Writes down what members see as time goes on, a minute after each event."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: list[Seen] = []

    def write(self, *members: KnownMember) -> None:
        later(self.session, minutes=1)
        for each in members:
            member = get_by_public_id(self.session, each.public_id)
            assert member.id == each.id
            self.seen.append(
                Seen(
                    now_of(self.session),
                    member.public_id,
                    statements.balance(self.session, member),
                    member.tier,
                )
            )
        later(self.session, minutes=1)

    def looked_back(self) -> list[Seen]:
        """Return the same as it is found from where time stands now."""
        found = []
        for seen in self.seen:
            named = get_named(self.session, seen.member)
            person = merges.person_at(self.session, named, at=seen.at)
            assert person.public_id == seen.member
            found.append(
                Seen(
                    seen.at,
                    person.public_id,
                    statements.balance_at(self.session, person, at=seen.at),
                    standing.tier_at(self.session, person, seen.at),
                )
            )
        return found


@pytest.fixture
def shop(years: Session) -> Shop:
    at(years, 2017, 1, 2)
    return open_shop(years)


def expire(session: Session) -> None:
    place: Place | None = Place()
    while place is not None:
        day = business_date(now_of(session))
        place = expire_some(session, day=day, place=place, most=1_000).place


def test_a_look_back_finds_what_the_member_saw(years: Session, shop: Shop) -> None:
    """Earn, tier, holds paid, given up and forgotten, refund into debt, expiry before and after
    its booking, the step down: each answer of then is found again a year and a half later."""
    diary, member = Diary(years), make_member(years)
    request = tiers.propose(years, Scheme(tiers=(BASIC, SILVER)), begins=None, by="mei", reason="x")
    tiers.TIERS.approve(years, request.public_id, by="li")
    diary.write(member)
    sale = shop.sell(years, member, 200_000)
    diary.write(member)
    paid, dropped = [
        orders.place(years, shop.basket(years, member, 1_000, burn=burn)) for burn in (300, 200)
    ]
    diary.write(member)
    payments.pay(years, order=paid.public_id, tenders=[Tender(name="cash", fen=700)])
    orders.cancel(years, order=dropped.public_id)
    diary.write(member)
    orders.place(years, shop.basket(years, member, 1_000, burn=150))
    diary.write(member)
    later(years, hours=2)
    diary.write(member)
    at(years, 2017, 2, 5)
    shop.refund(years, sale.public_id)
    diary.write(member)
    give_points(years, shop, member, 500)
    diary.write(member)
    at(years, 2018, 3, 1)
    diary.write(member)
    expire(years)
    diary.write(member)
    at(years, 2018, 5, 1)
    judge_all(years)
    give_points(years, shop, member, 7)
    diary.write(member)
    at(years, 2018, 6, 1)

    assert diary.looked_back() == diary.seen
    points = [(seen.balance.spendable_points, seen.balance.held_points) for seen in diary.seen]
    assert points[:6] == [(0, 0), (2_000, 0), (1_500, 500), (1_707, 0), (1_557, 150), (1_707, 0)]
    assert [seen.balance.debt_points for seen in diary.seen][6:8] == [293, 0]
    assert [seen.tier for seen in diary.seen][1:] == ["silver"] * 9 + ["basic"]


def test_who_is_merged_now_was_himself_before_and_after_an_undo(years: Session, shop: Shop) -> None:
    """Semantics 46"""
    phone = new_phone()
    diary, loser, survivor = Diary(years), make_member(years, phone=phone), make_member(years)
    give_points(years, shop, loser, 500)
    give_points(years, shop, survivor, 30)
    diary.write(loser, survivor)
    before = diary.seen[0].at
    merged = merging.approve(
        years,
        merging.propose(
            years, loser=loser.public_id, survivor=survivor.public_id, by="mei", reason="x"
        ).public_id,
        by="li",
    )
    diary.write(survivor)
    together = diary.seen[-1].at
    undone = merging.propose_undo(years, merged.merge, by="mei", reason="x")
    merging.approve(years, undone.public_id, by="li")
    diary.write(loser, survivor)
    give_points(years, shop, loser, 1)
    later(years, days=3)

    assert diary.looked_back() == diary.seen
    assert [seen.balance.spendable_points for seen in diary.seen] == [500, 30, 530, 500, 30]
    named = get_named(years, phone)
    assert merges.person_at(years, named, at=before).id == loser.id
    assert merges.person_at(years, named, at=together).id == survivor.id
    assert merges.person_at(years, named, at=now_of(years)).id == loser.id


def test_nobody_is_found_by_what_names_nobody(years: Session, shop: Shop) -> None:
    for said in ("mem_01KB2N7QX4T5W6Y8Z9ABCDEFGH", new_phone()):
        with pytest.raises(UnknownMember):
            get_named(years, said)
