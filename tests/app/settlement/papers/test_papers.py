"""A statement says the same on paper, in a spreadsheet and on a page (L5, R4, O2)."""

import re
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import openpyxl
from sqlalchemy.orm import Session

from app.settlement import dues, statements
from app.settlement.captions import Caption
from app.settlement.dues import Adjustment
from app.settlement.papers import as_html, as_pdf, as_xlsx
from app.settlement.papers.paper import SIGNS, Exchange, Paper, gather, list_merchants
from app.settlement.spans import Span
from tests.app.settlement.months import at, close
from tests.app.settlement.papers.conftest import Example
from tests.app.settlement.papers.reading import (
    html_lines,
    lines_of,
    pdf_lines,
    pdf_text,
    xlsx_lines,
    xlsx_rows,
)


def test_every_format_says_the_same_figures(
    books: Session, example: Example, tmp_path: Path
) -> None:
    """O2: numbers equal the screen, for each merchant of two months."""
    for period in (example.january, example.february):
        for code in list_merchants(books, period):
            paper = _named(gather(books, period, merchant=code), "湖滨茶语轩")
            out = tmp_path / f"{period.code}-{code}.xlsx"
            as_xlsx.write(paper, (), out)

            told = lines_of(paper)

            assert html_lines(as_html.render(paper)) == told
            assert pdf_lines(as_pdf.render(paper)) == told
            assert xlsx_lines(out) == told


def test_the_rows_of_the_matrix_that_concern_a_merchant_are_on_its_statement(
    books: Session, example: Example
) -> None:
    a, b, c = (shop.merchant for shop in (example.a, example.b, example.c))

    paper = gather(books, example.january, merchant=b.code)
    other = gather(books, example.january, merchant=a.code)

    assert {(each.merchant, each.points, each.redemption_fen) for each in paper.took} == {
        (a.code, 100, 90), (c.code, 20, 20),
    }  # fmt: skip
    assert paper.taken == []
    assert other.took == []
    assert other.taken == [
        Exchange(merchant=b.code, name=(b.name_zh, b.name_en), points=100, cost_fen=100,
                 redemption_fen=90),
    ]  # fmt: skip


def test_the_transfers_of_the_second_sheet_add_up_to_the_figures(
    books: Session, example: Example, tmp_path: Path
) -> None:
    """R4: every figure links to its rows."""
    for period in (example.january, example.february):
        for code in list_merchants(books, period):
            paper = gather(books, period, merchant=code)
            out = tmp_path / f"{period.code}-{code}.xlsx"
            entries = statements.stream_entries(books, period, paper.statement)

            complete = as_xlsx.write(paper, entries, out)

            sums: Counter[str] = Counter()
            for row in xlsx_rows(out, 1)[1:]:
                sums[row[1]] += row[9]
            told = {row.name[1]: row.points for row in paper.figures if not row.total}
            assert complete
            # What has settled it since has no points and lies in other periods.
            assert {name: each for name, each in told.items() if each is not None} == dict(sums)


def test_payments_and_subsidies_open_to_their_transfers_in_yuan(
    books: Session, example: Example, tmp_path: Path
) -> None:
    code = example.a.merchant.code
    for fen in (40, 30):
        dues.pay(
            books, example.february, merchant=code, fen=fen, reference=f"B{fen}",
            paid_on=date(2017, 3, 3), by="mei",
        )  # fmt: skip
    adjustment = Adjustment(merchant=code, fen=-25, subsidy=False, reason="-")
    dues.adjust(books, adjustment, key="1", by="mei")
    at(books, 4, 5)
    march = close(books, Span.parse("2017-03"))
    paper = gather(books, march, merchant=code)
    out = tmp_path / "a.xlsx"

    as_xlsx.write(paper, statements.stream_entries(books, march, paper.statement), out)

    rows = [(row[1], row[9], row[10]) for row in xlsx_rows(out, 1)[1:]]
    assert rows == [
        ("Adjustment", None, -0.25), ("Payment", None, 0.4), ("Payment", None, 0.3),
    ]  # fmt: skip
    behind = statements.entries(books, march, merchant=code, caption=Caption.PAYMENT)
    assert [(each.points, each.own_fen) for each in behind] == [(0, 40), (0, 30)]


