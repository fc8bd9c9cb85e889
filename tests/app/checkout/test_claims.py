"""E8, decision 14: an order paid by nobody known earns afterwards, once, as it would have."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import audit
from app.checkout import claims, orders
from app.checkout.baskets import Tender
from app.checkout.claims import Claimed, Receipt
from app.checkout.drafts import Sale
from app.checkout.returns import RefundAmount, RefundWhole
from app.clock import business_date
from app.errors import TooOften
from app.members import freezing, growth
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember
from app.points import rules
from app.points.definitions import Conditions, Definition, Kind
from app.points.rewards import Rewards
from app.points.rules import Names
from config.database import Database, forget, now_of
from ledger import upkeep
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    open_shop,
    points_of,
)
from tests.app.checkout.test_capped import open_capped
from tests.app.checkout.test_growing import THREE, tier_of
from tests.app.checkout.test_growing import agree as agree_tiers
from tests.app.checkout.test_races import meanwhile
from tests.app.points.rewarding import agree
from tests.app.points.test_merging import merge, sound
from tests.factories import make_member, unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def receipt_of(session: Session, shop: Shop, sale: Sale, **other: object) -> Receipt:
    """Return what is printed for a sale, with some of it misread."""
    day = session.scalars(
        text('SELECT business_date FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
    ).one()
    said = {"store": shop.till.store.code, "number": sale.number, "day": day,
            "amount_fen": sale.total_fen}  # fmt: skip
    return Receipt(**{**said, **other})


def later(session: Session, days: int) -> None:
    session.info["now"] = now_of(session) + timedelta(days=days)
    forget(session)


def claim(session: Session, shop: Shop, sale: Sale, member: KnownMember) -> Claimed | None:
    return claims.claim(session, member, receipt_of(session, shop, sale))


def test_an_order_is_claimed_and_earns_what_it_would_have(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    sale = shop.sell(session, None, 10_000, 3_050)
    later(session, 3)

    made = claim(session, shop, sale, member)

    assert made is not None
    assert (made.order, made.earned_points, points_of(session, member)) == (
        sale.public_id, 130, 130,
    )  # fmt: skip
    (news,) = session.scalars(
        text("SELECT payload FROM outbox WHERE topic = 'order.claimed' AND aggregate = :id"),
        {"id": sale.public_id},
    )
    assert news["earned_points"] == 130
    assert sound(session)


def test_a_claim_again_is_told_the_same_and_nobody_else_gets_it(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Never twice, and never with an order that a member has already (E2)."""
    sale = shop.sell(session, None, 10_000)
    named = shop.sell(session, make_member(session), 10_000)

    first = claim(session, shop, sale, member)
    again = claim(session, shop, sale, member)

    assert first == again
    assert claim(session, shop, sale, make_member(session)) is None
    assert claim(session, shop, named, member) is None
    assert points_of(session, member) == 100


def test_refunds_take_back_as_usual(session: Session, shop: Shop, member: KnownMember) -> None:
    sale = shop.sell(session, None, 10_000)
    claim(session, shop, sale, member)

    half = shop.refund(session, sale.public_id, RefundAmount(fen=5_000))
    rest = shop.refund(session, sale.public_id, RefundWhole())

    assert (half.clawed_points, rest.clawed_points, points_of(session, member)) == (50, 50, 0)
    assert growth.total(
        session, member, start=business_date(now_of(session)), end=business_date(now_of(session))
    ) == 0  # fmt: skip
    assert sound(session)


