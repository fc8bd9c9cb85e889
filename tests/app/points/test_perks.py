"""G1: limits of adjustments and gifts are agreed by two people."""

from dataclasses import replace

import pytest
from sqlalchemy.orm import Session

from app.errors import Invalid
from app.points.perks import PERKS, Perks
from config.database import now_of


def test_two_people_agree_on_limits(session: Session) -> None:
    wanted = replace(Perks(), gift_day_points=50)
    request = PERKS.propose(session, wanted, begins=None, by="mei", reason="test")

    PERKS.approve(session, request.public_id, by="li")

    assert PERKS.at(session, now_of(session)) == wanted
    assert [each for each, _ in PERKS.history(session)] == [wanted]


def test_limits_that_are_rejected_never_hold(session: Session) -> None:
    request = PERKS.propose(session, Perks(gift_day_points=1), begins=None, by="mei", reason="test")

    PERKS.reject(session, request.public_id, by="li", reason="太低")

    assert PERKS.at(session, now_of(session)) == Perks()


@pytest.mark.parametrize("fields", [{"gift_day_points": -1}, {"gift_cooling_days": 9_999}])
def test_limits_without_sense_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        Perks(**fields)
