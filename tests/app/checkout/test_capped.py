"""E4, semantics 54: caps at the till: exact with many at once, room given back, reasons told."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import bulk, exchanges, orders, payments, quotes
from app.checkout.baskets import Tender
from app.checkout.bulk import Paid
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundWhole
from app.clock import business_date, day_start
from app.members.identification import KnownMember
from app.merchants.directory import ListedMerchant
from app.points import rules
from app.points.definitions import Cap, Conditions, Definition, Kind
from app.points.rules import Names
from config.database import Database, now_of
from tests.app.checkout.shops import Shop, points_of
from tests.counting import sent_by_all
from tests.factories import make_member, make_merchant, make_till, unique


def open_capped(session: Session, *caps: str, campaign: str | None = None) -> Shop:
    """Open a shop whose sales earn a point a yuan within caps."""
    merchant = make_merchant(session)
    add_capped(session, merchant, *caps, campaign=campaign)
    return Shop(merchant=merchant, till=make_till(session, merchant))


def add_capped(
    session: Session, merchant: ListedMerchant, *caps: str, campaign: str | None = None
) -> None:
    request = rules.propose(
        session,
        code=unique("c"),
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(1, 100),
            conditions=Conditions(merchants=frozenset({merchant.public_id})),
            caps=tuple([Cap.parse(cap) for cap in caps]),
            campaign=campaign,
        ),
        by="mei",
        reason="test",
        names=Names(zh="一元一分", en="A point a yuan"),
        effective_from=now_of(session) - timedelta(days=800),
    )
    rules.approve(session, request.public_id, by="li")


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def noon(day: date) -> datetime:
    return day_start(day) + timedelta(hours=12)


def test_a_day_ends_at_midnight_in_shanghai_by_business_time(
    session: Session, member: KnownMember
) -> None:
    """semantics 54: 23:59:58 that is told at 00:03 counts for the earlier day."""
    shop = open_capped(session, "day:100")
    today = business_date(now_of(session))
    session.info["now"] = day_start(today) + timedelta(minutes=3)
    late = day_start(today) - timedelta(seconds=2)

    sales = [shop.sell(session, member, 8_000, at=at) for at in (late, late, now_of(session))]

    assert [sale.earned_points for sale in sales] == [80, 20, 80]


def test_a_week_and_a_month_are_capped_too(session: Session, member: KnownMember) -> None:
    shop = open_capped(session, "week:100", "month:150")
    monday = date(2026, 11, 9)

    def earned(day: date) -> int:
        return shop.sell(session, member, 8_000, at=noon(day)).earned_points

    assert [earned(monday), earned(monday + timedelta(days=6))] == [80, 20]
    assert [earned(monday + timedelta(days=7)), earned(monday + timedelta(days=8))] == [50, 0]


def test_a_campaign_is_capped_over_its_rules_and_merchants(
    session: Session, member: KnownMember
) -> None:
    code = unique("spring")
    one, two = [open_capped(session, "campaign:100", campaign=code) for _ in range(2)]

    assert one.sell(session, member, 8_000).earned_points == 80
    assert two.sell(session, member, 8_000).earned_points == 20
    assert two.sell(session, make_member(session), 8_000).earned_points == 80


def test_a_rule_that_rejects_gives_nothing_where_it_would_go_above(
    session: Session, member: KnownMember
) -> None:
    shop = open_capped(session, "day:100:reject")

    assert shop.sell(session, member, 8_000).earned_points == 80
    assert shop.sell(session, member, 3_000).earned_points == 0
    assert shop.sell(session, member, 2_000).earned_points == 20


@settings(max_examples=10)
@given(parts=st.lists(st.integers(1, 4_000), max_size=3))
def test_a_refund_gives_its_room_back_in_whatever_steps(session: Session, parts: list[int]) -> None:
    shop, member = open_capped(session, "day:100"), make_member(session)
    sale = shop.sell(session, member, 15_000)
    left = 15_000
    for fen in parts:
        left -= fen
        shop.refund(session, sale.public_id, RefundAmount(fen=fen))
    shop.refund(session, sale.public_id, RefundWhole())

    assert shop.sell(session, member, 20_000).earned_points == 100
    assert points_of(session, member) == 100


def test_a_part_that_goes_back_gives_back_its_part_of_the_room(
    session: Session, member: KnownMember
) -> None:
    shop = open_capped(session, "day:100")
    sale = shop.sell(session, member, 10_000)

    refund = shop.refund(session, sale.public_id, RefundAmount(fen=3_000))

    assert refund.clawed_points == 30
    assert shop.sell(session, member, 9_000).earned_points == 30


def test_an_exchange_earns_in_the_room_that_its_refund_leaves(
    session: Session, member: KnownMember
) -> None:
    shop = open_capped(session, "day:100")
    sale = shop.sell(session, member, 10_000)
    request = RefundRequest(
        order=sale.public_id, terminal=shop.till, number=unique("R"),
        occurred_at=now_of(session), parts=[RefundWhole()],
    )  # fmt: skip

    found = exchanges.exchange(
        session, request=request, basket=shop.basket(session, member, 12_000),
        tenders=[Tender(name="cash", fen=12_000)],
    )  # fmt: skip

    assert (found.refund.clawed_points, found.order.earned_points) == (100, 100)


def test_a_placed_order_is_capped_when_it_is_paid(session: Session, member: KnownMember) -> None:
    shop = open_capped(session, "day:100")
    placed = orders.place(session, shop.basket(session, member, 8_000))
    shop.sell(session, member, 7_000)

    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name="c", fen=8_000)])

    assert paid.earned_points == 30
    assert shop.sell(session, member, 7_000).earned_points == 0


def test_an_upload_obeys_caps_over_all_its_sales(session: Session, member: KnownMember) -> None:
    shop = open_capped(session, "day:100")
    sales = [
        Paid(basket=shop.basket(session, member, 4_000), tenders=[Tender(name="cash", fen=4_000)])
        for _ in range(4)
    ]

    first = bulk.sell_many(session, sales[:3])
    again = bulk.sell_many(session, sales)

    assert [sale.earned_points for sale in first] == [40, 40, 20]
    assert [sale.earned_points for sale in again] == [40, 40, 20, 0]


def test_a_quote_and_the_order_say_what_was_cut_and_why(
    session: Session, member: KnownMember
) -> None:
    shop = open_capped(session, "day:100")
    shop.sell(session, member, 8_000)

    quoted = quotes.quote(session, shop.basket(session, member, 5_000))
    sale = shop.sell(session, member, 5_000)

    (cut,) = quotes.answer(quoted)["cuts"]
    assert (quoted.earn_points, cut["desired_points"], cut["given_points"]) == (20, 50, 20)
    assert (cut["zh"], cut["en"]) == (
        "应得 50 积分，每日上限 100，实得 20", "20 of 50 points: at most 100 a day"
    )  # fmt: skip
    earnings = session.scalar(
        text('SELECT earnings FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
    )
    assert [(each["points"], each["desired_points"]) for each in earnings] == [(20, 50)]


def test_many_tills_at_once_stay_below_the_cap(database: Database, district: str) -> None:
    """Two tills that sell to one member at the same moment share what is left."""
    with database.transaction(district) as session:
        shop, member = open_capped(session, "day:100"), make_member(session)

    def sell(_: int) -> int:
        sale = database.run(district, lambda session: shop.sell(session, member, 3_000))
        return sale.earned_points

    with ThreadPoolExecutor(8) as pool:
        earned = sorted(pool.map(sell, range(8)))

    assert earned == [0, 0, 0, 0, 10, 30, 30, 30]


def test_a_cap_costs_one_round_trip_and_none_where_there_is_none(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        free, bound, member = open_capped(session), open_capped(session, "day:100", "month:900"), (
            make_member(session)
        )  # fmt: skip
        free.sell(session, member, 100)
        bound.sell(session, member, 100)

    counts = []
    for shop in (free, bound):
        with database.transaction(district) as session:
            shop.sell(session, make_member(session), 100)
        with sent_by_all(database) as statements, database.transaction(district) as session:
            shop.sell(session, member, 100)
        counts.append(len(statements))

    assert counts[1] - counts[0] == 1
