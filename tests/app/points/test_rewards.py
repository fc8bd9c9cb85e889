"""E6, G1: two people agree what members get without buying, and which merchant bears it."""

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid, NotFound
from app.points import rewards
from app.points.rewards import Rewards
from config.database import now_of
from tests.app.checkout.shops import open_shop
from tests.app.points.rewarding import agree


def test_two_people_agree_and_the_issuer_is_found_by_its_code(session: Session) -> None:
    shop = open_shop(session)
    wanted = Rewards(issuer=shop.merchant.code, check_in_points=(1, 2))
    request = rewards.propose(session, wanted, begins=None, by="mei", reason="test")

    rewards.REWARDS.approve(session, request.public_id, by="li")

    agreed = rewards.REWARDS.at(session, now_of(session))
    assert (agreed.issuer, agreed.check_in_points) == (shop.merchant.public_id, (1, 2))
    assert rewards.issuer_of(session, agreed) == shop.merchant
    assert [each for each, _ in rewards.REWARDS.history(session)] == [agreed]


def test_nothing_is_given_before_anybody_agreed(session: Session) -> None:
    assert rewards.REWARDS.at(session, now_of(session)) == Rewards()
    assert rewards.issuer_of(session, Rewards()) is None


def test_what_is_rejected_never_holds(session: Session) -> None:
    request = rewards.propose(session, Rewards(claim_days=3), begins=None, by="mei", reason="test")

    rewards.REWARDS.reject(session, request.public_id, by="li", reason="太短")

    assert rewards.REWARDS.at(session, now_of(session)).claim_days == 7


def test_points_go_round_the_cycle(session: Session) -> None:
    agree(session, open_shop(session), check_in_points=(1, 2, 5))

    agreed = rewards.REWARDS.at(session, now_of(session))

    assert [agreed.points_of(day) for day in range(1, 8)] == [1, 2, 5, 1, 2, 5, 1]
    assert Rewards().points_of(1) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"check_in_points": (1,)},
        {"referrer_points": 5},
        {"issuer": "M", "check_in_points": (-1,)},
        {"issuer": "M", "check_in_points": (0,) * 367},
        {"claim_tries_a_day": 0},
        {"check_in_missed_days": 31},
    ],
)
def test_a_policy_without_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Rewards(**fields)  # type: ignore[arg-type]


def test_a_merchant_that_there_is_not_bears_nothing(session: Session) -> None:
    with pytest.raises(NotFound):
        rewards.propose(session, Rewards(issuer="nobody"), begins=None, by="mei", reason="test")
