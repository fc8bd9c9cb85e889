"""A closed period as vouchers for the merchant's own books, each of them balanced (L5, O2)."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import date

from sqlalchemy.orm import Session

from app.settlement import dues, statements, vouchers
from app.settlement.captions import CAPTIONS, NAMES, Caption
from app.settlement.dues import Adjustment
from app.settlement.spans import Span
from app.settlement.vouchers import SUBJECTS, Subject, Voucher
from config.settings import PROJECT
from tests.app.settlement.months import at, close
from tests.app.settlement.papers.conftest import Example, example

__all__ = ["example"]

DOCUMENT = PROJECT / "docs/settlement.md"
DISTRICT_ONLY = {
    Caption.REDEEMED, Caption.DONATED, Caption.GRANTED, Caption.MOVED, Caption.REVALUED,
    Caption.SPREAD, Caption.ROUNDING, Caption.DEPOSIT, Caption.CHARITY_PAID,
}  # fmt: skip


def test_the_vouchers_of_the_document_are_those_of_its_example(
    books: Session, example: Example
) -> None:
    shops = {"A": example.a, "B": example.b, "C": example.c}
    made = {
        (letter, period.code): vouchers.make(books, period, merchant=shop.merchant.code)
        for letter, shop in shops.items()
        for period in (example.january, example.february)
    }

    rows = [
        [
            letter,
            each.summary,
            *(" ".join(entry.subject.value) for entry in each.entries),
            f"{each.entries[0].fen / 100:.2f}",
        ]
        for (letter, _), found in made.items()
        for each in found
    ]

    assert rows == _table()


def test_every_voucher_balances_and_its_subjects_stand_at_what_is_carried_forward(
    books: Session, example: Example
) -> None:
    """Payments, subsidies and adjustments included; receivable or payable, never both."""
    for shop, fen in ((example.a, 70), (example.b, -30), (example.c, 200)):
        dues.pay(
            books, example.february, merchant=shop.merchant.code, fen=fen, reference=f"B{fen}",
            paid_on=date(2017, 3, 3), by="mei",
        )  # fmt: skip
        for subsidy in (True, False):
            adjustment = Adjustment(
                merchant=shop.merchant.code, fen=25 if subsidy else -7, subsidy=subsidy, reason="-"
            )
            dues.adjust(books, adjustment, key=f"{shop.merchant.code}{subsidy}", by="mei")
    at(books, 4, 5)
    march = close(books, Span.parse("2017-03"))

    for shop in (example.a, example.b, example.c):
        code = shop.merchant.code
        balances: Counter[Subject] = Counter()
        for period in (example.january, example.february, march):
            made = vouchers.make(books, period, merchant=code)
            assert all(_side(each, debit=True) == _side(each, debit=False) > 0 for each in made)
            for entry in (entry for each in made for entry in each.entries):
                balances[entry.subject] += entry.fen if entry.debit else -entry.fen
            closing = statements.statement(books, period, merchant=code).closing_fen
            assert balances[Subject.RECEIVABLE] == max(closing, 0)
            assert balances[Subject.PAYABLE] == min(closing, 0)
    assert balances[Subject.AHEAD] == 140
    assert balances[Subject.SUBSIDY] == -25
    assert balances[Subject.BANK] == -200


def test_a_spreadsheet_reads_the_csv_in_chinese_and_its_columns_sum_to_the_same(
    books: Session, example: Example
) -> None:
    made = vouchers.make(books, example.january, merchant=example.b.merchant.code)

    written = vouchers.as_csv(made)

    assert written.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"))))
    assert len(rows) == 2 * len(made)
    assert rows[0] == {
        "凭证号": f"2017-01-{example.b.merchant.code}-001",
        "日期": "2017-01-31",
        "摘要": "2017-01 商圈积分：发放 48 分",
        "科目编码": "6601.01",
        "科目名称": "销售费用-积分",
        "借方金额": "0.72",
        "贷方金额": "",
    }
    assert _column(rows, "借方金额") == _column(rows, "贷方金额") == 72 + 110 + 72


def test_every_row_that_a_merchant_can_have_has_its_subject() -> None:
    assert set(SUBJECTS) == set(Caption) - DISTRICT_ONLY
    assert set(CAPTIONS.values()) <= set(NAMES)


def _side(voucher: Voucher, *, debit: bool) -> int:
    return sum(entry.fen for entry in voucher.entries if entry.debit is debit)


def _column(rows: Sequence[dict[str, str]], name: str) -> int:
    return sum(int(row[name].replace(".", "")) for row in rows if row[name])


def _table() -> list[list[str]]:
    """Return the rows of the document's table of vouchers."""
    found: list[list[str]] = []
    inside = False
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        inside = (inside and line.startswith("|")) or cells[:2] == ["merchant", "摘要"]
        if inside and cells[0] in {"A", "B", "C"}:
            found.append(cells)
    return found
