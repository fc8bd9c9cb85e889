"""B1, P3, semantics 26: burns of sales that are kept elsewhere, on a real database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import burns, invariants, orders
from app.checkout.burns import Burned, least_for
from app.checkout.errors import BurnEnded, BurnExpired, BusinessKeyConflict, NothingToBurn
from app.checkout.returns import RefundAmount
from app.errors import Invalid, NotFound
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember, get_by_public_id
from app.points import statements
from app.points.errors import InsufficientPoints
from app.points.policy import BurnTerms
from config.database import Database, now_of
from config.errors import Collision
from tests.app.checkout.shops import (
    Shop,
    agree_burn_terms,
    give_points,
    make_member,
    open_shop,
    points_of,
    posted,
)
from tests.factories import unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 500 points."""
    made = make_member(session)
    give_points(session, shop, made, 500)
    return made


def authorise(
    session: Session,
    shop: Shop,
    member: KnownMember,
    points: int,
    *,
    order_fen: int = 10_000,
    number: str | None = None,
) -> Burned:
    return burns.authorise(
        session,
        burns.wish(
            terminal=shop.till,
            member=member,
            number=number or unique("B"),
            order_fen=order_fen,
            points=points,
            now=now_of(session),
        ),
    )


def later(session: Session, **gone: float) -> None:
    session.info["now"] = now_of(session) + timedelta(**gone)


