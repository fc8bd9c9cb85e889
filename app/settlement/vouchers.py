"""A closed period as vouchers (记账凭证) for the merchant's own books, each of them balanced.

`docs/settlement.md` tabulates the subjects. The codes are those of the Accounting Standards for
Business Enterprises (企业会计准则, the common numbering of its application guide), with a
sub-account; a merchant that numbers otherwise replaces them when importing.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.settlement import statements
from app.settlement.captions import NAMES, Caption
from app.settlement.models import Period
from app.settlement.statements import Figure, Statement


class Subject(Enum):
    """A subject (会计科目) of the merchant's books: code and name."""

    EXPENSE = ("6601.01", "销售费用-积分")
    REVENUE = ("6001.01", "主营业务收入-积分抵付")
    AHEAD = ("1123.01", "预付账款-预购积分")
    RECEIVABLE = ("1221.01", "其他应收款-商圈")
    PAYABLE = ("2241.01", "其他应付款-商圈")
    COUPONS = ("6601.02", "销售费用-优惠券")
    SUBSIDY = ("6301.01", "营业外收入-商圈补贴")
    LOSS = ("6711.01", "营业外支出-商户退出损失")
    DEPOSIT = ("1221.02", "其他应收款-退出押金")
    BANK = ("1002", "银行存款")


#: What stands against the district's receivable or payable. What one gets for others' points is
#: income from a sale; all else is what one's own points cost. A test holds it complete.
SUBJECTS: Mapping[Caption, Subject] = {
    Caption.ISSUED: Subject.EXPENSE,
    Caption.BOUGHT_AHEAD: Subject.AHEAD,
    Caption.AHEAD_RETURNED: Subject.AHEAD,
    Caption.REDEEMED_OWN: Subject.EXPENSE,
    Caption.REDEEMED_OTHERS: Subject.REVENUE,
    Caption.RETURNED: Subject.REVENUE,
    Caption.REVERSED: Subject.EXPENSE,
    Caption.BORNE: Subject.EXPENSE,
    Caption.EXPIRED: Subject.EXPENSE,
    Caption.REVIVED: Subject.EXPENSE,
    Caption.DEBT_BORNE: Subject.EXPENSE,
    Caption.DONATION_RETURNED: Subject.EXPENSE,
    Caption.ADJUSTED: Subject.EXPENSE,
    Caption.ADJUSTMENT: Subject.EXPENSE,
    Caption.SUBSIDY: Subject.SUBSIDY,
    Caption.PAYMENT: Subject.BANK,
    Caption.COUPON: Subject.COUPONS,
    Caption.DEPOSIT_USED: Subject.DEPOSIT,
    Caption.LOSS: Subject.LOSS,
    Caption.RECOVERY: Subject.LOSS,
}

#: Rows that change what was bought ahead, beside what was given of it.
_AHEAD_ROWS = (Caption.BOUGHT_AHEAD, Caption.AHEAD_RETURNED)

_COLUMNS = ("凭证号", "日期", "摘要", "科目编码", "科目名称", "借方金额", "贷方金额")


@dataclass(frozen=True, kw_only=True)
class BookEntry:
    """A line of a voucher: fen above zero, on one of the two sides."""

    subject: Subject
    fen: int
    debit: bool


@dataclass(frozen=True, kw_only=True)
class Voucher:
    """A voucher whose debit and credit are the same fen."""

    number: str
    day: date
    summary: str
    entries: Sequence[BookEntry]


def make(session: Session, period: Period, *, merchant: str) -> list[Voucher]:
    """Return the vouchers of a merchant's closed period; a repeat gives the same.

    One for each figure with fen, one for what was used up of points bought ahead, and one that
    sets receivable off against payable. Over all periods the two subjects then stand at what the
    statement carries forward, on one of them.

    Raises:
        NotFound: no such merchant.
    """
    told = statements.statement(session, period, merchant=merchant)
    before, after = _ahead(session, period, merchant)
    bought = -sum(each.fen for each in told.figures if each.caption in _AHEAD_ROWS)
    drafts = [_draft(figure) for figure in told.figures if figure.fen]
    # As with any stock that is counted at the end: used up is what is not there any more.
    drafts.append(("商圈积分：预购耗用", Subject.EXPENSE, Subject.AHEAD, before + bought - after))
    drafts.append(("商圈积分：应收应付互抵", Subject.PAYABLE, Subject.RECEIVABLE, _set_off(told)))
    return [
        _voucher(told, place, draft)
        for place, draft in enumerate((draft for draft in drafts if draft[3]), start=1)
    ]


def as_csv(vouchers: Sequence[Voucher]) -> bytes:
    """Return vouchers as CSV in UTF-8 with its mark in front, by which Excel knows it."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(_COLUMNS)
    for voucher in vouchers:
        for entry in voucher.entries:
            code, name = entry.subject.value
            amount = f"{entry.fen // 100}.{entry.fen % 100:02d}"
            sides = (amount, "") if entry.debit else ("", amount)
            rows.writerow([voucher.number, voucher.day, voucher.summary, code, name, *sides])
    return written.getvalue().encode("utf-8-sig")


Draft = tuple[str, Subject, Subject, int]  # summary, debit, credit, fen


def _draft(figure: Figure) -> Draft:
    points = f" {abs(figure.points):,} 分" if figure.points else ""
    summary = f"商圈积分：{NAMES[figure.caption][0]}{points}"
    against = SUBJECTS[figure.caption]
    # A payment makes less of what was owed before; all else makes more of what one side owes.
    gains, loses = Subject.RECEIVABLE, Subject.PAYABLE
    if figure.caption is Caption.PAYMENT:
        gains, loses = loses, gains
    if figure.fen > 0:
        return (summary, gains, against, figure.fen)
    return (summary, against, loses, -figure.fen)


def _set_off(told: Statement) -> int:
    """Return what to take off both sides, so that only one of them stays open, at the closing."""
    owed = max(told.opening_fen, 0)
    for figure in told.figures:
        if (figure.caption is Caption.PAYMENT) is (figure.fen < 0):
            owed += figure.fen
    return owed - max(told.closing_fen, 0)


def _voucher(told: Statement, place: int, draft: Draft) -> Voucher:
    summary, debit, credit, fen = draft
    if fen < 0:  # Refunds bring points back to what was bought ahead, or more was paid than owed.
        debit, credit, fen = credit, debit, -fen
    return Voucher(
        number=f"{told.period}-{told.merchant}-{place:03d}",
        day=told.ends_on,
        summary=f"{told.period} {summary}",
        entries=(
            BookEntry(subject=debit, fen=fen, debit=True),
            BookEntry(subject=credit, fen=fen, debit=False),
        ),
    )


def _ahead(session: Session, period: Period, merchant: str) -> tuple[int, int]:
    """Return the fen of points bought ahead and not given yet, before and after a period."""
    row = session.execute(_AHEAD, {"period": period.id, "merchant": merchant}).one()
    return int(row.before), int(row.after)


_AHEAD = text(
    """
    SELECT coalesce(sum(s.fen) FILTER (WHERE s.period_id <> :period), 0) AS before,
           coalesce(sum(s.fen) FILTER (WHERE s.period_id = :period), 0) AS after
    FROM settlement_stock s JOIN merchant m ON m.id = s.merchant_id
    WHERE m.code = :merchant AND s.kind = 'prepaid' AND s.period_id IN (
        :period, (SELECT max(p.id) FROM settlement_period p WHERE p.id < :period))
    """
)
