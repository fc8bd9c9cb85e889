"""Expired points in the books: late, twice, interrupted or never, the balance is the same (27)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

import ledger
from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.checkout.returns import RefundAmount
from app.clock import business_date, day_start
from app.members.identification import KnownMember
from app.outbox import Message
from app.points import statements
from app.points.expiry import Expired, Place, expire_some
from app.points.policy import NegativePolicy
from config.database import now_of
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    open_shop,
    points_of,
    posted,
    set_policy,
)
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def expire(session: Session, *, most: int = 1_000) -> list[Expired]:
    """Book all that has expired by now, and return the steps."""
    place: Place | None = Place()
    steps = []
    while place is not None:
        steps.append(
            expire_some(session, day=business_date(now_of(session)), place=place, most=most)
        )
        place = steps[-1].place
    return steps


def at(session: Session, instant: datetime) -> datetime:
    session.info["now"] = instant
    return instant


@pytest.fixture
def long_ago(session: Session) -> Iterator[datetime]:
    """The clock stands five hundred days back until a test moves it on."""
    now = now_of(session)
    yield at(session, now - timedelta(days=500))
    at(session, now)


@pytest.fixture
def today(session: Session) -> datetime:
    return now_of(session)


def test_what_is_left_of_an_expired_lot_goes_to_its_issuer_once(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 27, 28: only the unspent part, dated the midnight at which the lot ended."""
    shop.sell(session, member, 50_000, at=long_ago)
    shop.sell(session, member, 100, burn=80, worth=80, at=long_ago)
    at(session, today)
    give_points(session, shop, member, 7)

    first, second = expire(session), expire(session)

    assert sum(step.points for step in first) == 420
    assert [(step.lots, step.points) for step in second] == [(0, 0)]
    assert posted(session, shop.merchant.breakage_account_id) == 420
    assert points_of(session, member) == 7
    (entry,) = statements.movements(
        session, member, start=date(2026, 11, 1), end=business_date(today) + timedelta(days=1),
        limit=1,
    )  # fmt: skip
    assert (entry.kind, entry.points) == ("expire", -420)
    assert entry.expires_on is not None
    assert entry.occurred_at == day_start(entry.expires_on + timedelta(days=1))
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def test_points_are_good_until_the_midnight_after_their_last_day(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 26"""
    shop.sell(session, member, 50_000, at=long_ago)
    (bucket,) = statements.balance(session, member).buckets
    assert bucket.expires_on is not None
    midnight = day_start(bucket.expires_on + timedelta(days=1))

    at(session, midnight - timedelta(milliseconds=1))
    expire(session)
    before = points_of(session, member)
    at(session, midnight)
    expire(session)

    assert (before, points_of(session, member)) == (500, 0)
    assert posted(session, shop.merchant.breakage_account_id) == 500


def test_what_a_hold_keeps_waits_for_the_end_of_the_hold(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 26: it may still be captured, past its day."""
    shop.sell(session, member, 50_000, at=long_ago)
    (bucket,) = statements.balance(session, member).buckets
    assert bucket.expires_on is not None
    midnight = day_start(bucket.expires_on + timedelta(days=1))
    at(session, midnight - timedelta(minutes=5))
    paid, given_up = [
        orders.place(session, shop.basket(session, member, 1_000, burn=burn)) for burn in (120, 30)
    ]

    at(session, midnight + timedelta(minutes=1))
    expire(session)
    first = posted(session, shop.merchant.breakage_account_id)
    payments.pay(session, order=paid.public_id, tenders=[Tender(name="cash", fen=880)])
    orders.cancel(session, order=given_up.public_id)
    expire(session)

    assert (first, posted(session, shop.merchant.breakage_account_id)) == (350, 380)
    assert posted(session, shop.merchant.redeemed_account_id) == 120


def test_expired_points_pay_what_is_owed_before_they_go(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 33: debt never expires; what expires nets against it, the oldest debt first."""
    owe(session, shop, member, points=50)
    at(session, today)

    steps = expire(session)

    assert sum(step.netted_points for step in steps) == 50
    assert [name for name, points in books_digest(session, member) if points < 0] == []
    assert points_of(session, member) == 0
    assert ledger.upkeep.audit_all(session) == []


def owe(session: Session, shop: Shop, member: KnownMember, *, points: int) -> None:
    """Owe points at a shop while as many are left in a lot of it, which a hold kept back."""
    sale = shop.sell(session, member, points * 100, at=now_of(session))
    placed = orders.place(session, shop.basket(session, member, points * 100, burn=points))
    shop.refund(session, sale.public_id, at=now_of(session))
    orders.cancel(session, order=placed.public_id)


def test_the_sale_of_expired_points_is_refunded_from_where_they_are_now(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 1, 8: nothing is owed for points that were never spent."""
    sale = shop.sell(session, member, 50_000, at=long_ago)
    at(session, today)
    expire(session)

    half = shop.refund(session, sale.public_id, RefundAmount(fen=20_000))
    whole = shop.refund(session, sale.public_id)

    assert (half.clawed_points, half.debt_points) == (200, 0)
    assert (whole.clawed_points, whole.debt_points) == (300, 0)
    assert posted(session, shop.merchant.breakage_account_id) == 0
    assert posted(session, shop.merchant.issued_account_id) == 0
    assert books_digest(session, member) == []


def test_points_spent_before_the_rest_expired_are_owed_as_ever(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    sale = shop.sell(session, member, 50_000, at=long_ago)
    shop.sell(session, member, 120, burn=120, at=long_ago)
    at(session, today)
    expire(session)

    refund = shop.refund(session, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (500, 120)
    assert posted(session, shop.merchant.breakage_account_id) == 0
    assert points_of(session, member) == -120


def test_what_had_expired_pays_a_debt_that_comes_later(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 27, 33: it counts against the debt whether or not its expiry was booked."""
    shop.sell(session, member, 3_000, at=long_ago)
    at(session, today)
    other = open_shop(session)
    sale = other.sell(session, member, 10_000)
    other.sell(session, member, 100, burn=100)
    expire(session)

    refund = other.refund(session, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (100, 70)
    assert posted(session, shop.merchant.breakage_account_id) == 0
    assert points_of(session, member) == -70


def test_a_courtesy_lot_expires_like_any_other(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """Semantics 8: burned points that come back late are the same issuer's."""
    shop.sell(session, member, 10_000, at=long_ago)
    sale = shop.sell(session, member, 100, burn=100, at=long_ago)
    at(session, today - timedelta(days=20))
    expire(session)
    shop.refund(session, sale.public_id)
    restored = points_of(session, member)
    at(session, today)

    expire(session)

    assert (restored, points_of(session, member)) == (100, 0)
    assert posted(session, shop.merchant.breakage_account_id) == 100


def test_a_lot_that_gets_points_after_its_end_is_booked_again(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    """A sale that arrives a year late earns into a lot that is over."""
    shop.sell(session, member, 1_000, at=long_ago)
    at(session, today)
    expire(session)
    shop.sell(session, member, 2_000, at=long_ago)

    expire(session)

    assert posted(session, shop.merchant.breakage_account_id) == 30


def test_each_member_hears_once_of_each_last_day(
    session: Session, shop: Shop, member: KnownMember, today: datetime, long_ago: datetime
) -> None:
    other = open_shop(session)
    shop.sell(session, member, 1_000, at=long_ago)
    other.sell(session, member, 2_000, at=long_ago)
    at(session, long_ago + timedelta(days=31))
    other.sell(session, member, 3_000)
    at(session, today)

    expire(session)
    expire(session)

    told = session.scalars(
        select(Message.payload).where(Message.topic == "points.expired").order_by(Message.id)
    ).all()
    assert [news["points"] for news in told if news["member"] == member.public_id] == [30, 30]


def test_small_steps_book_what_one_step_would(
    session: Session, shop: Shop, today: datetime, long_ago: datetime
) -> None:
    """O4: resumed anywhere, it goes on."""
    other = open_shop(session)
    for _ in range(5):
        member = make_member(session)
        for day in (0, 31):
            at(session, long_ago + timedelta(days=day))
            for each in (shop, other):
                each.sell(session, member, 1_000)
    at(session, today)

    steps = expire(session, most=3)

    assert len(steps) > 3
    assert sum(step.lots for step in steps) == 20
    assert posted(session, shop.merchant.breakage_account_id) == 100
    assert ledger.upkeep.audit_all(session) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(0, 1), st.sampled_from([100, 3_000, 12_345]),
                  st.sampled_from([0, 20, 90])),
        st.tuples(st.just("refund"), st.integers(0, 9), st.one_of(st.none(), st.integers(1, 400))),
        st.tuples(st.just("wait"), st.sampled_from([40, 200, 400])),
    ),
    min_size=2, max_size=9,
)  # fmt: skip


@pytest.fixture
def policy(session: Session, today: datetime, request: pytest.FixtureRequest) -> NegativePolicy:
    """The policy of a life that began ten years ago."""
    chosen = NegativePolicy(request.param)
    at(session, today - timedelta(days=3_700))
    set_policy(session, chosen)
    at(session, today)
    return chosen


@pytest.mark.parametrize("policy", [NegativePolicy.DEBT, NegativePolicy.WRITE_OFF], indirect=True)
@settings(max_examples=30)
@given(steps=STEPS, nightly=st.lists(st.booleans(), min_size=9, max_size=9))
def test_whenever_expiry_is_booked_the_member_has_and_owes_the_same(
    session: Session,
    today: datetime,
    policy: NegativePolicy,
    steps: list[tuple[object, ...]],
    nightly: list[bool],
) -> None:
    """Semantics 27: two members live the same life; for one it is booked now and then."""
    at(session, today - timedelta(days=3_600))
    shops = [open_shop(session), open_shop(session)]
    with_job, without = make_member(session), make_member(session)
    seen = []
    for member, jobs in (
        (without, [nothing] * 9),
        (with_job, [expire if runs else nothing for runs in nightly]),
    ):
        at(session, today - timedelta(days=3_600))
        seen.append(live(session, shops, member, steps, jobs))
        at(session, today)

    assert seen[0] == seen[1]
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def nothing(_: Session) -> None:
    """Run no job."""


def live(
    session: Session,
    shops: list[Shop],
    member: KnownMember,
    steps: list[tuple[object, ...]],
    jobs: Sequence[Callable[[Session], object]],
) -> list[tuple[int, object]]:
    """Go through a life, a job after each step; return the balance and its days after each."""
    sales: list[tuple[Shop, str]] = []
    seen: list[tuple[int, object]] = []
    for step, job in zip(steps, jobs, strict=False):
        match step:
            case ("sell", int(place), int(fen), int(burn)):
                points = max(min(burn, fen, points_of(session, member)), 0)
                sale = shops[place].sell(session, member, fen, burn=points)
                sales.append((shops[place], sale.public_id))
            case ("refund", int(number), fen) if sales:
                shop, order = sales.pop(number % len(sales))
                if isinstance(fen, int):
                    worth = session.scalar(
                        text('SELECT total_fen FROM "order" WHERE public_id = :id'), {"id": order}
                    )
                    shop.refund(session, order, RefundAmount(fen=min(fen, worth or 1)))
                else:
                    shop.refund(session, order)
            case ("wait", int(days)):
                at(session, now_of(session) + timedelta(days=days))
        job(session)
        seen.append((points_of(session, member), statements.balance(session, member).buckets))
    return seen