@settings(max_examples=12)
@given(
    amounts=st.lists(st.integers(1, 9_999), min_size=1, max_size=4),
    quantity=st.integers(1, 3),
    part=st.integers(1, 500),
)
def test_a_claimed_order_is_the_order_that_a_member_would_have_made(
    session: Session, shop: Shop, amounts: list[int], quantity: int, part: int
) -> None:
    """Slices, points by line and refunds are the same, whatever is sold and how it is paid."""
    known, claimer = make_member(session), make_member(session)
    total = sum(amounts)
    tenders = [Tender(name="wechat", fen=total - total // 3), Tender(name="card", fen=total // 3)]
    made = []
    for who in (known, None):
        basket = shop.basket(session, who, *amounts, quantity=quantity)
        made.append(orders.sell(session, basket, tenders))
    claim(session, shop, made[1], claimer)
    rows = [orders.get_locked(session, sale.public_id) for sale in made]

    assert rows[0].slices == rows[1].slices
    assert rows[0].earnings == rows[1].earnings
    assert points_of(session, known) == points_of(session, claimer)
    back = [shop.refund(session, row.public_id, RefundAmount(fen=min(part, total))) for row in rows]
    assert back[0].clawed_points == back[1].clawed_points
    assert back[0].money_fen == back[1].money_fen


def test_the_rules_of_the_payments_time_hold(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Decision 14, E10: a rule that began since gives nothing, and the last day is the sale's."""
    sale = shop.sell(session, None, 10_000)
    with_member = make_member(session)
    shop.sell(session, with_member, 10_000)
    later(session, 5)
    _rule_from_now(session, shop)

    made = claim(session, shop, sale, member)

    assert made is not None
    assert made.earned_points == 100
    names = [name.split(":", 2)[2] for name, _ in books_digest(session, member)]
    assert names == [name.split(":", 2)[2] for name, _ in books_digest(session, with_member)]


def _rule_from_now(session: Session, shop: Shop) -> None:
    request = rules.propose(
        session,
        code=unique("r"),
        definition=Definition(
            kind=Kind.BASE,
            rate=Fraction(1),
            conditions=Conditions(merchants=frozenset({shop.merchant.public_id})),
        ),
        by="mei",
        reason="test",
        names=Names(zh="新规则", en="New"),
        effective_from=now_of(session),
    )
    rules.approve(session, request.public_id, by="li")


def test_an_order_of_a_closed_day_is_booked_on_the_first_open_one(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 9, 40."""
    sale = shop.sell(session, None, 10_000)
    day = business_date(now_of(session))
    later(session, 2)
    upkeep.close_days(session, through=day)

    claim(session, shop, sale, member)

    booked = session.scalars(
        text("SELECT booked_on FROM journal WHERE key = :key"), {"key": f"{sale.public_id}:earn"}
    ).one()
    assert booked == day + timedelta(days=1)


def test_whoever_gives_other_details_is_told_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 44: unknown, taken, too old, refunded: one outward answer."""
    agree(session, shop, claim_tries_a_day=100)
    sale, back = shop.sell(session, None, 10_000), shop.sell(session, None, 5_000)
    shop.refund(session, back.public_id, RefundAmount(fen=1))
    today = business_date(now_of(session))
    placed = orders.place(session, shop.basket(session, None, 7_000))
    wrong = [
        receipt_of(session, shop, sale, number="nothing"),
        receipt_of(session, shop, sale, store="nowhere"),
        receipt_of(session, shop, sale, amount_fen=9_999),
        receipt_of(session, shop, sale, day=today - timedelta(days=1)),
        receipt_of(session, shop, sale, day=today + timedelta(days=1)),
        receipt_of(session, open_shop(session), sale),
        receipt_of(session, shop, back),
        receipt_of(session, shop, placed),
    ]

    assert [claims.claim(session, member, each) for each in wrong] == [None] * 8
    assert points_of(session, member) == 0


def test_after_seven_days_it_is_too_late(session: Session, shop: Shop, member: KnownMember) -> None:
    first, second = [shop.sell(session, None, 10_000) for _ in range(2)]

    later(session, 7)
    in_time = claim(session, shop, first, member)
    later(session, 1)

    assert in_time is not None
    assert claim(session, shop, second, member) is None
    assert Rewards().claim_days == 7


def test_tries_are_counted_and_a_day_later_there_is_room_again(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C17 for receipts: nobody guesses numbers."""
    sale = shop.sell(session, None, 10_000)
    wrong = receipt_of(session, shop, sale, amount_fen=1)

    missed = [claims.claim(session, member, wrong) for _ in range(5)]
    with pytest.raises(TooOften):
        claim(session, shop, sale, member)
    later(session, 1)
    made = claim(session, shop, sale, member)

    assert missed == [None] * 5
    assert made is not None


def test_staff_claim_for_a_member_and_are_audited(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    sale = shop.sell(session, None, 10_000)

    made = claims.claim(
        session, member, receipt_of(session, shop, sale), by="stf_lin", reason="忘带手机"
    )

    assert made is not None
    (record,) = audit.list_records(session, about=sale.public_id)
    assert (record.action, record.actor, record.reason) == ("order.claim", "stf_lin", "忘带手机")


def test_a_claim_brings_growth_on_the_day_of_the_sale_and_may_lift(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """M6, semantics 54."""
    agree_tiers(session, THREE)
    later(session, 1)
    sale = shop.sell(session, None, 150_000)
    day = business_date(now_of(session))
    later(session, 2)

    claim(session, shop, sale, member)

    assert growth.total(session, member, start=day, end=day) == 1_500
    assert tier_of(session, member) == "silver"


def test_a_claim_keeps_the_caps_of_the_days_rules(session: Session, member: KnownMember) -> None:
    """E4: two claims of a day give what two sales would."""
    shop = open_capped(session, "day:100")
    sales = [shop.sell(session, None, 8_000) for _ in range(2)]
    later(session, 1)

    made = [claim(session, shop, sale, member) for sale in sales]

    assert [each and each.earned_points for each in made] == [80, 20]


def test_who_was_merged_finds_what_he_claimed(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 46."""
    sale, survivor = shop.sell(session, None, 10_000), make_member(session)
    first = claim(session, shop, sale, member)
    merge(session, member, survivor)

    assert claim(session, shop, sale, survivor) == first
    assert points_of(session, survivor) == 100


def test_a_frozen_member_claims_nothing(session: Session, shop: Shop, member: KnownMember) -> None:
    sale = shop.sell(session, None, 10_000)
    freezing.freeze(session, member.public_id, by="lin", reason="x")

    with pytest.raises(MemberNotActive):
        claim(session, shop, sale, member)


def test_the_till_that_sends_its_sale_again_finds_it(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 38: the content is what the till had sent, without a member."""
    basket = shop.basket(session, None, 10_000)
    cash = [Tender(name="cash", fen=10_000)]
    sale = orders.sell(session, basket, cash)
    claim(session, shop, sale, member)

    again = orders.sell(session, basket, cash)

    assert (again.public_id, again.replayed, again.earned_points) == (sale.public_id, True, 100)


@pytest.mark.parametrize(
    "change",
    [
        "member_id = 1",
        "earned_points = 5",
        "money = '{}'",
        "member_id = NULL",
        "member_id = (SELECT min(id) FROM member), money = '{}'",
    ],
)
def test_a_claimed_order_and_its_money_are_for_good(
    session: Session, shop: Shop, member: KnownMember, change: str
) -> None:
    sale = shop.sell(session, None, 10_000)
    if "money" not in change:
        claim(session, shop, sale, member)

    with pytest.raises(DBAPIError):
        session.execute(
            text(f'UPDATE "order" SET {change} WHERE public_id = :id'), {"id": sale.public_id}
        )
    session.rollback()


def test_of_two_who_claim_at_once_one_gets_it(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        shop = open_shop(session)
        one, two = make_member(session), make_member(session)
        sale = shop.sell(session, None, 10_000)
        receipt = receipt_of(session, shop, sale)

    ended = meanwhile(
        database,
        district,
        lambda session: claims.claim(session, one, receipt),
        lambda session: claims.claim(session, two, receipt),
    )

    assert ended.result() is None
    with database.transaction(district) as session:
        assert (points_of(session, one), points_of(session, two)) == (100, 0)
