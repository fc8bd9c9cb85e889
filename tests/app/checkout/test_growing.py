"""M5, M6; semantics 31, 54: what sales and refunds make of growth and tiers."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import bulk, exchanges, orders, payments
from app.checkout.baskets import Tender
from app.checkout.bulk import Paid
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundWhole
from app.clock import business_date, day_start
from app.members import growth, standing, tiers
from app.members.identification import KnownMember, get_by_public_id
from app.members.tiers import BASIC, Period, Scheme, Tier
from app.merchants.directory import get_directory
from config.database import Database, forget, now_of
from migrations.run import create_district
from tests.app.checkout.shops import Shop, open_shop
from tests.counting import sent_by_all
from tests.factories import make_member, unique

SILVER = Tier(code="silver", threshold=1_000, name_zh="银卡", name_en="Silver")
GOLD = Tier(code="gold", threshold=5_000, name_zh="金卡", name_en="Gold")
THREE = Scheme(tiers=(BASIC, SILVER, GOLD))


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def agree(session: Session, scheme: Scheme) -> None:
    request = tiers.propose(session, scheme, begins=None, by="mei", reason="test")
    tiers.TIERS.approve(session, request.public_id, by="li")


def gathered(session: Session, member: KnownMember) -> int:
    return growth.total(session, member, start=date(2000, 1, 1), end=date(2100, 1, 1))


def tier_of(session: Session, member: KnownMember) -> str:
    return get_by_public_id(session, member.public_id).tier


def news_of(session: Session, member: KnownMember) -> list[str]:
    rows = session.execute(
        text("SELECT topic FROM outbox WHERE aggregate = :member ORDER BY seq"),
        {"member": member.public_id},
    )
    return [topic for (topic,) in rows if topic.startswith("tier.")]


def move_to(session: Session, day: date) -> None:
    """Let it be noon of a day in Shanghai."""
    session.info["now"] = day_start(day) + timedelta(hours=12)
    forget(session)


@pytest.fixture
def year(session: Session, shop: Shop, member: KnownMember) -> date:
    """A silver member since the first day of a cycle, which this returns."""
    agree(session, THREE)
    begins = business_date(now_of(session)) + timedelta(days=1)  # The scheme is in force by then.
    move_to(session, begins)
    shop.sell(session, member, 200_000)
    return begins


def test_growth_comes_from_money_alone_once_for_an_order(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    number = unique("N")

    shop.sell(session, member, 10_099, number=number)
    shop.sell(session, member, 10_099, number=number)
    shop.sell(session, member, 150, burn=100)
    shop.sell(session, None, 5_000)

    assert gathered(session, member) == 100


def test_growth_comes_with_the_payment_of_a_placed_order(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    agree(session, THREE)
    placed = orders.place(session, shop.basket(session, member, 150_000))
    before = gathered(session, member)

    payments.pay(session, order=placed.public_id, tenders=[Tender(name="card", fen=150_000)])

    assert (before, gathered(session, member), tier_of(session, member)) == (0, 1_500, "silver")


def test_an_upload_brings_growth_and_lifts_too(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Three sales of one member in one upload; the third reaches silver."""
    agree(session, THREE)
    sales = [
        Paid(basket=shop.basket(session, member, 40_000), tenders=[Tender(name="cash", fen=40_000)])
        for _ in range(3)
    ]

    bulk.sell_many(session, sales)
    bulk.sell_many(session, sales)

    assert (gathered(session, member), tier_of(session, member)) == (1_200, "silver")
    assert news_of(session, member) == ["tier.upgraded"]


@settings(max_examples=15)
@given(parts=st.lists(st.integers(1, 900), max_size=4), paid=st.integers(1_000, 5_000))
def test_refunds_in_any_steps_take_the_growth_that_the_order_brought(
    session: Session, shop: Shop, parts: list[int], paid: int
) -> None:
    """semantics 2"""
    member = make_member(session)
    shop.sell(session, member, 2_000)
    sale = shop.sell(session, member, paid, burn=20)
    left = paid
    for fen in parts:
        if fen < left:
            left -= fen
            shop.refund(session, sale.public_id, RefundAmount(fen=fen))
            assert gathered(session, member) <= 20 + (paid - 20) // 100

    shop.refund(session, sale.public_id, RefundWhole())

    assert gathered(session, member) == 20


