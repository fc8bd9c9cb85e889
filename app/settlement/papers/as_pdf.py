"""A statement as PDF on A4, with the letters that it uses of Noto Sans SC embedded (SIL OFL 1.1).

The font comes with the package `pylopdf-fonts-zh-cn`; nothing of the machine is used.
"""

import logging
from collections.abc import Sequence

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from pylopdf_fonts_zh_cn import sans_path

from app.money import yuan
from app.settlement.papers.paper import (
    COST,
    FIGURES,
    MERCHANT,
    NONE,
    OUTSTANDING,
    POINTS,
    REDEMPTION,
    ROW,
    SIGNS,
    TAKEN,
    TITLE,
    TOOK,
    YUAN,
    Exchange,
    Paper,
    Row,
    Words,
)

_FONT = "NotoSansSC"
_MARGIN_MM = 16
_WIDTH_MM = 210 - 2 * _MARGIN_MM
_GREY = (90, 101, 112)
_INK = (27, 31, 36)
_LINE = (213, 219, 225)
_HEADINGS = FontFace(fill_color=(233, 238, 243), color=_INK)
_TOTAL = FontFace(fill_color=(245, 247, 249))
_PLAIN = FontFace()

logging.getLogger("fontTools").setLevel(logging.WARNING)  # It tells each step of making a subset.


class _Page(FPDF):
    """A page of a statement: what it is of stands at its foot with its number."""

    foot = ""

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(_FONT, size=8)
        self.set_text_color(*_GREY)
        self.cell(_WIDTH_MM / 2, 5, self.foot)
        self.cell(_WIDTH_MM / 2, 5, f"{self.page_no()} / {{nb}}", align="R")


def render(paper: Paper) -> bytes:
    """Return a statement as PDF; the same statement gives the same bytes."""
    told = paper.statement
    page = _Page()
    page.foot = f"{told.merchant} {told.period} {_both(TITLE)}"
    page.set_creation_date(paper.closed_at)
    page.set_title(f"{told.name_zh} {told.period} {TITLE[0]}")
    page.set_lang("zh-CN")
    page.add_font(_FONT, fname=sans_path())
    page.set_margin(_MARGIN_MM)
    page.c_margin = 0
    page.set_auto_page_break(True, margin=18)
    page.add_page()
    _head(page, paper)
    _heading(page, FIGURES)
    figures = [(_figure(row), row.total) for row in paper.figures]
    _table(page, (104, 32, 42), (ROW, POINTS, YUAN), figures)
    _text(page, SIGNS)
    _heading(page, OUTSTANDING)
    steps = [(_figure(row)[:2], row.total) for row in paper.outstanding]
    _table(page, (146, 32), (ROW, POINTS), steps)
    for title, rows in ((TOOK, paper.took), (TAKEN, paper.taken)):
        _heading(page, title)
        if rows:
            heads = (MERCHANT, POINTS, COST, REDEMPTION)
            _table(page, (66, 28, 40, 44), heads, [(_exchange(row), False) for row in rows])
        else:
            _text(page, NONE)
    return bytes(page.output())


def _both(words: Words) -> str:
    return f"{words[0]}  {words[1]}"


def _figure(row: Row) -> tuple[str, ...]:
    points = "" if row.points is None else f"{row.points:,}"
    return (_both(row.name), points, "" if row.fen is None else yuan(row.fen))


def _exchange(row: Exchange) -> tuple[str, ...]:
    return (_both(row.name), f"{row.points:,}", yuan(row.cost_fen), yuan(row.redemption_fen))


def _head(page: FPDF, paper: Paper) -> None:
    page.set_font(_FONT, size=17)
    page.cell(0, 11, _both(TITLE), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(2)
    page.set_font(_FONT, size=10)
    for label, value in paper.head:
        page.set_text_color(*_GREY)
        page.cell(40, 6, _both(label))
        page.set_text_color(*_INK)
        page.multi_cell(0, 6, value, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")


def _heading(page: FPDF, words: Words) -> None:
    if page.will_page_break(30):  # Never a heading alone at the foot of a page.
        page.add_page()
    page.ln(5)
    page.set_text_color(*_INK)
    page.set_font(_FONT, size=12)
    page.cell(0, 8, _both(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _text(page: FPDF, words: Words) -> None:
    page.ln(1)
    page.set_font(_FONT, size=8.5)
    page.set_text_color(*_GREY)
    for sentence in words:
        page.multi_cell(0, 4.5, sentence, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")


def _table(
    page: FPDF,
    widths: Sequence[int],
    headings: Sequence[Words],
    rows: Sequence[tuple[Sequence[str], bool]],
) -> None:
    """Draw rows under their headings, which every page repeats; all but the first are numbers."""
    page.set_font(_FONT, size=9.5)
    page.set_text_color(*_INK)
    page.set_draw_color(*_LINE)
    with page.table(
        col_widths=tuple(widths),
        width=_WIDTH_MM,
        text_align=("LEFT", *["RIGHT"] * (len(widths) - 1)),
        borders_layout="HORIZONTAL_LINES",
        headings_style=_HEADINGS,
        line_height=5,
        padding=(0.8, 1.5),
    ) as table:
        table.row([_both(words) for words in headings])
        for cells, total in rows:
            table.row(cells, style=_TOTAL if total else _PLAIN)
