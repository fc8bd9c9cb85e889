"""Reading closed periods: a merchant's statement, the matrix of issuers and redeemers, journals.

Every figure is a sum of cells, and every cell opens to the transfers behind it (L5, R4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.books import Code
from app.errors import NotFound
from app.merchants.directory import ListedMerchant, get_directory
from app.settlement import disputes, dues
from app.settlement.captions import CAPTIONS, POSTED, Caption
from app.settlement.dues import Offset, Paid
from app.settlement.models import Line, Period

_AT_ONCE = 2_000  # transfers that one answer of the server brings

# Whatever moves points and is neither a member's nor the district's is a merchant's: taken from the
# captions, so that an account which is new there is never left out of what opens a figure.
_NOT_MERCHANTS = {Code.LOT, Code.DEBT, Code.PREPAID_SOLD, Code.DONATED, Code.GRANTED}
_IN_POINTS = sorted({code for pair in CAPTIONS for code in pair} - _NOT_MERCHANTS)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of a statement, in points and in fen."""

    caption: Caption
    points: int
    fen: int


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """A merchant's points in members' hands: how a period moved them, and the fen they cost."""

    opening_points: int
    opening_fen: int
    issued_points: int
    reversed_points: int
    redeemed_own_points: int
    redeemed_elsewhere_points: int
    redeemed_elsewhere_fen: int
    expired_points: int
    other_points: int
    closing_points: int
    closing_fen: int


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a merchant's period comes to: fen above zero are the merchant's to get.

    Down to `closing_fen` it never changes. `disputed_fen`, `settled_fen` and `offsets` are as of
    the reading: what of the closing figure is disputed, what was paid of it since, and what later
    periods' nets of the other sign have settled of it. `payments` are those that name this period.
    """

    period: str
    starts_on: date
    ends_on: date
    merchant: str
    name_zh: str
    name_en: str
    opening_fen: int
    figures: Sequence[Figure]
    outstanding: Outstanding
    disputed_fen: int
    settled_fen: int
    offsets: Sequence[Offset]
    payments: Sequence[Paid]

    @property
    def net_points(self) -> int:
        """The sum of the period's points."""
        return sum(figure.points for figure in self.figures)

    @property
    def net_fen(self) -> int:
        """The sum of the period's fen, payments for earlier ones left out."""
        return sum(figure.fen for figure in self.figures if figure.caption is not Caption.PAYMENT)

    @property
    def paid_fen(self) -> int:
        """What was paid in the period for earlier ones: above zero, by the merchant."""
        return sum(figure.fen for figure in self.figures if figure.caption is Caption.PAYMENT)

    @property
    def closing_fen(self) -> int:
        """What is carried forward if nothing is paid."""
        return self.opening_fen + self.net_fen + self.paid_fen

    @property
    def payable_fen(self) -> int:
        """What is still to pay of it: disputes left out, what has settled it since taken off."""
        since = self.settled_fen + sum(each.fen for each in self.offsets)
        return self.closing_fen - self.disputed_fen + since

    @property
    def state(self) -> str:
        """Whether the period is paid: `paid`, `part_paid` or `unpaid`."""
        if self.payable_fen == 0:
            return "paid"
        return "part_paid" if self.settled_fen or self.offsets else "unpaid"


