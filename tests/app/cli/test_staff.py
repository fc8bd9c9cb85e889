"""Staff by command: the first is an admin, and everybody acts under his own name (G1, G2)."""

from collections.abc import Callable
from dataclasses import replace

from app import audit
from app.clock import server_now
from app.merchants import credentials
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from migrations.run import create_district
from tests.app.cli.conftest import Plaza
from tests.factories import unique

Hire = Callable[..., Staff]


def test_the_first_staff_member_of_a_district_comes_without_a_sponsor(
    plaza: Plaza, owner_url: str
) -> None:
    fresh = unique("first").lower()
    create_district(owner_url, fresh, name="新商圈", sandbox=False)
    new = replace(plaza, district=fresh)

    refused = new.refused("staff", "add", "lin", "--name", "林溪", "--role", "support")
    added = new("staff", "add", "lin", "--name", "林溪", "--role", "admin")
    second = new.refused("staff", "add", "wang", "--name", "王珂", "--role", "admin")

    assert "第一位员工" in refused
    assert "✔ lin · 林溪 · admin · stf_" in added
    assert "--as" in second
    new("staff", "add", "wang", "--name", "王珂", "--role", "finance", "--as", "lin")
    listed = new.json("staff", "list")
    assert [(row["login"], row["roles"]) for row in listed] == [
        ("lin", ["admin"]),
        ("wang", ["finance"]),
    ]


def test_a_disabled_member_of_staff_acts_no_more(plaza: Plaza, hire: Hire) -> None:
    admin, leaver = hire(), hire()

    plaza("staff", "disable", leaver.login, "--reason", "离职", "--as", admin.login)

    refused = plaza.refused(
        "staff", "add", "x1", "--name", "x", "--role", "admin", "--as", leaver.login
    )
    assert "账号已停用" in refused


def test_a_role_that_does_not_allow_it_is_refused_and_put_on_record(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    marketer = hire(Role.MARKETER)

    refused = plaza.refused(
        "staff", "add", "x2", "--name", "x", "--role", "admin", "--as", marketer.login
    )

    assert "没有权限" in refused
    with database.transaction(plaza.district) as session:
        records = audit.list_records(session, about="permission:staff.write")
    assert f"login:{marketer.login}" in [row.actor for row in records]
    assert {row.source for row in records} == {"cli"}


def test_an_unknown_login_is_refused(plaza: Plaza) -> None:
    refused = plaza.refused("staff", "disable", "lin", "--reason", "x", "--as", "nobody-here")

    assert "找不到" in refused


def test_staff_are_enrolled_for_signing_in_with_a_password_that_is_no_word_of_the_command(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    """Reliability §11: shown once, and of use at once."""
    admin, new = hire(), hire(Role.MARKETER)
    words = ("staff", "enrol", new.login, "--as", admin.login)

    piped = plaza.typed("correct horse battery\n", *words, "--password-stdin")
    asked = plaza.typed("another horse battery\nanother horse battery\n", *words)
    weak = plaza.run(*words, "--password-stdin", typed="short\n")
    by_marketer = plaza.run(
        "staff", "enrol", admin.login, "--password-stdin", "--as", new.login, typed="x" * 12
    )

    assert piped.startswith("otpauth://totp/")
    uri = asked.splitlines()[-1]
    assert (weak[0], by_marketer[0]) == (1, 1)
    with database.transaction(plaza.district) as session:
        now = server_now(session)
        code = credentials.one_time_password(uri, at=now)
        known = credentials.prove(session, new.login, "another horse battery", code, now=now)
        assert known is not None
