"""P1, decision 22: an upload's sales at once do what they would do one after the other."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.checkout import bulk, orders
from app.checkout.baskets import Basket, Tender
from app.checkout.bulk import Paid
from app.checkout.errors import BusinessKeyConflict, PaymentMismatch
from app.checkout.returns import RefundWhole
from app.errors import AppError
from app.members.errors import MemberNotActive
from app.members.freezing import freeze
from app.members.identification import KnownMember
from app.merchants.models import Funding
from config.database import Database, now_of
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    make_member,
    open_shop,
    points_of,
    posted,
    prepay,
)
from tests.counting import sent_by
from tests.factories import make_terms


def paid(basket: Basket, fen: int | None = None) -> Paid:
    amount = basket.total_fen if fen is None else fen
    return Paid(basket=basket, tenders=[Tender(name="cash", fen=amount)])


def day(session: Session, shops: Sequence[Shop], members: Sequence[KnownMember | None], seed: int,
        count: int = 40) -> list[Paid]:  # fmt: skip
    """A day at some shops: the same for the same seed, whoever the members are."""
    dice = Random(seed)
    now = now_of(session)
    return [
        paid(
            dice.choice(shops).basket(
                session,
                dice.choice(members),
                *[dice.randint(0, 9_000) for _ in range(dice.randint(1, 4))],
                quantity=dice.randint(1, 3),
                at=now - timedelta(hours=dice.randint(0, 70)),
            )
        )
        for _ in range(count)
    ]


def owing(session: Session, shop: Shop, elsewhere: Shop) -> KnownMember:
    """A member who spent what a refund took back."""
    member = make_member(session)
    first = give_points(session, shop, member, 30)
    elsewhere.sell(session, member, 30, burn=30)
    shop.refund(session, first.public_id, RefundWhole())
    return member


@pytest.mark.parametrize("seed", range(4))
def test_many_at_once_leave_what_one_after_the_other_leaves(session: Session, seed: int) -> None:
    shops = [open_shop(session) for _ in range(2)]
    here = [owing(session, shops[0], shops[1]), make_member(session), None]
    there = [owing(session, shops[0], shops[1]), make_member(session), None]

    together = bulk.sell_many(session, day(session, shops, here, seed))
    singly = [
        orders.sell(session, each.basket, each.tenders) for each in day(session, shops, there, seed)
    ]

    assert [sale.earned_points for sale in together] == [sale.earned_points for sale in singly]
    for left, right in zip(here, there, strict=True):
        if left is not None and right is not None:
            assert books_digest(session, left) == books_digest(session, right)
    for one, other in zip(together, singly, strict=True):
        assert stored(session, one.public_id) == stored(session, other.public_id)
    assert ledger.upkeep.audit_all(session) == []


def stored(session: Session, order: str) -> list[object]:
    """Return an order's row and lines without what is its own by nature."""
    row = session.execute(
        text(
            "SELECT kind, cashier, state, occurred_at, business_date, total_fen, burned_points, "
            "burned_fen, due_fen, earned_points, parts, slices, earnings, sold_to_self, "
            'jsonb_array_length(homes), id FROM "order" WHERE public_id = :id'
        ),
        {"id": order},
    ).one()
    lines = session.execute(
        text(
            "SELECT number, merchant_id, sku, name, category, quantity, amount_fen, burned_fen, "
            "earned_points, refundable FROM order_line WHERE order_id = :id ORDER BY number"
        ),
        {"id": row.id},
    )
    return [*row[:-1], *(tuple(line) for line in lines)]


def test_fifty_sales_take_at_most_twelve_round_trips(session: Session) -> None:
    shop = open_shop(session)
    members = [make_member(session) for _ in range(20)]
    shop.sell(session, None, 100)
    sales = day(session, [shop], members, 1, count=50)

    with sent_by(session) as statements:
        bulk.sell_many(session, sales)

    assert len(statements) <= 12


def test_a_sale_from_an_upload_can_be_refunded(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sales = [paid(shop.basket(session, member, 5_000, 700)) for _ in range(2)]

    first, _ = bulk.sell_many(session, sales)
    refund = shop.refund(session, first.public_id)

    assert refund.money_fen == {"cash": 5_700}
    assert points_of(session, member) == 57


def test_known_numbers_are_told_and_move_nothing(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    sales = [paid(shop.basket(session, member, 1_000)) for _ in range(3)]
    first = orders.sell(session, sales[1].basket, sales[1].tenders)

    told = bulk.sell_many(session, sales)
    again = bulk.sell_many(session, sales)

    assert [sale.replayed for sale in told] == [False, True, False]
    assert told[1].public_id == first.public_id
    assert [sale.public_id for sale in again] == [sale.public_id for sale in told]
    assert points_of(session, member) == 30


def test_one_refusal_refuses_all(session: Session) -> None:
    shop, member, frozen = open_shop(session), make_member(session), make_member(session)
    freeze(session, frozen.public_id, by="mei", reason="test")
    good = paid(shop.basket(session, member, 1_000))
    known = paid(shop.basket(session, member, 1_000))
    orders.sell(session, known.basket, known.tenders)
    other = shop.basket(session, member, 2_000, number=known.basket.number)
    refusals: list[tuple[list[Paid], type[AppError]]] = [
        ([good, paid(shop.basket(session, member, 1_000), 999)], PaymentMismatch),
        ([good, paid(shop.basket(session, frozen, 1_000))], MemberNotActive),
        ([good, paid(other)], BusinessKeyConflict),
        ([good, good], BusinessKeyConflict),
    ]

    for sales, error in refusals:
        with pytest.raises(error):
            bulk.sell_many(session, sales)

    assert points_of(session, member) == 10
    assert orders.find_known(session, good.basket, good.tenders) is None


def test_a_prepaid_merchant_that_runs_dry_refuses_the_whole(session: Session) -> None:
    """L6: it still sells, and gives no points, when the door asks for the sale by itself."""
    shop, member = (
        open_shop(session, terms=make_terms(funding=Funding.PREPAID)),
        make_member(session),
    )
    prepay(session, shop, 25)
    sales = [paid(shop.basket(session, member, 1_000)) for _ in range(3)]

    with pytest.raises(ledger.InsufficientBalance):
        bulk.sell_many(session, sales)

    assert posted(session, shop.merchant.prepaid_account_id) == 25


def test_a_burn_is_sold_by_itself(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)

    with pytest.raises(ValueError, match="by itself"):
        bulk.sell_many(session, [paid(shop.basket(session, member, 1_000, burn=10))])


def test_uploads_that_overlap_sell_each_number_once(database: Database, district: str) -> None:
    """Eight uploads at once, each shares half of its sales with the next."""
    with database.transaction(district) as session:
        shop = open_shop(session)
        members = [make_member(session) for _ in range(3)]
        sales = day(session, [shop], members, 5, count=45)
    chunks = [sales[start : start + 10] for start in range(0, 40, 5)]
    assert all(set(map(id, a)) & set(map(id, b)) for a, b in pairwise(chunks))

    def upload(chunk: list[Paid]) -> None:
        database.run(district, lambda session: bulk.sell_many(session, chunk))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, chunks))

    with database.transaction(district) as session:
        numbers = [each.basket.number for chunk in chunks for each in chunk]
        count = text('SELECT count(*) FROM "order" WHERE number = ANY (:numbers)')
        assert session.scalar(count, {"numbers": numbers}) == len(set(numbers))
        assert ledger.upkeep.audit_all(session) == []
