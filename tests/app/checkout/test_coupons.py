"""Coupons at the till: chosen, locked, redeemed, refunded and settled (C8-C15, L7)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.books import Kind
from app.campaigns import segments
from app.checkout import invariants, orders, payments, quotes, refunds
from app.checkout.baskets import BEST, Basket, BasketLine, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import CouponNotUsable, PaymentMismatch
from app.checkout.models import Order, Refund
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundAmount, RefundQuantity, RefundWhole, Request
from app.members.identification import KnownMember
from app.members.sealing import coupon_keys
from config.database import now_of
from coupons import batches, codes, issuing, runs, templates, wallets
from coupons.batches import ListedBatch
from coupons.errors import CouponError, LockExpired, Voided
from coupons.wallets import Standing
from tests.app.checkout.shops import Shop, give_points, open_shop
from tests.factories import make_member, unique

CASH = "cash"


def open_batch(session: Session, offer: dict[str, Any], **terms: Any) -> ListedBatch:
    """Open a batch for a month; `offer` and `terms` are what matters of the template."""
    code = unique("T")
    document = {
        "code": code,
        "title_zh": "测试券",
        "title_en": "test coupon",
        "offer": {"stacking": {"place": 10}, **offer},
        "terms": {
            "validity": {"days": 30},
            "funding": {"parts": [{"funder": "district", "share_bps": 10_000}]},
            "uses": 1,
            **terms,
        },
    }
    batches.add_template(session, templates.load(document), by="system:test")
    now = now_of(session)
    return batches.open_batch(
        session, code=unique("B"), template=code, starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=30), by="system:test",
    )  # fmt: skip


def off(fen: int, least: int = 0) -> dict[str, Any]:
    """Return an offer of so many fen off, from so many on."""
    return {
        "benefit": {"kind": "amount_off", "fen": fen},
        **({"threshold": {"min_fen": least}} if least else {}),
    }


def give(session: Session, member: KnownMember, offer: dict[str, Any], **terms: Any) -> str:
    """Return a coupon that a member claimed."""
    batch = open_batch(session, offer, **terms)
    return issuing.claim(session, batch=batch.code, holder=member.public_id)[0].coupon


def sell(session: Session, basket: Basket, fen: int) -> Sale:
    """Sell a basket for cash."""
    return orders.sell(session, basket, [Tender(name=CASH, fen=fen)] if fen else [])


def give_back(session: Session, shop: Shop, order: str, *parts: Request) -> refunds.Refunded:
    """Refund parts of an order at its till."""
    return refunds.give(
        session,
        RefundRequest(
            order=order, terminal=shop.till, number=unique("R"), occurred_at=now_of(session),
            parts=parts or [RefundWhole()],
        ),
    )  # fmt: skip


def standing(session: Session, coupon: str) -> Standing:
    """Return how a coupon stands now."""
    return wallets.find(session, coupons=[coupon])[0].standing


def fen_of(session: Session, name: str, order: str) -> int:
    """Return the credits less the debits that an order's coupons have made on an account in fen."""
    found = session.scalar(
        text(
            """
            SELECT coalesce(sum(CASE WHEN t.credit_id = a.id THEN t.amount ELSE -t.amount END), 0)
            FROM account a JOIN transfer t ON a.id IN (t.debit_id, t.credit_id)
            JOIN journal j ON j.id = t.journal_id AND j.kind = :kind
                AND j.details ->> 'order' = :order
            WHERE a.name = :name
            """
        ),
        {"kind": Kind.COUPON, "name": name, "order": order},
    )
    return int(found or 0)


def test_a_named_coupon_takes_its_fen_off_and_points_are_earned_on_the_rest(
    session: Session,
) -> None:
    """C13, E1, E12, L7: the district pays the merchant; points come of money alone."""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(2_000, 10_000))
    basket = replace(shop.basket(session, member, 9_000, 3_000), coupons=[coupon])

    sale = sell(session, basket, 10_000)

    assert (sale.total_fen, sale.discount_fen, sale.due_fen) == (12_000, 2_000, 10_000)
    assert sale.earned_points == 100
    assert standing(session, coupon) is Standing.USED
    assert fen_of(session, f"due:{shop.merchant.public_id}", sale.public_id) == 2_000
    assert fen_of(session, "coupons", sale.public_id) == -2_000
    assert invariants.audit(session) == []
    again = sell(session, basket, 10_000)
    assert again.replayed
    assert again.discount_fen == 2_000


