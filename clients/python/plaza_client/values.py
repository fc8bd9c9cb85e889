"""What is sent and what comes back, as frozen values. Money is in fen, points are whole.

Fields of an answer that this version does not know are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a sale; `amount_fen` is the net price of all its units."""

    sku: str
    name: str
    amount_fen: int
    category: str = "general"
    quantity: int = 1
    merchant_id: str | None = None
    refundable: bool = True


@dataclass(frozen=True, kw_only=True)
class Tender:
    """Money by one means of payment."""

    name: str
    fen: int


@dataclass(frozen=True, kw_only=True)
class RefundPart:
    """Units of a line, an amount of a line or of the order, or all that is left of a line."""

    line: int | None = None
    quantity: int | None = None
    amount_fen: int | None = None


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Points that are the next to expire, and their last day."""

    points: int
    on: date


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What is printed about points."""

    earned_points: int
    burned_points: int
    balance_points: int | None
    next_expiry: Expiry | None
    zh: Sequence[str]
    en: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Identification:
    """A member whom this terminal knows for fifteen minutes; name and phone are masked."""

    identification_id: str
    until: datetime
    name: str | None
    phone: str | None
    tier: str
    may_burn: bool


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a basket costs, may burn and would earn, promised until an instant."""

    quote_id: str
    until: datetime
    total_fen: int
    burn_points: int
    burn_fen: int
    due_fen: int
    may_burn_points: int
    may_burn_fen: int
    earn_points: int
    receipt: Receipt


@dataclass(frozen=True, kw_only=True)
class OrderLine:
    """A line of an order that was looked up, and what of it has gone back."""

    number: int
    sku: str
    name: str
    amount_fen: int
    quantity: int
    burned_fen: int
    earned_points: int
    refunded_fen: int
    refunded_quantity: int
    refundable: bool


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order; `replayed` when the call had been answered before. Lines come with a look-up."""

    order_id: str
    number: str
    state: str
    total_fen: int
    burned_points: int
    burned_fen: int
    due_fen: int
    earned_points: int
    until: datetime | None
    receipt: Receipt
    lines: Sequence[OrderLine] = field(default=())
    refunded_fen: int = 0
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Refund:
    """What went back: money by tender, points to their lots, earned points taken back."""

    refund_id: str
    order_id: str
    number: str
    fen: int
    points_fen: int
    tenders: Sequence[Tender]
    restored_points: int
    clawed_points: int
    debt_points: int
    written_off_points: int
    receipt: Receipt
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Both halves of an exchange; the till takes `to_pay_fen`, or gives it back below zero."""

    refund: Refund
    order: Order
    to_pay_fen: int


@dataclass(frozen=True, kw_only=True)
class Captured:
    """A sale that was made while the line was down; `phone` names a member, to earn alone."""

    number: str
    occurred_at: datetime
    lines: Sequence[Line]
    tenders: Sequence[Tender]
    phone: str | None = None


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A captured sale as Plaza keeps it."""

    order_id: str
    number: str
    state: str
    total_fen: int
    due_fen: int
    earned_points: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one captured sale: accepted, or refused with a text for the cashier."""

    status: int
    order: Uploaded | None = None
    code: str = ""
    detail: str = ""


def read(kind: type[T], sent: Mapping[str, Any], *, replayed: bool | None = None) -> T:
    """Return the value that an answer's JSON holds."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    values = {name: _value(name, value) for name, value in sent.items() if name in known}
    if replayed is not None and "replayed" in known:
        values["replayed"] = replayed
    return kind(**values)


def written(value: Any) -> dict[str, Any]:
    """Return a value as JSON fields, those left out that say nothing."""
    return {name: each for name, each in vars(value).items() if each is not None}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    return _READERS.get(name, _plain)(value)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "until": datetime.fromisoformat,
    "on": date.fromisoformat,
    "receipt": lambda sent: read(Receipt, sent),
    "next_expiry": lambda sent: read(Expiry, sent),
    "tenders": lambda sent: tuple(read(Tender, each) for each in sent),
    "lines": lambda sent: tuple(read(OrderLine, each) for each in sent),
}
