"""Issue 3, reliability §9, §11, §12: signing in, going on and signing out, through the door."""

import base64
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app import audit
from app.clock import business_date, server_now
from app.factory import create_app
from app.members import codes, freezing, sign_in
from app.members.identification import find_by_phone, get_by_public_id
from app.members.presence import Mode
from app.members.purposes import Purpose, current_text
from config.database import Database
from config.settings import Settings
from tests.app.api.phones import Phone, new_member, told
from tests.app.api.tills import Till
from tests.factories import make_member, new_phone, unique

AT = {"terminal_id": "T1", "cashier_id": "007"}


@pytest.fixture
def stranger(client: FlaskClient) -> Phone:
    """A phone that nobody knows."""
    return Phone(client=client, number=new_phone(), address=unique("10."))


def test_an_unknown_phone_becomes_a_member_with_consent(
    stranger: Phone, database: Database
) -> None:
    """S1, M8: the consent is kept with the version of the text."""
    code = stranger.code()

    bare = told(stranger.sign_in(code=code), 403)
    version = bare["detail"].partition("版本 ")[2].partition("）")[0]
    joined = told(stranger.sign_in(code=code, consent_version=version, source="wechat"), 200)

    assert bare["code"] == "consent-required"
    assert joined["is_new_member"] is True
    with database.transaction("test") as session:
        kept = session.execute(
            text(
                "SELECT m.source, c.purpose, c.decision, c.text_version, c.evidence ->> 'door'"
                " FROM consent c JOIN member m ON m.id = c.member_id WHERE m.public_id = :id"
            ),
            {"id": stranger.member(database).public_id},
        ).one()
    assert tuple(kept) == ("wechat", "membership", "given", version, "sign-in")


def test_a_known_phone_signs_in_to_its_member(stranger: Phone, database: Database) -> None:
    with database.transaction("test") as session:
        member = make_member(session, phone=stranger.number)

    joined = told(stranger.sign_in(code=stranger.code()), 200)

    assert joined["is_new_member"] is False
    assert joined["expires_in_seconds"] == 900
    assert stranger.member(database) == member


def test_known_and_unknown_phones_are_answered_alike(
    stranger: Phone, phone: Phone, database: Database
) -> None:
    with database.transaction("test") as session:
        known = dataclasses.replace(stranger, number=new_phone())
        make_member(session, phone=known.number)

    asked = [told(each.post("sign-in/code", {"district": "test", "phone": each.number}), 201)
             for each in (stranger, known)]  # fmt: skip
    wrong = [told(each.sign_in(code="000000" if said["code"] != "000000" else "111111"), 401)
             for each, said in zip((stranger, known), asked, strict=True)]  # fmt: skip

    assert [set(said) for said in asked] == [{"until", "code"}] * 2
    assert [{**said, "instance": ""} for said in wrong] == [{**wrong[0], "instance": ""}] * 2
    assert wrong[0]["code"] == "unauthenticated"


def test_a_code_is_shown_in_a_demonstration_alone(settings: Settings, database: Database) -> None:
    """Else it lies in the outbox, by its id: no phone and no code is in the news."""
    app = create_app(settings)
    phone = Phone(client=app.test_client(), number=new_phone(), address=unique("10."))

    said = told(phone.post("sign-in/code", {"district": "test", "phone": phone.number}), 201)
    app.extensions["plaza"].close()

    assert said["code"] is None
    with database.transaction("test") as session:
        payload = session.scalar(
            text("SELECT payload FROM outbox WHERE topic = 'sign_in.code_made'"
                 " ORDER BY id DESC LIMIT 1")
        )  # fmt: skip
    assert list(payload) == ["code"]
    assert payload["code"].startswith("sic_")


def test_a_phone_gets_one_code_a_minute_and_an_address_twenty_an_hour(stranger: Phone) -> None:
    stranger.code()
    again = stranger.post("sign-in/code", {"district": "test", "phone": stranger.number})
    others = [
        dataclasses.replace(stranger, number=new_phone()).post(
            "sign-in/code", {"district": "test", "phone": new_phone()}
        ).status_code
        for _ in range(9)
    ]  # fmt: skip

    assert told(again, 429)["code"] == "rate-limited"
    assert 50 <= int(again.headers["Retry-After"]) <= 60
    assert others == [201] * 8 + [429]


