"""M4, M5, semantics 46: two who are one person have the growth of both and the higher tier."""

from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.clock import business_date
from app.errors import StateConflict
from app.members import standing
from app.members.identification import KnownMember, get_by_public_id, list_unmerged
from app.points import giving, merging
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.checkout.test_capped import open_capped
from tests.app.checkout.test_growing import (
    THREE,
    agree,
    gathered,
    judge_all,
    move_to,
    news_of,
    tier_of,
)
from tests.app.points.test_merging import merge, sound, undo
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    """A shop in a district of three tiers, a day after they were agreed to."""
    agree(session, THREE)
    move_to(session, business_date(now_of(session)) + timedelta(days=1))
    return open_shop(session)


@pytest.fixture
def loser(session: Session, shop: Shop) -> KnownMember:
    return make_member(session)


@pytest.fixture
def survivor(session: Session, shop: Shop) -> KnownMember:
    return make_member(session)


def own_growth(session: Session, member: KnownMember) -> int:
    """Return the growth of a member by himself."""
    return gathered(session, list_unmerged(session, [member.id])[member.id])


def own_tier(session: Session, member: KnownMember) -> str:
    return list_unmerged(session, [member.id])[member.id].tier


def until_of(session: Session, member: KnownMember) -> date | None:
    return standing.standing(session, get_by_public_id(session, member.public_id)).until


def test_growth_of_both_counts_and_an_undo_parts_it(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, loser, 30_000)
    shop.sell(session, survivor, 40_000)

    done = merge(session, loser, survivor)
    together = gathered(session, survivor)
    undo(session, done.merge)

    assert together == 700
    assert (own_growth(session, loser), own_growth(session, survivor)) == (300, 400)
    assert sound(session)


def test_the_next_sale_after_a_merge_lifts_by_the_growth_of_both(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, loser, 60_000)
    shop.sell(session, survivor, 60_000)
    merge(session, loser, survivor)
    assert tier_of(session, survivor) == "basic"

    shop.sell(session, survivor, 100)

    assert tier_of(session, survivor) == "silver"
    assert standing.history(session, survivor)[0].growth == 1_201


def test_a_placed_order_of_the_loser_lifts_the_survivor(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, survivor, 60_000)
    placed = orders.place(session, shop.basket(session, loser, 50_000))
    done = merge(session, loser, survivor)

    payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=50_000)])

    assert tier_of(session, survivor) == "silver"
    undo(session, done.merge)
    assert (own_growth(session, loser), own_growth(session, survivor)) == (500, 600)


def test_a_refund_takes_the_growth_from_whose_order_it_was(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    """Semantics 46: an undo finds both as they would be without the merge."""
    sale = shop.sell(session, loser, 30_000)
    shop.sell(session, survivor, 40_000)
    done = merge(session, loser, survivor)

    shop.refund(session, sale.public_id)
    together = gathered(session, survivor)
    undo(session, done.merge)

    assert together == 400
    assert (own_growth(session, loser), own_growth(session, survivor)) == (0, 400)


def test_the_higher_tier_stays_with_its_own_last_day(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, loser, 600_000)
    until = until_of(session, loser)
    move_to(session, business_date(now_of(session)) + timedelta(days=40))
    shop.sell(session, survivor, 200_000)
    before = until_of(session, survivor)
    foreseen = merging.preview(session, loser=loser.public_id, survivor=survivor.public_id)

    done = merge(session, loser, survivor)

    assert foreseen.tier == "gold"
    assert (tier_of(session, survivor), until_of(session, survivor)) == ("gold", until)
    assert standing.history(session, survivor)[0].step == "merged"
    undo(session, done.merge)
    assert (tier_of(session, survivor), until_of(session, survivor)) == ("silver", before)
    assert own_tier(session, loser) == "gold"
    assert news_of(session, survivor) == ["tier.upgraded", "tier.merged", "tier.parted"]


def test_a_lower_tier_of_the_loser_changes_nothing(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, loser, 200_000)
    shop.sell(session, survivor, 600_000)

    done = merge(session, loser, survivor)
    undo(session, done.merge)

    assert tier_of(session, survivor) == "gold"
    assert [each.step for each in standing.history(session, survivor)] == ["upgraded"]


def test_of_the_same_tier_the_longer_one_stays(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, survivor, 200_000)
    first = until_of(session, survivor)
    move_to(session, business_date(now_of(session)) + timedelta(days=40))
    shop.sell(session, loser, 200_000)
    later = until_of(session, loser)

    done = merge(session, loser, survivor)
    merged = until_of(session, survivor)
    undo(session, done.merge)

    assert (merged, until_of(session, survivor)) == (later, first)


def test_a_tier_that_was_decided_since_the_merge_stays_after_an_undo(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    """Semantics 31: what a tier has given stays."""
    shop.sell(session, loser, 200_000)
    done = merge(session, loser, survivor)
    shop.sell(session, get_by_public_id(session, survivor.public_id), 400_000)
    assert tier_of(session, survivor) == "gold"

    undo(session, done.merge)

    assert tier_of(session, survivor) == "gold"


def test_merges_that_are_undone_in_any_order_leave_what_was(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    third = make_member(session)
    shop.sell(session, loser, 200_000)
    shop.sell(session, third, 600_000)
    first = merge(session, loser, survivor)
    second = merge(session, third, survivor)

    undo(session, first.merge)
    between = tier_of(session, survivor)
    undo(session, second.merge)

    assert (between, tier_of(session, survivor)) == ("gold", "basic")
    assert until_of(session, survivor) is None


def test_who_is_merged_is_not_judged_and_the_survivor_is_by_both(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    shop.sell(session, loser, 200_000)
    dear = shop.sell(session, survivor, 100_000)
    begins = business_date(now_of(session))
    merge(session, loser, survivor)
    shop.refund(session, dear.public_id)

    move_to(session, THREE.cycle_end(begins) + timedelta(days=31))
    judge_all(session)

    last = standing.history(session, survivor)[0]
    assert (last.step, last.tier, last.growth) == ("prolonged", "silver", 2_000)
    assert [each.step for each in standing.history(session, loser)] == ["upgraded"]


def test_caps_of_rules_and_gifts_count_what_both_had(
    session: Session, shop: Shop, loser: KnownMember, survivor: KnownMember
) -> None:
    """Semantics 46, E4, B7: a limit that is exceeded by merging is kept, and nothing more given."""
    rich = open_capped(session, "day:50")
    rich.sell(session, loser, 4_000)
    rich.sell(session, survivor, 4_000)
    give_points(session, shop, loser, 900)
    move_to(session, business_date(now_of(session)) + timedelta(days=40))
    friend = make_member(session)
    giving.give(
        session, loser, receiver=friend, points=700, confirmed=giving.shown_name(session, friend)
    )
    rich.sell(session, loser, 4_000)
    rich.sell(session, survivor, 4_000)

    merge(session, loser, survivor)
    sale = rich.sell(session, survivor, 4_000)

    assert sale.earned_points == 0
    with pytest.raises(Exception, match="还可赠 300"):
        giving.give(
            session, survivor, receiver=friend, points=301,
            confirmed=giving.shown_name(session, friend),
        )  # fmt: skip
    (gift,) = giving.list_gifts(session, survivor, limit=10)
    assert (gift.points, gift.given) == (700, True)


def test_a_member_is_not_merged_into_himself(session: Session, loser: KnownMember) -> None:
    with pytest.raises(StateConflict):
        merge(session, loser, loser)
