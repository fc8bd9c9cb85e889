"""C12, C13, C16, C19; semantics 12, 35-37, 41: a use is set aside, redeemed or freed, once."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from config.database import now_of
from coupons import invariants, issuing, redemptions, wallets
from coupons.errors import (
    AlreadyUsed,
    BudgetExhausted,
    Locked,
    LockExpired,
    NoSuchCoupon,
    NotTheHolder,
    NotYet,
    OtherContent,
    Over,
    TooLittleLeft,
    Voided,
)
from coupons.redemptions import Use
from coupons.wallets import Standing
from tests.coupons.makers import DAY, later, make_batch, make_card, make_coupon, tally, use_up
from tests.factories import unique

MINUTES = timedelta(minutes=15)


def _use(coupon: str, fen: int = 5_000, order_fen: int = 30_000) -> Use:
    return Use(coupon=coupon, discount_fen=fen, order_fen=order_fen)


def _lock(session: Session, order: str, *uses: Use, holders: tuple[str, ...] = ()) -> None:
    redemptions.lock(
        session,
        order=order,
        uses=uses,
        until=now_of(session) + MINUTES,
        holders=holders,
        store="S1",
    )


def test_what_is_set_aside_is_redeemed_once(session: Session) -> None:
    """C13: issued, locked, used; the same again answers the same."""
    order = unique("O")
    coupons = [make_coupon(session), make_coupon(session)]
    _lock(session, order, *[_use(each) for each in coupons])

    first = redemptions.redeem(session, order=order, store="S1")
    again = redemptions.redeem(session, order=order, store="S1")

    assert {each.coupon for each in first} == set(coupons)
    assert [(each.redemption, each.repeated) for each in again] == [
        (each.redemption, True) for each in first
    ]
    assert {each.standing for each in wallets.find(session, coupons=coupons)} == {Standing.USED}
    assert invariants.audit(session) == []


def test_each_of_these_takes_one_statement(session: Session, sent: list[object]) -> None:
    coupons = [make_coupon(session) for _ in range(5)]
    uses, order = [_use(each) for each in coupons], unique("O")
    sent.clear()

    _lock(session, order, *uses)
    redemptions.release(session, order=order)
    _lock(session, order, *uses)
    redemptions.extend(session, order=order, until=now_of(session) + 2 * MINUTES)
    redemptions.redeem(session, order=order)

    assert len(sent) == 5


def test_a_sale_in_one_step_locks_and_redeems_at_once(session: Session) -> None:
    order, coupon = unique("O"), make_coupon(session)

    first = redemptions.redeem(session, order=order, uses=[_use(coupon)])
    again = redemptions.redeem(session, order=order, uses=[_use(coupon)])

    assert again[0].redemption == first[0].redemption
    with pytest.raises(OtherContent):
        redemptions.redeem(session, order=order, uses=[_use(coupon, fen=1)])
    with pytest.raises(OtherContent):
        _lock(session, order, _use(coupon))
    assert redemptions.redeem(session, order=unique("O"), uses=[]) == []
    assert redemptions.redeem(session, order=unique("O")) == []


def test_a_used_coupon_tells_when_and_where(session: Session) -> None:
    """E15: the others hear of the winner's time and store."""
    coupon = make_coupon(session)
    redemptions.redeem(session, order=unique("O"), uses=[_use(coupon)], store="S7")

    with pytest.raises(AlreadyUsed) as refused:
        redemptions.redeem(session, order=unique("O"), uses=[_use(coupon)])

    assert (refused.value.at, refused.value.store) == (now_of(session), "S7")


def test_a_lock_blocks_others_until_its_instant_and_never_its_own_order(session: Session) -> None:
    """C12; semantics 35"""
    mine, other, coupon = unique("O"), unique("O"), make_coupon(session)
    _lock(session, mine, _use(coupon))

    _lock(session, mine, _use(coupon, fen=4_000))
    with pytest.raises(Locked) as refused:
        _lock(session, other, _use(coupon))
    later(session, MINUTES)
    _lock(session, other, _use(coupon))

    assert refused.value.until == now_of(session)
    with pytest.raises(LockExpired):
        redemptions.redeem(session, order=mine)
    assert invariants.audit(session) == []


def test_a_dead_lock_whose_coupon_is_free_is_taken_anew(session: Session) -> None:
    """semantics 35: a late capture looks again and succeeds."""
    order, batch = unique("O"), make_batch(session, budget={"fen": {"all": 5_000}})
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon
    _lock(session, order, _use(coupon))
    later(session, MINUTES)

    redeemed = redemptions.redeem(session, order=order)

    assert [each.coupon for each in redeemed] == [coupon]
    assert tally(session, batch.code, "fen") == (0, 5_000)
    assert invariants.audit(session) == []


