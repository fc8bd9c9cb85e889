"""C2: lists of members by command."""

from collections.abc import Callable
from pathlib import Path

from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, new_phone, unique


def test_a_list_is_put_in_and_taken_out_with_a_verdict_for_every_line(
    plaza: Plaza, database: Database, hire: Callable[..., Staff], tmp_path: Path
) -> None:
    login, code, phone = hire(Role.MARKETER).login, unique("vip"), new_phone()
    with database.transaction("test") as session:
        make_member(session, phone=phone)
    people = tmp_path / "people.txt"
    people.write_text(f"\ufeff{phone}\n\n{new_phone()}\n", encoding="utf-8")

    plaza("segment", "open", code, "--title", "贵宾", "VIP", "--as", login)
    put = plaza.json("segment", "put", code, str(people), "--as", login)
    verdicts = (tmp_path / "people.verdicts.csv").read_text(encoding="utf-8").split()
    listed = next(each for each in plaza.json("segment", "list") if each["code"] == code)
    out = plaza("segment", "take-out", code, str(people), "--as", login)

    assert (put["added"], put["unknown"]) == (1, 1)
    assert verdicts == ["line,verdict", "1,added", "3,unknown"]
    assert (listed["members"], listed["title_zh"]) == (1, "贵宾")
    assert "removed 1 · unknown 1" in out
    assert code in plaza("segment", "list")


def test_whoever_may_not_write_coupons_may_not_write_segments(
    plaza: Plaza, hire: Callable[..., Staff]
) -> None:
    words = ("segment", "open", unique("vip"), "--title", "贵宾", "VIP")

    refused = plaza.refused(*words, "--as", hire(Role.SUPPORT).login)

    assert "coupon.write" in refused
