"""The points policy through time: proposed, approved, in force by business time (B2, G1)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import NotFound, StateConflict
from app.points import programme
from app.points.errors import NoProgrammeInForce
from app.points.policy import BestBy, BurnTerms, Combine, NegativePolicy, Programme, ReturnFirst
from app.points.programme import burn_terms_at, programme_at
from config.database import district_of, now_of
from tests.factories import make_merchant

LIN, WANG = "stf_lin", "stf_wang"


def agree(session: Session, change: Programme | BurnTerms) -> Programme | BurnTerms:
    request = programme.propose(session, change, by=LIN, reason="年度方案")
    return programme.approve(session, request.public_id, by=WANG)


def test_a_new_district_has_a_policy_from_its_first_day(session: Session) -> None:
    first = programme_at(session, datetime(2017, 1, 1, tzinfo=UTC))

    assert first == Programme(effective_from=datetime(1999, 12, 31, 16, tzinfo=UTC))
    assert burn_terms_at(
        session, merchant="mch_any", tier="gold", at=datetime(2017, 1, 1, tzinfo=UTC)
    ) == BurnTerms(effective_from=first.effective_from)
    with pytest.raises(NoProgrammeInForce, match="没有生效的积分方案"):
        programme_at(session, datetime(1999, 1, 1, tzinfo=UTC))


def test_a_policy_follows_another_from_its_approval_on(session: Session) -> None:
    """semantics 29: never in the past; each business time keeps its own."""
    now = now_of(session)
    old = programme_at(session, now)
    wanted = Programme(
        effective_from=now - timedelta(days=9),
        expiry_months=None,
        point_value_fen=Fraction(1, 3),
        combine=Combine.PRODUCT,
        negative_policy=NegativePolicy.REFUSE,
        debt_floor_points=-500,
        courtesy_days=3,
        return_first=ReturnFirst.POINTS,
        hold_minutes=10,
        quote_minutes=2,
        breakage_share=Fraction(1, 3),
        best_by=BestBy.DUE,
        coupons_at_most=4,
    )

    agree(session, wanted)

    assert programme_at(session, now) == replace(wanted, effective_from=now)
    assert programme_at(session, now - timedelta(seconds=1)) == old


def test_in_a_sandbox_a_policy_may_begin_in_the_past(session: Session) -> None:
    """For replay: a district made anew is filled from records."""
    session.info["district"] = replace(district_of(session), sandbox=True)
    past = datetime(2017, 1, 1, tzinfo=UTC)

    agree(session, Programme(effective_from=past, expiry_months=3))

    assert programme_at(session, past).expiry_months == 3
    assert programme_at(session, past - timedelta(seconds=1)).expiry_months == 12


def test_a_proposal_is_compared_with_what_it_would_follow(session: Session) -> None:
    """Not with what is in force today, where another one begins before it."""
    now = now_of(session)
    agree(session, Programme(effective_from=now + timedelta(days=1), expiry_months=24))

    after = programme.propose(
        session,
        Programme(effective_from=now + timedelta(days=2), expiry_months=36),
        by=LIN,
        reason="再延长",
    )

    changed = {each.field: (each.before, each.after) for each in after.difference()}
    assert changed["expiry_months"] == (24, 36)
    assert set(changed) == {"effective_from", "expiry_months"}
    assert programme.beginning(session, now - timedelta(days=1)) == now
    assert programme.beginning(session, None) == now


def test_history_keeps_every_policy_with_its_two_people(session: Session) -> None:
    now = now_of(session)
    policy = agree(session, Programme(effective_from=now, courtesy_days=9))
    terms = agree(session, BurnTerms(effective_from=now, tier="gold", min_unit_points=100))

    decided = programme.history(session)

    assert [each.request for each in decided[:2]] == [None, None]
    assert [each.change for each in decided[2:]] == [policy, terms]
    assert [
        (each.request.proposed_by, each.request.decided_by) for each in decided if each.request
    ] == [(LIN, WANG), (LIN, WANG)]
    in_force = programme.burn_terms_in_force(session, at=now)
    assert [(each.tier, each.min_unit_points) for each in in_force] == [(None, 1), ("gold", 100)]


def test_two_people_and_no_two_policies_of_one_instant(session: Session) -> None:
    wanted = Programme(effective_from=now_of(session) + timedelta(days=1))
    first = programme.propose(session, wanted, by=LIN, reason="一")
    second = programme.propose(session, wanted, by=LIN, reason="二")

    with pytest.raises(SamePerson):
        programme.approve(session, first.public_id, by=LIN)
    programme.approve(session, first.public_id, by=WANG)
    third = programme.propose(session, wanted, by=LIN, reason="三")
    with pytest.raises(StateConflict, match="同一时刻"):
        programme.approve(session, third.public_id, by=WANG)
    programme.reject(session, second.public_id, by=LIN, reason="算了")


def test_a_proposal_undoes_nobody_elses(session: Session) -> None:
    """It is a whole policy: approved late, it would take back what was agreed meanwhile."""
    now = now_of(session)
    late = programme.propose(
        session, Programme(effective_from=now, expiry_months=24), by=LIN, reason="延长"
    )
    agree(session, Programme(effective_from=now, courtesy_days=30))

    with pytest.raises(StateConflict, match="请重新提出"):
        programme.approve(session, late.public_id, by=WANG)

    assert programme.programme_at(session, now).courtesy_days == 30


def test_burn_terms_per_merchant_and_tier(session: Session) -> None:
    """B2"""
    merchant = make_merchant(session)
    now = now_of(session)
    half = BurnTerms(
        effective_from=now, merchant=merchant.code, max_share=Fraction(1, 2), min_unit_points=100
    )
    gold = BurnTerms(effective_from=now, tier="gold", daily_limit_points=5_000)

    request = programme.propose(session, half, by=LIN, reason="一半")
    assert request.before is None
    programme.approve(session, request.public_id, by=WANG)
    agree(session, gold)

    def at(name: str, tier: str) -> BurnTerms:
        return burn_terms_at(session, merchant=name, tier=tier, at=now)

    assert at(merchant.public_id, "gold") == replace(half, merchant=merchant.public_id)
    assert at("mch_other", "gold") == gold
    assert at("mch_other", "basic").max_share == 1
    with pytest.raises(NotFound):
        programme.propose(session, replace(half, merchant="nowhere"), by=LIN, reason="没有")


@pytest.mark.parametrize(
    "change", ["UPDATE programme SET courtesy_days = 0", "DELETE FROM programme",
               "UPDATE burn_term SET min_unit_points = 5", "DELETE FROM burn_term",
               "UPDATE lot SET expires_on = NULL", "DELETE FROM lot"]
)  # fmt: skip
def test_sql_by_hand_cannot_change_a_policy_or_what_a_lot_means(
    session: Session, change: str
) -> None:
    with pytest.raises(DBAPIError, match="permission denied"), session.begin_nested():
        session.execute(text(change))