def test_a_dead_lock_whose_coupon_is_over_is_refused_and_a_live_one_is_good(
    session: Session,
) -> None:
    """semantics 26, 35"""
    live, dead = unique("O"), unique("O")
    coupons = [make_coupon(session, validity={"days": 0}) for _ in range(2)]
    redemptions.lock(session, order=live, uses=[_use(coupons[0])], until=now_of(session) + 2 * DAY)
    _lock(session, dead, _use(coupons[1]))
    later(session, DAY)

    redemptions.redeem(session, order=live)
    with pytest.raises(LockExpired):
        redemptions.redeem(session, order=dead)
    with pytest.raises(Over):
        redemptions.redeem(session, order=unique("O"), uses=[_use(coupons[1])])


def test_release_frees_at_once_and_again_does_nothing(session: Session) -> None:
    """semantics 12, 37"""
    order = unique("O")
    batch = make_batch(session, budget={"fen": {"all": 9_000}, "count": {"day": 5}})
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon
    _lock(session, order, _use(coupon))
    held = tally(session, batch.code, "fen")

    freed = [redemptions.release(session, order=order) for _ in range(2)]

    assert (held, freed) == ((5_000, 0), [1, 0])
    assert tally(session, batch.code, "fen") == (0, 0)
    assert redemptions.redeem(session, order=order) == []
    _lock(session, unique("O"), _use(coupon))


def test_a_lock_is_extended_while_it_lives(session: Session) -> None:
    """C12"""
    order, coupon = unique("O"), make_coupon(session)
    _lock(session, order, _use(coupon))

    extended = redemptions.extend(session, order=order, until=now_of(session) + 3 * MINUTES)
    later(session, 2 * MINUTES)
    with pytest.raises(Locked):
        _lock(session, unique("O"), _use(coupon))
    later(session, MINUTES)

    assert extended == 1
    with pytest.raises(LockExpired):
        redemptions.extend(session, order=order, until=now_of(session) + MINUTES)


def test_all_coupons_of_an_order_are_had_or_none(session: Session) -> None:
    """semantics 36: no row changes."""
    good, used = make_coupon(session), make_coupon(session)
    use_up(session, used)

    with pytest.raises(AlreadyUsed):
        _lock(session, unique("O"), _use(good), _use(used))

    assert wallets.find(session, coupons=[good])[0].standing is Standing.USABLE
    with pytest.raises(NoSuchCoupon):
        _lock(session, unique("O"), _use(good), _use("cpn_nothing"))
    with pytest.raises(ValueError, match="once in an order"):
        _lock(session, unique("O"), _use(good), _use(good))
    with pytest.raises(ValueError, match="below zero"):
        _use(good, fen=-1)


def test_a_personal_coupon_serves_its_holder_alone(session: Session) -> None:
    """C19; under any of his names after a merge (semantics 46)."""
    coupon = make_coupon(session, holder="mem_1", personal=True)

    with pytest.raises(NotTheHolder):
        _lock(session, unique("O"), _use(coupon), holders=("mem_2",))
    with pytest.raises(NotTheHolder):
        _lock(session, unique("O"), _use(coupon))
    _lock(session, unique("O"), _use(coupon), holders=("mem_9", "mem_1"))


def test_a_coupon_is_used_in_its_days_alone(session: Session) -> None:
    coupon = make_coupon(session, validity={"days": 3, "begins_after_days": 1})

    with pytest.raises(NotYet):
        _lock(session, unique("O"), _use(coupon))
    later(session, DAY)
    _lock(session, unique("O"), _use(coupon))
    later(session, 3 * DAY)
    with pytest.raises(Over):
        _lock(session, unique("O"), _use(coupon))


def test_a_recall_wins_over_a_lock(session: Session) -> None:
    """semantics 41: revocation wins and is explained; what was reserved is free."""
    order, batch = unique("O"), make_batch(session, budget={"fen": {"all": 5_000}})
    coupon = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon
    _lock(session, order, _use(coupon))

    issuing.void(session, [coupon], why="x")

    with pytest.raises(Voided):
        redemptions.redeem(session, order=order, uses=[_use(coupon)])
    assert tally(session, batch.code, "fen") == (0, 0)
    assert invariants.audit(session) == []