def test_the_best_coupons_are_found_and_the_quote_says_why_others_are_not(
    session: Session,
) -> None:
    """C8, C10, P2"""
    shop, member = open_shop(session), make_member(session)
    small = give(session, member, off(500))
    large = give(session, member, off(1_000, 5_000))
    far = give(session, member, off(9_000, 50_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=BEST)

    quoted = quotes.answer(quotes.quote(session, basket))

    assert quoted["discount_fen"] == 1_500
    assert {use["coupon_id"] for use in quoted["coupons"]} == {small, large}
    assert [sum(use["shares"]) for use in quoted["coupons"]] == [
        use["fen"] for use in quoted["coupons"]
    ]
    assert quoted["proof"]["proved"]
    (left_out,) = quoted["left_out"]
    assert (left_out["coupon_id"], left_out["why"]) == (far, "conditions")
    assert left_out["unmet"][0]["gap_fen"] == 44_000
    sale = sell(session, basket, 4_500)
    assert sale.discount_fen == 1_500


def test_a_named_coupon_that_cannot_be_used_refuses_the_order_with_the_gap(
    session: Session,
) -> None:
    """C8: another ¥40.00"""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000, 10_000))
    basket = replace(shop.basket(session, member, 6_000), coupons=[coupon])

    with pytest.raises(CouponNotUsable, match="40"):
        sell(session, basket, 5_000)

    assert standing(session, coupon) is Standing.USABLE


def test_a_coupon_for_a_segment_is_its_members_alone(session: Session) -> None:
    """C2: whoever leaves the segment keeps the coupon, and may not use it."""
    shop, member, code = open_shop(session), make_member(session), unique("vip")
    segments.open_segment(session, code=code, title_zh="贵宾", title_en="VIP", by="system:test")
    coupon = give(session, member, off(1_000) | {"who": {"segments": [code, "others"]}})
    basket = replace(shop.basket(session, member, 6_000), coupons=[coupon])
    by_id = [member.public_id]

    with pytest.raises(CouponNotUsable, match="仅限指定会员"):
        sell(session, basket, 5_000)
    segments.put_in(session, code, by_id, by="system:test")
    assert quotes.answer(quotes.quote(session, basket))["discount_fen"] == 1_000
    segments.take_out(session, code, by_id, by="system:test")
    with pytest.raises(CouponNotUsable, match="仅限指定会员"):
        sell(session, basket, 5_000)


def test_somebody_elses_coupon_is_as_good_as_none(session: Session) -> None:
    """C17, C19, semantics 44"""
    shop, member = open_shop(session), make_member(session)
    foreign = give(session, make_member(session), off(1_000), personal=True)

    reasons = []
    for coupon in (foreign, "cpn_" + "0" * 26, "C0000-UNKNOWN"):
        basket = replace(shop.basket(session, member, 6_000), coupons=[coupon])
        with pytest.raises(CouponNotUsable) as refused:
            sell(session, basket, 5_000)
        reasons.append(refused.value.reasons[0][1:])

    assert len(set(reasons)) == 1


