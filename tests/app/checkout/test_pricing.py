"""What a basket costs, and what is noted of it (semantics 56; B4)."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import move
from app.checkout import orders, payments
from app.checkout.baskets import ALL_POINTS, BasketLine, Tender
from app.checkout.drafts import Sale
from app.clock import business_date
from app.members.identification import KnownMember, get_by_public_id, link_cashier
from app.merchants import registration
from app.merchants.directory import get_directory
from app.points import lots
from app.points.errors import InsufficientPoints
from app.points.lots import Meaning
from config.database import now_of
from ledger import Journal
from tests.app.checkout.shops import Shop, give_points, open_shop, posted
from tests.factories import make_member, unique


def test_a_cashier_who_sells_to_himself_is_flagged(session: Session) -> None:
    """Semantics 56: in the order and in the news, sold at once or placed and paid."""
    shop, member = open_shop(session), make_member(session)
    for code in ("001", "002"):
        registration.add_cashier(
            session, store=shop.till.store.code, code=code, name="甲", by="mei"
        )
    cashier = get_directory(session).get_cashier(shop.till.store, "001")
    link_cashier(session, member=member, cashier=cashier, by="mei")
    basket = shop.basket(session, get_by_public_id(session, member.public_id), 1_000)
    cash = [Tender(name="cash", fen=1_000)]

    def sell(code: str | None) -> Sale:
        return orders.sell(session, replace(basket, cashier=code, number=unique("N")), cash)

    placed = orders.place(session, replace(basket, cashier="001", number=unique("N")))
    payments.pay(session, order=placed.public_id, tenders=cash)
    sales = [placed, *(sell(code) for code in ("001", "002", None, "unknown"))]

    assert [_flags(session, sale) for sale in sales] == [
        (True, True), (True, True), (False, False), (False, False), (False, False)]  # fmt: skip


def _flags(session: Session, sale: Sale) -> tuple[bool, bool]:
    row = session.execute(
        text(
            "SELECT o.sold_to_self, (n.payload ->> 'sold_to_self')::boolean AS told"
            ' FROM "order" o JOIN outbox n ON n.aggregate = o.public_id'
            " AND n.topic = 'order.paid' WHERE o.public_id = :id"
        ),
        {"id": sale.public_id},
    ).one()
    return row.sold_to_self, row.told


def test_points_of_one_merchant_alone_pay_for_its_lines_and_for_no_others(
    session: Session,
) -> None:
    """B4, L2: in an order of several merchants each bound lot stays on its own lines."""
    shop, guest, member = open_shop(session), open_shop(session), make_member(session)
    give_points(session, shop, member, 30)
    own, foreign = [bound_lot(session, shop, member, only=each) for each in (shop, guest)]
    basket = replace(
        shop.basket(session, member, 40, others=[_line_of(guest, 1_000)]), burn_points=ALL_POINTS
    )

    sale = orders.sell(session, basket, [Tender(name="cash", fen=1_040 - 170)])

    assert sale.burned_points == 40 + 100 + 30
    assert _taken(session, own) == {shop.merchant.redeemed_account_id: 40}
    assert _taken(session, foreign) == {guest.merchant.redeemed_account_id: 100}
    shop.refund(session, sale.public_id)
    assert posted(session, own) == posted(session, foreign) == 100


def test_points_of_a_merchant_that_is_not_in_the_order_pay_nothing(session: Session) -> None:
    shop, guest, member = open_shop(session), open_shop(session), make_member(session)
    bound_lot(session, shop, member, only=guest)

    with pytest.raises(InsufficientPoints):
        shop.sell(session, member, 1_000, burn=1)


def test_bound_points_may_cover_an_order_of_their_merchant_to_the_last_fen(
    session: Session,
) -> None:
    """Semantics 20: where all lines are the merchant's, its points are like any others."""
    shop, member = open_shop(session), make_member(session)
    bound_lot(session, shop, member, only=shop)

    sale = orders.sell(session, shop.basket(session, member, 60, 40, burn=100), [])

    assert (sale.burned_points, sale.due_fen) == (100, 0)


def test_a_placed_order_keeps_bound_points_on_their_lines_when_it_is_paid(session: Session) -> None:
    shop, guest, member = open_shop(session), open_shop(session), make_member(session)
    foreign = bound_lot(session, shop, member, only=guest)
    basket = shop.basket(session, member, 500, burn=80, others=[_line_of(guest, 500)])
    first, second = [
        orders.place(session, replace(basket, number=unique("N"), burn_points=burn))
        for burn in (60, 40)
    ]

    payments.pay(session, order=first.public_id, tenders=[Tender(name="cash", fen=940)])
    session.info["now"] = now_of(session) + timedelta(minutes=16)
    payments.pay(session, order=second.public_id, tenders=[Tender(name="cash", fen=960)])

    assert _taken(session, foreign) == {guest.merchant.redeemed_account_id: 100}


def _line_of(guest: Shop, fen: int) -> BasketLine:
    return BasketLine(
        sku="G", name="外店商品", category="food", amount_fen=fen, merchant=guest.merchant.public_id
    )


def bound_lot(session: Session, shop: Shop, member: KnownMember, *, only: Shop) -> int:
    """Give 100 points that one merchant alone accepts; return their lot."""
    meaning = Meaning(
        issuer_id=shop.merchant.id,
        cost=Fraction(1),
        redemption=Fraction(9, 10),
        restriction_merchant_id=only.merchant.id,
        expires_on=business_date(now_of(session)) + timedelta(days=30),
    )
    wallet = lots.lock(session, member, day=business_date(now_of(session)))
    account = lots.open_lots(session, wallet, [meaning], earned_at=now_of(session))[meaning]
    given = move(shop.merchant.issued_account_id, account, 100)
    ledger.post(
        session,
        [Journal(key=unique("b"), kind="earn", occurred_at=now_of(session), postings=[given])],
    )
    return account


def _taken(session: Session, lot: int) -> dict[int, int]:
    rows = session.execute(
        text(
            "SELECT credit_id, sum(amount)::bigint AS points FROM transfer"
            " WHERE debit_id = :lot GROUP BY credit_id"
        ),
        {"lot": lot},
    )
    return {row.credit_id: row.points for row in rows}
