"""`plaza settle` closes months for good, whatever is killed, and opens every figure."""

import os
import pwd
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from app.audit import list_records
from app.lab.digest import digest
from app.merchants.staff import get_active
from app.settlement.periods import list_closed
from config.database import Database
from config.settings import PROJECT
from ledger import upkeep
from migrations.run import create_district, drop_district
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.factories import make_member, make_staff

DISTRICT = "closing"
COPY = "undisturbed"
BEGAN = datetime(2017, 1, 10, 4, tzinfo=UTC)


@pytest.fixture
def closing(plaza: Plaza, database: Database, owner_url: str) -> Iterator[Plaza]:
    """A sandbox with sales in January and February 2017, by now in April, and staff `wang`."""
    create_district(owner_url, DISTRICT, name="结账", sandbox=True)
    with database.transaction(DISTRICT, at=BEGAN) as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2017, 5, 31))
        make_staff(session, login="wang")
        make_staff(session, login="lin")
        shops = [open_shop(session) for _ in range(4)]
        members = [make_member(session) for _ in range(3)]
    for day in range(40):
        at = BEGAN + timedelta(days=day)
        with database.transaction(DISTRICT, at=at) as session:
            shop = shops[day % 4]
            sold = shop.sell(
                session, members[day % 3], 1000 + 700 * day, burn=day % 7 if day > 2 else 0, at=at
            )
        if day % 5 == 4:
            with database.transaction(DISTRICT, at=at) as session:
                shop.refund(session, sold.public_id, at=at)
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "UPDATE public.district SET clock = '2017-04-05 12:00+08' WHERE id = 'closing'"
        )
    yield replace(plaza, district=DISTRICT)
    drop_district(owner_url, DISTRICT)


def test_a_month_is_closed_by_command_and_every_figure_opens(closing: Plaza) -> None:
    closed = closing.json("settle", "close", "--period", "2017-01", "--as", "wang")
    assert (closed["sum_points"], closed["sum_fen"]) == (0, 0)
    assert closing.json("settle", "list") == [closed]

    cells = closing.json("settle", "matrix", "--period", "2017-01")
    parties = closing.json("settle", "parties", "--period", "2017-01")

    assert sum(party["fen"] for party in parties) == 0
    assert sum(party["points"] for party in parties) == 0
    merchants = [party["name"] for party in parties if party["merchant"]]
    for name in merchants:
        words = ["--period", "2017-01", "--merchant", name]
        told = closing.json("settle", "statement", *words)
        assert told["net_fen"] == next(p["fen"] for p in parties if p["name"] == name)
        for figure in told["figures"]:
            behind = closing.json("settle", "entries", *words, "--caption", figure["caption"])
            assert sum(each["points"] for each in behind) == abs(figure["points"])
    assert sum(cell["points"] for cell in cells) > 0
    assert "合计 sum" in closing("settle", "parties", "--period", "2017-01")
    assert "期末 Closing" in closing("settle", "statement", *words)


def test_who_closes_is_the_staff_named_or_else_the_operating_system_user(
    closing: Plaza, database: Database
) -> None:
    """A timer on the server has no login; what it does is in the audit all the same."""
    closing("settle", "close", "--period", "2017-01")
    closing("settle", "close", "--period", "2017-02", "--as", "wang")

    with database.transaction(DISTRICT, read_only=True) as session:
        wang = get_active(session, "wang").public_id
        records = list_records(session, about="period:2017-01")
        closed = [period.closed_by for period in list_closed(session)]

    user = f"system:cli:{pwd.getpwuid(os.geteuid()).pw_name}"
    assert closed == [user, wang]
    assert [(row.actor, row.action) for row in records] == [(user, "settlement.close")]


def test_how_long_periods_are_is_agreed_by_command(closing: Plaza) -> None:
    words = ("settle", "periods", "propose", "--reason", "加快回款", "--as", "lin", "--set")
    assert closing.json("settle", "periods", "show") == {"every": "month"}
    assert "half-month" in closing.refused(*words, "every=day")
    told = closing(*words, "every=half-month", "--from", "2017-02-10T00:00:00+08:00")
    assert "plaza settle periods approve chg_" in told
    request = next(word for word in told.split() if word.startswith("chg_"))
    closing("settle", "periods", "approve", request, "--as", "wang")

    closing("settle", "close", "--period", "2017-01")
    assert "2017-02 is the next" in closing.refused("settle", "close", "--period", "2017-02-H1")
    closing("settle", "close", "--period", "2017-02")
    half = closing.json("settle", "close", "--period", "2017-03-H1")

    assert closing.json("settle", "periods", "show") == {"every": "half-month"}
    assert (half["period"], half["sum_points"], half["sum_fen"]) == ("2017-03-H1", 0, 0)
    assert closing.json("settle", "list")[-1] == half


