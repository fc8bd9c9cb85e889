"""`plaza settle statement` and `vouchers` write whole files or none (L5, R4, O2)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from app.cli.settle.closing import close_span
from app.settlement.spans import Span
from config.database import Database
from ledger import upkeep
from migrations.run import create_district, drop_district
from tests.app.checkout.shops import open_shop
from tests.app.cli.conftest import Plaza
from tests.app.settlement.papers.reading import html_lines, pdf_lines, xlsx_lines, xlsx_rows
from tests.factories import make_member

DISTRICT = "papers"
BEGAN = datetime(2017, 1, 10, 4, tzinfo=UTC)
PERIOD = ("--period", "2017-01")


@pytest.fixture(scope="module")
def closed(database: Database, owner_url: str) -> Iterator[list[str]]:
    """The merchants of a sandbox with a closed January."""
    create_district(owner_url, DISTRICT, name="对账", sandbox=True)
    with database.transaction(DISTRICT, at=BEGAN) as session:
        upkeep.open_books(session, start=date(2017, 1, 1), through=date(2017, 5, 31))
        shops, member = [open_shop(session) for _ in range(3)], make_member(session)
    for day, shop in enumerate(shops):
        at = BEGAN + timedelta(days=day)
        with database.transaction(DISTRICT, at=at) as session:
            shop.sell(session, member, 100_00, burn=40 * day, at=at)
    with psycopg.connect(owner_url) as connection:
        connection.execute(
            "UPDATE public.district SET clock = '2017-02-05 12:00+08' WHERE id = 'papers'"
        )
    close_span(database, DISTRICT, Span.parse("2017-01"), by="mei")
    yield sorted(shop.merchant.code for shop in shops)
    drop_district(owner_url, DISTRICT)


@pytest.fixture
def paper(plaza: Plaza, closed: list[str]) -> Plaza:
    """The command in that sandbox."""
    return replace(plaza, district=DISTRICT)


def test_the_files_say_what_the_terminal_says(
    paper: Plaza, closed: list[str], tmp_path: Path
) -> None:
    code = closed[0]
    words = ["settle", "statement", *PERIOD, "--merchant", code]
    shown = [line.split() for line in paper(*words).splitlines()[1:] if line]
    terminal = [
        (line[0], *(word for word in line[1:] if word.strip("-¥,.0123456789") == ""))
        for line in shown
    ]

    files = {form: tmp_path / f"s.{form}" for form in ("html", "pdf", "xlsx")}
    for form, out in files.items():
        paper(*words, "--format", form, "--out", str(out))

    assert html_lines(files["html"].read_bytes())[: len(terminal)] == terminal
    assert pdf_lines(files["pdf"].read_bytes())[: len(terminal)] == terminal
    assert xlsx_lines(files["xlsx"])[: len(terminal)] == terminal
    assert len(xlsx_rows(files["xlsx"], 1)) > 1


@pytest.mark.parametrize("form", ["html", "pdf", "xlsx"])
def test_all_merchants_of_a_period_get_a_file_each(
    paper: Plaza, closed: list[str], tmp_path: Path, form: str
) -> None:
    folder = tmp_path / "new" / "folder"

    told = paper("settle", "statement", *PERIOD, "--all", "--format", form, "--out", str(folder))

    assert "3 份 statements" in told
    assert sorted(each.name for each in folder.iterdir()) == [
        f"2017-01-{code}.{form}" for code in closed
    ]


def test_the_vouchers_are_written_and_their_sum_is_told(
    paper: Plaza, closed: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "v.csv"

    told = paper("settle", "vouchers", *PERIOD, "--merchant", closed[0], "--out", str(out))

    assert "debit = credit ¥" in told
    assert "销售费用-积分" in out.read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "--merchant or --all"),
        (["--all"], "--all needs"),
        (["--all", "--merchant", "x"], "--merchant or --all"),
        (["--all", "--format", "pdf"], "go together"),
        (["--all", "--out", "x"], "go together"),
        (["--merchant", "nobody"], "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(paper: Plaza, words: list[str], why: str) -> None:
    assert why in paper.refused("settle", "statement", *PERIOD, *words)


def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(
    paper: Plaza, closed: list[str], tmp_path: Path
) -> None:
    words = ["settle", "statement", *PERIOD, "--merchant", closed[0], "--format", "pdf", "--out"]
    (tmp_path / "taken").mkdir()

    assert "Cannot write" in paper.refused(*words, str(tmp_path / "missing" / "s.pdf"))
    assert "Cannot write" in paper.refused(*words, str(tmp_path / "taken"))
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
