"""G1: a policy of the district is agreed by two, follows the one before, and is never changed."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app import policies
from app.approvals import SamePerson
from app.errors import StateConflict
from config.database import now_of
from tests.factories import unique

FIRST = {"limit": 5}


def test_two_people_agree_and_the_newest_comes_first(session: Session) -> None:
    kind = unique("k")

    one = policies.propose(
        session, kind=kind, terms=FIRST, known={}, begins=None, by="mei", reason="test"
    )
    with pytest.raises(SamePerson):
        policies.approve(session, one.public_id, kind=kind, known={}, by="mei")
    begins = policies.approve(session, one.public_id, kind=kind, known={}, by="li")

    assert begins == now_of(session)
    assert [(each.terms, each.request.reason) for each in policies.history(session, kind)] == [
        (FIRST, "test")
    ]


def test_what_was_proposed_over_another_policy_is_stale(session: Session) -> None:
    kind = unique("k")
    one, two = [
        policies.propose(
            session, kind=kind, terms={"limit": n}, known={}, begins=None, by="mei", reason="test"
        )
        for n in (1, 2)
    ]
    policies.approve(session, one.public_id, kind=kind, known={}, by="li")

    with pytest.raises(StateConflict, match="propose it anew"):
        policies.approve(session, two.public_id, kind=kind, known={"limit": 1}, by="li")


def test_a_policy_never_begins_in_the_past_nor_twice_at_one_instant(session: Session) -> None:
    kind, past = unique("k"), now_of(session) - timedelta(days=1)
    one, two = [
        policies.propose(
            session, kind=kind, terms=FIRST, known={}, begins=past, by="mei", reason="test"
        )
        for _ in range(2)
    ]

    assert policies.approve(session, one.public_id, kind=kind, known={}, by="li") > past
    with pytest.raises(StateConflict, match="at this instant"):
        policies.approve(session, two.public_id, kind=kind, known={}, by="li")


def test_a_policy_that_is_rejected_never_holds(session: Session) -> None:
    kind = unique("k")
    one = policies.propose(
        session, kind=kind, terms=FIRST, known={}, begins=None, by="mei", reason="test"
    )

    policies.reject(session, one.public_id, kind=kind, by="li", reason="不同意")

    assert policies.history(session, kind) == []