def test_a_coupon_named_by_id_and_by_code_is_refused_as_named_twice(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    keys = coupon_keys(session)
    shown = codes.show(session, coupon=coupon, holders=(member.public_id,), keys=keys)

    with pytest.raises(CouponNotUsable, match="named twice"):
        sell(session, replace(shop.basket(session, member, 5_000), coupons=[coupon, shown]), 4_000)


def test_of_a_thick_wallet_the_quote_says_which_were_not_looked_at(session: Session) -> None:
    """C10: proved for thirty, and no more is claimed."""
    shop, member = open_shop(session), make_member(session)
    batch = open_batch(session, off(100), limits={"per_member": 32})
    for n in range(1, 33):
        issuing.claim(session, batch=batch.code, holder=member.public_id, n=n)

    quoted = quotes.quote(session, replace(shop.basket(session, member, 5_000), coupons=BEST))

    told = quotes.answer(quoted)["left_out"]
    assert [each["unmet"][0]["code"] for each in told if each["unmet"]] == ["not-looked-at"] * 2
    assert len(told) == 31


def test_a_shown_code_is_enough_for_a_long_one_and_a_short_one_needs_the_member(
    session: Session,
) -> None:
    """C13, reliability §10: whoever shows a long code has it."""
    shop, member = open_shop(session), make_member(session)
    keys = coupon_keys(session)
    shown = {}
    for length in ("long", "short"):
        batch = open_batch(session, off(1_000), code=length)
        run = runs.open_run(
            session, batch=batch.code, name="r", wanted=1, keys=keys, by="system:test"
        )
        runs.fill(session, run, keys=keys)
        written = run.code(0)
        issuing.exchange(session, index=codes.index_of(keys, written), holder=member.public_id)
        shown[length] = written

    nobody = replace(shop.basket(session, None, 5_000), coupons=[shown["long"].lower()])
    assert sell(session, nobody, 4_000).discount_fen == 1_000
    with pytest.raises(CouponNotUsable):
        sell(session, replace(shop.basket(session, None, 5_000), coupons=[shown["short"]]), 4_000)
    known = replace(shop.basket(session, member, 5_000), coupons=[shown["short"]])
    assert sell(session, known, 4_000).discount_fen == 1_000


def test_a_coupon_and_points_pay_a_whole_order_together(session: Session) -> None:
    """semantics 20 and 21: nothing is left to pay, nothing below zero."""
    shop, member = open_shop(session), make_member(session)
    give_points(session, shop, member, 700)
    coupon = give(session, member, off(800))
    basket = replace(shop.basket(session, member, 1_000, burn=700), coupons=[coupon])

    sale = sell(session, basket, 0)

    assert (sale.discount_fen, sale.burned_points, sale.due_fen) == (800, 200, 0)
    assert invariants.audit(session) == []


def test_a_placed_order_keeps_its_coupon_and_cancelling_frees_it(session: Session) -> None:
    """C12, semantics 12 and 35"""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])

    placed = orders.place(session, basket)
    other = replace(shop.basket(session, member, 5_000), coupons=[coupon])
    with pytest.raises(CouponNotUsable, match="占用"):
        sell(session, other, 4_000)
    assert standing(session, coupon) is Standing.LOCKED
    orders.cancel(session, order=placed.public_id)

    assert standing(session, coupon) is Standing.USABLE
    assert sell(session, other, 4_000).discount_fen == 1_000


def test_a_placed_order_is_paid_for_what_it_promised(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])
    placed = orders.place(session, basket)

    with pytest.raises(PaymentMismatch):
        payments.pay(session, order=placed.public_id, tenders=[Tender(name=CASH, fen=5_000)])
    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name=CASH, fen=4_000)])

    assert (paid.discount_fen, paid.earned_points) == (1_000, 40)
    assert standing(session, coupon) is Standing.USED
    assert invariants.audit(session) == []


def test_a_late_payment_takes_its_coupon_if_it_is_free_and_is_refused_if_it_is_not(
    session: Session,
) -> None:
    """semantics 35: never a silent double use."""
    shop, member = open_shop(session), make_member(session)
    free, gone = give(session, member, off(1_000)), give(session, member, off(1_000))
    late = [
        orders.place(session, replace(shop.basket(session, member, 5_000), coupons=[coupon]))
        for coupon in (free, gone)
    ]
    session.info["now"] = now_of(session) + timedelta(minutes=20)
    sell(session, replace(shop.basket(session, member, 5_000), coupons=[gone]), 4_000)

    paid = payments.pay(session, order=late[0].public_id, tenders=[Tender(name=CASH, fen=4_000)])
    assert paid.discount_fen == 1_000
    with pytest.raises(LockExpired):
        payments.pay(session, order=late[1].public_id, tenders=[Tender(name=CASH, fen=4_000)])


