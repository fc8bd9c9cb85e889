"""Donated points wait until two people say what becomes of them (semantics 49, G1)."""

from collections.abc import Sequence
from fractions import Fraction

import pytest
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import StateConflict
from app.members import closing
from app.members.closing import Leftover
from app.points.lapsing import lapse
from app.settlement import donations
from app.settlement.donations import Purpose
from config.database import now_of
from tests.app.checkout.shops import Shop, open_shop
from tests.app.settlement.months import FEBRUARY, JANUARY, at, close, lines, share_breakage
from tests.factories import make_member, make_terms


@pytest.fixture
def shops(books: Session) -> Sequence[Shop]:
    """Two merchants; a member who has left gave away 60 points of one and 40 of the other."""
    at(books, 1, 10)
    a = open_shop(books, terms=make_terms(cost="3/2", redemption="1"))
    b = open_shop(books, terms=make_terms(cost="1/3", redemption="1/4"))
    give_away(books, {a: 60, b: 40})
    return a, b


def give_away(session: Session, points: dict[Shop, int]) -> None:
    member = make_member(session)
    for shop, amount in points.items():
        shop.sell(session, member, amount * 100)
    now = now_of(session)
    closing.ask(session, member=member, points=Leftover.DONATE, evidence={}, now=now)
    closing.erase_due(session, now=now + Leftover.DONATE.notice)
    lapse(session)


def release(session: Session, purpose: Purpose) -> None:
    request = donations.propose(session, purpose, by="mei", reason="重阳节")
    donations.approve(session, request.public_id, by="li")


def test_what_members_gave_away_waits_by_issuer_and_cost(
    books: Session, shops: Sequence[Shop]
) -> None:
    a, b = shops
    give_away(books, {a: 5})

    assert [
        (each.issuer.code, each.cost, each.points) for each in donations.list_waiting(books)
    ] == [
        (a.merchant.code, Fraction(3, 2), 65),
        (b.merchant.code, Fraction(1, 3), 40),
    ]


def test_points_back_to_their_issuers_are_worth_what_expired_ones_are(
    books: Session, shops: Sequence[Shop]
) -> None:
    """60 × 3/2 and 40 × 1/3 had been paid; half of it goes back by the share of breakage."""
    a, b = shops
    at(books, 2, 3)
    january = lines(books, close(books, JANUARY))
    assert january["donations", "donated"] == (100, 103)

    share_breakage(books, 1, 2, since=now_of(books))
    release(books, Purpose.ISSUERS)
    at(books, 3, 3)
    share_breakage(books, 1, 3, since=now_of(books))
    february = lines(books, close(books, FEBRUARY))

    assert donations.list_waiting(books) == []
    assert february == {
        (a.merchant.code, "donation_returned"): (60, 45),
        (b.merchant.code, "donation_returned"): (40, 6),
        ("donations", "donation_returned"): (-100, -103),
        ("breakage_kept", "donation_returned"): (0, 52),
    }


def test_points_to_charity_move_all_that_they_had_cost(
    books: Session, shops: Sequence[Shop]
) -> None:
    """Given away and released in one month: donations end where they began."""
    release(books, Purpose.CHARITY)
    at(books, 2, 3)
    january = lines(books, close(books, JANUARY))

    assert january["charity", "granted"] == (100, 103)
    assert january["donations", "donated"] == (100, 103)
    assert january["donations", "granted"] == (-100, -103)
    assert sum(fen for _, fen in january.values()) == 0


def test_it_takes_two_people_and_no_point_is_released_twice(
    books: Session, shops: Sequence[Shop]
) -> None:
    first = donations.propose(books, Purpose.CHARITY, by="mei", reason="助老")
    second = donations.propose(books, Purpose.ISSUERS, by="mei", reason="退回")
    with pytest.raises(SamePerson):
        donations.approve(books, first.public_id, by="mei")
    give_away(books, {shops[0]: 7})

    released = donations.approve(books, first.public_id, by="li")

    assert sum(each.points for each in released) == 100
    with pytest.raises(StateConflict, match="released meanwhile"), books.begin_nested():
        donations.approve(books, second.public_id, by="li")
    assert [each.points for each in donations.list_waiting(books)] == [7]


def test_a_proposal_is_turned_down_and_nothing_moves(books: Session, shops: Sequence[Shop]) -> None:
    request = donations.propose(books, Purpose.CHARITY, by="mei", reason="助老")

    donations.reject(books, request.public_id, by="mei", reason="再议")

    assert len(donations.list_waiting(books)) == 2
    with pytest.raises(StateConflict):
        donations.approve(books, request.public_id, by="li")


def test_where_nothing_waits_nothing_is_proposed(books: Session) -> None:
    at(books, 1, 10)

    with pytest.raises(StateConflict, match="no donated points wait"):
        donations.propose(books, Purpose.CHARITY, by="mei", reason="助老")
