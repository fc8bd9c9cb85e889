"""What a terminal took and gave, as frozen values. Money is in fen, points are whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class TenderTotal:
    """What was taken and given by one means of payment."""

    name: str
    taken_fen: int
    given_fen: int


@dataclass(frozen=True, kw_only=True)
class CashierTotal:
    """What one cashier did."""

    cashier_id: str | None
    orders: int
    refunds: int
    sold_fen: int
    refunded_fen: int
    burned_points: int
    earned_points: int
    restored_points: int
    clawed_points: int
    tenders: Sequence[TenderTotal]
    burns: int = 0
    burned_fen: int = 0
    discount_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a terminal took and gave, by cashier; nothing is closed by it.

    Of a `day`, or all `since` an instant.
    """

    terminal_id: str
    cashiers: Sequence[CashierTotal]
    day: date | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ZReport:
    """A terminal's closed totals, under a number that counts from 1."""

    z_id: str
    terminal_id: str
    ordinal: int
    number: str
    cashier_id: str
    began_at: datetime | None
    closed_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    cashiers: Sequence[CashierTotal]
    replayed: bool = False
