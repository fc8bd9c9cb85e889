"""Points that activity keeps last by the dates alone (semantics 34, 27, 29; ADR 0021)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

import ledger
from app.clock import day_start, month_end
from app.members.identification import KnownMember
from app.outbox import Message
from app.points import lasting, lots, notices, statements
from app.points.ageing import AsOf, Band, outstanding
from app.points.lasting import Lasting
from app.points.policy import NegativePolicy
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.app.points.activity import allow, days, expire, keep, night, old_points, twice
from tests.app.points.calendar import at
from tests.app.points.test_expiry import STEPS as LIVES
from tests.app.points.test_expiry import live, nothing
from tests.factories import make_member


@pytest.fixture
def shop(years: Session) -> Shop:
    """A shop on 10 January 2017; points last two months, and three after a purchase."""
    at(years, 2017, 1, 10)
    allow(years, "purchase")
    return open_shop(years)


@pytest.fixture
def member(years: Session, shop: Shop) -> KnownMember:
    return make_member(years)


def test_the_change_of_day_moves_what_was_kept_and_changes_no_balance(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    shop.sell(years, member, 50)
    at(years, 2017, 4, 1)
    before = days(years, member)

    moved, again, gone = keep(years, most=1), keep(years), expire(years)

    assert before == days(years, member) == {date(2017, 5, 31): 500}
    assert (moved, again, gone) == (500, 0, 0)
    assert [
        (lot.meaning.expires_on, lot.free)
        for lot in lots.lock(years, member, day=date(2017, 4, 1)).lots
        if lot.free
    ] == [(date(2017, 5, 31), 500)]
    at(years, 2017, 6, 1)
    assert (keep(years), expire(years)) == (0, 500)
    assert ledger.upkeep.audit_all(years) == []


def test_expiry_leaves_what_was_kept_though_nothing_has_moved_it(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 27: nobody can book an end that the dates do not say."""
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    shop.sell(years, member, 50)
    at(years, 2017, 4, 1)
    early = expire(years)
    at(years, 2017, 6, 1)

    late = expire(years)

    assert (early, late) == (0, 500)
    (entry,) = statements.movements(
        years, member, start=date(2017, 1, 1), end=date(2017, 6, 2), limit=1
    )
    assert entry.occurred_at == day_start(date(2017, 6, 1))


