"""One coupon of a stack rolled back alone at the till (C14; semantics 3, 7)."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.checkout import invariants, roll_backs, totals
from app.checkout.baskets import BasketLine, Tender
from app.checkout.errors import (
    BusinessKeyConflict,
    CouponNotUsable,
    OrderNotRefundable,
    PaymentMismatch,
    RefundExceedsRemaining,
)
from app.checkout.models import Order, OrderRollBack
from app.checkout.orders import place
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.checkout.roll_backs import RollBackRequest, Rolled
from app.clock import business_date
from app.members.identification import KnownMember
from config.database import now_of
from coupons import invariants as coupon_invariants
from coupons import issuing, wallets
from coupons.errors import NoSuchCoupon, RollBackExceeds
from coupons.wallets import Standing
from tests.app.checkout.shops import Shop, open_shop, points_of
from tests.app.checkout.test_coupons import (
    CASH,
    fen_of,
    give,
    give_back,
    off,
    open_batch,
    sell,
    standing,
)
from tests.factories import make_member, unique


def roll_back(
    session: Session,
    shop: Shop,
    order: str,
    coupon: str,
    *parts: Request,
    fen: int,
    tender: str = CASH,
    number: str | None = None,
) -> Rolled:
    """Roll a coupon back at the shop's till, paid by one tender."""
    return roll_backs.give(
        session,
        RollBackRequest(
            order=order, coupon=coupon, terminal=shop.till, number=number or unique("K"),
            occurred_at=now_of(session), parts=parts or [RefundWhole()],
            tenders=[Tender(name=tender, fen=fen)], cashier="007",
        ),
    )  # fmt: skip


def tagged(fen: int, *, place: int, least: int = 0) -> dict[str, object]:
    """Return an amount off that goes with others, applied at a place."""
    return {**off(fen, least), "stacking": {"place": place}}


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def sold_with_two(session: Session, shop: Shop, member: KnownMember) -> tuple[str, str, str]:
    """Sell tea of ¥90 and two cups of ¥15 with ¥20 off from ¥100 and ¥10 off; return the ids."""
    first = give(session, member, tagged(2_000, place=1, least=10_000))
    second = give(session, member, tagged(1_000, place=2))
    cups = BasketLine(sku="S9", name="茶杯", category="food", amount_fen=3_000, quantity=2)
    basket = replace(shop.basket(session, member, 9_000, others=[cups]), coupons=[first, second])
    return sell(session, basket, 9_000).public_id, first, second