def test_a_refund_takes_growth_at_the_rate_of_its_order(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    sale = shop.sell(session, member, 10_000, at=now_of(session) - timedelta(hours=1))
    agree(session, Scheme(growth_per_yuan=THREE.growth_per_yuan * 10))

    shop.refund(session, sale.public_id)

    assert gathered(session, member) == 0


def test_an_exchange_keeps_growth_where_it_is(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """What the refund takes today comes back today, so nothing is left over in another year."""
    then = now_of(session) - timedelta(days=400)
    session.info["now"], today = then, now_of(session)
    sale = shop.sell(session, member, 10_000, at=then)
    session.info["now"] = today
    request = RefundRequest(
        order=sale.public_id, terminal=shop.till, number=unique("R"), occurred_at=today,
        parts=[RefundWhole()],
    )  # fmt: skip

    exchanges.exchange(
        session, request=request, basket=shop.basket(session, member, 12_000),
        tenders=[Tender(name="cash", fen=12_000)],
    )  # fmt: skip

    day = today.date()
    assert gathered(session, member) == 120
    assert growth.total(
        session, member, start=day - timedelta(days=2), end=day + timedelta(days=2)
    ) == 20  # fmt: skip


def test_a_member_rises_with_the_sale_and_its_rules_and_terms_follow(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """E1, B2: tier is what a rule asks for from the next sale on."""
    agree(session, THREE)

    shop.sell(session, member, 99_900)
    before = tier_of(session, member)
    shop.sell(session, member, 100)

    assert (before, tier_of(session, member)) == ("basic", "silver")
    assert news_of(session, member) == ["tier.upgraded"]
    stands = standing.standing(session, member)
    assert (stands.tier, stands.growth, stands.next_tier, stands.missing) == (
        SILVER, 1_000, GOLD, 4_000
    )  # fmt: skip
    assert stands.until is not None
    assert stands.kept_until == stands.until + timedelta(days=30)


def test_a_sale_may_lift_over_a_step(session: Session, shop: Shop, member: KnownMember) -> None:
    agree(session, THREE)

    shop.sell(session, member, 500_000)

    assert tier_of(session, member) == "gold"
    (step,) = standing.history(session, member)
    assert (step.step, step.tier_before, step.tier, step.growth) == (
        "upgraded", "basic", "gold", 5_000
    )  # fmt: skip


def judge_all(session: Session) -> None:
    """Judge whoever is due, as the change of day does."""
    while standing.judge_some(session, most=500):
        pass


def test_members_are_judged_in_portions_until_nobody_is_due(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """Semantics 32: each portion is a transaction, so no member waits for all the others."""
    judge_all(session)
    others = [make_member(session) for _ in range(2)]
    for each in (member, *others):
        shop.sell(session, each, 200_000)
    move_to(session, THREE.cycle_end(year) + timedelta(days=31))

    portions = [standing.judge_some(session, most=2) for _ in range(3)]

    assert portions == [2, 1, 0]
    assert {tier_of(session, each) for each in others} == {"silver"}


def test_a_refund_never_takes_a_tier_at_once(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    sale = shop.sell(session, member, 400_000)
    assert tier_of(session, member) == "gold"

    shop.refund(session, sale.public_id)
    judge_all(session)

    assert tier_of(session, member) == "gold"
    assert standing.standing(session, member).growth == 2_000


def test_a_cycle_with_enough_growth_is_followed_by_another(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    last = THREE.cycle_end(year)
    move_to(session, last)
    assert _judged(session, member) == "silver"

    move_to(session, last + timedelta(days=1))
    assert _judged(session, member) == "silver"

    assert standing.history(session, member)[0].step == "prolonged"
    assert standing.standing(session, member).until == THREE.cycle_end(last + timedelta(days=1))
    assert news_of(session, member) == ["tier.upgraded", "tier.prolonged"]


def test_without_growth_a_tier_goes_down_one_step_after_the_days_of_grace(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """Gold with growth for nothing falls to silver, a cycle later to basic."""
    sale = shop.sell(session, member, 400_000)
    shop.refund(session, sale.public_id)
    last = THREE.cycle_end(year)
    take_back_all(session, member)

    move_to(session, last + timedelta(days=30))
    assert _judged(session, member) == "gold"
    move_to(session, last + timedelta(days=31))
    assert _judged(session, member) == "silver"
    until = standing.standing(session, member).until
    assert until == THREE.cycle_end(last + timedelta(days=1))

    move_to(session, until + timedelta(days=31))
    assert _judged(session, member) == "basic"
    assert standing.standing(session, member).until is None
    assert news_of(session, member) == [
        "tier.upgraded", "tier.upgraded", "tier.downgraded", "tier.downgraded"
    ]  # fmt: skip


def take_back_all(session: Session, member: KnownMember) -> None:
    """Refund what the member ever bought."""
    for number, store in session.execute(
        text('SELECT public_id, store_id FROM "order" WHERE member_id = :m AND refunds = 0'),
        {"m": member.id},
    ).all():
        till = next(
            each for each in get_directory(session).terminals.values() if each.store.id == store
        )
        Shop(merchant=till.store.merchant, till=till).refund(session, number)


def test_days_of_grace_make_up_for_what_is_missing(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    last = THREE.cycle_end(year)
    take_back_all(session, member)
    move_to(session, last + timedelta(days=10))
    assert _judged(session, member) == "silver"

    shop.sell(session, member, 100_000)
    move_to(session, last + timedelta(days=11))

    assert _judged(session, member) == "silver"
    assert standing.history(session, member)[0].step == "prolonged"


def test_an_upgrade_in_grace_begins_a_new_cycle(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """semantics 31"""
    last = THREE.cycle_end(year)
    take_back_all(session, member)
    in_grace = last + timedelta(days=10)
    move_to(session, in_grace)
    assert _judged(session, member) == "silver"

    shop.sell(session, get_by_public_id(session, member.public_id), 700_000)

    stands = standing.standing(session, member)
    assert (stands.tier, stands.until) == (GOLD, THREE.cycle_end(in_grace))


def test_run_late_or_twice_the_judgement_is_the_same(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """O4: growth of days after the grace does not count, and cycles that were missed are judged."""
    take_back_all(session, member)
    last = THREE.cycle_end(year)
    move_to(session, last + timedelta(days=90))
    growth_later = get_by_public_id(session, member.public_id)
    shop.sell(session, growth_later, 90_000)

    move_to(session, last + timedelta(days=100))
    assert _judged(session, member) == "basic"
    assert _judged(session, member) == "basic"

    assert [each.step for each in standing.history(session, member)] == ["downgraded", "upgraded"]


def test_cycles_that_were_never_judged_are_judged_one_after_the_other(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    move_to(session, year + timedelta(days=3 * 366))

    assert _judged(session, member) == "basic"
    assert [each.step for each in standing.history(session, member)] == [
        "downgraded", "prolonged", "upgraded"
    ]  # fmt: skip


def test_a_calendar_year_decides_about_the_next(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    agree(session, Scheme(period=Period.CALENDAR, tiers=THREE.tiers))
    move_to(session, date(2027, 11, 5))
    shop.sell(session, member, 150_000)
    assert standing.standing(session, member).until == date(2027, 12, 31)

    move_to(session, date(2028, 1, 1))
    assert _judged(session, member) == "silver"
    assert standing.standing(session, member).until == date(2028, 12, 31)
    move_to(session, date(2029, 1, 31))
    assert _judged(session, member) == "basic"


def test_the_last_second_of_a_cycle_still_counts_in_shanghai(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """semantics 54: a sale of 23:59:58 that is notified after midnight counts for its own day."""
    take_back_all(session, member)
    agree_grace = Scheme(tiers=THREE.tiers, grace_days=0)
    agree(session, agree_grace)
    last = THREE.cycle_end(year)
    move_to(session, last + timedelta(days=1))
    late = day_start(last + timedelta(days=1)) - timedelta(seconds=2)

    shop.sell(session, get_by_public_id(session, member.public_id), 100_000, at=late)

    assert _judged(session, member) == "silver"


def test_the_tier_of_any_past_instant_is_known(
    session: Session, shop: Shop, member: KnownMember, year: date
) -> None:
    """L12"""
    rose = now_of(session)
    take_back_all(session, member)
    move_to(session, THREE.cycle_end(year) + timedelta(days=31))
    judge_all(session)
    now = get_by_public_id(session, member.public_id)

    assert standing.tier_at(session, now, rose - timedelta(seconds=1)) == "basic"
    assert standing.tier_at(session, now, rose) == "silver"
    assert standing.tier_at(session, now, now_of(session)) == "basic"
    assert standing.tier_at(session, make_member(session), rose) == "basic"


def test_an_order_that_lifts_takes_at_most_twelve_round_trips(
    database: Database, owner_url: str
) -> None:
    """The dearest case: the first order here, with points, in a new lot, and a higher tier."""
    create_district(owner_url, "rising", name="升级", sandbox=False)
    with database.transaction("rising") as session:
        other, shop, newcomer = open_shop(session), open_shop(session), make_member(session)
        agree(session, THREE)
        other.sell(session, newcomer, 50_000)
    with database.transaction("rising") as session:
        shop.sell(session, make_member(session), 100)  # Reads directory, policy and rules.

    with sent_by_all(database) as statements, database.transaction("rising") as session:
        buyer = get_by_public_id(session, newcomer.public_id)
        shop.sell(session, buyer, 900_000, burn=50)

    with database.transaction("rising") as session:
        assert tier_of(session, newcomer) == "gold"
    assert len(statements) + 1 <= 12  # and COMMIT


def _judged(session: Session, member: KnownMember) -> str:
    judge_all(session)
    return tier_of(session, member)
