"""C18; semantics 3, 18, 21, 40: what an offline coupon gave adds up, and goes back."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.checkout import invariants, offline
from app.checkout.baskets import Tender
from app.checkout.offline import OfflineSale
from app.checkout.returns import RefundQuantity, RefundWhole
from config.database import now_of
from coupons import issuing
from coupons.offline import MadeOutCoupon, Wrong
from tests.app.checkout.shops import Shop, open_shop
from tests.app.checkout.test_coupons import fen_of, give, give_back, off
from tests.factories import make_member

AMOUNTS = st.lists(st.integers(0, 3_000), min_size=1, max_size=5).filter(lambda each: sum(each) > 0)


def made_out(session: Session, shop: Shop, fen: int) -> MadeOutCoupon:
    member = make_member(session)
    coupon = give(session, member, off(fen), offline_ok=True)
    return offline.make_out(session, member=member, coupon=coupon, store=shop.till.store)


def sold(session: Session, shop: Shop, made: MadeOutCoupon, *amounts: int) -> OfflineSale:
    """Sell offline as a till does: the coupon's fen off, at most the goods."""
    basket = shop.basket(session, None, *amounts, quantity=2, at=now_of(session))
    paid = max(basket.total_fen - made.fen, 0)
    tenders = [Tender(name="cash", fen=paid)] if paid else []
    return offline.sell(session, basket, tenders, token=made.token)


def lines_of(session: Session, order: str) -> list[tuple[int, int]]:
    """Return the amount and discount of each line."""
    rows = session.execute(
        text(
            'SELECT l.amount_fen, l.discount_fen FROM order_line l JOIN "order" o'
            " ON o.id = l.order_id WHERE o.public_id = :order ORDER BY l.number"
        ),
        {"order": order},
    )
    return [(row.amount_fen, row.discount_fen) for row in rows]


@settings(max_examples=25)
@given(amounts=AMOUNTS, fen=st.integers(1, 2_000), twice=st.booleans(), pieces=st.integers(0, 2))
def test_every_fen_is_the_customers_the_funders_or_the_stores_own(
    session: Session, amounts: list[int], fen: int, twice: bool, pieces: int
) -> None:
    """Whatever is bought and however it goes back: nothing is made and nothing lost."""
    shop = open_shop(session)
    made = made_out(session, shop, fen)
    first = sold(session, shop, made, *amounts)
    done = sold(session, shop, made, *amounts) if twice else first

    assert done.sale is not None
    due, gave, total = done.sale.due_fen, min(fen, sum(amounts)), sum(amounts)
    funded = 0 if twice else gave
    lines = lines_of(session, done.sale.public_id)
    assert done.wrong is (Wrong.USED_TWICE if twice else None)
    assert (done.given_fen, done.sale.discount_fen) == (gave, funded)
    assert due == total - gave
    assert done.sale.total_fen == total - (gave if twice else 0)
    assert sum(amount - discount for amount, discount in lines) == due
    assert all(0 <= discount <= amount for amount, discount in lines)
    account = f"due:{shop.merchant.public_id}"
    assert fen_of(session, account, done.sale.public_id) == funded

    parts = [RefundQuantity(line=1, quantity=1)] * pieces
    back = [give_back(session, shop, done.sale.public_id, part) for part in parts]
    if pieces < 2 or len(amounts) > 1:
        back.append(give_back(session, shop, done.sale.public_id, RefundWhole()))

    assert sum(each.fen for each in back) == due
    assert sum(each.discount_fen for each in back) == funded
    assert fen_of(session, account, done.sale.public_id) == 0
    assert invariants.audit(session) == []


def test_a_token_is_honoured_after_the_coupons_own_last_day(session: Session) -> None:
    """Semantics 40: it was used in time; the upload came on the next day."""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(500), offline_ok=True, validity={"days": 0})
    made = offline.make_out(session, member=member, coupon=coupon, store=shop.till.store)
    basket = shop.basket(session, None, 2_000, at=now_of(session))
    session.info["now"] = now_of(session) + timedelta(hours=50)

    done = offline.sell(session, basket, [Tender(name="cash", fen=1_500)], token=made.token)

    assert done.sale is not None
    assert (done.wrong, done.sale.discount_fen) == (None, 500)


def test_who_buys_need_not_be_whose_coupon_it_is(session: Session) -> None:
    """A personal coupon: its holder made it out, and the till may not know him."""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(500), offline_ok=True, personal=True)
    made = offline.make_out(session, member=member, coupon=coupon, store=shop.till.store)

    done = sold(session, shop, made, 2_000)

    assert done.wrong is None


def test_a_late_upload_is_told_and_neither_sells_nor_uses_the_coupon(session: Session) -> None:
    shop = open_shop(session)
    made = made_out(session, shop, 500)
    basket = shop.basket(session, None, 2_000, at=now_of(session))
    paid = [Tender(name="cash", fen=1_500)]

    late = offline.find_known(session, basket, paid, token=made.token)
    issuing.void(session, [made.coupon], why="印错")
    recalled = offline.find_known(session, basket, paid, token=made.token)

    assert (late.sale, late.wrong, late.given_fen) == (None, Wrong.LATE, 500)
    assert (recalled.sale, recalled.wrong) == (None, Wrong.REVOKED)
