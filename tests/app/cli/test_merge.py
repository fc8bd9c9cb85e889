"""M4: merges by command: foreseen, asked for by one, agreed to by another, listed, undone."""

import re
from collections.abc import Callable

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.checkout.shops import give_points, open_shop, points_of
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, new_phone

Hire = Callable[..., Staff]
REQUEST = re.compile(r"chg_\w+")


def test_a_merge_is_done_by_two_and_undone_by_two(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    one, two = hire(Role.SUPPORT).login, hire(Role.SUPPORT).login
    phone = new_phone()
    with database.transaction(plaza.district) as session:
        loser, survivor = make_member(session, phone=phone), make_member(session)
        give_points(session, open_shop(session), loser, 70)
    merge = ("member", "merge")

    shown = plaza(*merge, "preview", phone, survivor.public_id)
    asked = plaza(*merge, "do", phone, survivor.public_id, "--reason", "本人换号", "--as", one)
    request = REQUEST.findall(asked)[0]
    assert "不能审批自己" in plaza.refused(*merge, "approve", request, "--as", one)
    done = plaza.json(*merge, "approve", request, "--as", two)

    assert "70" in shown
    assert (done["points"], done["loser"]) == (70, loser.public_id)
    assert plaza.json("member", "find", phone)["id"] == survivor.public_id
    listed = plaza(*merge, "list")
    assert f"{loser.public_id} → {survivor.public_id}" in listed
    asked = plaza(*merge, "undo", done["merge"], "--reason", "并非同一人", "--as", one)
    assert done["merge"] in plaza(*merge, "list")
    printed = plaza(*merge, "approve", REQUEST.findall(asked)[0], "--as", two)
    assert f"{loser.public_id} ← {survivor.public_id}" in printed
    assert plaza.json("member", "find", phone)["id"] == loser.public_id
    with database.transaction(plaza.district) as session:
        assert points_of(session, loser) == 70


def test_a_preview_says_what_is_held_and_a_request_is_turned_down(
    plaza: Plaza, hire: Hire, database: Database
) -> None:
    login = hire(Role.SUPPORT).login
    with database.transaction(plaza.district) as session:
        loser, survivor = make_member(session), make_member(session)
    names = (loser.public_id, survivor.public_id)

    foreseen = plaza.json("member", "merge", "preview", *names)
    asked = plaza("member", "merge", "do", *names, "--reason", "x", "--as", login)
    request = REQUEST.findall(asked)[0]
    plaza("member", "merge", "reject", request, "--reason", "x", "--as", login)

    assert (foreseen["lots"], foreseen["memberships"]) == ([], 0)
    assert request not in plaza("member", "merge", "list")
    assert "没有权限" in plaza.refused(
        "member", "merge", "do", *names, "--reason", "x", "--as", hire(Role.MARKETER).login
    )


def test_the_group_is_found_by_the_plural_too(plaza: Plaza, database: Database) -> None:
    with database.transaction(plaza.district) as session:
        loser, survivor = make_member(session), make_member(session)
    names = (loser.public_id, survivor.public_id)

    foreseen = plaza.json("members", "merge", "preview", *names)

    assert foreseen == plaza.json("member", "merge", "preview", *names)
    assert foreseen["tier"] == "basic"
