"""What merchants owe and may still give, and who has come to a level of its contract (L6).

A prepaid merchant stops exactly at zero, at the sale itself. A postpaid one is judged here, by the
clock and when it pays: up to the next look it may give a little more than its limit (decision 13).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import text
from sqlalchemy.orm import Session

import ledger
from app.books import Code
from app.clock import business_date
from app.merchants import standing
from app.merchants.directory import ListedMerchant, get_directory
from app.merchants.models import Alarm
from config.database import now_of


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a merchant has left to give, and what it owes.

    `due_fen` is its account with the district: closed periods, less what was paid; below zero it
    owes. `open_points` are those that it gave on account since the last close, returns taken off,
    and `open_fen` what they cost by the contract of the day, rounded up.
    """

    merchant: ListedMerchant
    prepaid_points: int
    due_fen: int
    open_points: int
    open_fen: int
    alert_points: int | None
    limit_fen: int | None

    @property
    def unpaid_fen(self) -> int:
        """What it owes in all, closed or not; what it took since the close is not counted yet."""
        return max(self.open_fen - self.due_fen, 0)

    @property
    def points_low(self) -> bool:
        """Whether its prepaid points have fallen below the level that its contract names."""
        return self.alert_points is not None and self.prepaid_points < self.alert_points

    @property
    def credit_used_up(self) -> bool:
        """Whether it owes as much as its contract allows, and so gives no more points."""
        return self.limit_fen is not None and self.unpaid_fen >= self.limit_fen


def stand(session: Session, merchants: Sequence[ListedMerchant]) -> list[Standing]:
    """Return how merchants stand at this instant, in their order; two round trips for them all."""
    if not merchants:
        return []
    rows = session.execute(
        _ACCOUNTS,
        {
            "merchants": [each.id for each in merchants],
            "codes": [code.value for code in (*_ON_ACCOUNT, Code.PREPAID, Code.DUE)],
        },
    ).all()
    balances = ledger.statements.balances(session, [row.id for row in rows])
    due: dict[int, int] = {}
    opened: dict[int, int] = {}
    prepaid: dict[int, int] = {}
    for row in rows:
        posted = balances[row.id].posted
        if row.code == Code.DUE:
            due[row.merchant_id] = posted
        elif row.code == Code.PREPAID:
            prepaid[row.merchant_id] = posted
        else:
            opened[row.merchant_id] = opened.get(row.merchant_id, 0) + row.settled - posted
    today = business_date(now_of(session))
    return [
        _standing(
            each,
            prepaid_points=prepaid.get(each.id, 0),
            due_fen=due.get(each.id, 0),
            open_points=opened.get(each.id, 0),
            today=today,
        )
        for each in merchants
    ]


def moved_since_close(session: Session, merchant: ListedMerchant) -> bool:
    """Tell whether any point of a merchant's own accounts has moved since the last close."""
    names = [f"{code}:{merchant.public_id}" for code in _OWN]
    return bool(session.scalar(_MOVED, {"names": names}))


def watch(session: Session) -> int:
    """Look at every merchant that has a level or an alarm; return how many alarms changed.

    The clock does so every few seconds; run late or twice it does no harm.
    """
    directory, today = get_directory(session), business_date(now_of(session))
    alarmed = {merchant for merchant, _ in standing.list_raised(session)}
    watched = [
        each
        for each in directory.merchants.values()
        if each.id in alarmed or _has_level(each, today)
    ]
    return judge(session, watched)


def judge(session: Session, merchants: Sequence[ListedMerchant]) -> int:
    """Put the alarms of merchants up or down as they stand; return how many that changed.

    Locks the rows of those whose alarms change, in the order given.
    """
    raised = standing.list_raised(session)
    changed = [
        standing.put(session, each.merchant.code, alarm, raised=wanted, amount=amount, level=level)
        for each in stand(session, merchants)
        for alarm, (wanted, amount, level) in _alarms(each).items()
        if wanted is not ((each.merchant.id, alarm) in raised)
    ]
    return sum(changed)


def _alarms(each: Standing) -> Mapping[Alarm, tuple[bool, int, int | None]]:
    return {
        Alarm.POINTS_LOW: (each.points_low, each.prepaid_points, each.alert_points),
        Alarm.CREDIT_USED_UP: (each.credit_used_up, each.unpaid_fen, each.limit_fen),
    }


def _has_level(merchant: ListedMerchant, today: date) -> bool:
    terms = merchant.find_terms_at(today)
    return terms is not None and (
        terms.alert_points is not None or terms.credit_limit_fen is not None
    )


def _standing(
    merchant: ListedMerchant, *, prepaid_points: int, due_fen: int, open_points: int, today: date
) -> Standing:
    terms = merchant.find_terms_at(today)
    cost = terms.cost_fen_per_point if terms else Fraction(0)
    return Standing(
        merchant=merchant,
        prepaid_points=prepaid_points,
        due_fen=due_fen,
        open_points=open_points,
        open_fen=-(-open_points * cost // 1),
        alert_points=terms.alert_points if terms else None,
        limit_fen=terms.credit_limit_fen if terms else None,
    )


_ON_ACCOUNT = (Code.ISSUED, Code.OPENING, Code.ADJUSTED)
_OWN = (*_ON_ACCOUNT, Code.PREPAID, Code.REDEEMED, Code.BREAKAGE)
_MOVED = text(
    """
    SELECT EXISTS (
        SELECT FROM account a JOIN transfer t ON a.id IN (t.debit_id, t.credit_id)
        WHERE a.name = ANY (CAST(:names AS text[])) AND t.booked_on > coalesce(
            (SELECT max(p.ends_on) FROM settlement_period p), '-infinity'))
    """
)

# Balances at the last close come from its marks; an account that is not among them stood at zero.
_ACCOUNTS = text(
    """
    SELECT m.id AS merchant_id, a.id, a.code, coalesce(k.posted, 0) AS settled
    FROM merchant m
    CROSS JOIN unnest(CAST(:codes AS text[])) AS c (code)
    JOIN account a ON a.name = c.code || ':' || m.public_id
    LEFT JOIN balance_mark k ON k.account_id = a.id
        AND k.through = (SELECT max(p.ends_on) FROM settlement_period p)
    WHERE m.id = ANY (CAST(:merchants AS bigint[])) ORDER BY m.id, a.id
    """
)