def test_one_coupon_of_a_stack_goes_back_alone_and_the_customer_pays_what_it_gave(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C14; semantics 7; L7: funders have it back, the other coupon and the points stay."""
    order, first, second = sold_with_two(session, shop, member)
    points = points_of(session, member)

    rolled = roll_back(session, shop, order, second, fen=1_000, tender="wechat")

    assert (rolled.fen, rolled.remaining_fen, rolled.returned) == (1_000, 0, True)
    assert standing(session, second) is Standing.USABLE
    assert standing(session, first) is Standing.USED
    assert fen_of(session, "coupons", order) == -2_000
    assert fen_of(session, f"due:{shop.merchant.public_id}", order) == 2_000
    assert points_of(session, member) == points
    assert invariants.audit(session) == []
    assert coupon_invariants.audit(session) == []


def test_the_whole_order_then_gives_back_what_was_paid_for_it_too(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 3: each fen by the tender that paid it."""
    order, first, second = sold_with_two(session, shop, member)
    roll_back(session, shop, order, second, fen=1_000, tender="wechat")

    back = give_back(session, shop, order)

    assert back.money_fen == {CASH: 9_000, "wechat": 1_000}
    assert (back.fen, back.discount_fen) == (10_000, 2_000)
    assert standing(session, first) is standing(session, second) is Standing.USABLE
    assert points_of(session, member) == 0
    assert fen_of(session, "coupons", order) == 0
    with pytest.raises(RefundExceedsRemaining):
        give_back(session, shop, order)
    assert invariants.audit(session) == []
    assert coupon_invariants.audit(session) == []


def test_by_line_by_units_and_by_amount_any_number_of_times(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C14: up to what it gave, and the coupon is back with its last fen."""
    order, _, second = sold_with_two(session, shop, member)

    cup = roll_back(session, shop, order, second, RefundQuantity(line=2, quantity=1), fen=125)
    some = roll_back(session, shop, order, second, RefundAmount(fen=100, line=1), fen=100)
    tea = roll_back(session, shop, order, second, RefundWhole(line=1), fen=650)
    with pytest.raises(RollBackExceeds) as refused:
        roll_back(session, shop, order, second, RefundAmount(fen=126), fen=126)
    rest = roll_back(session, shop, order, second, fen=125)

    steps = [cup, some, tea, rest]
    assert [each.remaining_fen for each in steps] == [875, 775, 125, 0]
    assert [each.returned for each in steps] == [False, False, False, True]
    assert refused.value.remaining_fen == 125
    with pytest.raises(RollBackExceeds):
        roll_back(session, shop, order, second, fen=0)
    assert fen_of(session, "coupons", order) == -2_000
    assert invariants.audit(session) == []
    assert coupon_invariants.audit(session) == []


def test_units_that_went_back_have_nothing_to_roll_back(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    order, _, second = sold_with_two(session, shop, member)
    give_back(session, shop, order, RefundQuantity(line=2, quantity=1))

    with pytest.raises(RollBackExceeds):
        roll_back(session, shop, order, second, RefundQuantity(line=2, quantity=2), fen=250)
    rolled = roll_back(session, shop, order, second, RefundWhole(line=2), fen=125)
    last = give_back(session, shop, order, RefundQuantity(line=2, quantity=1))

    assert rolled.remaining_fen == 750
    assert last.money_fen == {CASH: 1_125 + 125}


def test_another_coupon_that_would_fail_on_what_is_kept_refuses_it_by_name(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 7: named, with the gap; nothing has moved."""
    order, first, second = sold_with_two(session, shop, member)
    give_back(session, shop, order, RefundWhole(line=2))

    with pytest.raises(CouponNotUsable) as refused:
        roll_back(session, shop, order, second, fen=750)

    ((coupon, zh, en),) = refused.value.reasons
    assert coupon == first
    assert "再买 ¥10.00" in zh
    assert "¥10.00" in en
    paid_by = select(OrderRollBack.id).join(Order, Order.id == OrderRollBack.order_id)
    assert session.scalar(paid_by.where(Order.public_id == order)) is None
    assert standing(session, second) is Standing.USED
    # The one with the threshold itself may go: the other asks for nothing.
    assert roll_back(session, shop, order, first, fen=1_500).returned


def test_what_is_paid_has_to_be_exactly_what_it_gave(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    order, _, second = sold_with_two(session, shop, member)

    with pytest.raises(PaymentMismatch) as refused:
        roll_back(session, shop, order, second, fen=999)

    assert (refused.value.due_fen, refused.value.paid_fen) == (1_000, 999)


def test_the_tills_number_again_tells_the_first_and_other_content_is_refused(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 38"""
    order, _, second = sold_with_two(session, shop, member)
    part = RefundQuantity(line=2, quantity=1)
    first = roll_back(session, shop, order, second, part, fen=125, number="K-1")
    roll_back(session, shop, order, second, part, fen=125)

    again = roll_back(session, shop, order, second, part, fen=125, number="K-1")

    assert again == replace(first, replayed=True)
    with pytest.raises(BusinessKeyConflict):
        roll_back(session, shop, order, second, fen=750, number="K-1")


def test_a_coupon_of_no_such_order_and_an_unpaid_order_are_refused(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    order, _, _ = sold_with_two(session, shop, member)
    other = give(session, member, off(100))
    waiting = place(session, replace(shop.basket(session, member, 500), coupons=[other]))

    with pytest.raises(NoSuchCoupon):
        roll_back(session, shop, order, other, fen=100)
    with pytest.raises(OrderNotRefundable):
        roll_back(session, shop, waiting.public_id, other, fen=100)


def test_a_policy_of_never_keeps_the_coupon_and_frees_its_budget(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C15, C16"""
    coupon = give(
        session, member, off(500), returns={"policy": "never"}, budget={"fen": {"all": 500}}
    )
    order = sell(session, replace(shop.basket(session, member, 3_000), coupons=[coupon]), 2_500)

    rolled = roll_back(session, shop, order.public_id, coupon, RefundAmount(fen=200), fen=200)
    rest = roll_back(session, shop, order.public_id, coupon, fen=300)

    assert (rolled.returned, rest.returned) == (False, False)
    assert standing(session, coupon) is Standing.USED
    used = session.scalar(
        text("SELECT used FROM coupon_tally WHERE what = 'fen' ORDER BY batch_id DESC LIMIT 1")
    )
    assert used == 0


def test_a_proportional_coupon_comes_back_in_part(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C15; semantics 6"""
    coupon = give(session, member, off(500, 3_000), returns={"policy": "proportional"})
    order = sell(session, replace(shop.basket(session, member, 3_000), coupons=[coupon]), 2_500)

    rolled = roll_back(session, shop, order.public_id, coupon, RefundAmount(fen=200), fen=200)

    assert rolled.reissued is not None
    (smaller,) = wallets.find(session, coupons=[rolled.reissued])
    assert (smaller.value_fen, smaller.offer.threshold.min_fen) == (200, 1_200)


def test_a_part_rolled_back_and_the_rest_refunded_bring_the_coupon_back_either_way(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 6: what is kept does without it, so it was not used."""
    for rolls_first in (True, False):
        coupon = give(session, member, off(600))
        basket = replace(shop.basket(session, member, 4_000, 2_000), coupons=[coupon])
        order = sell(session, basket, 5_400).public_id
        if rolls_first:
            roll_back(session, shop, order, coupon, RefundWhole(line=1), fen=400)
            give_back(session, shop, order, RefundWhole(line=2))
        else:
            give_back(session, shop, order, RefundWhole(line=2))
            roll_back(session, shop, order, coupon, fen=400)

        assert standing(session, coupon) is Standing.USABLE


def test_a_roll_back_is_money_taken_at_the_till_and_no_sale(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """P6: the Z report has it, and the counted money agrees."""
    order, _, second = sold_with_two(session, shop, member)
    roll_back(session, shop, order, second, fen=1_000, tender="wechat")

    sums = totals.on_day(session, shop.till, business_date(now_of(session))).by_cashier()

    taken = {each["name"]: each["taken_fen"] for one in sums for each in one["tenders"]}
    assert taken == {CASH: 9_000, "wechat": 1_000}
    assert sum(one["orders"] for one in sums) == 1
    net = sum(one["sold_fen"] - one["discount_fen"] - one["burned_fen"] for one in sums)
    assert net == sum(taken.values())


def test_the_database_takes_back_no_roll_back(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    order, _, second = sold_with_two(session, shop, member)
    roll_back(session, shop, order, second, fen=1_000)
    session.flush()

    for change in (
        'UPDATE "order" SET rolled_back_fen = 0 WHERE public_id = :order',
        'UPDATE "order" SET rolled_back_fen = discount_fen + 1 WHERE public_id = :order',
    ):
        with pytest.raises(Exception, match=r"refuse|rolled_back|never"), session.begin_nested():
            session.execute(text(change), {"order": order})


def test_a_batch_of_one_card_may_be_rolled_back_after_a_refund_of_another_line(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """A multi-use card gives its use back like any coupon."""
    batch = open_batch(session, off(300), uses=5)
    coupon = issuing.claim(session, batch=batch.code, holder=member.public_id)[0].coupon
    order = sell(session, replace(shop.basket(session, member, 900, 600), coupons=[coupon]), 1_200)
    give_back(session, shop, order.public_id, RefundWhole(line=2))

    rolled = roll_back(session, shop, order.public_id, coupon, fen=180)

    assert rolled.returned
    assert wallets.find(session, coupons=[coupon])[0].uses_left == 5
