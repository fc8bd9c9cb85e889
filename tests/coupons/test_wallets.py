"""What a holder has, in one statement: usable first, expired by dates alone (C12, X2)."""

from datetime import timedelta

from sqlalchemy.orm import Session

from config.database import now_of
from coupons import issuing, redemptions, wallets
from coupons.benefits import AmountOff, StoredValue
from coupons.redemptions import Use
from coupons.wallets import Standing
from tests.coupons.makers import DAY, later, make_batch, make_card, make_coupon, use_up
from tests.factories import unique


def test_usable_coupons_come_first_and_soonest_over(session: Session, sent: list[object]) -> None:
    holder = unique("mem_")
    used = make_coupon(session, holder=holder)
    use_up(session, used)
    void = make_coupon(session, holder=holder)
    issuing.void(session, [void], why="x")
    coming = make_coupon(session, holder=holder, validity={"days": 30, "begins_after_days": 1})
    long, short = [make_coupon(session, holder=holder, validity={"days": n}) for n in (20, 5)]
    sent.clear()

    held = wallets.wallet(session, holders=[holder])

    assert len(sent) == 1
    assert [(each.coupon, each.standing) for each in held] == [
        (short, Standing.USABLE),
        (long, Standing.USABLE),
        (coming, Standing.NOT_YET),
        (used, Standing.USED),
        (void, Standing.VOID),
    ]


def test_what_an_order_has_set_aside_is_usable_to_it_alone(session: Session) -> None:
    """C12: an order's own lock never blocks it; a dead one blocks nobody."""
    holder, order = unique("mem_"), unique("O")
    coupon = make_coupon(session, holder=holder)
    until = now_of(session) + timedelta(minutes=15)
    redemptions.lock(
        session, order=order, uses=[Use(coupon=coupon, discount_fen=1, order_fen=1)], until=until
    )

    own = wallets.wallet(session, holders=[holder], order=order)[0]
    other = wallets.wallet(session, holders=[holder])[0]
    later(session, timedelta(minutes=15))
    after = wallets.wallet(session, holders=[holder])[0]

    assert own.standing is Standing.USABLE
    assert (other.standing, other.order, other.until) == (Standing.LOCKED, order, until)
    assert (after.standing, after.order) == (Standing.USABLE, None)


def test_a_coupon_is_over_by_its_date_without_a_job(session: Session) -> None:
    """C3; semantics 27"""
    coupon = make_coupon(session, validity={"days": 0})
    later(session, DAY)

    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.EXPIRED


def test_a_wallet_of_two_names_is_one(session: Session) -> None:
    """semantics 46: members who were merged."""
    batch = make_batch(session)
    one, two = unique("mem_"), unique("mem_")
    for holder in (one, two):
        issuing.claim(session, batch=batch.code, holder=holder)

    assert {each.holder for each in wallets.wallet(session, holders=[one, two])} == {one, two}
    assert wallets.wallet(session, holders=[unique("mem_")]) == []


def test_stored_money_and_uses_left_are_shown(session: Session) -> None:
    many = make_coupon(session, uses=3)
    use_up(session, many)

    held = wallets.find(session, coupons=[many])[0]

    assert (held.uses_left, held.standing, held.transfers_left) == (2, Standing.USABLE, 0)
    assert held.offer.benefit == AmountOff(fen=5_000)
    card = wallets.find(session, coupons=[make_card(session, 700)])[0]
    assert card.offer.benefit == StoredValue(fen=700)