def test_a_wrong_code_counts_although_it_is_refused(stranger: Phone) -> None:
    good = stranger.code()
    wrong = "000000" if good != "000000" else "111111"

    answers = [stranger.sign_in(code=wrong) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [401] * 5
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert stranger.sign_in(code=good, consent_version="2026-11").status_code == 401


def test_a_code_is_good_once(phone: Phone, client: FlaskClient) -> None:
    other = Phone(client=client, number=new_phone(), address=unique("10."))
    code = other.code()
    other.signed_in(other.sign_in(code=code, consent_version="2026-11"))

    assert other.sign_in(code=code).status_code == 401


def test_a_refresh_token_is_changed_for_the_next_and_its_reuse_ends_the_session(
    phone: Phone,
) -> None:
    """Reliability §11: reuse means that somebody else has it."""
    bare = dataclasses.replace(phone, access="")
    renewed = bare.signed_in(bare.post("tokens", {"refresh_token": phone.refresh}))
    before = renewed.post("code-seed").status_code

    reused = told(bare.post("tokens", {"refresh_token": phone.refresh}), 401)

    assert before == 201
    assert reused["code"] == "unauthenticated"
    assert bare.post("tokens", {"refresh_token": renewed.refresh}).status_code == 401
    assert renewed.post("code-seed").status_code == 401
    assert phone.post("code-seed").status_code == 401


@pytest.mark.parametrize("token", ["nonsense", "rt_test_" + "a" * 43, "rt_mars_" + "a" * 43])
def test_tokens_that_nobody_issued_are_refused(phone: Phone, token: str) -> None:
    answer = dataclasses.replace(phone, access="").post("tokens", {"refresh_token": token})

    assert answer.status_code in (401, 404)


def test_signing_out_ends_this_device_and_everywhere_all(phone: Phone) -> None:
    bare = dataclasses.replace(phone, access="")
    renewed = bare.signed_in(bare.post("tokens", {"refresh_token": phone.refresh}))

    assert told(renewed.post("sign-out")) == {"signed_out": True}

    assert renewed.get("burns").status_code == 401
    assert bare.post("tokens", {"refresh_token": renewed.refresh}).status_code == 401


def test_signing_out_everywhere_ends_every_device(phone: Phone, database: Database) -> None:
    with database.transaction("test") as session:
        later = server_now(session) + timedelta(minutes=1)
        code = sign_in.make_code(session, phone.number, now=later, sends=False).code
    second = phone.signed_in(phone.sign_in(code=code))
    both = [each.get("burns").status_code for each in (phone, second)]

    second.post("sign-out-everywhere")

    assert both == [200, 200]
    assert [each.get("burns").status_code for each in (phone, second)] == [401, 401]


def test_the_phone_makes_codes_that_the_till_knows(phone: Phone, till: Till) -> None:
    """M3: from the seed to the till, with the phone offline in between."""
    said = told(phone.post("code-seed"), 201)
    seed = base64.b64decode(said["seed"])
    at = datetime.fromisoformat(said["server_time"]).astimezone(UTC)
    code = codes.write(seed, alias=said["alias"], mode=Mode.SPEND, at=at)

    found = till.post("/v1/pos/identify", {**AT, "member_code": code}, key="")
    phone.post("sign-out")
    later = codes.write(seed, alias=said["alias"], mode=Mode.EARN, at=at)
    gone = till.post("/v1/pos/identify", {**AT, "member_code": later}, key="")

    assert told(found, 201)["may_burn"] is True
    assert gone.status_code == 404


def test_the_seed_is_in_no_stored_answer(phone: Phone, database: Database) -> None:
    key = unique("idem-key-")
    phone.post("code-seed", key=key)

    with database.transaction("test") as session:
        stored = session.scalar(
            text("SELECT count(*) FROM idempotency WHERE key = :key"), {"key": key}
        )
    assert stored == 0


def test_another_member_s_burn_is_no_burn(phone: Phone, client: FlaskClient) -> None:
    assert told(phone.get("burns")) == {"burns": []}
    assert new_member(client).post(f"burns/brn_{'0' * 26}/confirm").status_code == 404


def test_a_recycled_number_gives_its_new_holder_an_account_of_his_own(
    stranger: Phone, database: Database
) -> None:
    """Semantics 47 (号码回收): the code proves who holds it now; nothing of the former one goes."""
    with database.transaction("test") as session:
        former = make_member(session, phone=stranger.number, name="张三")
    version, code = current_text(Purpose.MEMBERSHIP).version, stranger.code()

    bare = told(stranger.sign_in(code=code, as_new_member=True), 403)
    joined = told(stranger.sign_in(code=code, as_new_member=True, consent_version=version), 200)

    newcomer = stranger.member(database)
    phone = dataclasses.replace(stranger, access=joined["access_token"])
    profile = told(phone.get("profile"))
    assert bare["code"] == "consent-required"
    assert joined["is_new_member"] is True
    assert newcomer.id != former.id
    assert profile["name"] is None
    with database.transaction("test") as session:
        assert get_by_public_id(session, former.public_id).status == "parked"
        (parked, *_) = audit.list_records(session, about=former.public_id)
    assert (parked.action, parked.actor) == ("member.park", "system:sign_in")


def test_who_is_frozen_does_not_begin_anew(stranger: Phone, database: Database) -> None:
    with database.transaction("test") as session:
        member = make_member(session, phone=stranger.number)
        freezing.freeze(session, member.public_id, by="stf_lin", reason="调查")
    version = current_text(Purpose.MEMBERSHIP).version

    answer = stranger.sign_in(code=stranger.code(), as_new_member=True, consent_version=version)

    assert told(answer, 409)["code"] == "state-conflict"
    with database.transaction("test") as session:
        assert get_by_public_id(session, member.public_id).status == "frozen"


def test_a_number_that_nobody_had_simply_joins(stranger: Phone) -> None:
    version = current_text(Purpose.MEMBERSHIP).version

    joined = stranger.sign_in(code=stranger.code(), as_new_member=True, consent_version=version)

    assert told(joined, 200)["is_new_member"] is True


def test_a_child_does_not_become_a_member_alone(stranger: Phone, database: Database) -> None:
    """Reliability §13: under 14 a guardian comes to the counter; nothing is kept of the try."""
    version, code = current_text(Purpose.MEMBERSHIP).version, stranger.code()
    year = business_date(datetime.now(UTC)).year

    young = stranger.sign_in(code=code, consent_version=version, birthday=f"{year - 13}-01-01")
    with database.transaction("test") as session:
        nobody = find_by_phone(session, stranger.number)
    old = stranger.sign_in(code=code, consent_version=version, birthday=f"{year - 15}-12-31")

    assert told(young, 422)["code"] == "rule-not-met"
    assert nobody is None
    assert told(old, 200)["is_new_member"] is True
    assert told(stranger.signed_in(old).get("profile"))["birthday"] == "**-**"
