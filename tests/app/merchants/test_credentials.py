"""Reliability §11, §12, §14: staff sign in by password and a code that is good once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import audit
from app.audit import AuditRecord
from app.clock import server_now
from app.errors import Invalid, NotFound, StateConflict, TooOften
from app.merchants import credentials, staff, staff_sessions
from app.merchants.errors import NotPermitted
from app.merchants.models import Staff, StaffCredential, StaffSession
from app.merchants.staff import Permission
from app.merchants.staff_sessions import Ending
from config.database import Database
from config.keys import hotp
from tests.factories import make_staff, unique

PASSWORD = "correct horse battery"
SECOND = timedelta(seconds=1)
STEP = timedelta(seconds=credentials.STEP_SECONDS)


def enrolled(session: Session) -> tuple[Staff, str]:
    """Return a new staff member and the address that his authenticator app has read."""
    new = make_staff(session)
    made = credentials.enrol(
        session, new.login, PASSWORD, by=new.public_id, now=server_now(session)
    )
    return new, made.uri


def test_hotp_over_sha_1_is_that_of_the_rfc() -> None:
    """RFC 6238 appendix B."""
    assert hotp(b"12345678901234567890", 59 // 30, digits=8, digest="sha1") == "94287082"


def test_the_address_is_one_that_authenticator_apps_read(session: Session) -> None:
    new, uri = enrolled(session)

    assert uri.startswith(f"otpauth://totp/Plaza%20test%3A{new.login}?secret=")
    assert uri.endswith("&issuer=Plaza%20test&algorithm=SHA1&digits=6&period=30")
    assert len(uri.partition("secret=")[2].partition("&")[0]) == 32


def test_a_code_signs_in_once_and_never_an_older_one(session: Session) -> None:
    new, uri = enrolled(session)
    now = server_now(session)
    code, before = (credentials.one_time_password(uri, at=at) for at in (now, now - STEP))

    first = credentials.prove(session, new.login, PASSWORD, code, now=now)
    again = credentials.prove(session, new.login, PASSWORD, code, now=now)
    older = credentials.prove(session, new.login, PASSWORD, before, now=now)
    later = credentials.prove(
        session, new.login, PASSWORD, credentials.one_time_password(uri, at=now + STEP),
        now=now + STEP,
    )  # fmt: skip

    assert first is later is new
    assert (again, older) == (None, None)


def test_a_code_two_steps_off_does_not_hold(session: Session) -> None:
    new, uri = enrolled(session)
    now = server_now(session)

    for off in (-2 * STEP, 2 * STEP):
        code = credentials.one_time_password(uri, at=now + off)
        assert credentials.prove(session, new.login, PASSWORD, code, now=now) is None


def test_whatever_is_wrong_is_answered_alike_and_put_on_record(session: Session) -> None:
    new, uri = enrolled(session)
    leaver, leavers_uri = enrolled(session)
    never = make_staff(session)
    now = server_now(session)
    code = credentials.one_time_password(uri, at=now)
    staff.disable(session, leaver.login, by=new.public_id, reason="离职")

    answers = [
        credentials.prove(session, new.login, "wrong horse battery", code, now=now),
        credentials.prove(session, new.login, PASSWORD, "000000", now=now),
        credentials.prove(session, unique("nobody"), PASSWORD, code, now=now),
        credentials.prove(session, never.login, PASSWORD, code, now=now),
        credentials.prove(
            session, leaver.login, PASSWORD,
            credentials.one_time_password(leavers_uri, at=now), now=now,
        ),
    ]  # fmt: skip

    assert answers == [None] * 5
    refused = session.scalars(
        select(AuditRecord).where(AuditRecord.action == "staff.sign_in_refused")
    ).all()
    assert [row.actor for row in refused[-5:]].count(new.public_id) == 2
    assert all(new.login not in row.object for row in refused)


def test_after_five_refusals_a_name_waits_whether_anybody_has_it_or_not(session: Session) -> None:
    new, uri = enrolled(session)
    now = server_now(session)
    right = credentials.one_time_password(uri, at=now)

    for login in (new.login, unique("nobody")):
        for _ in range(credentials.MISSES):
            credentials.prove(session, login, "wrong horse battery", "000000", now=now)
        with pytest.raises(TooOften) as told:
            credentials.prove(session, login, PASSWORD, right, now=now)
        assert told.value.seconds == 900

    later = now + credentials.WINDOW + SECOND
    code = credentials.one_time_password(uri, at=later)
    assert credentials.prove(session, new.login, PASSWORD, code, now=later) is new


def test_refusals_are_forgotten_after_a_day(session: Session) -> None:
    now = server_now(session)
    credentials.prove(session, unique("nobody"), PASSWORD, "000000", now=now)

    assert credentials.purge(session, now=now + timedelta(hours=23)) == 0
    assert credentials.purge(session, now=now + timedelta(hours=25)) >= 1


def test_enrolling_anew_ends_what_there_was(session: Session) -> None:
    new, uri = enrolled(session)
    now = server_now(session)
    opened = staff_sessions.open_for(session, new, now=now)

    fresh = credentials.enrol(session, new.login, "another horse", by=new.public_id, now=now)

    key = staff_sessions.hash_of(opened.token)
    assert staff_sessions.find(session, key, now=now) is None
    code = credentials.one_time_password(uri, at=now)
    assert credentials.prove(session, new.login, PASSWORD, code, now=now) is None
    fresh_code = credentials.one_time_password(fresh.uri, at=now)
    assert credentials.prove(session, new.login, "another horse", fresh_code, now=now) is new
    assert audit.list_records(session, about=new.public_id)[0].action == "staff.enrol"


def test_weak_passwords_and_absent_or_disabled_staff_are_refused(session: Session) -> None:
    admin, leaver = make_staff(session), make_staff(session)
    staff.disable(session, leaver.login, by=admin.public_id, reason="离职")
    now = server_now(session)

    for password in ("elevenchars", "x" * 201, f"{admin.login}-2026-abc"):
        with pytest.raises(Invalid, match="password"):
            credentials.enrol(session, admin.login, password, by=admin.public_id, now=now)
    with pytest.raises(NotFound):
        credentials.enrol(session, "nobody-here", PASSWORD, by=admin.public_id, now=now)
    with pytest.raises(StateConflict):
        credentials.enrol(session, leaver.login, PASSWORD, by=admin.public_id, now=now)


def test_neither_password_nor_key_nor_token_is_kept_in_clear(session: Session) -> None:
    """Reliability §11, §13"""
    new, uri = enrolled(session)
    opened = staff_sessions.open_for(session, new, now=server_now(session))

    kept = session.scalars(select(StaffCredential).where(StaffCredential.staff_id == new.id)).one()
    row = session.scalars(select(StaffSession).where(StaffSession.staff_id == new.id)).one()

    assert PASSWORD.encode() not in kept.password_hash + kept.totp_key + kept.salt
    assert len(kept.totp_key) == 12 + 20 + 16
    assert row.token_hash == staff_sessions.hash_of(opened.token)
    assert opened.token not in repr(opened)
    assert "secret" not in repr(credentials.Enrolled(uri=uri))


def test_a_staff_member_has_one_credential_at_a_time(session: Session) -> None:
    new, _ = enrolled(session)
    session.add(
        StaffCredential(
            staff_id=new.id, salt=bytes(16), password_hash=bytes(32), totp_key=b"", key_version=1,
            last_step=0, made_at=server_now(session),
        )
    )  # fmt: skip

    with pytest.raises(IntegrityError, match="staff_credential_staff_id_key"):
        session.flush()


def test_a_session_ends_after_half_an_hour_without_a_request_and_after_eight_in_any_case(
    session: Session,
) -> None:
    """Reliability §11"""
    new = make_staff(session)
    now = server_now(session)
    key = staff_sessions.hash_of(staff_sessions.open_for(session, new, now=now).token)
    half = staff_sessions.IDLE

    assert staff_sessions.find(session, key, now=now + half - SECOND) is not None
    assert staff_sessions.find(session, key, now=now + half) is None
    at = now
    while at + half < now + staff_sessions.LONGEST:
        at += half - SECOND
        live = staff_sessions.find(session, key, now=at)
        assert live is not None
        staff_sessions.note_seen(session, live, now=at)
    assert staff_sessions.find(session, key, now=now + staff_sessions.LONGEST) is None


def test_a_session_ends_with_signing_out_and_with_the_rights_of_its_staff_member(
    session: Session,
) -> None:
    admin, leaver = make_staff(session), make_staff(session)
    now = server_now(session)
    keys = [
        staff_sessions.hash_of(staff_sessions.open_for(session, each, now=now).token)
        for each in (admin, leaver)
    ]
    live = staff_sessions.find(session, keys[0], now=now)
    assert live is not None

    staff_sessions.end(session, live.id, why=Ending.SIGNED_OUT, now=now)
    staff.disable(session, leaver.login, by=admin.public_id, reason="离职")

    assert [staff_sessions.find(session, key, now=now) for key in keys] == [None, None]
    ended = session.scalars(select(StaffSession.ended_why).where(StaffSession.ended_at == now))
    assert "signed_out" in ended.all()


def test_a_token_names_its_district_and_nothing_else_does(session: Session) -> None:
    opened = staff_sessions.open_for(session, make_staff(session), now=server_now(session))

    assert staff_sessions.district_of_token(opened.token) == "test"
    for other in ("", "st_test_short", opened.token + "x", f"rt{opened.token[2:]}"):
        assert staff_sessions.district_of_token(other) is None


def test_of_two_who_send_one_code_at_once_one_is_signed_in(
    database: Database, district: str
) -> None:
    with database.transaction(district) as session:
        new, uri = enrolled(session)
        login, now = new.login, server_now(session)
    code, start = credentials.one_time_password(uri, at=now), Barrier(4)

    def sign_in(_: int) -> bool:
        start.wait()
        try:
            with database.transaction(district) as session:
                return credentials.prove(session, login, PASSWORD, code, now=now) is not None
        except TooOften:
            return False

    with ThreadPoolExecutor(4) as threads:
        came = list(threads.map(sign_in, range(4)))

    assert came.count(True) == 1


def test_everybody_who_reads_coupons_may_and_nobody_else_writes(session: Session) -> None:
    auditor = make_staff(session, roles=[staff.Role.AUDITOR])

    staff.require(auditor, Permission.COUPON_READ)
    with pytest.raises(NotPermitted):
        staff.require(auditor, Permission.COUPON_WRITE)
