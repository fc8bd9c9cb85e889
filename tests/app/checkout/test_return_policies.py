"""Whether a coupon comes back with a refund: each policy both ways, in date and over (C15)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import invariants
from app.checkout.baskets import BEST
from app.checkout.returns import RefundQuantity
from app.members.identification import KnownMember
from config.database import now_of
from coupons import invariants as coupon_invariants
from coupons import issuing, wallets
from coupons.terms import day_of, day_start
from coupons.wallets import Held, Standing
from tests.app.checkout.shops import Shop, open_shop
from tests.app.checkout.test_coupons import give, give_back, off, open_batch, sell
from tests.coupons.makers import DAY, later
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def sold_with(session: Session, shop: Shop, member: KnownMember, coupon: str) -> str:
    """Sell two pieces of ¥20 with ¥6 off."""
    basket = replace(shop.basket(session, member, 4_000, quantity=2), coupons=[coupon])
    return sell(session, basket, 3_400).public_id


def usable(session: Session, member: KnownMember) -> list[Held]:
    """Return what the member may use now."""
    held = wallets.wallet(session, holders=[member.public_id])
    return [each for each in held if each.standing is Standing.USABLE]


PART, WHOLE = RefundQuantity(line=1, quantity=1), RefundQuantity(line=1, quantity=2)


@pytest.mark.parametrize(
    ("policy", "part", "rest", "whole"),
    [
        ("never", [], [], []),
        ("whole", [], [600], [600]),
        ("proportional", [300], [300, 300], [600]),
    ],
)
def test_a_policy_gives_back_so_much_with_a_part_with_the_rest_and_with_all_at_once(
    session: Session,
    shop: Shop,
    member: KnownMember,
    *,
    policy: str,
    part: list[int],
    rest: list[int],
    whole: list[int],
) -> None:
    """C15; semantics 6: what may be used again, in fen off each."""
    coupon = give(session, member, off(600, 4_000), returns={"policy": policy})
    order = sold_with(session, shop, member, coupon)

    found = []
    for _ in range(2):
        give_back(session, shop, order, PART)
        found.append([each.value_fen or 600 for each in usable(session, member)])
    other = make_member(session)
    again = give(session, other, off(600, 4_000), returns={"policy": policy})
    give_back(session, shop, sold_with(session, shop, other, again), WHOLE)

    assert found == [part, rest]
    assert [each.value_fen or 600 for each in usable(session, other)] == whole
    assert invariants.audit(session) == []
    assert coupon_invariants.audit(session) == []


@pytest.mark.parametrize("policy", ["whole", "proportional"])
@pytest.mark.parametrize("courtesy_days", [0, 3])
def test_one_that_is_over_meanwhile_stays_over_or_gets_its_days_of_courtesy(
    session: Session, shop: Shop, member: KnownMember, *, policy: str, courtesy_days: int
) -> None:
    """C15; semantics 6: and a smaller one that is re-issued gets them too."""
    returns = {"policy": policy, "courtesy_days": courtesy_days}
    coupon = give(session, member, off(600, 4_000), validity={"days": 0}, returns=returns)
    order = sold_with(session, shop, member, coupon)
    later(session, 5 * DAY)

    give_back(session, shop, order, PART)
    give_back(session, shop, order, PART)

    held = usable(session, member)
    worth = sum(each.value_fen or 600 for each in held)
    assert worth == (600 if courtesy_days else 0)
    end = day_start(day_of(now_of(session))) + (courtesy_days + 1) * DAY
    assert all(each.valid_until == end for each in held)
    later(session, courtesy_days * DAY + timedelta(days=1))
    assert usable(session, member) == []


def test_one_that_is_in_date_keeps_its_last_day_whatever_the_courtesy(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Semantics 6: the same coupon, the same expiry."""
    coupon = give(session, member, off(600), returns={"courtesy_days": 90})
    (before,) = usable(session, member)
    order = sold_with(session, shop, member, coupon)

    give_back(session, shop, order, WHOLE)

    (after,) = usable(session, member)
    assert (after.coupon, after.valid_until) == (coupon, before.valid_until)


def test_a_smaller_one_and_a_whole_one_of_its_template_are_told_apart(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """C10, C15: they lie in one wallet, and the one that takes off more is the best."""
    terms = {"returns": {"policy": "proportional"}, "limits": {"per_member": 2}}
    batch = open_batch(session, off(600, 2_000), **terms).code
    first, second = [
        issuing.claim(session, batch=batch, holder=member.public_id, n=n)[0].coupon for n in (1, 2)
    ]
    give_back(session, shop, sold_with(session, shop, member, first), PART)
    (smaller,) = [each.coupon for each in usable(session, member) if each.coupon != second]
    basket = shop.basket(session, member, 4_000)

    best = sell(session, replace(basket, coupons=BEST), 3_400)
    rest = sell(session, replace(shop.basket(session, member, 4_000), coupons=BEST), 3_700)

    assert [use.coupon for use in best.stack.uses] == [second]
    assert [use.coupon for use in rest.stack.uses] == [smaller]