def test_a_member_is_not_named_to_a_merchant(
    books: Session, example: Example, tmp_path: Path
) -> None:
    paper = gather(books, example.january, merchant=example.b.merchant.code)
    out = tmp_path / "b.xlsx"
    entries = list(statements.stream_entries(books, example.january, paper.statement))

    as_xlsx.write(paper, entries, out)

    sheet = xlsx_rows(out, 1)
    assert "mem_" in str(entries)
    assert "mem_" not in str(sheet)
    assert "会员 member" in str(sheet)


def test_a_spreadsheet_that_is_full_says_so_in_its_last_row(
    books: Session, example: Example, tmp_path: Path
) -> None:
    paper = gather(books, example.january, merchant=example.b.merchant.code)
    entries = list(statements.stream_entries(books, example.january, paper.statement))
    out = tmp_path / "b.xlsx"

    just = as_xlsx.write(paper, entries, out, most_rows=len(entries) + 2)
    assert just
    complete = as_xlsx.write(paper, entries, out, most_rows=len(entries) + 1)

    rows = xlsx_rows(out, 1)
    assert not complete
    assert len(rows) == len(entries) + 1
    assert "Excel holds no more rows" in rows[-1][0]


def test_a_spreadsheet_has_numbers_a_frozen_header_and_no_formula(
    books: Session, example: Example, tmp_path: Path
) -> None:
    paper = gather(books, example.january, merchant=example.b.merchant.code)
    paper = _named(paper, '=HYPERLINK("x")')
    out = tmp_path / "b.xlsx"

    as_xlsx.write(paper, statements.stream_entries(books, example.january, paper.statement), out)

    book = openpyxl.load_workbook(out)
    first, second = book.worksheets
    assert (first.freeze_panes, second.freeze_panes) == ("A10", "A2")
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert "f" not in {cell.data_type for cell in cells}
    named = [cell for cell in cells if str(cell.value).startswith("=HYPERLINK")]
    assert len(named) == 3
    assert all(cell.quotePrefix for cell in named)
    amounts = [cell for cell in cells if "#,##0.00" in cell.number_format]
    assert {cell.data_type for cell in amounts} == {"n"}
    times = [row[2] for row in list(second.values)[1:]]
    assert all(isinstance(each, datetime) for each in times)


def test_the_page_is_escaped_and_loads_nothing(books: Session, example: Example) -> None:
    paper = _named(gather(books, example.january, merchant=example.b.merchant.code), "<b>茶&语轩")

    page = as_html.render(paper).decode()

    assert "<b>" not in page
    assert "&lt;b&gt;茶&amp;语轩" in page
    assert not re.search(r"src=|href=|@import|url\(", page)
    assert SIGNS[0] in page


def test_chinese_comes_back_from_the_pdf_and_its_pages_are_numbered(
    books: Session, example: Example
) -> None:
    paper = _named(gather(books, example.january, merchant=example.b.merchant.code), "湖滨茶语轩")
    many = replace(paper, took=[*paper.took] * 40)

    pages = pdf_text(as_pdf.render(many))

    assert "湖滨茶语轩" in pages[0]
    assert "商户积分结算对账单" in pages[0]
    assert all(f"{place} / {len(pages)}" in page for place, page in enumerate(pages, start=1))
    assert len(pages) > 2
    assert "核销金额" in pages[1]


def test_the_same_statement_is_the_same_file(
    books: Session, example: Example, tmp_path: Path
) -> None:
    """Semantics 9: what is closed does not change, nor does what is handed out of it."""
    paper = gather(books, example.january, merchant=example.b.merchant.code)
    first, second = tmp_path / "1.xlsx", tmp_path / "2.xlsx"
    as_xlsx.write(paper, (), first)
    as_xlsx.write(paper, (), second)

    assert first.read_bytes() == second.read_bytes()
    assert as_pdf.render(paper) == as_pdf.render(paper)
    assert as_html.render(paper) == as_html.render(paper)


def _named(paper: Paper, name: str) -> Paper:
    """Return a statement as if its merchant and those it dealt with were named so."""
    return replace(
        paper,
        statement=replace(paper.statement, name_zh=name),
        took=[replace(each, name=(name, "Tea")) for each in paper.took],
        taken=[replace(each, name=(name, "Tea")) for each in paper.taken],
    )
