"""Semantics 46: an undo brings a merge's points back from wherever they have moved meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders
from app.members.identification import KnownMember
from app.points.activation import activate
from app.points.definitions import Pending
from app.points.extending import extend
from app.points.tracing import Share
from tests.app.checkout.shops import Shop, books_digest, give_points, open_shop, points_of
from tests.app.points.activity import allow, days, expire, keep, old_points
from tests.app.points.calendar import at
from tests.app.points.test_merging import merge, sound, undo
from tests.app.points.test_pending import COLLECTED, add_bonus
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@dataclass(frozen=True)
class Two:
    """A loser and a survivor."""

    loser: KnownMember
    survivor: KnownMember

    def points(self, session: Session) -> tuple[int, int]:
        return points_of(session, self.loser), points_of(session, self.survivor)


@pytest.fixture
def two(session: Session) -> Two:
    return Two(make_member(session), make_member(session))


def lengthen(session: Session, member: KnownMember, *, more: int = 31) -> int:
    last = max(day for day in days(session, member) if day)
    until = last + timedelta(days=more)
    return extend(session, member=member, until=until, by="li", reason="补偿")


def test_points_that_last_longer_come_back_and_go_on_lasting(
    session: Session, shop: Shop, two: Two
) -> None:
    give_points(session, shop, two.loser, 200)
    give_points(session, shop, two.survivor, 100)
    done = merge(session, two.loser, two.survivor)
    lengthen(session, two.survivor)
    lengthen(session, two.survivor)
    (last,) = days(session, two.survivor)

    back = undo(session, done.merge)

    assert back.points == 200
    assert days(session, two.loser) == {last: 200}
    assert days(session, two.survivor) == {last: 100}
    assert sound(session)


def test_points_that_became_active_come_back_active(session: Session, shop: Shop, two: Two) -> None:
    add_bonus(session, shop, Pending(event=COLLECTED))
    sale = shop.sell(session, two.loser, 10_000)
    done = merge(session, two.loser, two.survivor)
    activate(session, member=two.survivor, order=sale.public_id, event=COLLECTED)

    back = undo(session, done.merge)

    assert back.points == 300
    assert two.points(session) == (300, 0)
    assert sound(session)


def test_points_that_activity_has_kept_come_back_booked_or_not(years: Session) -> None:
    """Semantics 27: what the job has not booked yet comes back as what it has."""
    found = []
    for booked in (True, False):
        at(years, 2017, 1, 10)
        allow(years, "purchase")
        shop, two = open_shop(years), Two(make_member(years), make_member(years))
        old_points(years, shop, two.loser, 500)
        at(years, 2017, 2, 10)
        shop.sell(years, two.loser, 50)
        at(years, 2017, 3, 30)
        done = merge(years, two.loser, two.survivor)
        at(years, 2017, 4, 1)
        if booked:
            keep(years)

        undo(years, done.merge)

        found.append((books_digest(years, two.loser)[0][1], days(years, two.loser)))
        assert two.points(years) == (500, 0)
        at(years, 2017, 6, 1)
        keep(years)
        assert expire(years) == 500
    assert found[0] == found[1] == (500, {date(2017, 5, 31): 500})
    assert ledger.upkeep.audit_all(years) == []


def test_of_points_spent_before_and_after_what_is_left_is_shared(
    session: Session, shop: Shop, two: Two
) -> None:
    give_points(session, shop, two.loser, 200)
    give_points(session, shop, two.survivor, 100)
    done = merge(session, two.loser, two.survivor)
    shop.sell(session, two.survivor, 90, burn=90)
    lengthen(session, two.survivor)
    shop.sell(session, two.survivor, 60, burn=60)

    back = undo(session, done.merge)

    assert back.points == 100
    assert two.points(session) == (100, 50)
    assert sound(session)


def test_what_an_order_held_stays_behind_and_comes_back_too(
    session: Session, shop: Shop, two: Two
) -> None:
    give_points(session, shop, two.loser, 60)
    give_points(session, shop, two.survivor, 60)
    done = merge(session, two.loser, two.survivor)
    held = orders.place(session, shop.basket(session, two.survivor, 40, burn=40))
    moved = lengthen(session, two.survivor)
    orders.cancel(session, order=held.public_id)

    back = undo(session, done.merge)

    assert (moved, back.points) == (80, 60)
    assert two.points(session) == (60, 60)
    assert sound(session)


def test_points_that_expired_after_they_moved_are_gone(years: Session) -> None:
    at(years, 2017, 1, 10)
    allow(years)
    shop, two = open_shop(years), Two(make_member(years), make_member(years))
    give_points(years, shop, two.loser, 500)
    at(years, 2017, 3, 20)
    done = merge(years, two.loser, two.survivor)
    lengthen(years, two.survivor, more=5)
    at(years, 2017, 4, 8)
    gone = expire(years)

    back = undo(years, done.merge)

    assert (gone, back.points) == (500, 0)
    assert two.points(years) == (0, 0)
    assert ledger.upkeep.audit_all(years) == []


def test_points_come_back_through_a_later_merge_and_its_undo(
    session: Session, shop: Shop, two: Two
) -> None:
    """They were lengthened while the survivor was somebody else himself."""
    third = make_member(session)
    give_points(session, shop, two.loser, 200)
    give_points(session, shop, two.survivor, 100)
    give_points(session, shop, third, 50)
    first = merge(session, two.loser, two.survivor)
    second = merge(session, two.survivor, third)
    lengthen(session, third)

    undo(session, second.merge)
    undo(session, first.merge)

    assert (*two.points(session), points_of(session, third)) == (200, 100, 50)
    assert sound(session)


def test_two_lots_that_became_one_give_back_no_more_than_is_left(years: Session) -> None:
    at(years, 2017, 1, 10)
    allow(years, "purchase")
    shop, two = open_shop(years), Two(make_member(years), make_member(years))
    old_points(years, shop, two.loser, 300)
    at(years, 2017, 2, 10)
    shop.sell(years, two.loser, 50)
    at(years, 2017, 3, 10)
    allow(years)
    give_points(years, shop, two.loser, 300)
    at(years, 2017, 4, 1)
    done = merge(years, two.loser, two.survivor)
    shop.sell(years, two.survivor, 400, burn=400)

    back = undo(years, done.merge)

    assert back.points == 200
    assert two.points(years) == (200, 0)


@dataclass
class Life:
    """What a survivor has lived through since a merge, and what of his points was never moved."""

    session: Session
    shop: Shop
    two: Two
    orders: list[str] = field(default_factory=list)

    def step(self, what: str, points: int) -> None:
        survivor = self.two.survivor
        spendable = max(points_of(self.session, survivor), 0)
        if what == "spend" and min(points, spendable):
            burn = min(points, spendable)
            self.orders.append(self.shop.sell(self.session, survivor, burn, burn=burn).public_id)
        elif what == "refund" and self.orders:
            self.shop.refund(self.session, self.orders.pop())
        elif what == "earn":
            give_points(self.session, self.shop, survivor, points)
        elif what == "lengthen" and spendable and days(self.session, survivor):
            lengthen(self.session, survivor)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "refund", "earn", "lengthen", "lengthen"]), st.integers(1, 200)
    ),
    max_size=6,
)


@given(points=st.tuples(st.integers(1, 200), st.integers(0, 200)), steps=STEPS)
@settings(max_examples=40)
def test_whatever_moved_no_point_is_made_or_lost(
    session: Session, shop: Shop, points: tuple[int, int], steps: Sequence[tuple[str, int]]
) -> None:
    two = Two(make_member(session), make_member(session))
    give_points(session, shop, two.loser, points[0])
    if points[1]:
        give_points(session, shop, two.survivor, points[1])
    done = merge(session, two.loser, two.survivor)
    life = Life(session, shop, two)
    for what, amount in steps:
        life.step(what, amount)
    together = points_of(session, two.survivor)

    back = undo(session, done.merge)

    assert sum(two.points(session)) == together
    assert 0 <= back.points <= points[0]
    if not any(what == "spend" for what, _ in steps):
        assert back.points == points[0]
    assert sum(ledger.statements.trial_balance(session).values()) == 0


@given(brought=st.integers(0, 300), own=st.integers(0, 300), left=st.integers(0, 900))
def test_a_share_is_all_that_was_brought_or_its_part(brought: int, own: int, left: int) -> None:
    share = Share(brought=brought, own=own)

    found = share.of(left)

    assert 0 <= found <= min(brought, left)
    if left >= brought + own:
        assert found == brought
    elif brought + own:
        assert abs(found * (brought + own) - left * brought) < brought + own
