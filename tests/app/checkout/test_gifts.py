"""C7: what a paid order gives, once, in its own transaction; taken back with the whole order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.campaigns import pay_gifts
from app.checkout import bulk, claims, exchanges, gifts, invariants, orders, payments
from app.checkout.baskets import BasketLine, Tender
from app.checkout.bulk import Paid
from app.checkout.claims import Receipt
from app.checkout.drafts import Sale
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundWhole
from app.members.identification import KnownMember
from config.database import Database, now_of
from coupons import issuing, wallets
from coupons.wallets import Standing
from tests.app.campaigns.test_pay_gifts import open_gift
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.app.points.test_merging import merge, undo
from tests.counting import sent_by_all
from tests.coupons.makers import make_batch, use_up
from tests.factories import make_member, unique

CASH = [Tender(name="cash", fen=5_000)]
MANY = {"per_member": 9, "total": 100}


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


@pytest.fixture
def batch(session: Session, shop: Shop) -> str:
    """The batch of which orders of ¥50 at the shop give a coupon."""
    return _gift_at(session, shop, limits=MANY)


def _gift_at(session: Session, shop: Shop, **terms: Any) -> str:
    code = make_batch(session, **terms).code
    only = {"include": {"merchants": [shop.merchant.code]}}
    conditions = {"threshold": {"min_fen": 5_000}, "scope": only}
    open_gift(session, batch=code, conditions=conditions)
    return code


def _got(session: Session, member: KnownMember) -> list[Standing]:
    return [each.standing for each in wallets.wallet(session, holders=[member.public_id])]


def test_a_paid_order_gives_its_member_a_coupon_and_says_so_again(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    number = unique("N")

    first = shop.sell(session, member, 5_000, number=number)
    again = shop.sell(session, member, 5_000, number=number)

    (gift,) = first.gifts
    assert (gift.batch, gift.why) == (batch, None)
    assert again.replayed
    assert again.gifts == first.gifts
    assert _got(session, member) == [Standing.USABLE]


def test_what_a_merge_brought_is_not_given_again_by_an_order(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 46"""
    batch, loser = _gift_at(session, shop), make_member(session)
    issuing.claim(session, batch=batch, holder=loser.public_id)
    done = merge(session, loser, member)

    (refused,) = shop.sell(session, member, 5_000).gifts
    undo(session, done.merge)
    (given,) = shop.sell(session, member, 5_000).gifts

    assert (refused.coupon, refused.why) == (None, "claim-limit")
    assert given.why is None
    assert _got(session, member) == [Standing.USABLE]


