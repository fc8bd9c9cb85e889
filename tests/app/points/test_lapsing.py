"""Semantics 49, reliability §13: what becomes of the points of who was erased."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

import ledger
from app.books import donated_account
from app.checkout import orders
from app.checkout.baskets import Tender
from app.members import closing
from app.members.closing import Leftover
from app.members.identification import KnownMember
from app.points.lapsing import lapse
from config.database import now_of
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    make_member,
    open_shop,
    points_of,
    posted,
)


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 500 points."""
    made = make_member(session)
    give_points(session, shop, made, 500)
    return made


def erase(session: Session, member: KnownMember, points: Leftover) -> None:
    closing.ask(
        session, member=member, points=points, evidence={"door": "test"}, now=now_of(session)
    )
    closing.erase_due(session, now=now_of(session) + points.notice)


@pytest.mark.parametrize("points", [Leftover.FORFEIT, Leftover.BURN])
def test_points_of_who_was_erased_lapse_to_their_issuers(
    session: Session, shop: Shop, member: KnownMember, points: Leftover
) -> None:
    other = open_shop(session)
    give_points(session, other, member, 70)
    erase(session, member, points)

    assert lapse(session) == 1
    assert lapse(session) == 0

    assert books_digest(session, member) == []
    assert posted(session, shop.merchant.breakage_account_id) == 500
    assert posted(session, other.merchant.breakage_account_id) == 70
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def test_points_are_given_away_but_for_those_that_had_expired(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    before = posted(session, donated_account(session))
    shop.sell(session, member, 3_000, at=now_of(session) - timedelta(days=500))
    erase(session, member, Leftover.DONATE)

    lapse(session)

    assert posted(session, donated_account(session)) - before == 500
    assert posted(session, shop.merchant.breakage_account_id) == 30
    assert books_digest(session, member) == []


def test_a_debt_is_paid_by_the_points_first_and_then_borne_by_its_issuer(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    """L3: nobody is left to earn it."""
    other = open_shop(session)
    sold = other.sell(session, member, 80_000)
    shop.sell(session, member, 1_300, burn=1_300)
    other.refund(session, sold.public_id)
    owed = -sum(points for _, points in books_digest(session, member) if points < 0)
    spare = sum(points for _, points in books_digest(session, member) if points > 0)
    erase(session, member, Leftover.FORFEIT)

    lapse(session)

    assert (owed, spare) == (800, 0)
    assert books_digest(session, member) == []
    assert posted(session, other.merchant.breakage_account_id) == -800
    assert sum(ledger.statements.trial_balance(session).values()) == 0


def test_what_an_order_holds_waits_until_it_is_over(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    placed = orders.place(session, shop.basket(session, member, 10_000, burn=200))
    erase(session, member, Leftover.FORFEIT)

    lapse(session)
    assert posted(session, shop.merchant.breakage_account_id) == 300
    orders.cancel(session, order=placed.public_id)
    lapse(session)

    assert posted(session, shop.merchant.breakage_account_id) == 500
    assert books_digest(session, member) == []


def test_what_a_refund_brings_back_lapses_with_the_next_run(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    basket = shop.basket(session, member, 10_000, burn=200)
    sold = orders.sell(session, basket, [Tender(name="cash", fen=9_800)])
    erase(session, member, Leftover.FORFEIT)
    lapse(session)

    shop.refund(session, sold.public_id)
    lapse(session)

    assert books_digest(session, member) == []
    assert ledger.upkeep.audit_all(session) == []


def test_whoever_only_wishes_to_leave_keeps_the_points(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    closing.ask(session, member=member, points=Leftover.FORFEIT, evidence={}, now=now_of(session))

    lapse(session)

    assert points_of(session, member) == 500
