"""Reading a statement's figures back from each of its formats, as somebody else's program would."""

import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2

from app.money import yuan
from app.settlement.papers.paper import Paper

Line = tuple[str, ...]  # Chinese name, then the numbers as people read them


def lines_of(paper: Paper) -> list[Line]:
    """Return what every format has to say, in its order."""
    return [
        *(_line(row.name[0], row.points, row.fen) for row in paper.figures),
        *(_line(row.name[0], row.points) for row in paper.outstanding),
        *(
            _line(row.name[0], row.points, row.cost_fen, row.redemption_fen)
            for row in (*paper.took, *paper.taken)
        ),
    ]


class _Tables(HTMLParser):
    """Collects the cells of all rows of the tables' bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def html_lines(page: bytes) -> list[Line]:
    parser = _Tables()
    parser.feed(page.decode())
    return [
        (row[0].split(" ")[0], *(cell for cell in row[1:] if cell)) for row in parser.rows if row
    ]


def pdf_text(page: bytes) -> list[str]:
    """Return the text of each page, as a viewer would copy it."""
    document = pypdfium2.PdfDocument(io.BytesIO(page))
    try:
        return [sheet.get_textpage().get_text_range() for sheet in document]
    finally:
        document.close()


_PDF_ROW = re.compile(r"^(\S+) .*?((?: -?¥?[\d,]+(?:\.\d\d)?)+)$")


def pdf_lines(page: bytes) -> list[Line]:
    rows = [_PDF_ROW.match(line.strip()) for text in pdf_text(page) for line in text.splitlines()]
    return [(row[1], *row[2].split()) for row in rows if row and "/" not in row[0]]


def xlsx_rows(out: Path, sheet: int) -> list[Sequence[Any]]:
    book = openpyxl.load_workbook(out)
    return list(book.worksheets[sheet].values)


def xlsx_lines(out: Path) -> list[Line]:
    """Return the rows with numbers: points in the third column, yuan from the fourth on."""
    found = []
    for name, _, points, *amounts in xlsx_rows(out, 0):
        fen = [round(each * 100) for each in amounts if isinstance(each, int | float)]
        if fen or isinstance(points, int):
            found.append(_line(name, points, *fen))
    return found


def _line(name: str, points: int | None, *amounts: int | None) -> Line:
    shown = [] if points is None else [f"{points:,}"]
    return (name, *shown, *(yuan(fen) for fen in amounts if fen is not None))
