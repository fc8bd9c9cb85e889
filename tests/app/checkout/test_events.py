"""E3: an event of an order makes its pending points active, once, whoever its member is now."""

import pytest
from sqlalchemy.orm import Session

from app.checkout import events
from app.errors import NotFound
from app.points.definitions import Pending
from tests.app.checkout.shops import open_shop, points_of
from tests.app.points.test_merging import merge
from tests.app.points.test_pending import COLLECTED, add_bonus
from tests.factories import make_member


def test_an_event_makes_its_orders_points_active_once(session: Session) -> None:
    shop, member = open_shop(session), make_member(session)
    add_bonus(session, shop, Pending(event=COLLECTED))
    order = shop.sell(session, member, 10_000).public_id

    moved = [events.tell(session, order=order, event=event)
             for event in ("order.reviewed", COLLECTED, COLLECTED)]  # fmt: skip

    assert (moved, points_of(session, member)) == ([0, 200, 0], 300)


def test_an_event_reaches_whom_the_member_was_merged_into(session: Session) -> None:
    """Semantics 46."""
    shop, loser, survivor = open_shop(session), make_member(session), make_member(session)
    add_bonus(session, shop, Pending(event=COLLECTED))
    order = shop.sell(session, loser, 10_000).public_id
    merge(session, loser, survivor)

    assert events.tell(session, order=order, event=COLLECTED) == 200
    assert points_of(session, survivor) == 300


def test_an_order_without_a_member_has_no_points_that_wait(session: Session) -> None:
    order = open_shop(session).sell(session, None, 10_000).public_id

    assert events.tell(session, order=order, event=COLLECTED) == 0
    with pytest.raises(NotFound):
        events.tell(session, order="ord_none", event=COLLECTED)
