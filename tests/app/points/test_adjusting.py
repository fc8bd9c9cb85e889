"""G1: points given and taken by hand, by one person up to the limit, by two above it."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.approvals import ChangeRequest, SamePerson
from app.books import adjusted_account
from app.clock import business_date
from app.errors import Invalid, StateConflict
from app.members import closing
from app.members.closing import Leftover
from app.members.errors import MemberNotActive
from app.members.identification import KnownMember, get_by_public_id
from app.merchants import freezing
from app.merchants.locking import lock_merchant
from app.points import adjusting, statements
from app.points.adjusting import Adjusted
from app.points.errors import InsufficientPoints
from config.database import now_of
from tests.app.checkout.shops import (
    Shop,
    books_digest,
    give_points,
    open_shop,
    points_of,
    posted,
)
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session) -> KnownMember:
    return make_member(session)


def adjust(
    session: Session, shop: Shop, member: KnownMember, points: int, *, reason: str = "补偿"
) -> Adjusted | ChangeRequest:
    return adjusting.adjust(
        session, member, points=points, issuer=shop.merchant.code, reason=reason, by="mei"
    )


def adjusted(session: Session, shop: Shop) -> int:
    return posted(session, adjusted_account(session, shop.merchant.public_id))


def test_points_given_by_hand_are_the_issuers_as_earned_ones_are(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    give_points(session, shop, member, 100)

    made = adjust(session, shop, member, 200)

    assert isinstance(made, Adjusted)
    assert (made.points, made.balance_points, points_of(session, member)) == (200, 300, 300)
    assert [points for _, points in books_digest(session, member)] == [300]
    assert adjusted(session, shop) == -200


def test_the_member_reads_the_reason_and_it_is_on_record(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    adjust(session, shop, member, 200, reason="来电 13800138000 补偿")

    today = business_date(now_of(session))
    (line,) = statements.movements(
        session, member, start=today - timedelta(days=1), end=today + timedelta(days=2)
    )
    assert (line.kind, line.points, line.reason) == ("adjust", 200, "来电 138****8000 补偿")
    record = audit.list_records(session, about=member.public_id)[0]
    assert (record.action, record.actor, record.reason) == (
        "points.adjust", "mei", "来电 138****8000 补偿"
    )  # fmt: skip


def test_what_is_given_pays_a_debt_first(session: Session, shop: Shop, member: KnownMember) -> None:
    sale = give_points(session, shop, member, 100)
    shop.sell(session, member, 100, burn=100)
    shop.refund(session, sale.public_id)

    adjust(session, shop, member, 150)

    assert points_of(session, member) == 50
    assert adjusted(session, shop) == -150


def test_what_is_taken_comes_from_the_issuers_own_points_alone(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    other = open_shop(session)
    give_points(session, shop, member, 100)
    give_points(session, other, member, 500)

    adjust(session, shop, member, -60)
    with pytest.raises(InsufficientPoints):
        adjust(session, shop, member, -41)

    assert (points_of(session, member), adjusted(session, shop)) == (540, 60)


def test_who_owes_loses_no_more_than_the_balance(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    with pytest.raises(InsufficientPoints):
        adjust(session, shop, member, -1)


def test_above_the_limit_two_people_are_needed(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    request = adjust(session, shop, member, 1_001)

    assert isinstance(request, ChangeRequest)
    assert points_of(session, member) == 0
    with pytest.raises(SamePerson):
        adjusting.approve(session, request.public_id, by="mei")
    made = adjusting.approve(session, request.public_id, by="li")
    with pytest.raises(StateConflict):
        adjusting.approve(session, request.public_id, by="li")
    assert (made.points, points_of(session, member)) == (1_001, 1_001)


def test_many_small_ones_within_a_day_are_one_large_one(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    adjust(session, shop, member, 600)
    adjust(session, shop, member, -100)

    assert isinstance(adjust(session, shop, member, 301), ChangeRequest)
    session.info["now"] = now_of(session) + timedelta(hours=25)
    assert isinstance(adjust(session, shop, member, 301), Adjusted)


def test_an_adjustment_that_is_rejected_moves_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    request = adjust(session, shop, member, 5_000)
    assert isinstance(request, ChangeRequest)

    adjusting.reject(session, request.public_id, by="li", reason="太多")

    with pytest.raises(StateConflict):
        adjusting.approve(session, request.public_id, by="li")
    assert points_of(session, member) == 0


@pytest.mark.parametrize(("points", "reason"), [(0, "x"), (5, " "), (5, "x" * 61)])
def test_no_points_and_no_reason_are_refused(
    session: Session, shop: Shop, member: KnownMember, points: int, reason: str
) -> None:
    with pytest.raises(Invalid):
        adjust(session, shop, member, points, reason=reason)


def test_a_merchant_that_issues_no_more_gives_nothing_and_who_left_gets_nothing(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    gone = make_member(session)
    closing.ask(session, member=gone, points=Leftover.BURN, evidence={}, now=now_of(session))
    closing.erase_due(session, now=now_of(session) + Leftover.BURN.notice)
    with pytest.raises(MemberNotActive):
        adjust(session, shop, get_by_public_id(session, gone.public_id), 5)

    freezing.freeze(session, lock_merchant(session, shop.merchant.code), by="mei", reason="欠费")
    with pytest.raises(StateConflict, match="issues no points"):
        adjust(session, shop, member, 5)