@dataclass(frozen=True, kw_only=True)
class Party:
    """One party of the zero sum: a merchant by its code, or an account of the district."""

    name: str
    merchant: bool
    points: int
    fen: int


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """Points of an issuer that a redeemer took in a period, returns taken off."""

    issuer: str
    redeemer: str
    points: int
    cost_fen: int
    redemption_fen: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A transfer behind a figure, in points or in fen; `own_…` is what it adds to the figure.

    Points become fen only as sums, at the close, so a transfer of points has no fen of its own.
    """

    journal: str
    line: int
    kind: str
    occurred_at: datetime
    booked_on: date
    debit: str
    credit: str
    points: int
    own_points: int
    own_fen: int | None
    place: tuple[int, int]


def get_period(session: Session, code: str) -> Period:
    """Return a closed period.

    Raises:
        NotFound: it is not closed.
    """
    period = session.scalar(select(Period).where(Period.code == code))
    if period is None:
        raise NotFound("closed-period", code)
    return period


def statement(session: Session, period: Period, *, merchant: str) -> Statement:
    """Return a merchant's statement of a closed period; down to its closing it never changes.

    Raises:
        NotFound: no such merchant.
    """
    listed = get_directory(session).get_merchant(merchant)
    rows = session.execute(
        select(Line.caption, Line.points, Line.fen).where(
            Line.period_id == period.id, Line.merchant_id == listed.id
        )
    )
    found = {Caption(row.caption): row for row in rows}
    told = Statement(
        period=period.code,
        starts_on=period.starts_on,
        ends_on=period.ends_on,
        merchant=listed.code,
        name_zh=listed.name_zh,
        name_en=listed.name_en,
        opening_fen=int(
            session.scalar(_OPENING, {"merchant": listed.id, "period": period.id}) or 0
        ),
        figures=[
            Figure(caption=caption, points=found[caption].points, fen=found[caption].fen)
            for caption in Caption
            if caption in found
        ],
        outstanding=_outstanding(session, period, listed.id),
        disputed_fen=disputes.disputed_fen(session, period, listed.id),
        settled_fen=0,
        offsets=[],
        payments=dues.list_paid(session, period, listed.id),
    )
    since = dues.settled(session, period, listed.id, open_fen=told.payable_fen)
    return replace(told, settled_fen=since.paid_fen, offsets=since.offsets)


def parties(session: Session, period: Period) -> list[Party]:
    """Return every party of a period with its sums, which add up to zero; merchants first."""
    rows = session.execute(_PARTIES, {"period": period.id})
    return [
        Party(name=row.name, merchant=row.is_merchant, points=int(row.points), fen=int(row.fen))
        for row in rows
    ]


def matrix(session: Session, period: Period, *, merchant: str | None = None) -> list[MatrixCell]:
    """Return who took whose points in a period, by the codes of both; all, or one merchant's."""
    rows = session.execute(_MATRIX, {"period": period.id, "merchant": merchant})
    return [
        MatrixCell(
            issuer=row.issuer,
            redeemer=row.redeemer,
            points=int(row.points),
            cost_fen=int(row.cost_fen),
            redemption_fen=int(row.redemption_fen),
        )
        for row in rows
    ]


def entries(
    session: Session,
    period: Period,
    *,
    merchant: str,
    caption: Caption,
    limit: int = 50,
    after: tuple[int, int] = (0, 0),
) -> list[Entry]:
    """Return the transfers behind one figure of a statement, in the order of the ledger.

    Raises:
        NotFound: no such merchant.
    """
    return list(
        _behind(session, period, merchant=merchant, caption=caption, limit=limit, after=after)
    )


def stream_entries(
    session: Session, period: Period, told: Statement
) -> Iterator[tuple[Caption, Entry]]:
    """Yield every transfer behind a statement, row by row of it; as many as there are.

    They come from the server as they are taken, so the transaction has to stay open.
    """
    for figure in told.figures:
        for entry in _behind(session, period, merchant=told.merchant, caption=figure.caption):
            yield figure.caption, entry


