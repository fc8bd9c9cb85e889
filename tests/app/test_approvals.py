"""G1: what needs two people needs two, within 72 hours."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import approvals
from app.approvals import ChangeRequest, FieldChange, RequestStatus, SamePerson
from app.errors import NotFound, StateConflict
from config.database import Database


def _propose(session: Session) -> ChangeRequest:
    return approvals.propose(
        session,
        kind="rule.publish",
        subject="rul_1",
        before={"points": "1", "per_fen": "100"},
        payload={"points": "2", "per_fen": "100", "trades": ["dining"]},
        by="stf_lin",
        reason="会员日双倍",
    )


def test_a_second_person_approves(session: Session) -> None:
    request = _propose(session)

    approved = approvals.approve(session, request.public_id, kind="rule.publish", by="stf_wang")

    assert approved.status == RequestStatus.APPROVED
    assert (approved.proposed_by, approved.decided_by) == ("stf_lin", "stf_wang")
    assert approved.payload["points"] == "2"


def test_the_proposer_cannot_approve(session: Session) -> None:
    request = _propose(session)

    with pytest.raises(SamePerson, match="不能审批自己"):
        approvals.approve(session, request.public_id, kind="rule.publish", by="stf_lin")


def test_the_database_refuses_one_person_too(session: Session) -> None:
    request = _propose(session)

    with pytest.raises(IntegrityError, match="two_people"):
        session.execute(
            text(
                "UPDATE change_request SET status = 'approved', decided_by = proposed_by,"
                " decided_at = now() WHERE public_id = :id"
            ),
            {"id": request.public_id},
        )


def test_a_decided_request_stays_decided(session: Session) -> None:
    request = _propose(session)
    approvals.reject(session, request.public_id, kind="rule.publish", by="stf_lin")

    with pytest.raises(StateConflict, match="rejected"):
        approvals.approve(session, request.public_id, kind="rule.publish", by="stf_wang")


def test_after_72_hours_a_request_is_dead(session: Session) -> None:
    request = _propose(session)
    session.info["now"] += timedelta(hours=72)

    with pytest.raises(StateConflict, match="72 小时"):
        approvals.approve(session, request.public_id, kind="rule.publish", by="stf_wang")
    assert approvals.list_open(session, kind="rule.publish") == []


def test_a_request_of_another_kind_is_not_found(session: Session) -> None:
    request = _propose(session)

    with pytest.raises(NotFound):
        approvals.approve(session, request.public_id, kind="merchant.terms", by="stf_wang")


def test_the_approver_reads_what_would_change(session: Session) -> None:
    request = _propose(session)

    assert request.difference() == [
        FieldChange(field="points", before="1", after="2"),
        FieldChange(field="trades", before=None, after=["dining"]),
    ]
    assert request in approvals.list_open(session)


def test_of_two_approvals_at_once_one_wins(database: Database, district: str) -> None:
    with database.transaction(district) as session:
        request = _propose(session).public_id
    start = Barrier(4)

    def approve(number: int) -> bool:
        start.wait()
        try:
            with database.transaction(district) as session:
                approvals.approve(session, request, kind="rule.publish", by=f"stf_{number}")
        except StateConflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        won = list(threads.map(approve, range(4)))

    assert won.count(True) == 1
