"""C4-C7, C20, G1: templates, batches, codes and members' coupons by command."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.members import identification
from app.members.sealing import coupon_keys
from app.merchants.models import Staff
from app.merchants.staff import Role
from config.database import Database
from coupons import codes, issuing, templates
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.coupons.makers import make_template, use_up
from tests.coupons.test_offline import claimed
from tests.factories import make_member, new_phone, unique

Hire = Callable[..., Staff]
WINDOW = ("--from", "2026-01-01", "--to", "2099-01-01", "--reason", "开业")


@pytest.fixture
def phone(database: Database, district: str) -> str:
    number = new_phone()
    with database.transaction(district) as session:
        make_member(session, phone=number)
    return number


@pytest.fixture
def marketer(hire: Hire) -> str:
    return hire(Role.MARKETER).login


@pytest.fixture
def batch(plaza: Plaza, marketer: str, tmp_path: Path) -> str:
    """A batch of a hundred coupons at ¥50, opened by one person."""
    code, file = unique("B"), tmp_path / "template.json"
    template = make_template(limits={"total": 100, "per_member": 2})
    file.write_text(json.dumps(templates.dump(template)), encoding="utf-8")
    plaza("coupons", "template", "add", str(file), "--as", marketer)
    words = ("coupons", "batch", "open", code, "--template", template.code)
    plaza(*words, *WINDOW, "--as", marketer)
    return code


def test_a_coupon_is_made_out_for_a_store_by_command_and_the_wallet_tells(
    plaza: Plaza, database: Database, marketer: str, phone: str
) -> None:
    """C18: for whoever has no phone at hand; the token stands in no audit row."""
    with database.transaction("test") as session:
        member = identification.get_by_any(session, phone)
        coupon = claimed(session, member.public_id)
        store = open_shop(session).till.store
    words = ("coupons", "make-out", coupon, phone, "--store", store.code, "--as", marketer)

    said = plaza(*words)
    again = plaza.json(*words)

    assert "¥10.00" in said
    assert said.splitlines()[-1] == again["token"]
    assert (again["repeated"], again["store"]) == (True, store.public_id)
    assert f"离线 offline {store.public_id}" in plaza("coupons", "wallet", phone)
    (held,) = plaza.json("coupons", "wallet", phone)
    assert (held["standing"], held["made_out_for"]) == ("locked", store.public_id)
    with database.transaction("test") as session:
        kept = session.scalars(
            text("SELECT after::text FROM audit_record WHERE action = 'coupon.make-out'")
        ).all()
    assert any(coupon in each for each in kept)
    assert not any("OCT1" in each for each in kept)


def test_a_preset_becomes_a_batch_that_two_people_agree_to(
    plaza: Plaza, hire: Hire, marketer: str
) -> None:
    """A6, G1, E36"""
    code, run = unique("T"), unique("B")
    said = {"code": code, "title_zh": "满300减50", "title_en": "50 off", "fen": 5000,
            "min_fen": 30000, "days": 30, "total": 1000}  # fmt: skip
    words = [word for name, value in said.items() for word in ("--set", f"{name}={value}")]
    add = ("coupons", "template", "add", "--preset", "money-off", "--as", marketer)

    assert "v1" in plaza(*add, *words)
    assert "v2" in plaza(*add, *words[:-1], "total=900")
    assert "these are wanted" in plaza.refused(*add, *words[:-2])
    assert "whole number" in plaza.refused(*add, *words[:-1], "total=many")
    asked = plaza("coupons", "batch", "open", run, "--template", code, *WINDOW, "--as", marketer)
    request = next(word for word in asked.split() if word.startswith("chg_"))
    approve = ("coupons", "batch", "approve", request, "--as")
    assert run in plaza("coupons", "batch", "pending")
    assert "没有权限" in plaza.refused(*approve, marketer)
    plaza(*approve, hire(Role.FINANCE).login)

    assert run in plaza("coupons", "batch", "list")
    shown = plaza.json("coupons", "template", "show", code)
    assert [each["version"] for each in shown] == [2, 1]
    assert code in plaza("coupons", "template", "list")
    assert "满300减50" in plaza("coupons", "template", "show", code)
    assert code in {each["code"] for each in plaza.json("coupons", "template", "list")}
    retired = plaza("coupons", "template", "retire", code, "--reason", "下线", "--as", marketer)
    assert run in retired
    assert "停用" in plaza.refused(*add, *words)
    assert "closed" in plaza("coupons", "batch", "list")


def test_a_file_that_is_no_template_is_refused(plaza: Plaza, marketer: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    add = ("coupons", "template", "add", str(file), "--as", marketer)
    file.write_text("{", encoding="utf-8")
    assert "not JSON" in plaza.refused(*add)
    file.write_text('{"colour": "red"}', encoding="utf-8")
    assert "template.colour" in plaza.refused(*add)
    assert "--preset" in plaza.refused("coupons", "template", "add", "--as", marketer)


def test_a_member_claims_is_granted_and_called_back(
    plaza: Plaza, batch: str, marketer: str, phone: str, database: Database
) -> None:
    claim = ("coupons", "claim", batch, phone, "--as", marketer)

    first = plaza.json(*claim)[0]
    again = plaza.json(*claim)[0]
    granted = plaza(
        "coupons", "grant", batch, phone, "--key", "k1", "--reason", "补", "--as", marketer
    )
    over = plaza.refused(*claim, "-n", "3")
    held = plaza.json("coupons", "wallet", phone)

    assert (first["coupon"], first["repeated"]) == (again["coupon"], False)
    assert "had before" in plaza(*claim)
    assert "issued" in granted
    assert "上限" in over
    assert [each["standing"] for each in held] == ["usable", "usable"]
    assert first["coupon"] in plaza("coupons", "wallet", phone)
    other = next(each["coupon"] for each in held if each["coupon"] != first["coupon"])
    with database.transaction(plaza.district) as session:
        use_up(session, other)
    said = plaza("coupons", "void", first["coupon"], other, "--reason", "错发", "--as", marketer)
    assert "void 1" in said
    assert other in said
    stands = plaza.json("coupons", "batch", "show", batch)
    assert stands["coupons"] == {"used": 1, "void": 1}
    assert "issued" in plaza("coupons", "batch", "show", batch)
    plaza("coupons", "batch", "close", batch, "--reason", "停", "--as", marketer)
    assert plaza.json("coupons", "batch", "show", batch)["closed_why"] == "停"


def test_codes_are_made_again_to_the_same_file(
    plaza: Plaza, batch: str, marketer: str, tmp_path: Path
) -> None:
    """C5: killed anywhere, run again: same count, file complete."""
    file = tmp_path / "codes.txt"
    make = ("coupons", "codes", "make", batch, "--name", "r1", "--count", "100",
            "--file", str(file), "--as", marketer)  # fmt: skip
    plaza(*make)
    whole = file.read_bytes()

    file.write_bytes(whole[:1_000])
    plaza(*make)
    again = file.read_bytes()
    file.unlink()
    plaza(*make)

    assert again == whole == file.read_bytes()
    assert len(set(whole.split())) == 100
    assert file.stat().st_mode & 0o077 == 0
    file.write_text("x" * 100, encoding="utf-8")
    assert "something else" in plaza.refused(*make)
    assert "100 coupons" in plaza.refused(*make[:5], "r2", "--count", "101", *make[-4:])


def test_older_codes_are_foreseen_taken_over_and_called_back(
    plaza: Plaza, batch: str, marketer: str, database: Database, tmp_path: Path
) -> None:
    """C6, C20"""
    prefix, file = unique("OLD"), tmp_path / "old.txt"
    file.write_text("\n".join([f"{prefix}-1", f"{prefix}-2", f"{prefix}-1", ""]), encoding="utf-8")
    words = ("coupons", "codes", "import", batch, str(file), "--name", "legacy", "--as", marketer)

    dry = plaza.json(*words, "--dry-run")
    done = plaza.json(*words)
    again = plaza.json(*words)

    assert (dry["dry_run"], dry["imported"], dry["duplicate"]) == (True, 2, 1)
    assert (done["imported"], done["duplicate"]) == (2, 1)
    assert (again["imported"], again["already"], again["duplicate"]) == (0, 2, 1)
    with Path(done["verdicts"]).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["verdict"] for row in rows] == ["already", "already", "duplicate"]
    assert "already 2" in plaza(*words)
    void = ("coupons", "codes", "void", batch, "--reason", "失窃", "--as", marketer)
    with database.transaction(plaza.district) as session:
        keys = coupon_keys(session)
        used, held = [
            issuing.exchange(
                session, index=codes.index_of(keys, f"{prefix}-{n}".upper()), holder=f"mem_{n}"
            ).coupon
            for n in (1, 2)
        ]
        use_up(session, used)
    said = plaza(*void, "--name", "legacy")
    assert f"used {used}" in said
    assert "void 1" in said
    assert "void 0" in plaza(*void)
    assert held not in plaza(*void)


def test_who_may_not_is_refused(plaza: Plaza, hire: Hire, batch: str, phone: str) -> None:
    support = hire(Role.SUPPORT).login

    assert "没有权限" in plaza.refused("coupons", "claim", batch, phone, "--as", support)


def test_orders_are_made_to_give_coupons_and_stopped(
    plaza: Plaza, marketer: str, batch: str, tmp_path: Path
) -> None:
    """C7"""
    code, file = unique("G"), tmp_path / "conditions.json"
    file.write_text('{"who": {"tiers": ["gold"]}}', encoding="utf-8")
    words = ("coupons", "pay-gift", "open", code, "--batch", batch, "--least", "88.80")
    asked = (*words, "--conditions", str(file), *WINDOW, "--as", marketer)

    assert "¥88.80" in plaza(*asked)
    assert code in {each["code"] for each in plaza.json("coupons", "pay-gift", "list")}
    plaza("coupons", "pay-gift", "end", code, "--reason", "够了", "--as", marketer)

    (line,) = [
        each for each in plaza("coupons", "pay-gift", "list").splitlines() if each.startswith(code)
    ]
    assert "已停止" in line
    file.write_text("[]", encoding="utf-8")
    assert "an object is wanted" in plaza.refused(*asked)
    file.write_text("{", encoding="utf-8")
    assert "not JSON" in plaza.refused(*asked)


def test_issued_coupons_follow_a_kinder_version_that_two_people_agree_to(
    plaza: Plaza, *, hire: Hire, marketer: str, batch: str, phone: str, tmp_path: Path
) -> None:
    """Semantics 42: approved again, it goes on where it was stopped."""
    plaza("coupons", "claim", batch, phone, "--as", marketer)
    other = hire(Role.FINANCE).login
    (held,) = plaza.json("coupons", "wallet", phone)
    document = plaza.json("coupons", "template", "show", held["template"])[0]["template"]
    document["offer"]["benefit"]["fen"] = 6_000
    file = tmp_path / "kinder.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    plaza("coupons", "template", "add", str(file), "--as", marketer)

    words = ("coupons", "renewal", "propose", batch, "--reason", "加码", "--as", marketer)
    proposed = plaza(*words)
    request = next(word for word in proposed.split() if word.startswith("chg_"))
    pending = plaza("coupons", "renewal", "pending")
    first = plaza("coupons", "renewal", "approve", request, "--as", other)
    again = plaza("coupons", "renewal", "approve", request, "--as", other)

    assert "offer.benefit.fen: 5000 → 6000" in proposed
    assert request in pending
    assert "1 张" in first
    assert "0 张" in again
    (held,) = plaza.json("coupons", "wallet", phone)
    assert held["version"] == 2
