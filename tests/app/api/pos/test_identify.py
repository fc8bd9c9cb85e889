"""M3, decision 24: who stands before the till, by member code, card or phone."""

from collections.abc import Mapping
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.clock import server_now
from app.members import codes, devices, seeds
from app.members.presence import Mode
from app.members.seeds import IssuedSeed
from config.database import Database
from tests.app.api.tills import Till
from tests.factories import make_member, new_phone, unique

AT = {"terminal_id": "T1", "cashier_id": "007"}


@pytest.fixture
def seed(database: Database, district: str) -> IssuedSeed:
    """The seed on a member's phone."""
    with database.transaction(district) as session:
        member, now = make_member(session, phone=new_phone(), name="张三"), server_now(session)
        device = devices.open_on(session, member=member, source="web", now=now)
        return seeds.issue(session, device, now=now)


def shown(database: Database, seed: IssuedSeed, mode: Mode) -> str:
    with database.transaction("test") as session:
        return codes.write(seed.seed, alias=seed.alias, mode=mode, at=server_now(session))


def identify(till: Till, **how: object) -> TestResponse:
    return till.post("/v1/pos/identify", {**AT, **how}, key="")


def told(answer: TestResponse, status: int) -> Mapping[str, Any]:
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json, dict)
    return answer.json


@pytest.mark.parametrize("mode", list(Mode))
def test_a_member_code_says_whether_points_may_be_burned(
    till: Till, database: Database, seed: IssuedSeed, mode: Mode
) -> None:
    found = told(identify(till, member_code=shown(database, seed, mode)), 201)

    assert (found["name"], found["may_burn"]) == ("张*", mode is Mode.SPEND)


def test_a_code_is_taken_once(till: Till, database: Database, seed: IssuedSeed) -> None:
    code = shown(database, seed, Mode.SPEND)
    told(identify(till, member_code=code), 201)

    again = told(identify(till, member_code=code), 409)

    assert again["code"] == "member-code-used"


def test_unknown_and_wrong_codes_are_answered_alike_and_counted(
    till: Till, database: Database, seed: IssuedSeed
) -> None:
    good = shown(database, seed, Mode.EARN)
    wrong = good[:-1] + str((int(good[-1]) + 1) % 10)

    answers = [identify(till, member_code=wrong) for _ in range(5)]
    answers.append(identify(till, member_code="91" + "0" * 18))
    dead = identify(till, member_code=good)
    many = [identify(till, member_code="134567890123456789") for _ in range(4)]

    bodies = [{**told(answer, 404), "instance": ""} for answer in [*answers, dead]]
    assert all(body == bodies[0] for body in bodies)
    assert [answer.status_code for answer in many] == [404, 404, 404, 429]
    assert 1 <= int(many[-1].headers["Retry-After"]) <= 60


def test_a_card_earns_alone(till: Till, database: Database, district: str) -> None:
    card = unique("C")
    with database.transaction(district) as session:
        make_member(session, card_number=card)

    found = told(identify(till, card_number=card), 201)

    assert (found["phone"], found["may_burn"]) == (None, False)


def test_nobody_and_two_at_once_are_refused(till: Till) -> None:
    assert told(identify(till), 400)["errors"][0]["code"] == "needs-one-of-code-card-phone"
    assert identify(till, phone=new_phone(), card_number="1").status_code == 400
    assert identify(till, card_number=unique("C")).status_code == 404
