"""What a merchant's statement says on paper and in the terminal: one value that feeds them all.

Whoever shows it takes its rows as they are, in their order, so no two showings can differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.clock import SHANGHAI, business_date
from app.merchants.directory import Directory, get_directory
from app.merchants.models import Merchant
from app.money import yuan
from app.settlement import statements
from app.settlement.captions import NAMES
from app.settlement.models import Line, Period, Stock
from app.settlement.statements import MatrixCell, Outstanding, Statement
from config.database import now_of

Words = tuple[str, str]  # Chinese and English

TITLE: Words = ("商户积分结算对账单", "Settlement statement")
FIGURES: Words = ("本期结算", "This period")
OUTSTANDING: Words = ("会员手中的本商户积分", "The merchant's points in members' hands")
TOOK: Words = ("在本商户核销的积分", "Points taken here, by their issuer")
TAKEN: Words = ("在他处核销的本商户积分", "The merchant's points taken elsewhere")
ROW: Words = ("项目", "Row")
MERCHANT: Words = ("商户", "Merchant")
POINTS: Words = ("积分", "Points")
YUAN: Words = ("金额（元）", "Yuan")
COST: Words = ("发放成本", "Cost")
REDEMPTION: Words = ("核销金额", "Redeemed at")
PAYMENT: Words = ("收付款", "Payment")
NONE: Words = ("无", "None")
SIGNS: Words = (
    "金额为正，是商圈应付商户；为负，是商户应付商圈。积分为正是收进，为负是发出。",
    "Money above zero is owed to the merchant, below zero by it; points above zero came in, "
    "below zero went out.",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table: points, fen or both; `total` marks the sums."""

    name: Words
    points: int | None = None
    fen: int | None = None
    total: bool = False


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Points between this merchant and another one: what they had cost, and what they paid."""

    merchant: str
    name: Words
    points: int
    cost_fen: int
    redemption_fen: int


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A merchant's statement of a closed period with the rows of the matrix that concern it."""

    statement: Statement
    closed_at: datetime
    today: date
    took: Sequence[Exchange]
    taken: Sequence[Exchange]

    @property
    def head(self) -> Sequence[tuple[Words, str]]:
        """Whose statement of which days it is, and which payments it has had."""
        told = self.statement
        closed = self.closed_at.astimezone(SHANGHAI)
        return (
            (MERCHANT, f"{told.name_zh} {told.name_en}（{told.merchant}）"),
            (("账期", "Period"), told.period),
            (("起止", "Days"), f"{told.starts_on} – {told.ends_on}"),
            (("结账时间", "Closed at"), f"{closed:%Y-%m-%d %H:%M}"),
            (("付款截至", "Paid as of"), f"{self.today}"),
            *(
                (PAYMENT, f"{paid.paid_on} · {yuan(paid.fen)} · {paid.reference}")
                for paid in told.payments
            ),
        )

    @property
    def figures(self) -> Sequence[Row]:
        """Opening, each caption, net and closing, which never change; and what is still to pay."""
        told = self.statement
        return (
            Row(name=("期初", "Opening"), fen=told.opening_fen, total=True),
            *(
                Row(name=NAMES[figure.caption], points=figure.points, fen=figure.fen)
                for figure in told.figures
            ),
            Row(name=("本期净额", "Net"), points=told.net_points, fen=told.net_fen, total=True),
            Row(name=("期末", "Closing"), fen=told.closing_fen, total=True),
            *(
                Row(name=name, fen=fen)
                for name, fen in (
                    (("争议中", "Disputed"), told.disputed_fen),
                    *(
                        ((f"由{each.period}冲抵", f"Offset by {each.period}"), each.fen)
                        for each in told.offsets
                    ),
                    (("已付", "Paid since"), told.settled_fen),
                )
                if fen
            ),
            Row(name=_STATES[told.state], fen=told.payable_fen, total=True),
        )

    @property
    def outstanding(self) -> Sequence[Row]:
        """How the merchant's points in members' hands moved."""
        return tuple(
            Row(name=name, points=points(self.statement.outstanding), total=place in (0, 7))
            for place, (name, points) in enumerate(_STEPS)
        )


def gather(session: Session, period: Period, *, merchant: str) -> Paper:
    """Return a merchant's statement of a closed period as paper shows it.

    Down to the closing it never changes; what is still to pay is as of today.

    Raises:
        NotFound: no such merchant.
    """
    told = statements.statement(session, period, merchant=merchant)
    directory = get_directory(session)
    cells = statements.matrix(session, period, merchant=told.merchant)
    return Paper(
        statement=told,
        closed_at=period.closed_at,
        today=business_date(now_of(session)),
        took=[
            _exchange(directory, cell.issuer, cell)
            for cell in cells
            if cell.redeemer == told.merchant
        ],
        taken=[
            _exchange(directory, cell.redeemer, cell)
            for cell in cells
            if cell.redeemer != told.merchant
        ],
    )


def list_merchants(session: Session, period: Period) -> Sequence[str]:
    """Return the codes of the merchants that had a figure by then, for it is carried forward."""
    lined = select(Line.merchant_id).where(Line.period_id <= period.id)
    stocked = select(Stock.merchant_id).where(Stock.period_id == period.id)
    return session.scalars(
        select(Merchant.code)
        .where(Merchant.id.in_(lined) | Merchant.id.in_(stocked))
        .order_by(Merchant.code)
    ).all()


def _exchange(directory: Directory, other: str, cell: MatrixCell) -> Exchange:
    listed = directory.get_merchant(other)
    return Exchange(
        merchant=other,
        name=(listed.name_zh, listed.name_en),
        points=cell.points,
        cost_fen=cell.cost_fen,
        redemption_fen=cell.redemption_fen,
    )


_STEPS: Sequence[tuple[Words, Callable[[Outstanding], int]]] = (
    (("期初在外", "Outstanding before"), lambda out: out.opening_points),
    (("发放", "Issued"), lambda out: out.issued_points),
    (("发放冲回", "Reversed"), lambda out: out.reversed_points),
    (("本店核销", "Redeemed here"), lambda out: out.redeemed_own_points),
    (("他店核销", "Redeemed elsewhere"), lambda out: out.redeemed_elsewhere_points),
    (("过期", "Expired"), lambda out: out.expired_points),
    (("其他", "Other"), lambda out: out.other_points),
    (("期末在外", "Outstanding after"), lambda out: out.closing_points),
)
_STATES: Mapping[str, Words] = {
    "paid": ("应付（已结清）", "Payable (paid)"),
    "part_paid": ("应付（部分付）", "Payable (part paid)"),
    "unpaid": ("应付（未付）", "Payable (unpaid)"),
}