def _behind(
    session: Session,
    period: Period,
    *,
    merchant: str,
    caption: Caption,
    limit: int | None = None,
    after: tuple[int, int] = (0, 0),
) -> Iterator[Entry]:
    listed = get_directory(session).get_merchant(merchant)
    in_fen = caption in POSTED
    pairs = [pair for pair, name in CAPTIONS.items() if name is _written(caption)]
    rows = session.execute(
        _ENTRIES,
        {
            "accounts": _accounts(session, listed, in_fen=in_fen),
            "kind": caption.value if in_fen else None,
            "start": period.starts_on,
            "end": period.ends_on,
            "debits": [debit.value for debit, _ in pairs],
            "credits": [credit.value for _, credit in pairs],
            "own": {Caption.REDEEMED_OWN: True, Caption.REDEEMED_OTHERS: False}.get(caption),
            "merchant": listed.id,
            "journal": after[0],
            "line": after[1],
            "limit": limit,
        },
        execution_options={"yield_per": _AT_ONCE},
    )
    for row in rows:
        yield Entry(
            journal=row.key,
            line=row.line,
            kind=row.kind,
            occurred_at=row.occurred_at,
            booked_on=row.booked_on,
            debit=row.debit,
            credit=row.credit,
            points=0 if in_fen else row.amount,
            own_points=0 if in_fen else row.amount * row.sign,
            own_fen=row.amount * row.sign if in_fen else None,
            place=(row.journal_id, row.line),
        )


def _accounts(session: Session, listed: ListedMerchant, *, in_fen: bool) -> list[int]:
    """Return a merchant's own accounts; those that nothing was ever posted to may not be there."""
    codes = [Code.DUE] if in_fen else _IN_POINTS
    names = [f"{code}:{listed.public_id}" for code in codes]
    return list(session.scalars(_NAMED, {"names": names}))


def _written(caption: Caption) -> Caption:
    own = (Caption.REDEEMED_OWN, Caption.REDEEMED_OTHERS)
    return Caption.REDEEMED if caption in own else caption


def _outstanding(session: Session, period: Period, merchant_id: int) -> Outstanding:
    stock: dict[bool, Any] = {
        row.closing: row
        for row in session.execute(_STOCK, {"period": period.id, "merchant": merchant_id})
    }
    opening, closing = (
        (int(stock[each].points), int(stock[each].fen)) if each in stock else (0, 0)
        for each in (False, True)
    )
    moved = session.execute(_OUTSTANDING, {"period": period.id, "merchant": merchant_id}).one()
    known = moved.issued + moved.reversed + moved.own + moved.elsewhere + moved.expired
    return Outstanding(
        opening_points=opening[0],
        opening_fen=opening[1],
        issued_points=int(moved.issued),
        reversed_points=int(moved.reversed),
        redeemed_own_points=int(moved.own),
        redeemed_elsewhere_points=int(moved.elsewhere),
        redeemed_elsewhere_fen=int(moved.elsewhere_fen),
        expired_points=int(moved.expired),
        other_points=closing[0] - opening[0] - int(known),
        closing_points=closing[0],
        closing_fen=closing[1],
    )