def test_authorised_points_are_held_and_captured(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """B1: the merchant that burned is owed for them; the member's statement shows the burn."""
    held = authorise(session, shop, member, 300)
    left = points_of(session, member)

    taken = burns.capture(session, burn=held.public_id)

    assert (held.state, held.points, held.worth_fen, left) == ("authorised", 300, 300, 200)
    assert held.until == now_of(session) + timedelta(minutes=15)
    assert (taken.state, taken.captured_points, taken.captured_fen) == ("captured", 300, 300)
    assert points_of(session, member) == 200
    assert posted(session, shop.merchant.redeemed_account_id) == 300
    today, tomorrow = now_of(session).date(), now_of(session).date() + timedelta(days=2)
    (newest, *_) = statements.movements(
        session, member, start=today - timedelta(days=1), end=tomorrow
    )
    assert (newest.kind, newest.points, newest.order) == ("burn", -300, taken.order)
    assert invariants.audit(session) == []


def test_a_captured_burn_is_an_order_that_earns_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """E12: no points on points."""
    taken = burns.capture(session, burn=authorise(session, shop, member, 300).public_id)

    order = orders.get_locked(session, taken.order or "")

    assert (order.kind, order.state, order.number) == ("burn", "paid", taken.number)
    assert (order.total_fen, order.burned_fen, order.due_fen) == (300, 300, 0)
    assert (order.burned_points, order.earned_points) == (300, 0)


def test_a_capture_of_less_gives_the_rest_back(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    held = authorise(session, shop, member, 300)

    taken = burns.capture(session, burn=held.public_id, points=120)

    assert (taken.captured_points, taken.captured_fen, taken.points) == (120, 120, 300)
    assert points_of(session, member) == 380
    assert statements.balance(session, member).held_points == 0
    assert posted(session, shop.merchant.redeemed_account_id) == 120
    assert ledger.upkeep.audit_all(session) == []


def test_a_void_gives_all_back(session: Session, shop: Shop, member: KnownMember) -> None:
    held = authorise(session, shop, member, 300)

    gone = burns.void(session, burn=held.public_id)
    again = burns.void(session, burn=held.public_id)

    assert (gone.state, gone.replayed, again.replayed) == ("voided", False, True)
    assert points_of(session, member) == 500
    with pytest.raises(BurnEnded):
        burns.capture(session, burn=held.public_id)


def test_the_same_capture_again_moves_nothing_and_another_is_refused(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    held = authorise(session, shop, member, 300)
    first = burns.capture(session, burn=held.public_id, points=100)

    again = burns.capture(session, burn=held.public_id, points=100)

    assert (again.replayed, again.order) == (True, first.order)
    assert points_of(session, member) == 400
    with pytest.raises(BurnEnded):
        burns.capture(session, burn=held.public_id, points=101)
    with pytest.raises(BurnEnded):
        burns.capture(session, burn=held.public_id)
    with pytest.raises(BurnEnded):
        burns.void(session, burn=held.public_id)


@pytest.mark.parametrize("points", [301, -1, 0])
def test_no_more_is_captured_than_is_held(
    session: Session, shop: Shop, member: KnownMember, points: int
) -> None:
    held = authorise(session, shop, member, 300)

    with pytest.raises(Invalid):
        burns.capture(session, burn=held.public_id, points=points)


def test_after_a_quarter_of_an_hour_the_hold_is_over(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Decision 20: `lock-expired`, whether or not a job has ended the hold."""
    held = authorise(session, shop, member, 300)
    later(session, minutes=15)

    with pytest.raises(BurnExpired):
        burns.capture(session, burn=held.public_id)
    found = burns.find_by_number(session, terminal=shop.till, number=held.number)
    assert found is not None
    assert burns.told(session, found).state == "expired"
    assert points_of(session, member) == 500
    assert burns.void(session, burn=held.public_id).state == "voided"


def test_a_hold_that_ends_while_it_is_captured_is_looked_at_again(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """By a clock that is ahead of this transaction's: the next try finds the burn expired."""
    held = authorise(session, shop, member, 300)
    later(session, minutes=15)
    ledger.holds.expire(session)
    later(session, seconds=-1)

    with pytest.raises(Collision):
        burns.capture(session, burn=held.public_id)


def test_a_hold_taken_before_midnight_is_captured_after_it(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 26: the burn is of the day on which it was authorised."""
    held = authorise(session, shop, member, 300)
    later(session, minutes=14, seconds=59)

    taken = burns.capture(session, burn=held.public_id)

    order = orders.get_locked(session, taken.order or "")
    assert order.occurred_at == held.until - timedelta(minutes=15)


def test_the_till_s_number_again_is_the_same_burn_or_a_conflict(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 38."""
    number = unique("B")
    first = authorise(session, shop, member, 300, number=number)

    again = authorise(session, shop, member, 300, number=number)

    assert (again.public_id, again.replayed) == (first.public_id, True)
    assert points_of(session, member) == 200
    with pytest.raises(BusinessKeyConflict):
        authorise(session, shop, member, 299, number=number)
    with pytest.raises(BusinessKeyConflict):
        authorise(session, shop, member, 300, number=number, order_fen=10_001)


def test_an_ask_is_cut_to_the_sale_and_above_the_balance_refused(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """B2, decision 20."""
    cut = authorise(session, shop, member, 500, order_fen=80)

    assert (cut.points, cut.worth_fen) == (80, 80)
    with pytest.raises(InsufficientPoints):
        authorise(session, shop, member, 421)


def test_share_and_unit_cut_as_they_cut_an_order(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    agree_burn_terms(
        session,
        BurnTerms(
            effective_from=now_of(session),
            merchant=shop.merchant.public_id,
            min_unit_points=100,
            max_share=Fraction(1, 4),
        ),
    )

    held = authorise(session, shop, member, 500, order_fen=1_000)

    assert held.points == 200
    with pytest.raises(NothingToBurn, match="100"):
        authorise(session, shop, member, 99)


def test_what_is_authorised_and_what_is_captured_count_for_the_day(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """B2: the daily limit knows orders and burns alike."""
    agree_burn_terms(
        session,
        BurnTerms(
            effective_from=now_of(session),
            merchant=shop.merchant.public_id,
            daily_limit_points=200,
        ),
    )
    first = authorise(session, shop, member, 150)
    second = authorise(session, shop, member, 150)
    burns.capture(session, burn=first.public_id)

    with pytest.raises(NothingToBurn):
        authorise(session, shop, member, 1)
    burns.void(session, burn=second.public_id)
    sold = shop.sell(session, member, 1_000, burn=100, worth=50)

    assert (first.points, second.points, sold.burned_points) == (150, 50, 50)


def test_a_part_of_a_captured_burn_goes_back_to_its_lots(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """B5: refunded by its order, in parts, to the last point."""
    taken = burns.capture(session, burn=authorise(session, shop, member, 300).public_id)

    part = shop.refund(session, taken.order or "", RefundAmount(fen=100))
    rest = shop.refund(session, taken.order or "")

    assert (part.restored_points, part.points_fen, part.money_fen) == (100, 100, {})
    assert (rest.restored_points, rest.clawed_points) == (200, 0)
    assert points_of(session, member) == 500
    assert invariants.audit(session) == []


def test_who_was_frozen_meanwhile_captures_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """M11."""
    held = authorise(session, shop, member, 300)
    session.execute(text("UPDATE member SET status = 'frozen' WHERE id = :id"), {"id": member.id})

    with pytest.raises(MemberNotActive):
        burns.capture(session, burn=held.public_id)


def test_an_unknown_burn_is_told_so(session: Session) -> None:
    with pytest.raises(NotFound):
        burns.capture(session, burn="bur_" + "0" * 26)


@given(
    points=st.integers(1, 10**6),
    most_fen=st.integers(1, 10**6),
    rate=st.fractions(min_value=Fraction(1, 500), max_value=500, max_denominator=500),
)
def test_a_capture_takes_the_least_that_pays_as_much(
    points: int, most_fen: int, rate: Fraction
) -> None:
    """Semantics 20: never more points than asked for, never worth more than was held."""
    most_fen = min(most_fen, 10**6)
    try:
        taken, fen = least_for(points, most_fen=most_fen, point_value_fen=rate)
    except Invalid:
        assert points * rate < 1
        return

    assert 0 < taken <= points
    assert 0 < fen <= most_fen
    assert taken * rate >= fen > (taken - 1) * rate
    assert fen == min(points * rate // 1, most_fen)


@pytest.fixture
def world(database: Database, district: str) -> tuple[Shop, KnownMember]:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 500)
    return shop, member


def _outcome(database: Database, act: Callable[[Session], Burned]) -> str:
    try:
        done = database.run("test", act)
    except BurnEnded:
        return "refused"
    return "again" if done.replayed else done.state


@pytest.mark.parametrize("other", ["capture", "less", "void"])
def test_a_capture_races_with_another_and_with_a_void(
    database: Database, world: tuple[Shop, KnownMember], other: str
) -> None:
    """P3: one of them comes first, and value is conserved."""
    shop, member = world
    with database.transaction("test") as session:
        held = authorise(session, shop, member, 300).public_id
    acts: dict[str, Callable[[Session], Burned]] = {
        "capture": lambda session: burns.capture(session, burn=held),
        "less": lambda session: burns.capture(session, burn=held, points=100),
        "void": lambda session: burns.void(session, burn=held),
    }

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda name: _outcome(database, acts[name]), ["capture", other] * 4)
        )

    assert len([each for each in outcomes if each in ("captured", "voided")]) == 1
    with database.transaction("test", repeatable_read=True) as session:
        left = points_of(session, get_by_public_id(session, member.public_id))
        state = session.scalar(text("SELECT state FROM burn WHERE public_id = :id"), {"id": held})
        assert left in ((500,) if state == "voided" else (200, 400))
        assert ledger.upkeep.audit_all(session) == []


def test_one_number_sent_by_many_is_one_burn(
    database: Database, world: tuple[Shop, KnownMember]
) -> None:
    shop, member = world
    number = unique("B")

    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(
                lambda _: (
                    database.run(
                        "test",
                        lambda session: authorise(session, shop, member, 100, number=number),
                    ).public_id
                ),
                range(16),
            )
        )

    assert len(set(made)) == 1
    with database.transaction("test") as session:
        assert points_of(session, member) == 400
