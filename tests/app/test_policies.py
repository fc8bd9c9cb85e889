"""G1: a policy of the district is agreed by two, follows the one before, and is never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.approvals import SamePerson
from app.errors import StateConflict
from app.policies import Policy
from config.database import now_of
from tests.factories import unique


@dataclass(frozen=True)
class Limit:
    """Terms of one number."""

    limit: int = 0

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def read(written: Mapping[str, Any]) -> Limit:
    return Limit(**written)


@pytest.fixture
def policy() -> Policy[Limit]:
    """A kind of policy that nobody has agreed on yet."""
    return Policy(kind=unique("k"), default=Limit(), read=read)


def test_two_people_agree_and_the_newest_comes_first(
    session: Session, policy: Policy[Limit]
) -> None:
    one = policy.propose(session, Limit(5), begins=None, by="mei", reason="test")
    with pytest.raises(SamePerson):
        policy.approve(session, one.public_id, by="mei")
    begins = policy.approve(session, one.public_id, by="li")

    assert begins == now_of(session)
    assert policy.at(session, begins) == policy.proposed(one) == Limit(5)
    assert policy.at(session, begins - timedelta(seconds=1)) == Limit()
    assert [(terms, each.request.reason) for terms, each in policy.history(session)] == [
        (Limit(5), "test")
    ]


def test_what_was_proposed_over_another_policy_is_stale(
    session: Session, policy: Policy[Limit]
) -> None:
    one, two = [
        policy.propose(session, Limit(n), begins=None, by="mei", reason="test") for n in (1, 2)
    ]
    policy.approve(session, one.public_id, by="li")

    with pytest.raises(StateConflict, match="propose it anew"):
        policy.approve(session, two.public_id, by="li")


def test_a_policy_never_begins_in_the_past_nor_twice_at_one_instant(
    session: Session, policy: Policy[Limit]
) -> None:
    past, later = now_of(session) - timedelta(days=1), now_of(session) + timedelta(days=1)
    one = policy.propose(session, Limit(5), begins=past, by="mei", reason="test")
    assert policy.approve(session, one.public_id, by="li") > past

    two, three = [
        policy.propose(session, Limit(6), begins=later, by="mei", reason="test") for _ in range(2)
    ]
    policy.approve(session, two.public_id, by="li")
    with pytest.raises(StateConflict, match="at this instant"):
        policy.approve(session, three.public_id, by="li")


def test_a_policy_that_is_rejected_never_holds(session: Session, policy: Policy[Limit]) -> None:
    one = policy.propose(session, Limit(5), begins=None, by="mei", reason="test")

    policy.reject(session, one.public_id, by="li", reason="不同意")

    assert policy.history(session) == []
    assert policy.at(session, now_of(session)) == Limit()
