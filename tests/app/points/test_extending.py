"""A policy changes nothing that was earned; a last day moves by a grant, and only later (29)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

import ledger
from app.audit import AuditRecord
from app.clock import business_date, month_end
from app.errors import Invalid
from app.members.identification import KnownMember
from app.points import programme, statements
from app.points.expiry import Place, expire_some
from app.points.extending import extend
from app.points.policy import Programme
from config.database import now_of
from tests.app.checkout.shops import Shop, give_points, open_shop, points_of
from tests.factories import make_member


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)


@pytest.fixture
def member(session: Session, shop: Shop) -> KnownMember:
    """A member with 500 points."""
    made = make_member(session)
    give_points(session, shop, made, 500)
    return made


def days(session: Session, member: KnownMember) -> dict[date | None, int]:
    return {each.expires_on: each.points for each in statements.balance(session, member).buckets}


@pytest.mark.parametrize("months", [1, 24, None])
def test_a_new_policy_holds_for_new_points_alone(
    session: Session, shop: Shop, member: KnownMember, months: int | None
) -> None:
    """Semantics 29: neither shorter nor longer for what was earned before."""
    today = business_date(now_of(session))
    change = programme.propose(
        session,
        Programme(effective_from=now_of(session), expiry_months=months),
        by="mei",
        reason="test",
    )
    programme.approve(session, change.public_id, by="li")

    give_points(session, shop, member, 7)

    new = None if months is None else month_end(today, months_ahead=months)
    assert days(session, member) == {month_end(today, months_ahead=12): 500, new: 7}


@pytest.mark.parametrize(
    ("earned", "months", "last"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2026, 11, 30), 12, date(2027, 11, 30)),
    ],
)
def test_months_are_counted_whole_and_end_with_a_month(
    earned: date, months: int, last: date
) -> None:
    """Semantics 30"""
    policy = Programme(effective_from=datetime(2026, 1, 1, tzinfo=UTC), expiry_months=months)

    assert policy.expires_on(earned) == last


def test_a_grant_lets_points_last_longer_and_is_written_down(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    (last,) = days(session, member)
    assert last is not None
    later = last + timedelta(days=200)

    moved = extend(session, member=member, until=later, by="stf_li", reason="补偿")
    record = session.scalars(
        select(AuditRecord).where(AuditRecord.object == member.public_id).order_by(AuditRecord.id)
    ).all()[-1]
    session.info["now"] = now_of(session) + (later - business_date(now_of(session)))
    # As the change of day does first: what other tests left in the district expires here too.
    ledger.upkeep.make_partitions(session, start=last, through=later)
    expire_some(session, day=later, place=Place(), most=100)

    assert moved == 500
    assert (record.actor, record.action, record.reason) == ("stf_li", "points.extend", "补偿")
    assert (record.before, record.after and record.after["expires_on"]) == (
        {"expires_on": [last.isoformat()]},
        later.isoformat(),
    )
    assert days(session, member) == {later: 500}
    assert points_of(session, member) == 500
    assert ledger.upkeep.audit_all(session) == []


def test_no_grant_makes_points_last_less(session: Session, member: KnownMember) -> None:
    (last,) = days(session, member)
    assert last is not None

    for until in (last, last - timedelta(days=1)):
        with pytest.raises(Invalid, match="until"):
            extend(session, member=member, until=until, by="li", reason="test")

    assert days(session, member) == {last: 500}


def test_what_has_expired_is_gone_and_other_issuers_points_stay(
    session: Session, shop: Shop, member: KnownMember
) -> None:
    other = open_shop(session)
    give_points(session, other, member, 70)
    shop.sell(session, member, 3_000, at=now_of(session) - timedelta(days=500))
    (last,) = days(session, member)
    assert last is not None
    later = last + timedelta(days=31)

    moved = extend(
        session, member=member, until=later, by="li", reason="test", issuer=other.merchant
    )

    assert moved == 70
    assert days(session, member) == {last: 500, later: 70}


def test_extended_points_are_taken_back_by_their_sales_refund(session: Session, shop: Shop) -> None:
    member = make_member(session)
    sale = shop.sell(session, member, 10_000)
    (last,) = days(session, member)
    assert last is not None
    extend(session, member=member, until=last + timedelta(days=31), by="li", reason="test")

    refund = shop.refund(session, sale.public_id)

    assert (refund.clawed_points, refund.debt_points) == (100, 0)
    assert days(session, member) == {}