def test_a_recalled_coupon_is_not_honoured_when_its_placed_order_is_paid(session: Session) -> None:
    """Semantics 41: a recall wins over the order's lock, of one of two coupons too."""
    shop, member = open_shop(session), make_member(session)
    recalled, other = give(session, member, off(1_000)), give(session, member, off(500))
    cash = [Tender(name=CASH, fen=3_500)]
    basket = replace(shop.basket(session, member, 5_000), coupons=[recalled, other])
    placed = orders.place(session, basket)

    issuing.void(session, [recalled], why="fraud")

    with pytest.raises(Voided):
        payments.pay(session, order=placed.public_id, tenders=cash)
    orders.cancel(session, order=placed.public_id)
    assert (standing(session, recalled), standing(session, other)) == (
        Standing.VOID,
        Standing.USABLE,
    )
    assert invariants.audit(session) == []


def test_a_coupon_handed_on_is_not_for_the_late_payment_of_its_giver(session: Session) -> None:
    """C6, semantics 35: personal or not, it is another's by then."""
    shop, giver, taker = open_shop(session), make_member(session), make_member(session)
    coupon = give(session, giver, off(1_000), transfer=1, personal=False)
    placed = orders.place(session, replace(shop.basket(session, giver, 5_000), coupons=[coupon]))
    session.info["now"] = now_of(session) + timedelta(minutes=20)

    issuing.hand_on(session, coupon=coupon, giver=giver.public_id, taker=taker.public_id)

    with pytest.raises(LockExpired):
        payments.pay(session, order=placed.public_id, tenders=[Tender(name=CASH, fen=4_000)])
    sell(session, replace(shop.basket(session, taker, 5_000), coupons=[coupon]), 4_000)
    assert standing(session, coupon) is Standing.USED


def test_an_id_alone_spends_nobodys_coupon(session: Session) -> None:
    """Reliability §10: a till has seen the ids of its customers; a code has to be shown."""
    shop, member, keys = open_shop(session), make_member(session), coupon_keys(session)
    coupon = give(session, member, off(1_000))
    basket = shop.basket(session, None, 5_000)

    for customer in (None, make_member(session)):
        with pytest.raises(CouponNotUsable):
            sell(session, replace(basket, member=customer, coupons=[coupon]), 4_000)
    shown = codes.show(session, coupon=coupon, holders=(member.public_id,), keys=keys)
    sale = sell(session, replace(basket, coupons=[shown]), 4_000)

    assert sale.discount_fen == 1_000


def test_a_coupon_bound_to_a_tender_is_looked_at_when_it_is_paid(session: Session) -> None:
    """C2"""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, {**off(1_000), "tenders": ["wechat"]})
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])

    with pytest.raises(CouponNotUsable, match="wechat"):
        sell(session, basket, 4_000)
    placed = orders.place(session, basket)
    with pytest.raises(CouponNotUsable, match="wechat"):
        payments.pay(session, order=placed.public_id, tenders=[Tender(name=CASH, fen=4_000)])
    paid = payments.pay(session, order=placed.public_id, tenders=[Tender(name="wechat", fen=4_000)])

    assert paid.discount_fen == 1_000


def test_a_whole_refund_brings_the_coupon_back_and_pays_its_funder(session: Session) -> None:
    """C14, L7, semantics 3 and 6: in two steps as in one."""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 3_000, 2_000), coupons=[coupon])
    sale = sell(session, basket, 4_000)

    first = give_back(session, shop, sale.public_id, RefundQuantity(line=1, quantity=1))
    assert (first.fen, first.discount_fen) == (2_400, 600)
    assert standing(session, coupon) is Standing.USED
    assert fen_of(session, "coupons", sale.public_id) == -400
    second = give_back(session, shop, sale.public_id)

    assert (second.fen, second.discount_fen) == (1_600, 400)
    assert standing(session, coupon) is Standing.USABLE
    assert fen_of(session, "coupons", sale.public_id) == 0
    assert fen_of(session, f"due:{shop.merchant.public_id}", sale.public_id) == 0
    assert invariants.audit(session) == []