_OPENING = text(
    "SELECT sum(fen) FROM settlement_line WHERE merchant_id = :merchant AND period_id < :period"
)
_NAMED = text("SELECT id FROM account WHERE name = ANY (CAST(:names AS text[]))")
_PARTIES = text(
    """
    SELECT coalesce(m.code, l.party) AS name, m.id IS NOT NULL AS is_merchant,
           sum(l.points) AS points, sum(l.fen) AS fen
    FROM settlement_line l LEFT JOIN merchant m ON m.id = l.merchant_id
    WHERE l.period_id = :period GROUP BY 1, 2 ORDER BY 2 DESC, 1
    """
)
_MATRIX = text(
    """
    SELECT i.code AS issuer, r.code AS redeemer, sum(c.points) AS points,
           sum(c.cost_fen) AS cost_fen, sum(c.redemption_fen) AS redemption_fen
    FROM (
        SELECT debit_merchant_id AS issuer_id, credit_merchant_id AS redeemer_id, points,
               debit_fen AS cost_fen, credit_fen AS redemption_fen
        FROM settlement_cell
        WHERE period_id = :period AND debit_code = 'lot' AND credit_code = 'redeemed'
        UNION ALL
        SELECT credit_merchant_id, debit_merchant_id, -points, -credit_fen, -debit_fen
        FROM settlement_cell
        WHERE period_id = :period AND debit_code = 'redeemed' AND credit_code = 'lot') c
    JOIN merchant i ON i.id = c.issuer_id JOIN merchant r ON r.id = c.redeemer_id
    WHERE CAST(:merchant AS text) IS NULL OR :merchant IN (i.code, r.code)
    GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_STOCK = text(
    """
    SELECT s.period_id = :period AS closing, sum(s.points) AS points, sum(s.fen) AS fen
    FROM settlement_stock s
    WHERE s.merchant_id = :merchant AND s.kind = 'lot' AND s.period_id IN (
        :period, (SELECT max(p.id) FROM settlement_period p WHERE p.id < :period))
    GROUP BY 1
    """
)
_OUTSTANDING = text(
    """
    SELECT coalesce(sum(points) FILTER (WHERE o.word = 'issued'), 0) AS issued,
           coalesce(sum(points) FILTER (WHERE o.word = 'reversed'), 0) AS reversed,
           coalesce(sum(points) FILTER (WHERE o.word = 'own'), 0) AS own,
           coalesce(sum(points) FILTER (WHERE o.word = 'elsewhere'), 0) AS elsewhere,
           coalesce(sum(fen) FILTER (WHERE o.word = 'elsewhere'), 0) AS elsewhere_fen,
           coalesce(sum(points) FILTER (WHERE o.word = 'expired'), 0) AS expired
    FROM (
        SELECT CASE WHEN debit_code IN ('issued', 'prepaid') THEN 'issued'
                    WHEN debit_code = 'redeemed' AND debit_merchant_id = :merchant THEN 'own'
                    WHEN debit_code = 'redeemed' THEN 'elsewhere'
                    WHEN debit_code = 'breakage' THEN 'expired' ELSE 'other' END AS word,
               points, credit_fen AS fen
        FROM settlement_cell
        WHERE period_id = :period AND credit_code = 'lot' AND credit_merchant_id = :merchant
        UNION ALL
        SELECT CASE WHEN credit_code IN ('issued', 'prepaid') THEN 'reversed'
                    WHEN credit_code = 'redeemed' AND credit_merchant_id = :merchant THEN 'own'
                    WHEN credit_code = 'redeemed' THEN 'elsewhere'
                    WHEN credit_code = 'breakage' THEN 'expired' ELSE 'other' END,
               -points, -debit_fen
        FROM settlement_cell
        WHERE period_id = :period AND debit_code = 'lot' AND debit_merchant_id = :merchant) o
    """
)
_ENTRIES = text(
    """
    SELECT j.key, t.line, j.kind, j.occurred_at, t.booked_on, d.name AS debit, c.name AS credit,
           t.amount, t.journal_id,
           (t.credit_id = ANY (:accounts))::int - (t.debit_id = ANY (:accounts))::int AS sign
    FROM transfer t
    JOIN journal j ON j.id = t.journal_id
    JOIN account d ON d.id = t.debit_id
    JOIN account c ON c.id = t.credit_id
    LEFT JOIN lot l ON l.account_id IN (t.debit_id, t.credit_id)
        AND CAST(:own AS boolean) IS NOT NULL
    WHERE (t.debit_id = ANY (:accounts) OR t.credit_id = ANY (:accounts))
        AND t.booked_on BETWEEN :start AND :end
        AND CASE WHEN CAST(:kind AS text) IS NOT NULL THEN j.kind = :kind
            ELSE (d.code, c.code) IN (SELECT k.debit, k.credit FROM unnest(
                CAST(:debits AS text[]), CAST(:credits AS text[])) AS k (debit, credit)) END
        AND (CAST(:own AS boolean) IS NULL OR (l.issuer_id = :merchant) = :own)
        AND (t.journal_id, t.line) > (:journal, :line)
    ORDER BY t.journal_id, t.line LIMIT :limit
    """
)