def test_what_cannot_be_closed_is_refused_in_both_languages(closing: Plaza) -> None:
    words = ("settle", "close", "--as", "wang", "--period")

    assert "2017-01 is the next" in closing.refused(*words, "2017-02")
    closing(*words, "2017-01")
    assert "已结账" in closing.refused(*words, "2017-01")
    closing(*words, "2017-02")
    closing(*words, "2017-03")
    assert "次日 06:00" in closing.refused(*words, "2017-04")
    assert "2017-03" in closing.refused(*words, "spring")
    assert "closed-period" in closing.refused("settle", "parties", "--period", "2016-01")
    assert "没有结过账" not in closing("settle", "list")


def test_a_statement_is_disputed_adjusted_and_paid_by_command(
    closing: Plaza, tmp_path: Path
) -> None:
    closing("settle", "close", "--period", "2017-01", "--as", "wang")
    with_lin = ["--as", "lin"]
    parties = closing.json("settle", "parties", "--period", "2017-01")
    name = next(party["name"] for party in parties if party["merchant"] and party["fen"] < 0)
    words = ["--period", "2017-01", "--merchant", name]
    told = closing.json("settle", "statement", *words)
    row = ["--caption", "issued", "--yuan", "-0.05", "--reason", "重复", "--as", "wang"]

    number = closing("settle", "dispute", "open", *words, *row).split()[0]
    assert number in closing("settle", "dispute", "list", "--open")
    assert closing.json("settle", "statement", *words)["payable_fen"] == told["payable_fen"] + 5
    closing("settle", "dispute", "resolve", number, "--adjust", "0", "--reason", "无误", *with_lin)
    amount = f"{-told['payable_fen'] / 100:.2f}"
    closing("settle", "pay", *words, "--yuan", amount, "--reference", "B1", "--as", "wang")
    waits = closing(
        "settle", "adjust", "propose", "--merchant", name, "--yuan", "2", "--reason", "补", "--as",
        "wang",
    )  # fmt: skip
    closing("settle", "adjust", "approve", waits.split("approve ")[1].split()[0], *with_lin)

    paid = closing.json("settle", "statement", *words)
    page = tmp_path / "paid.html"
    closing("settle", "statement", *words, "--format", "html", "--out", str(page))
    assert (paid["state"], paid["payments"][0]["reference"]) == ("paid", "B1")
    assert "已结清" in closing("settle", "statement", *words)
    assert f"¥{amount} · B1" in page.read_text(encoding="utf-8")
    assert closing.json("settle", "dispute", "list")[0]["resolution"] == "无误"
    assert "不是金额" in closing.refused(
        "settle", "pay", *words, "--yuan", "x", "--reference", "B2", "--as", "wang"
    )


def test_a_close_that_is_killed_anywhere_ends_as_an_undisturbed_one(
    closing: Plaza, database: Database, owner_url: str, tmp_path: Path
) -> None:
    """Decision 1, O4: the same books, whether it was killed or not."""
    months = ("2017-01", "2017-02", "2017-03")
    file = tmp_path / "closing.tar"
    closing("district", "export", DISTRICT, str(file))
    closing("district", "import", str(file), "--as", COPY)
    undisturbed = replace(closing, district=COPY)
    for month in months:
        undisturbed("settle", "close", "--period", month, "--as", "wang")
    dice = random.Random(4)
    environ = {**os.environ, **closing.environ}
    kills = 0
    for month in months:
        for _ in range(3):
            words = ["--district", DISTRICT, "settle", "close", "--period", month, "--as", "wang"]
            with subprocess.Popen(
                [sys.executable, "-m", "app.cli", *words],
                cwd=PROJECT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            ) as running:  # fmt: skip
                time.sleep(dice.uniform(0.8, 2.5))
                kills += running.poll() is None
                running.kill()
        closing.run("settle", "close", "--period", month, "--as", "wang")
    sums = closing.json("settle", "list")

    assert kills > 0
    assert [each["period"] for each in sums] == list(months)
    assert all((each["sum_points"], each["sum_fen"]) == (0, 0) for each in sums)
    assert closing.json("audit")["audit"] == "ok"
    assert _digest(database, DISTRICT) == _digest(database, COPY)
    drop_district(owner_url, COPY)


def _digest(database: Database, district: str) -> str:
    with database.transaction(district, read_only=True) as session:
        return digest(session)