def test_a_card_of_several_uses_counts_them_one_by_one(session: Session) -> None:
    """C1: 次卡; decision 25: a use is one number."""
    coupon = make_coupon(session, uses=2)
    first, second = unique("O"), unique("O")
    _lock(session, first, _use(coupon))

    two = redemptions.redeem(session, order=second, uses=[_use(coupon)])
    with pytest.raises(Locked):
        _lock(session, unique("O"), _use(coupon))
    one = redemptions.redeem(session, order=first)

    assert [one[0].use_number, two[0].use_number] == [1, 2]
    with pytest.raises(AlreadyUsed):
        _lock(session, unique("O"), _use(coupon))


def test_money_on_a_coupon_is_spent_to_the_last_fen(session: Session) -> None:
    """C1: stored value; what a lock sets aside nobody else spends."""
    coupon, order = make_card(session, 10_000), unique("O")
    _lock(session, order, _use(coupon, fen=6_000))

    with pytest.raises(TooLittleLeft):
        redemptions.redeem(session, order=unique("O"), uses=[_use(coupon, fen=4_001)])
    assert wallets.find(session, coupons=[coupon])[0].value_fen == 4_000
    redemptions.redeem(session, order=unique("O"), uses=[_use(coupon, fen=3_000)])
    redemptions.redeem(session, order=order)
    left = wallets.find(session, coupons=[coupon])[0]
    redemptions.redeem(session, order=unique("O"), uses=[_use(coupon, fen=1_000)])

    assert (left.value_fen, left.standing, left.uses_left) == (1_000, Standing.USABLE, None)
    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.USED
    assert invariants.audit(session) == []


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        ({"fen": {"all": 9_999}}, "fen"),
        ({"fen": {"day": 5_000}}, "fen"),
        ({"count": {"store": 1}}, "count"),
        ({"order_fen": {"all": 59_999}}, "order_fen"),
    ],
)
def test_a_budget_is_a_hard_stop(
    session: Session, budget: dict[str, dict[str, int]], what: str
) -> None:
    """C16; semantics 36: a smaller discount is not invented."""
    batch = make_batch(session, budget=budget, limits={"per_member": 3})
    one, two = [
        issuing.claim(session, batch=batch.code, holder="mem_1", n=n)[0].coupon for n in (1, 2)
    ]
    _lock(session, unique("O"), _use(one))

    with pytest.raises(BudgetExhausted) as refused:
        _lock(session, unique("O"), _use(two))

    assert (refused.value.coupon, refused.value.what) == (two, what)
    assert wallets.find(session, coupons=[two])[0].standing is Standing.USABLE


def test_what_dead_locks_reserved_is_free_without_a_job(session: Session) -> None:
    """semantics 35, 37"""
    batch = make_batch(session, budget={"fen": {"all": 5_000}}, limits={"per_member": 2})
    one, two = [
        issuing.claim(session, batch=batch.code, holder="mem_1", n=n)[0].coupon for n in (1, 2)
    ]
    dead = unique("O")
    _lock(session, dead, _use(one))
    later(session, MINUTES)

    _lock(session, unique("O"), _use(two))

    assert tally(session, batch.code, "fen") == (5_000, 0)
    with pytest.raises((BudgetExhausted, LockExpired)):
        redemptions.redeem(session, order=dead)
    assert invariants.audit(session) == []


def test_a_day_of_its_own_is_charged_for_what_was_set_aside_on_it(session: Session) -> None:
    batch = make_batch(session, budget={"fen": {"day": 5_000}})
    coupon, order = issuing.claim(session, batch=batch.code, holder="mem_1")[0].coupon, unique("O")
    redemptions.lock(session, order=order, uses=[_use(coupon)], until=now_of(session) + 2 * DAY)
    later(session, DAY)

    redemptions.redeem(session, order=order)

    assert invariants.audit(session) == []


def test_what_was_promised_is_taken_as_of_that_instant(session: Session) -> None:
    """Semantics 41"""
    coupon = make_coupon(session)
    promised = now_of(session)
    later(session, 40 * DAY)

    with pytest.raises(Over):
        redemptions.redeem(session, order=unique("O"), uses=[_use(coupon)])
    redemptions.redeem(session, order=unique("O"), uses=[_use(coupon)], at=promised)

    assert wallets.find(session, coupons=[coupon])[0].standing is Standing.USED


def test_a_coupon_is_taken_from_whom_the_order_saw_with_it(session: Session) -> None:
    """C19: handed on between the look and the use, it is another's."""
    giver, taker = unique("mem"), unique("mem")
    coupon = make_coupon(session, holder=giver, transfer=1)
    seen = Use(coupon=coupon, discount_fen=5_000, order_fen=30_000, seen=giver)
    issuing.hand_on(session, coupon=coupon, giver=giver, taker=taker)

    with pytest.raises(NotTheHolder):
        redemptions.redeem(session, order=unique("O"), uses=[seen], holders=[giver])
