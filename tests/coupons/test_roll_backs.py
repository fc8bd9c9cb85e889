"""C14, C15, C16; semantics 5-7: what a coupon took off goes back in any parts, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from config.database import now_of
from coupons import invariants, issuing, redemptions, wallets
from coupons.benefits import AmountOff
from coupons.errors import NoSuchCoupon, OtherContent, RollBackExceeds
from coupons.redemptions import Use
from coupons.terms import day_of, day_start
from coupons.wallets import Standing
from tests.coupons.makers import DAY, later, make_batch, make_card, make_coupon, tally, use_up
from tests.factories import unique


def test_one_coupon_of_a_stack_goes_back_alone(session: Session) -> None:
    """C14; semantics 6, 7: with the whole order it is the same coupon with the same last day."""
    one, two = make_coupon(session), make_coupon(session)
    uses = [Use(coupon=each, discount_fen=500, order_fen=5_000) for each in (one, two)]
    redeemed = redemptions.redeem(session, order=unique("O"), uses=uses)
    before = wallets.find(session, coupons=[one])[0]

    back = redemptions.roll_back(
        session, redemption=redeemed[0].redemption, key="ref_1", fen=500, order_fen=5_000,
        whole_order=True,
    )  # fmt: skip

    after = wallets.find(session, coupons=[one])[0]
    assert (back.remaining_fen, back.returned, back.reissued) == (0, True, None)
    assert (after.standing, after.valid_until) == (Standing.USABLE, before.valid_until)
    assert wallets.find(session, coupons=[two])[0].standing is Standing.USED
    use_up(session, one)  # decision 25: used, returned, used again
    assert invariants.audit(session) == []


@given(parts=st.lists(st.integers(0, 400), min_size=1, max_size=8))
def test_any_parts_go_back_up_to_what_was_taken(session: Session, parts: list[int]) -> None:
    """C14: any number of times up to the redeemed value; C16: a refund frees budget."""
    batch = make_batch(session, budget={"fen": {"all": 1_000}, "count": {"all": 1}})
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon
    redemption = use_up(session, coupon, 1_000)
    left = 1_000
    for number, fen in enumerate(parts):
        if fen > left:
            with pytest.raises(RollBackExceeds) as refused:
                redemptions.roll_back(session, redemption=redemption, key=str(number), fen=fen)
            assert refused.value.remaining_fen == left
            continue
        back = redemptions.roll_back(session, redemption=redemption, key=str(number), fen=fen)
        left -= fen
        assert (back.remaining_fen, back.returned) == (left, False)

    assert tally(session, batch.code, "fen") == (0, left)
    assert tally(session, batch.code, "count") == (0, 1)


def test_a_key_again_answers_the_same_and_other_content_is_refused(session: Session) -> None:
    redemption = use_up(session, make_coupon(session), 1_000)

    first = redemptions.roll_back(session, redemption=redemption, key="ref_1", fen=400)
    again = redemptions.roll_back(session, redemption=redemption, key="ref_1", fen=400)

    assert (first.remaining_fen, again.remaining_fen) == (600, 600)
    assert (first.repeated, again.repeated) == (False, True)
    with pytest.raises(OtherContent):
        redemptions.roll_back(session, redemption=redemption, key="ref_1", fen=300)
    with pytest.raises(NoSuchCoupon):
        redemptions.roll_back(session, redemption="crd_nothing", key="x", fen=1)
    with pytest.raises(RollBackExceeds):
        redemptions.roll_back(session, redemption=redemption, key="x", fen=0, order_fen=10**6)


def test_a_part_does_not_give_the_coupon_back_and_the_last_part_of_all_does(
    session: Session,
) -> None:
    """semantics 6"""
    coupon = make_coupon(session)
    redemption = use_up(session, coupon, 1_000)

    part = redemptions.roll_back(session, redemption=redemption, key="1", fen=600)
    rest = redemptions.roll_back(session, redemption=redemption, key="2", fen=400, whole_order=True)

    assert (part.returned, rest.returned) == (False, True)
    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.USABLE


def test_a_template_may_never_give_back(session: Session) -> None:
    """C15"""
    coupon = make_coupon(session, returns={"policy": "never"})
    redemption = use_up(session, coupon, 1_000)

    back = redemptions.roll_back(
        session, redemption=redemption, key="1", fen=1_000, whole_order=True
    )

    assert (back.remaining_fen, back.returned, back.reissued) == (0, False, None)
    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.USED


def test_a_part_may_come_back_as_a_smaller_coupon(session: Session) -> None:
    """C15: proportional re-issue; its threshold is the same part of the template's."""
    coupon = make_coupon(session, holder="mem_r", returns={"policy": "proportional"})
    redemption = use_up(session, coupon, 5_000)

    back = redemptions.roll_back(session, redemption=redemption, key="1", fen=2_000)
    again = redemptions.roll_back(session, redemption=redemption, key="1", fen=2_000)
    rest = redemptions.roll_back(
        session, redemption=redemption, key="2", fen=3_000, whole_order=True
    )

    assert back.reissued is not None
    assert back.reissued == again.reissued
    assert rest.reissued not in (None, back.reissued)
    smaller = wallets.find(session, coupons=[back.reissued])[0]
    assert (smaller.holder, smaller.valid_until) == ("mem_r", back.valid_until)
    assert smaller.offer.benefit == AmountOff(fen=2_000)
    assert smaller.offer.threshold.min_fen == 12_000
    use_up(session, back.reissued, 2_000)
    assert invariants.audit(session) == []


def test_what_is_over_meanwhile_stays_over_or_gets_courtesy_days(session: Session) -> None:
    """semantics 6"""
    plain = make_coupon(session, validity={"days": 0})
    kind = make_coupon(session, validity={"days": 0}, returns={"courtesy_days": 3})
    redemption = [use_up(session, each, 1_000) for each in (plain, kind)]
    later(session, 5 * DAY)

    back = [
        redemptions.roll_back(session, redemption=each, key="1", fen=1_000, whole_order=True)
        for each in redemption
    ]

    assert [each.returned for each in back] == [False, True]
    end = day_start(day_of(now_of(session))) + 4 * DAY
    assert wallets.find(session, coupons=[kind])[0].valid_until == end


def test_money_goes_back_onto_its_coupon_in_any_parts(session: Session) -> None:
    coupon = make_card(session, 1_000)
    redemption = use_up(session, coupon, 1_000)

    redemptions.roll_back(session, redemption=redemption, key="1", fen=300)
    redemptions.roll_back(session, redemption=redemption, key="2", fen=200, whole_order=True)

    held = wallets.find(session, coupons=[coupon])[0]
    assert (held.value_fen, held.standing) == (500, Standing.USABLE)
    assert invariants.audit(session) == []


def test_a_void_coupon_does_not_come_back(session: Session) -> None:
    """C20"""
    coupon = make_coupon(session, uses=2)
    redemption = use_up(session, coupon, 1_000)
    issuing.void(session, [coupon], why="x")

    back = redemptions.roll_back(
        session, redemption=redemption, key="1", fen=1_000, whole_order=True
    )

    assert back.returned is False
    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.VOID
