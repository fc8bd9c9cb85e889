"""B3, B5; semantics 3, 8, 36: rewards are taken for points, and given up before the pick-up."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import ledger
from app.campaigns import mall
from app.checkout import invariants, takings
from app.checkout.errors import PriceChanged, RewardLimit, RewardNotOffered, RewardSoldOut
from app.checkout.models import TakingState
from app.errors import AppError, NotFound, StateConflict
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.merchants.models import MayBurn
from app.points import merging
from app.points.errors import InsufficientPoints
from app.points.policy import NegativePolicy
from config.database import Database, now_of
from coupons import issuing, wallets
from coupons.errors import ClaimLimit, SoldOut
from tests.app.campaigns.test_mall import put_up
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    borne,
    give_points,
    open_shop,
    points_of,
    posted,
    set_policy,
)
from tests.app.points.test_merging import merge, undo
from tests.coupons.makers import later, make_batch
from tests.factories import make_member, make_terms

AT_ONCE = 16


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 1,200 points of the shop."""
    made = make_member(session)
    give_points(session, shop, made, 1_200)
    return made


def test_points_go_to_who_gives_the_goods_and_one_of_the_stock_stands_aside(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    giver = open_shop(session)
    item = put_up(session, giver, points=500)

    taken = takings.take(session, member, item=item.code, points=500)

    assert (taken.state, taken.points, taken.cash_fen) == (TakingState.WAITING, 500, 0)
    assert points_of(session, member) == 700
    assert posted(session, giver.merchant.redeemed_account_id) == 500
    assert mall.get_item(session, item.code).left == 9
    assert len(takings.show_code(session, member, taken.public_id)) == 20
    assert _broken(session) == []


def test_a_taking_that_is_cancelled_gives_points_and_stock_back_once(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    before = books_digest(session, member)
    item = put_up(session, shop)
    taken = takings.take(session, member, item=item.code, points=500)

    first = takings.cancel(session, member, taking=taken.public_id)
    again = takings.cancel(session, member, taking=taken.public_id)

    assert first == again
    assert first.state is TakingState.CANCELLED
    assert books_digest(session, member) == before
    assert mall.get_item(session, item.code).left == 10
    with pytest.raises(NotFound):
        takings.show_code(session, member, taken.public_id)
    assert _broken(session) == []


@settings(max_examples=25)
@given(data=st.data())
def test_taking_and_giving_up_in_any_order_loses_no_point(
    session: Session, data: st.DataObject
) -> None:
    """B5, semantics 3: each lot has back what it gave, whatever else was taken meanwhile."""
    shops = [open_shop(session) for _ in range(2)]
    member = make_member(session)
    for at in data.draw(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=4)):
        give_points(session, shops[at], member, data.draw(st.integers(1, 40)))
    before, total = books_digest(session, member), points_of(session, member)
    open_ones: list[str] = []

    for price in data.draw(st.lists(st.integers(1, 50), max_size=5)):
        item = put_up(session, shops[0], points=price)
        if price > points_of(session, member):
            with pytest.raises(InsufficientPoints):
                takings.take(session, member, item=item.code, points=price)
            continue
        open_ones.append(takings.take(session, member, item=item.code, points=price).public_id)
        total -= price
        assert points_of(session, member) == total
    for taking in data.draw(st.permutations(open_ones)):
        takings.cancel(session, member, taking=taking)

    assert books_digest(session, member) == before


def test_points_whose_last_day_has_passed_come_back_with_courtesy(
    session: Session, shop: Shop
) -> None:
    """B5, semantics 8"""
    member = make_member(session)
    today = now_of(session)
    session.info["now"] = today - timedelta(days=400)
    shop.sell(session, member, 50_000, at=now_of(session))
    item = put_up(session, shop, ends_at=today + timedelta(days=1), pick_up_days=366)
    session.info["now"] = today - timedelta(days=364)
    taken = takings.take(session, member, item=item.code, points=500)
    session.info["now"] = today

    takings.cancel(session, member, taking=taken.public_id)

    assert points_of(session, member) == 500
    assert [name for name, _ in books_digest(session, member) if "courtesy" in name]
    assert _broken(session) == []


def test_points_that_somebody_bore_meanwhile_go_to_him_first(session: Session) -> None:
    """Semantics 1: the points of a sale that went back had been spent on the reward."""
    shop, member = open_shop(session), make_member(session)
    set_policy(session, NegativePolicy.WRITE_OFF)
    sale = give_points(session, shop, member, 500)
    taken = takings.take(session, member, item=put_up(session, shop).code, points=500)
    shop.refund(session, sale.public_id)
    assert borne(session, member) == 500

    takings.cancel(session, member, taking=taken.public_id)

    assert (points_of(session, member), borne(session, member)) == (0, 0)
    assert _broken(session) == []


def test_each_tier_has_its_price_and_a_price_that_was_not_shown_is_refused(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    item = put_up(session, shop, points=500, tier_points={"basic": 400})

    with pytest.raises(PriceChanged):
        takings.take(session, member, item=item.code, points=500)

    assert takings.take(session, member, item=item.code, points=400).points == 400


def test_what_may_not_be_taken_is_refused_and_told_before(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    now = now_of(session)
    soon = put_up(session, shop, starts_at=now + timedelta(days=1))
    dear = put_up(session, shop, points=1_201)
    gone = put_up(session, shop, stock=1)
    rich = make_member(session)
    give_points(session, shop, rich, 500)
    takings.take(session, rich, item=gone.code, points=500)
    once = put_up(session, shop, points=1)
    takings.take(session, member, item=once.code, points=1)

    told = {
        each.item.code: list(each.why_not)
        for each in takings.list_offered(session, member, limit=100)
    }

    assert told[soon.code] == ["not-yet"]
    assert told[dear.code] == ["too-few-points"]
    assert told[gone.code] == ["sold-out"]
    assert told[once.code] == ["limit"]
    for item, price, refusal in (
        (soon, 500, RewardNotOffered), (dear, 1_201, InsufficientPoints),
        (gone, 500, RewardSoldOut), (once, 1, RewardLimit),
    ):  # fmt: skip
        with session.begin_nested() as savepoint:
            with pytest.raises(refusal):
                takings.take(session, member, item=item.code, points=price)
            savepoint.rollback()
    later(session, timedelta(days=30))
    with pytest.raises(RewardNotOffered):
        takings.take(session, member, item=once.code, points=1)


def test_a_merchant_that_takes_its_own_points_alone_is_paid_by_these(
    session: Session, member: KnownMember
) -> None:
    own = open_shop(session, terms=make_terms(may_burn=MayBurn.OWN))
    item = put_up(session, own, points=10)

    with pytest.raises(InsufficientPoints):
        takings.take(session, member, item=item.code, points=10)
    give_points(session, own, member, 10)

    assert takings.take(session, member, item=item.code, points=10).points == 10


def test_a_frozen_member_takes_nothing_and_gets_back_what_he_gives_up(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    item = put_up(session, shop, per_member=2)
    taken = takings.take(session, member, item=item.code, points=500)
    session.execute(text("UPDATE member SET status = 'frozen' WHERE id = :id"), {"id": member.id})

    with pytest.raises(MemberNotActive):
        takings.take(session, member, item=item.code, points=500)
    takings.cancel(session, member, taking=taken.public_id)

    assert points_of(session, member) == 1_200


def test_a_coupon_is_given_at_once_and_stays(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    batch = make_batch(session, limits={"total": 1, "per_member": 1}).code
    item = put_up(session, shop, batch=batch, per_member=3)

    taken = takings.take(session, member, item=item.code, points=500)

    assert taken.state is TakingState.GIVEN
    assert [each.coupon for each in wallets.wallet(session, holders=[member.public_id])] == [
        taken.coupon
    ]
    with pytest.raises(StateConflict):
        takings.cancel(session, member, taking=taken.public_id)
    assert _broken(session) == []


@pytest.mark.parametrize(
    ("limits", "refusal"),
    [({"per_member": 3, "total": 1}, SoldOut), ({"per_member": 1, "total": 9}, ClaimLimit)],
)
def test_a_coupon_that_is_not_to_be_had_costs_nothing(
    session: Session, shop: Shop, member: KnownMember, limits: dict[str, int], refusal: type
) -> None:
    batch = make_batch(session, limits=limits).code
    item = put_up(session, shop, batch=batch, per_member=3)
    takings.take(session, member, item=item.code, points=500)

    with session.begin_nested() as savepoint:
        with pytest.raises(refusal):
            takings.take(session, member, item=item.code, points=500)
        savepoint.rollback()

    assert points_of(session, member) == 700
    assert mall.get_item(session, item.code).left == 9


def test_a_coupon_that_a_merge_brought_is_not_taken_again(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 46"""
    batch = make_batch(session).code
    item = put_up(session, shop, batch=batch, per_member=3)
    loser = make_member(session)
    issuing.claim(session, batch=batch, holder=loser.public_id)
    done = merge(session, loser, member)

    with session.begin_nested() as savepoint:
        with pytest.raises(ClaimLimit):
            takings.take(session, member, item=item.code, points=500)
        savepoint.rollback()
    undo(session, done.merge)

    assert takings.take(session, member, item=item.code, points=500).coupon is not None


def test_what_was_not_picked_up_in_its_days_is_given_back_by_the_clock(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    item = put_up(session, shop, per_member=2, pick_up_days=3)
    for _ in range(2):
        takings.take(session, member, item=item.code, points=500)
    assert takings.lapse_due(session) == 0
    later(session, timedelta(days=5))

    done = [takings.lapse_due(session) for _ in range(3)]

    assert done == [1, 1, 0]
    assert points_of(session, member) == 1_200
    assert mall.get_item(session, item.code).left == 10
    assert {each.state for each in takings.list_own(session, member, limit=9)} == {
        TakingState.LAPSED
    }
    assert _broken(session) == []


def test_who_was_merged_keeps_takings_and_limit(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 46"""
    survivor = make_member(session)
    give_points(session, shop, survivor, 600)
    item = put_up(session, shop)
    taken = takings.take(session, member, item=item.code, points=500)
    request = merging.propose(
        session, loser=member.public_id, survivor=survivor.public_id, by="mei", reason="test"
    )
    merging.approve(session, request.public_id, by="li")

    with session.begin_nested() as savepoint:
        with pytest.raises(RewardLimit):
            takings.take(session, survivor, item=item.code, points=500)
        savepoint.rollback()
    takings.cancel(session, survivor, taking=taken.public_id)

    assert points_of(session, survivor) == 1_800
    assert _broken(session) == []


def test_the_database_itself_refuses_more_than_there_is(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    item = put_up(session, shop, stock=1)
    takings.take(session, member, item=item.code, points=500)

    for forbidden in (
        "INSERT INTO mall_taking (public_id) VALUES ('tak_x')",
        "UPDATE mall_taking SET state = 'waiting'",
        "UPDATE mall_item SET taken = 0",
        "DELETE FROM mall_item",
    ):
        with session.begin_nested() as savepoint:
            with pytest.raises(DBAPIError):
                session.execute(text(forbidden))
            savepoint.rollback()


def test_64_takers_of_one_get_one(database: Database, district: str) -> None:
    """Semantics 36: who comes too late has paid nothing."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        people = [make_member(session) for _ in range(64)]
        for each in people:
            give_points(session, shop, each, 500)
        item = put_up(session, shop, stock=1).code

    said = _race(database, district, [(each, item) for each in people])

    assert said == {"taken": 1, "RewardSoldOut": 63}
    with database.transaction(district) as session:
        assert mall.get_item(session, item).left == 0
        assert sum(points_of(session, each) for each in people) == 64 * 500 - 500
        assert ledger.upkeep.audit_all(session) == []


def test_a_member_at_many_doors_takes_as_many_as_he_may(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 500)
        item = put_up(session, shop, points=1, per_member=3).code

    said = _race(database, district, [(member, item)] * 32, points=1)

    assert said == {"taken": 3, "RewardLimit": 29}
    with database.transaction(district) as session:
        assert mall.get_item(session, item).left == 7
        assert points_of(session, member) == 497


def test_cancelled_by_many_at_once_it_is_given_back_once(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        give_points(session, shop, member, 500)
        taken = takings.take(session, member, item=put_up(session, shop).code, points=500)

    with ThreadPoolExecutor(8) as pool:
        states = list(
            pool.map(
                lambda _: (
                    database.run(
                        district,
                        lambda session: takings.cancel(session, member, taking=taken.public_id),
                    ).state
                ),
                range(8),
            )
        )

    assert set(states) == {TakingState.CANCELLED}
    with database.transaction(district) as session:
        assert points_of(session, member) == 500
        assert mall.get_item(session, taken.item).left == 10


def _race(
    database: Database, district: str, tries: list[tuple[KnownMember, str]], *, points: int = 500
) -> Counter[str]:
    barrier = Barrier(AT_ONCE)

    def run(number: int) -> str:
        member, item = tries[number]
        if number < AT_ONCE:
            barrier.wait()
        try:
            database.run(
                district,
                lambda session: takings.take(session, member, item=item, points=points),
            )
        except AppError as refused:
            return type(refused).__name__
        return "taken"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(run, range(len(tries))))


def _broken(session: Session) -> list[object]:
    return [*ledger.upkeep.audit_all(session), *invariants.audit(session)]
