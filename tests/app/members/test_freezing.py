"""M11: a member is stopped with a reason, and let go again."""

import pytest
from sqlalchemy.orm import Session

from app import audit
from app.errors import StateConflict
from app.members import freezing
from app.members.errors import MemberNotActive, UnknownMember
from app.members.identification import get_by_public_id
from tests.factories import make_member


def test_a_frozen_member_is_refused_by_name_and_let_go_again(session: Session) -> None:
    member = make_member(session)
    member.require_active()

    freezing.freeze(session, member.public_id, by="stf_1", reason="盗用核实")

    with pytest.raises(MemberNotActive, match="frozen"):
        get_by_public_id(session, member.public_id).require_active()
    freezing.unfreeze(session, member.public_id, by="stf_2", reason="已核实")
    get_by_public_id(session, member.public_id).require_active()
    records = audit.list_records(session, about=member.public_id)
    assert [(row.action, row.actor, row.reason) for row in records] == [
        ("member.unfreeze", "stf_2", "已核实"),
        ("member.freeze", "stf_1", "盗用核实"),
    ]


def test_freezing_twice_and_unfreezing_the_active_are_refused(session: Session) -> None:
    member = make_member(session)

    with pytest.raises(StateConflict, match="is not frozen"):
        freezing.unfreeze(session, member.public_id, by="stf_1", reason="x")
    freezing.freeze(session, member.public_id, by="stf_1", reason="x")
    with pytest.raises(StateConflict, match="is not active"):
        freezing.freeze(session, member.public_id, by="stf_1", reason="x")


def test_an_unknown_member_is_not_frozen(session: Session) -> None:
    with pytest.raises(UnknownMember):
        freezing.freeze(session, "mem_unknown", by="stf_1", reason="x")