def test_an_amount_is_refunded_out_of_what_the_customer_paid(session: Session) -> None:
    """semantics 11: no more than that, and all of it."""
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_000))
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])
    sale = sell(session, basket, 4_000)

    first = give_back(session, shop, sale.public_id, RefundAmount(fen=1_500))
    last = give_back(session, shop, sale.public_id, RefundAmount(fen=2_500))

    assert (first.fen, first.discount_fen) == (1_500, 0)
    assert (last.fen, last.discount_fen) == (2_500, 1_000)
    assert invariants.audit(session) == []


def test_merchants_and_a_brand_pay_their_shares_and_one_pays_nothing_to_itself(
    session: Session,
) -> None:
    """L7, semantics 43: A's coupon at B; the fund is shared to the fen, and comes back so."""
    issuer, shop, member = open_shop(session), open_shop(session), make_member(session)
    funding = {
        "parts": [
            {"funder": "merchant", "name": issuer.merchant.code, "share_bps": 3_333},
            {"funder": "brand", "name": "acme", "share_bps": 3_333},
            {"funder": "merchant", "name": shop.merchant.code, "share_bps": 3_334},
        ]
    }
    coupon = give(session, member, off(1_000), funding=funding)
    basket = replace(shop.basket(session, member, 5_000), coupons=[coupon])

    sale = sell(session, basket, 4_000)

    assert fen_of(session, f"due:{issuer.merchant.public_id}", sale.public_id) == -333
    assert fen_of(session, "brand:acme", sale.public_id) == -333
    assert fen_of(session, f"due:{shop.merchant.public_id}", sale.public_id) == 666
    give_back(session, shop, sale.public_id)
    assert fen_of(session, "brand:acme", sale.public_id) == 0
    assert fen_of(session, f"due:{shop.merchant.public_id}", sale.public_id) == 0


def test_an_order_row_says_who_gave_what(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    coupon = give(session, member, off(1_001))
    basket = replace(shop.basket(session, member, 2_000, 1_000, quantity=2), coupons=[coupon])

    sale = sell(session, basket, 1_999)
    give_back(session, shop, sale.public_id, RefundQuantity(line=1, quantity=1))

    order = session.scalars(select(Order).where(Order.public_id == sale.public_id)).one()
    assert order.coupons is not None
    assert order.coupons[0]["gifts"] == [["district", [667, 334]]]
    row = session.scalars(select(Refund).where(Refund.order_id == order.id)).one()
    assert (row.fen, row.discount_fen) == (667, 333)


def test_a_coupon_for_two_merchants_lines_is_shared_to_both(session: Session) -> None:
    """C11, semantics 19"""
    shop, other, member = open_shop(session), open_shop(session), make_member(session)
    coupon = give(session, member, off(900))
    line = BasketLine(
        sku="X", name="商品", category="food", amount_fen=2_000, merchant=other.merchant.code
    )
    basket = replace(shop.basket(session, member, 1_000, others=[line]), coupons=[coupon])

    sale = sell(session, basket, 2_100)

    assert fen_of(session, f"due:{shop.merchant.public_id}", sale.public_id) == 300
    assert fen_of(session, f"due:{other.merchant.public_id}", sale.public_id) == 600


def test_a_frozen_budget_refuses_the_sale_and_nothing_moves(session: Session) -> None:
    """C16, semantics 36: a partial discount is not invented."""
    shop, member = open_shop(session), make_member(session)
    first = give(
        session, member, off(1_000), budget={"fen": {"all": 1_500}}, limits={"per_member": 2}
    )
    batch = wallets.find(session, coupons=[first])[0].batch
    second = issuing.claim(session, batch=batch, holder=member.public_id, n=2)[0].coupon
    sell(session, replace(shop.basket(session, member, 5_000), coupons=[first]), 4_000)

    with pytest.raises(CouponError):
        sell(session, replace(shop.basket(session, member, 5_000), coupons=[second]), 4_000)
