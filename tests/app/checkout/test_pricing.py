"""What a basket costs, and what is noted of it (semantics 56; B4)."""

from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import orders, payments
from app.checkout.baskets import Tender
from app.checkout.orders import Sale
from app.members.identification import get_by_public_id, link_cashier
from app.merchants import registration
from app.merchants.directory import get_directory
from tests.app.checkout.shops import open_shop
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