def test_less_money_another_shop_and_nobody_known_give_nothing(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    give_points(session, open_shop(session), member, 100)
    other = open_shop(session)

    sales = [
        shop.sell(session, member, 4_999),
        shop.sell(session, member, 5_000, burn=100),
        shop.sell(session, None, 5_000),
        other.sell(session, member, 5_000),
    ]

    assert [sale.gifts for sale in sales] == [[], [], [], []]
    assert _got(session, member) == []
    topped = shop.sell(
        session, member, 4_999,
        others=[BasketLine(sku="x", name="卡", category="gift-card", amount_fen=1)],
    )  # fmt: skip
    assert topped.gifts == []


def test_a_tier_a_tender_and_hours_may_be_asked_for(session: Session, shop: Shop) -> None:
    member = make_member(session)
    batches = [make_batch(session, limits=MANY).code for _ in range(3)]
    only = {"include": {"merchants": [shop.merchant.code]}}
    wanted: list[dict[str, Any]] = [
        {"who": {"tiers": ["basic"]}},
        {"who": {"tiers": ["gold"]}},
        {"tenders": ["wechat"]},
    ]
    for code, conditions in zip(
        batches,
        wanted,
        strict=True,
    ):
        open_gift(session, batch=code, conditions={**conditions, "scope": only})

    assert [each.batch for each in shop.sell(session, member, 1).gifts] == [batches[0]]


def test_when_no_coupon_is_left_the_sale_goes_on_and_says_why(session: Session) -> None:
    shop, one, two = open_shop(session), make_member(session), make_member(session)
    _gift_at(session, shop, limits={"total": 1})
    capped = open_shop(session)
    _gift_at(session, capped, limits={"total": 9, "per_member": 1})

    shop.sell(session, one, 5_000)
    sold_out = shop.sell(session, two, 5_000)
    capped.sell(session, one, 5_000)
    limited = capped.sell(session, one, 5_000)

    assert [(each.coupon, each.why) for each in sold_out.gifts] == [(None, "sold-out")]
    assert [(each.coupon, each.why) for each in limited.gifts] == [(None, "claim-limit")]
    assert sold_out.earned_points == 50
    assert _got(session, two) == []


def test_a_gift_of_which_the_batch_is_over_says_so(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    soon = make_batch(session, begins=timedelta(days=1)).code
    open_gift(
        session, batch=soon, conditions={"scope": {"include": {"merchants": [shop.merchant.code]}}}
    )

    (gift,) = shop.sell(session, member, 1).gifts

    assert (gift.coupon, gift.why) == (None, "not-yet")


def _late(session: Session, shop: Shop, member: KnownMember) -> Iterator[Sale]:
    """Sell in every other way: placed and paid later, uploaded, as many as there are ways."""
    placed = orders.place(session, shop.basket(session, member, 5_000))
    assert placed.gifts == ()
    yield payments.pay(session, order=placed.public_id, tenders=CASH)
    again = payments.pay(session, order=placed.public_id, tenders=CASH)
    assert again.replayed
    yield again
    basket = shop.basket(session, member, 5_000, at=now_of(session) - timedelta(hours=20))
    (uploaded,) = bulk.sell_many(session, [Paid(basket=basket, tenders=CASH)])
    yield uploaded
    (again,) = bulk.sell_many(session, [Paid(basket=basket, tenders=CASH)])
    assert again.replayed
    yield again


def test_orders_that_are_paid_late_or_captured_offline_give_once(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    given = [[each.batch for each in sale.gifts] for sale in _late(session, shop, member)]

    assert given == [[batch]] * 4
    assert len(_got(session, member)) == 2


def test_an_order_that_is_claimed_afterwards_gives_too(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    sale = shop.sell(session, None, 5_000)
    receipt = Receipt(
        store=shop.till.store.code,
        number=sale.number,
        day=shop.basket(session, None, 1).business_date,
        amount_fen=5_000,
    )

    for _ in range(2):
        assert claims.claim(session, member, receipt) is not None

    assert _got(session, member) == [Standing.USABLE]


def test_a_whole_refund_takes_back_what_nobody_used(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    unused, used = [shop.sell(session, member, 5_000) for _ in range(2)]
    kept = used.gifts[0].coupon
    assert kept is not None
    use_up(session, kept)

    shop.refund(session, unused.public_id, RefundAmount(fen=4_999))
    before = _got(session, member)
    shop.refund(session, unused.public_id)
    shop.refund(session, used.public_id)

    assert sorted(before) == [Standing.USABLE, Standing.USED]
    assert sorted(_got(session, member)) == [Standing.USED, Standing.VOID]
    assert _broken(session) == []


def test_an_exchange_of_the_whole_order_gives_anew_what_it_takes_back(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    sale = shop.sell(session, member, 5_000)
    back = RefundRequest(
        order=sale.public_id, terminal=shop.till, number=unique("R"), occurred_at=now_of(session),
        parts=[RefundWhole()],
    )  # fmt: skip

    done = exchanges.exchange(
        session, request=back, basket=shop.basket(session, None, 5_000), tenders=CASH
    )

    assert [each.batch for each in done.order.gifts] == [batch]
    assert sorted(_got(session, member)) == [Standing.USABLE, Standing.VOID]
    assert _broken(session) == []


def test_an_order_that_nothing_suits_costs_no_round_trip_more(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        shop, member = open_shop(session), make_member(session)
        shop.sell(session, member, 100)
    counted = []
    for number, fen in enumerate((100, 100, 5_000)):
        if number == 1:
            with database.transaction(district) as session:
                _gift_at(session, shop, limits=MANY)
        with database.transaction(district) as session:
            shop.sell(session, member, fen)  # Whoever comes first after a change reads it.
        with sent_by_all(database) as statements, database.transaction(district) as session:
            sale = shop.sell(session, member, fen)
        counted.append((len(statements), len(sale.gifts)))

    (without, none), (unfit, nothing), (fit, one) = counted
    assert (none, nothing, one) == (0, 0, 1)
    assert unfit == without
    assert fit == without + 2


def test_many_tills_give_exactly_the_stock(database: Database, district: str) -> None:
    """Semantics 36: every sale goes through, and ten of forty give."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        people = [make_member(session) for _ in range(40)]
        code = _gift_at(session, shop, limits={"total": 10})

    def sell(member: KnownMember) -> str | None:
        sale = database.run(district, lambda session: shop.sell(session, member, 5_000))
        return sale.gifts[0].why

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(sell, people))

    assert (said.count(None), said.count("sold-out")) == (10, 30)
    with database.transaction(district) as session:
        gift = next(each for each in pay_gifts.list_gifts(session) if each.batch == code)
        rows = session.execute(
            text("SELECT count(*), count(coupon_id) FROM order_gift WHERE pay_gift_id = :id"),
            {"id": gift.id},
        ).one()
        assert tuple(rows) == (40, 10)
        assert ledger.upkeep.audit_all(session) == []


def test_what_an_order_gave_is_told_of_its_row(
    session: Session, shop: Shop, member: KnownMember, batch: str
) -> None:
    sale = shop.sell(session, member, 5_000)
    row = session.scalar(
        text('SELECT id FROM "order" WHERE public_id = :id'), {"id": sale.public_id}
    )

    assert gifts.of_order(session, row or 0) == sale.gifts


def _broken(session: Session) -> list[object]:
    return [*ledger.upkeep.audit_all(session), *invariants.audit(session)]
