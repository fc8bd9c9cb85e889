"""L4, G1, semantics 51: terms in force by business date, agreed by two people, never changed."""

import json
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import audit
from app.approvals import SamePerson
from app.clock import business_date
from app.errors import Invalid, NotFound, StateConflict
from app.merchants import registration, terms
from app.merchants.directory import get_directory
from app.merchants.errors import CodeTaken, NoTermsInForce, TermsTooLate
from app.merchants.models import Funding, MayBurn
from app.merchants.registration import NewMerchant
from app.merchants.terms import Terms
from config.database import now_of
from tests.factories import TESTER, make_merchant, make_terms, unique


def _tomorrow(session: Session) -> date:
    return business_date(now_of(session)) + timedelta(days=1)


def test_terms_in_force_are_the_latest_that_had_begun(session: Session) -> None:
    merchant = make_merchant(session, terms=make_terms(valid_from=date(2026, 1, 1), cost="1"))
    begin = _tomorrow(session)
    request = terms.propose(
        session,
        merchant=merchant.code,
        terms=make_terms(valid_from=begin, cost="2"),
        by="stf_lin",
        reason="续约",
    )
    terms.approve(session, request.public_id, by="stf_wang")

    listed = get_directory(session).get_merchant(merchant.code)

    assert listed.terms_at(begin - timedelta(days=1)).cost_fen_per_point == 1
    assert listed.terms_at(begin).cost_fen_per_point == 2
    assert listed.terms_at(begin + timedelta(days=900)).cost_fen_per_point == 2
    with pytest.raises(NoTermsInForce, match="没有生效的合同条款"):
        listed.terms_at(date(2025, 12, 31))


def test_proposed_terms_change_nothing_until_a_second_person_agrees(session: Session) -> None:
    merchant = make_merchant(session)
    new = make_terms(valid_from=_tomorrow(session), cost="5")

    request = terms.propose(session, merchant=merchant.code, terms=new, by="stf_lin", reason="续约")

    assert len(get_directory(session).get_merchant(merchant.code).terms) == 1
    changed = {each.field: (each.before, each.after) for each in request.difference()}
    assert changed["cost_fen_per_point"] == ("1", "5")
    with pytest.raises(SamePerson):
        terms.approve(session, request.public_id, by="stf_lin")
    assert terms.approve(session, request.public_id, by="stf_wang") == new
    with pytest.raises(StateConflict):
        terms.approve(session, request.public_id, by="stf_wang")
    actions = [
        (row.action, row.actor) for row in audit.list_records(session, about=merchant.public_id)
    ]
    assert actions[:2] == [("terms.approve", "stf_wang"), ("terms.propose", "stf_lin")]


def test_rejected_terms_never_begin(session: Session) -> None:
    merchant = make_merchant(session)
    request = terms.propose(
        session,
        merchant=merchant.code,
        terms=make_terms(valid_from=_tomorrow(session)),
        by="stf_lin",
        reason="续约",
    )

    terms.reject(session, request.public_id, by="stf_wang", reason="价格不对")

    with pytest.raises(StateConflict):
        terms.approve(session, request.public_id, by="stf_wang")
    assert len(get_directory(session).get_merchant(merchant.code).terms) == 1


def test_terms_may_not_begin_on_a_day_that_has_begun(session: Session) -> None:
    merchant = make_merchant(session)
    today = _tomorrow(session) - timedelta(days=1)

    with pytest.raises(TermsTooLate):
        terms.propose(
            session,
            merchant=merchant.code,
            terms=make_terms(valid_from=today),
            by="stf_lin",
            reason="x",
        )


def test_an_approval_after_the_day_began_comes_too_late(session: Session) -> None:
    merchant = make_merchant(session)
    request = terms.propose(
        session,
        merchant=merchant.code,
        terms=make_terms(valid_from=_tomorrow(session)),
        by="stf_lin",
        reason="x",
    )
    session.info["now"] += timedelta(hours=24)

    with pytest.raises(TermsTooLate):
        terms.approve(session, request.public_id, by="stf_wang")


def test_first_terms_may_begin_today(session: Session) -> None:
    code = unique("M")
    registration.register(
        session, NewMerchant(code=code, name_zh="新店", name_en="New", trade="cafe"), by=TESTER
    )
    today = business_date(now_of(session))
    with pytest.raises(NoTermsInForce):
        get_directory(session).get_merchant(code).terms_at(today)

    request = terms.propose(
        session, merchant=code, terms=make_terms(valid_from=today), by="stf_lin", reason="签约"
    )
    terms.approve(session, request.public_id, by="stf_wang")

    assert get_directory(session).get_merchant(code).terms_at(today).valid_from == today


def test_one_day_has_one_set_of_terms(session: Session) -> None:
    merchant = make_merchant(session)
    new = make_terms(valid_from=_tomorrow(session))
    requests = [
        terms.propose(session, merchant=merchant.code, terms=new, by="stf_lin", reason="x")
        for _ in range(2)
    ]
    terms.approve(session, requests[0].public_id, by="stf_wang")

    with pytest.raises(CodeTaken):
        terms.approve(session, requests[1].public_id, by="stf_wang")


def test_agreed_terms_are_never_rewritten(session: Session) -> None:
    make_merchant(session)

    with pytest.raises(DBAPIError, match="permission denied"):
        session.execute(text("UPDATE contract_term SET cost_num = 9"))


def test_unknown_merchants_and_negative_rates_are_refused(session: Session) -> None:
    with pytest.raises(NotFound):
        terms.propose(session, merchant="no", terms=make_terms(), by="stf_lin", reason="x")
    with pytest.raises(Invalid, match="cost_fen_per_point"):
        make_terms(cost="-1/2")
    with pytest.raises(Invalid):
        make_terms(redemption=f"1/{2**53 + 1}")


@given(
    cost=st.fractions(min_value=0, max_value=1000, max_denominator=10**6),
    redemption=st.fractions(min_value=0, max_value=1000, max_denominator=10**6),
    funding=st.sampled_from(Funding),
    may_burn=st.sampled_from(MayBurn),
    valid_from=st.dates(),
)
def test_terms_come_back_from_a_proposal_exactly(
    cost: Fraction, redemption: Fraction, funding: Funding, may_burn: MayBurn, valid_from: date
) -> None:
    agreed = Terms(
        valid_from=valid_from,
        cost_fen_per_point=cost,
        redemption_fen_per_point=redemption,
        funding=funding,
        may_burn=may_burn,
    )

    assert Terms.from_json(json.loads(json.dumps(agreed.to_json()))) == agreed


def test_levels_belong_to_a_way_of_funding_and_terms_from_before_them_are_read() -> None:
    """L6: an alert is for who pays before, a limit for who pays after."""
    prepaid = make_terms(funding=Funding.PREPAID)
    assert replace(prepaid, alert_points=500).to_json()["alert_points"] == 500
    assert replace(make_terms(), credit_limit_fen=100).to_json()["credit_limit_fen"] == 100
    for wrong in (
        {"alert_points": 500},
        {"credit_limit_fen": 0},
        {"credit_limit_fen": 2**53 + 1},
        {"credit_limit_fen": 100, "funding": Funding.PREPAID},
    ):
        with pytest.raises(Invalid):
            replace(make_terms(), **wrong)
    old = {name: value for name, value in prepaid.to_json().items() if name != "alert_points"}
    assert Terms.from_json(old) == prepaid
