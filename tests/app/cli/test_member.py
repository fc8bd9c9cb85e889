"""Members by command: enrolled once, masked by default, read in clear on record, frozen."""

from collections.abc import Callable

from app import audit
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.cli.conftest import Plaza
from tests.factories import make_merchant, new_phone, unique

Hire = Callable[..., Staff]


def test_a_member_is_enrolled_once_and_found_masked(plaza: Plaza, hire: Hire) -> None:
    login, phone, card = hire(Role.SUPPORT).login, new_phone(), unique("C")
    who = ("--phone", phone, "--card", card, "--name", "张小明", "--as", login)

    first = plaza.json("member", "enrol", *who)
    again = plaza.json("member", "enrol", *who)

    assert (first["created"], again["created"]) == (True, False)
    assert first["id"] == again["id"]
    for said in (phone, phone[-11:], card, first["id"]):
        found = plaza.json("member", "find", said)
        assert found["id"] == first["id"]
        assert (found["phone"], found["name"]) == (f"{phone[3:6]}****{phone[-4:]}", "张*")
    assert phone[-11:] not in plaza("member", "show", first["id"])


def test_reading_in_clear_needs_a_name_and_a_reason_and_is_on_record(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    support, phone = hire(Role.SUPPORT), new_phone()
    member = plaza.json("member", "enrol", "--phone", phone, "--as", support.login)

    assert "--reveal" in plaza.refused("member", "show", member["id"], "--reveal")
    clear = plaza.json(
        "member", "show", member["id"], "--reveal", "--reason", "寄奖品", "--as", support.login
    )

    assert clear["phone"] == phone
    with database.transaction(plaza.district) as session:
        record = audit.list_records(session, about=member["id"])[0]
    assert (record.action, record.actor, record.reason, record.source) == (
        "member.reveal",
        support.public_id,
        "寄奖品",
        "cli",
    )


def test_a_marketer_may_not_read_in_clear(plaza: Plaza, hire: Hire) -> None:
    member = plaza.json("member", "enrol", "--phone", new_phone(), "--as", hire().login)

    refused = plaza.refused(
        "member", "show", member["id"], "--reveal", "--reason", "x",
        "--as", hire(Role.MARKETER).login,
    )  # fmt: skip

    assert "没有权限" in refused


def test_enrolling_at_a_merchant_makes_both_memberships(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    """S6: member of the district and of the merchant at once (双会员)."""
    with database.transaction(plaza.district) as session:
        code = make_merchant(session).code
    login, channel = hire().login, f"wechat:wxapp1:{unique('o')}"

    plaza(
        "member", "enrol", "--channel", channel, "--merchant", code, "--consent", "2026-1",
        "--as", login,
    )  # fmt: skip

    assert "--merchant" in plaza.refused(
        "member", "enrol", "--phone", new_phone(), "--consent", "1", "--as", login
    )
    assert "找不到" in plaza.refused(
        "member", "enrol", "--phone", new_phone(), "--merchant", "no", "--as", login
    )


def test_a_member_is_frozen_and_unfrozen_by_phone(plaza: Plaza, hire: Hire) -> None:
    login, phone = hire(Role.SUPPORT).login, new_phone()
    plaza("member", "enrol", "--phone", phone, "--as", login)
    why = ("--reason", f"来电 {phone}", "--as", login)

    plaza("member", "freeze", phone, *why)

    assert plaza.json("member", "find", phone)["status"] == "frozen"
    assert "frozen" in plaza.refused("member", "freeze", phone, *why)
    plaza("member", "unfreeze", phone, *why)
    assert plaza.json("member", "find", phone)["status"] == "active"


def test_a_birthday_is_kept_masked_and_corrected_on_record(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    """reliability §13"""
    support, phone = hire(Role.SUPPORT).login, new_phone()
    enrolled = plaza.json(
        "member", "enrol", "--phone", phone, "--birthday", "02-29", "--as", support
    )
    why = ("--reason", "本人更正", "--as", support)

    printed = plaza("member", "set-birthday", phone, "05-20", *why)

    assert enrolled["birthday"] == plaza.json("member", "find", phone)["birthday"] == "**-**"
    assert "05-20" not in printed
    clear = plaza.json("member", "show", enrolled["id"], "--reveal", *why)
    assert clear["birthday"] == "05-20"
    with database.transaction(plaza.district) as session:
        actions = [row.action for row in audit.list_records(session, about=enrolled["id"])]
    assert actions == ["member.reveal", "member.set_birthday", "member.enrol"]
    plaza("member", "set-birthday", phone, "none", *why)
    assert plaza.json("member", "find", phone)["birthday"] is None
    assert "没有权限" in plaza.refused(
        "member", "set-birthday", phone, "05-20", "--reason", "x",
        "--as", hire(Role.MARKETER).login,
    )  # fmt: skip
    assert "MM-DD" in plaza.refused("member", "set-birthday", phone, "02-30", *why)


def test_bad_input_is_refused_without_repeating_a_phone(plaza: Plaza, hire: Hire) -> None:
    login = hire().login

    bad = plaza.refused("member", "enrol", "--phone", "1380013800", "--as", login)
    nobody = plaza.refused("member", "find", "13700000001")
    nothing = plaza.refused("member", "enrol", "--name", "张", "--as", login)
    channel = plaza.refused("member", "enrol", "--channel", "wechat", "--as", login)

    assert "手机号须为" in bad
    assert "1380013800" not in bad
    assert "13700000001" not in nobody
    assert "需要手机号" in nothing
    assert "CHANNEL:APP:ID" in channel
