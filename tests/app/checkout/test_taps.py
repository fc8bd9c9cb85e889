"""Reliability §9, decision 24: what a till's burn needs of the member's phone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.checkout import burns, exchanges, orders, taps
from app.checkout.baskets import Basket, Tap, Tender
from app.checkout.drafts import Sale
from app.checkout.errors import TapNeeded
from app.checkout.refunds import RefundRequest
from app.checkout.returns import RefundWhole
from app.members import confirming
from app.members.errors import BurnNotConfirmed
from app.members.identification import KnownMember
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, make_member, open_shop, points_of
from tests.factories import unique


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 50,000 points."""
    made = make_member(session)
    give_points(session, shop, made, 50_000)
    return made


def asking(
    session: Session,
    shop: Shop,
    member: KnownMember,
    burn: int,
    *,
    fen: int = 100_000,
    confirmation: str | None = None,
) -> Basket:
    """What a till asks for."""
    tap = Tap(at=now_of(session), confirmation=confirmation)
    return replace(shop.basket(session, member, fen, burn=burn), tap=tap)


def sell(session: Session, basket: Basket) -> Sale:
    due = basket.total_fen - basket.burn_points
    return orders.sell(session, basket, [Tender(name="cash", fen=due)])


def confirmed(session: Session, needed: TapNeeded) -> str:
    """Ask as the door does, and tap as the member does."""
    asked = confirming.ask(
        session,
        member=needed.member,
        terminal_id=needed.terminal_id,
        points=needed.points,
        worth_fen=needed.worth_fen,
        now=now_of(session),
    )
    return confirming.confirm(
        session, asked.public_id, member=needed.member, now=now_of(session)
    ).public_id


def test_a_hundred_yuan_needs_no_tap_and_a_fen_more_does(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    sold = sell(session, asking(session, shop, member, 10_000))
    left = points_of(session, member)

    with pytest.raises(TapNeeded) as needed:
        sell(session, asking(session, shop, member, 10_001))

    assert sold.burned_points == 10_000
    assert (needed.value.points, needed.value.worth_fen) == (10_001, 10_001)
    assert points_of(session, member) == left


def test_what_counts_is_what_the_order_takes_and_not_what_was_asked(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    basket = asking(session, shop, member, 50_000, fen=9_000)

    assert orders.sell(session, basket, []).burned_points == 9_000


def test_a_confirmed_burn_is_taken_once(session: Session, shop: Shop, member: KnownMember) -> None:
    with pytest.raises(TapNeeded) as needed:
        sell(session, asking(session, shop, member, 20_000))
    tapped = confirmed(session, needed.value)

    sold = sell(session, asking(session, shop, member, 20_000, confirmation=tapped))

    assert sold.burned_points == 20_000
    with pytest.raises(BurnNotConfirmed):
        sell(session, asking(session, shop, member, 20_000, confirmation=tapped))


def test_a_tap_for_less_or_none_at_all_is_not_enough(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    with pytest.raises(TapNeeded) as needed:
        sell(session, asking(session, shop, member, 20_000))
    tapped = confirmed(session, needed.value)

    for confirmation in (tapped, "brn_" + "0" * 26):
        with pytest.raises(BurnNotConfirmed):
            sell(session, asking(session, shop, member, 20_001, confirmation=confirmation))


def test_the_third_burn_within_an_hour_needs_a_tap(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Sold, placed and authorised count alike; what was given up does not."""
    given_up = orders.place(session, asking(session, shop, member, 10))
    orders.cancel(session, order=given_up.public_id)
    placed = orders.place(session, asking(session, shop, member, 10))
    held = burns.authorise(session, _wish(session, shop, member, 10))

    with pytest.raises(TapNeeded):
        sell(session, asking(session, shop, member, 10))
    with pytest.raises(TapNeeded):
        orders.place(session, asking(session, shop, member, 10))
    with pytest.raises(TapNeeded):
        burns.authorise(session, _wish(session, shop, member, 10))
    burns.capture(session, burn=held.public_id)
    assert taps.count(session, asking(session, shop, member, 10)) == 2
    orders.cancel(session, order=placed.public_id)
    session.flush()
    assert sell(session, asking(session, shop, member, 10)).burned_points == 10


def test_after_an_hour_the_count_begins_anew(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    for _ in range(2):
        sell(session, asking(session, shop, member, 10))

    session.info["now"] = now_of(session) + timedelta(hours=1)

    assert sell(session, asking(session, shop, member, 10)).burned_points == 10


def test_an_exchange_that_burns_is_asked_for_too(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    first = shop.sell(session, member, 100_000)
    request = RefundRequest(
        order=first.public_id,
        terminal=shop.till,
        number=unique("R"),
        occurred_at=now_of(session),
        parts=[RefundWhole()],
    )

    def exchange(confirmation: str | None) -> Sale:
        basket = asking(session, shop, member, 20_000, confirmation=confirmation)
        cash = [Tender(name="cash", fen=80_000)]
        return exchanges.exchange(session, request=request, basket=basket, tenders=cash).order

    with pytest.raises(TapNeeded) as needed:
        exchange(None)

    assert exchange(confirmed(session, needed.value)).burned_points == 20_000


def test_at_a_command_nobody_is_asked(session: Session, shop: Shop, member: KnownMember) -> None:
    assert shop.sell(session, member, 100_000, burn=50_000).burned_points == 50_000


def test_a_known_number_needs_no_second_tap(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """Decision 21: it is looked up first."""
    basket = asking(session, shop, member, 10_000)
    sell(session, basket)
    sell(session, asking(session, shop, member, 10))

    assert sell(session, basket).replayed


def _wish(session: Session, shop: Shop, member: KnownMember, points: int) -> Basket:
    return burns.wish(
        terminal=shop.till,
        member=member,
        number=unique("B"),
        order_fen=10_000,
        points=points,
        now=now_of(session),
        tap=Tap(at=now_of(session)),
    )
