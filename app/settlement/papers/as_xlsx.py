"""A statement as a spreadsheet: its figures as numbers, and every transfer behind them.

Rows are written as they come and none is kept, so any number of transfers takes the same memory.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from app.clock import SHANGHAI
from app.settlement.captions import NAMES, Caption
from app.settlement.papers.paper import (
    COST,
    FIGURES,
    MERCHANT,
    OUTSTANDING,
    POINTS,
    REDEMPTION,
    ROW,
    SIGNS,
    TAKEN,
    TITLE,
    TOOK,
    YUAN,
    Paper,
    Words,
)
from app.settlement.statements import Entry

MOST_ROWS = 1_048_576  # What a sheet of Excel holds.

_TRANSFERS: Sequence[tuple[Words, int]] = (
    (ROW, 18), (("", ""), 26), (("时间", "Time"), 17), (("入账日", "Booked on"), 12),
    (("凭据", "Journal"), 40), (("行", "Line"), 6), (("类型", "Kind"), 10),
    (("借方", "Debit"), 38), (("贷方", "Credit"), 38), (POINTS, 12), (YUAN, 14),
)  # fmt: skip
_FULL: Words = (
    "已到 Excel 的行数上限，其余明细未列出，请用 plaza settle entries 查看",
    "Excel holds no more rows; the rest is not listed here: see plaza settle entries",
)
_MEMBERS: Words = ("会员", "member")


class _Pen:
    """Writes cells of one sheet from the top down; text stays text whatever it begins with."""

    def __init__(self, book: Workbook, sheet: Worksheet) -> None:
        self.sheet = sheet
        self.row = 0
        text = {"quote_prefix": True}
        sums = {"bg_color": "#F5F7F9"}
        yuan = {"num_format": '"¥"#,##0.00;[Red]-"¥"#,##0.00'}
        points = {"num_format": "#,##0;[Red]-#,##0"}
        self.text = (book.add_format(text), book.add_format(text | sums))
        self.yuan = (book.add_format(yuan), book.add_format(yuan | sums))
        self.points = (book.add_format(points), book.add_format(points | sums))
        self.time = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd"})
        self.big = book.add_format({"bold": True, "font_size": 15})
        self.bold = book.add_format({"bold": True})
        self.head = book.add_format({"bold": True, "bg_color": "#E9EEF3", "bottom": 1})

    def write_words(self, cells: Sequence[str], style: Any) -> None:
        for column, cell in enumerate(cells):
            self.sheet.write_string(self.row, column, cell, style)
        self.row += 1

    def write_figures(
        self, name: Words, points: int | None, *fen: int | None, total: bool = False
    ) -> None:
        for column, word in enumerate(name):
            self.sheet.write_string(self.row, column, word, self.text[total])
        if points is not None:
            self.sheet.write_number(self.row, 2, points, self.points[total])
        for column, amount in enumerate(fen, start=3):
            if amount is not None:
                number = Decimal(amount).scaleb(-2)
                self.sheet.write_number(self.row, column, number, self.yuan[total])
        self.row += 1


def write(
    paper: Paper, entries: Iterable[tuple[Caption, Entry]], out: Path, *, most_rows: int = MOST_ROWS
) -> bool:
    """Write a statement and the transfers behind it; return whether all of them found room.

    Where a sheet is full its last row says so, in words.
    """
    with Workbook(out, {"constant_memory": True}) as book:
        book.set_properties({"title": TITLE[0], "created": paper.closed_at.replace(tzinfo=None)})
        _write_figures(book, paper)
        return _write_transfers(book, entries, most_rows)


def _write_figures(book: Workbook, paper: Paper) -> None:
    sheet = book.add_worksheet("对账单 statement")
    pen = _Pen(book, sheet)
    for columns, width in (("A:A", 26), ("B:B", 34), ("C:C", 14), ("D:E", 20)):
        sheet.set_column(columns, width)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&C&P / &N")
    pen.write_words(["  ".join(TITLE)], pen.big)
    for label, value in paper.head:
        pen.write_words([" ".join(label), value], pen.text[0])
    for sentence in SIGNS:
        pen.write_words([sentence], pen.text[0])
    pen.write_words([*FIGURES, " ".join(POINTS), " ".join(YUAN)], pen.head)
    sheet.freeze_panes(pen.row, 0)
    for row in paper.figures:
        pen.write_figures(row.name, row.points, row.fen, total=row.total)
    pen.row += 1
    pen.write_words([*OUTSTANDING, " ".join(POINTS)], pen.head)
    for row in paper.outstanding:
        pen.write_figures(row.name, row.points, total=row.total)
    for title, exchanges in ((TOOK, paper.took), (TAKEN, paper.taken)):
        pen.row += 1
        pen.write_words(["  ".join(title)], pen.bold)
        heads = (POINTS, COST, REDEMPTION)
        pen.write_words([*MERCHANT, *(" ".join(words) for words in heads)], pen.head)
        for each in exchanges:
            pen.write_figures(each.name, each.points, each.cost_fen, each.redemption_fen)


def _write_transfers(
    book: Workbook, entries: Iterable[tuple[Caption, Entry]], most_rows: int
) -> bool:
    sheet = book.add_worksheet("明细 transfers")
    pen = _Pen(book, sheet)
    for column, (_, width) in enumerate(_TRANSFERS):
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&C&P / &N")
    pen.write_words([" ".join(words).strip() for words, _ in _TRANSFERS], pen.head)
    for caption, entry in entries:
        if pen.row == most_rows - 1:
            pen.write_words([" / ".join(_FULL)], pen.bold)
            return False
        _write_transfer(pen, caption, entry)
    return True


def _write_transfer(pen: _Pen, caption: Caption, entry: Entry) -> None:
    sheet, row = pen.sheet, pen.row
    when = entry.occurred_at.astimezone(SHANGHAI).replace(tzinfo=None)  # Excel knows no zones.
    zh, en = NAMES[caption]
    texts = {0: zh, 1: en, 4: entry.journal, 6: entry.kind,
             7: _account(entry.debit), 8: _account(entry.credit)}  # fmt: skip
    for column, text in texts.items():
        sheet.write_string(row, column, text, pen.text[0])
    sheet.write_datetime(row, 2, when, pen.time)
    sheet.write_datetime(row, 3, entry.booked_on, pen.day)
    sheet.write_number(row, 5, entry.line)
    if entry.own_fen is None:
        sheet.write_number(row, 9, entry.own_points, pen.points[0])
    else:
        sheet.write_number(row, 10, Decimal(entry.own_fen).scaleb(-2), pen.yuan[0])
    pen.row += 1


def _account(name: str) -> str:
    """Return an account as a merchant may see it: whose a member's points are stays here."""
    return " ".join(_MEMBERS) if name.startswith(("lot:", "debt:")) else name