def test_reminders_name_the_day_that_activity_has_brought(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    idle = make_member(years)
    old_points(years, shop, member, 500)
    old_points(years, shop, idle, 70)
    at(years, 2017, 2, 10)
    shop.sell(years, member, 50)

    told = []
    for last in (date(2017, 3, 31), date(2017, 5, 31)):
        day = last - timedelta(days=7)
        years.info["now"] = day_start(day)
        notices.remind_some(years, day=day, lead=7, after=0, most=100)
        told.append(
            {
                news.payload["member"]: news.payload["points"]
                for news in years.query(Message).filter(Message.topic == "points.expiring")
                if news.payload["expires_on"] == last.isoformat()
            }
        )

    assert told == [{idle.public_id: 70}, {member.public_id: 500}]


def test_the_liability_expires_on_the_same_day(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """L8, as of any day of the past too."""
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    shop.sell(years, member, 50)
    at(years, 2017, 6, 20)

    def bands(day: date) -> list[tuple[Band, int]]:
        return [(row.band, row.points) for row in outstanding(years, AsOf.end_of(day))]

    assert bands(date(2017, 5, 31)) == [(Band.HALF, 500)]
    assert bands(date(2017, 6, 1)) == [(Band.EXPIRED, 500)]


def test_what_was_seen_then_is_seen_again(years: Session, shop: Shop, member: KnownMember) -> None:
    """L12: an activity that was written later is left out."""
    old_points(years, shop, member, 500)
    then = at(years, 2017, 2, 10)
    seen = statements.balance(years, member)
    at(years, 2017, 2, 10, 5)
    shop.sell(years, member, 50)

    assert statements.balance_at(years, member, at=then) == seen
    assert days(years, member) == {date(2017, 5, 31): 500}


def test_a_member_sees_why_points_last(years: Session, shop: Shop, member: KnownMember) -> None:
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    sale = shop.sell(years, member, 50)

    (found,) = lasting.list_lasting(years, member_id=member.id, today=date(2017, 2, 10))

    assert found == Lasting(
        issuer=shop.merchant.code, points=500, own_day=date(2017, 3, 31),
        last_day=date(2017, 5, 31), activity="purchase", source=sale.public_id,
        promised_on=date(2017, 2, 10),
    )  # fmt: skip
    at(years, 2017, 4, 5)
    shop.refund(years, sale.public_id)
    keep(years)
    (moved,) = lasting.list_lasting(years, member_id=member.id, today=date(2017, 4, 5))
    assert moved == replace(found, own_day=date(2017, 5, 31))


def test_a_burn_that_comes_back_finds_its_lot_alive(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 8: no courtesy day for what has not ended."""
    old_points(years, shop, member, 500)
    at(years, 2017, 2, 10)
    sale = shop.sell(years, member, 10_000, burn=400)
    at(years, 2017, 4, 5)
    keep(years)

    shop.refund(years, sale.public_id)

    assert days(years, member) == {date(2017, 5, 31): 500}


@pytest.mark.parametrize("job", [nothing, keep])
def test_a_refund_finds_its_points_where_they_were_moved(
    years: Session, shop: Shop, member: KnownMember, job: Callable[[Session], object]
) -> None:
    """Semantics 2, 27: it takes the sale's own points, and not others that would end sooner."""
    allow(years)
    sale = shop.sell(years, member, 100_00)
    at(years, 2017, 2, 10)
    give_points(years, open_shop(years), member, 50)
    allow(years, "purchase")
    at(years, 2017, 3, 20)
    activity = shop.sell(years, member, 50)
    at(years, 2017, 4, 5)
    shop.refund(years, activity.public_id)
    job(years)

    refund = shop.refund(years, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (100, 0)
    assert days(years, member) == {date(2017, 4, 30): 50}


@pytest.mark.parametrize("job", [nothing, night])
def test_a_refund_takes_back_the_booking_of_points_that_were_kept_and_ended(
    years: Session, shop: Shop, member: KnownMember, job: Callable[[Session], object]
) -> None:
    """Semantics 8, 27: where they were booked, they are found."""
    allow(years)
    sale = shop.sell(years, member, 100_00)
    allow(years, "purchase")
    at(years, 2017, 3, 20)
    shop.sell(years, member, 50)
    at(years, 2017, 4, 5)
    job(years)
    at(years, 2017, 6, 20)
    allow(years)
    give_points(years, open_shop(years), member, 50)
    at(years, 2017, 7, 2)
    job(years)

    refund = shop.refund(years, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (100, 0)
    assert days(years, member) == {date(2017, 8, 31): 50}
    assert ledger.upkeep.audit_all(years) == []


def test_a_late_move_goes_no_further_than_what_was_decided(
    years: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 27, 34: what a later purchase promises may still be lost."""
    old_points(years, shop, member, 500)
    at(years, 2017, 3, 20)
    shop.sell(years, member, 50)
    at(years, 2017, 4, 10)
    late = shop.sell(years, member, 50)

    moved = keep(years)
    promised = days(years, member)
    shop.refund(years, late.public_id)

    assert (moved, promised) == (500, {date(2017, 7, 31): 500})
    assert days(years, member) == {date(2017, 6, 30): 500}


@dataclass
class Told:
    """A promise of the model: made on a day, perhaps taken back on another."""

    day: date
    until: date
    gone: date | None = None

    def stands(self, on: date) -> bool:
        return self.day <= on and (self.gone is None or self.gone > on)


@dataclass
class Earned:
    """Points of one sale in the model, and the last day they have for good."""

    sale: str
    points: int
    ends: date


@dataclass
class Life:
    """A member as semantics 34 and 29 tell it, one midnight after the other."""

    day: date
    earned: list[Earned] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)

    def pass_to(self, day: date) -> None:
        while self.day < day:
            standing = [each.until for each in self.told.values() if each.stands(self.day)]
            for each in self.earned:
                if each.ends == self.day:
                    each.ends = max([each.ends, *standing])
            self.day += timedelta(days=1)

    def days(self) -> dict[date | None, int]:
        standing = [each.until for each in self.told.values() if each.stands(self.day)]
        found: dict[date | None, int] = {}
        for each in self.earned:
            if each.ends >= self.day:
                last = max([each.ends, *standing])
                found[last] = found.get(last, 0) + each.points
        return found


class Step(NamedTuple):
    """A sale of so many points, a refund of an earlier one, days that pass, or jobs that run."""

    what: str
    number: int


STEPS = st.lists(
    st.one_of(
        st.builds(Step, st.just("sell"), st.integers(1, 30)),
        st.builds(Step, st.just("refund"), st.integers(0, 9)),
        st.builds(Step, st.just("wait"), st.sampled_from([1, 9, 25, 40, 75])),
        st.builds(Step, st.just("run"), st.integers(0, 3)),
    ),
    min_size=4, max_size=14,
)  # fmt: skip


@dataclass
class World:
    """A shop and a member, and what the model says of them."""

    session: Session
    months: int
    expiry_months: int
    life: Life = field(default_factory=lambda: Life(day=date(2017, 1, 10)))
    sales: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        at(self.session, 2017, 1, 10)
        allow(
            self.session, "purchase", months=self.months, expiry_months=self.expiry_months
        )  # fmt: skip
        self.shop, self.member = open_shop(self.session), make_member(self.session)

    def sell(self, points: int) -> None:
        sale = self.shop.sell(self.session, self.member, points * 100).public_id
        self.sales.append(sale)
        day = self.life.day
        ends = month_end(day, months_ahead=self.expiry_months)
        self.life.earned.append(Earned(sale, points, ends))
        self.life.told[sale] = Told(day, month_end(day, months_ahead=self.months))

    def refund(self, number: int) -> None:
        if self.sales:
            sale = self.sales.pop(number % len(self.sales))
            self.shop.refund(self.session, sale)
            self.life.told[sale].gone = self.life.day
            self.life.earned = [each for each in self.life.earned if each.sale != sale]

    def wait(self, some: int) -> None:
        day = min(self.life.day + timedelta(days=some), date(2018, 12, 1))
        at(self.session, day.year, day.month, day.day)
        self.life.pass_to(day)

    def run(self, job: int) -> None:
        (nothing, keep, expire, night)[job](self.session)


@settings(max_examples=60)
@given(steps=STEPS, months=st.integers(1, 4), expiry_months=st.integers(1, 3))
def test_every_balance_is_what_counting_midnights_gives(
    years: Session, steps: Sequence[Step], months: int, expiry_months: int
) -> None:
    """Semantics 34, 29, 27: whichever jobs have run late, twice or never."""
    world = World(session=years, months=months, expiry_months=expiry_months)

    for step in steps:
        getattr(world, step.what)(step.number)

        expected = world.life.days()
        assert days(years, world.member) == expected
        assert points_of(years, world.member) == sum(expected.values())
        assert open_points(years, world.shop) == sum(expected.values())
    assert sum(ledger.statements.trial_balance(years).values()) == 0


def open_points(session: Session, shop: Shop) -> int:
    """Return what the liability says is outstanding of a shop and has not expired."""
    rows = outstanding(session)
    return sum(
        row.points
        for row in rows
        if row.issuer == shop.merchant.code and row.band is not Band.EXPIRED
    )


JOBS = st.sampled_from([nothing, keep, expire, night, twice])


@pytest.mark.parametrize("negative", [NegativePolicy.DEBT, NegativePolicy.WRITE_OFF])
@settings(max_examples=40)
@given(steps=LIVES, jobs=st.lists(JOBS, min_size=9, max_size=9), months=st.sampled_from([5, 14]))
def test_whatever_jobs_run_the_member_has_and_owes_the_same(
    session: Session,
    negative: NegativePolicy,
    steps: list[tuple[object, ...]],
    jobs: Sequence[Callable[[Session], object]],
    months: int,
) -> None:
    """Semantics 27, 33: two live the same life with burns, refunds and debts; one without jobs."""
    today = now_of(session)
    begin = today - timedelta(days=3_600)
    session.info["now"] = begin
    allow(session, "purchase", "burn", months=months, expiry_months=12, negative=negative)
    shops = [open_shop(session), open_shop(session)]
    seen = []
    for booked in ([nothing] * 9, jobs):
        member = make_member(session)
        session.info["now"] = begin
        seen.append(live(session, shops, member, steps, booked))
    session.info["now"] = today

    assert seen[0] == seen[1]
    assert sum(ledger.statements.trial_balance(session).values()) == 0
