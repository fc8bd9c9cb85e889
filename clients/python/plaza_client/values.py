"""What is sent and what comes back, as frozen values. Money is in fen, points are whole.

Fields of an answer that this version does not know are passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from plaza_client.coupons import (
    CouponBack,
    CouponUse,
    Funder,
    Gift,
    LeftOut,
    RunnerUp,
    StackProof,
    Unmet,
    UsedOffline,
    Validated,
)
from plaza_client.totals import CashierTotal, TenderTotal, Totals, ZReport

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Write:
    """A write as it is sent, again and again: where to, under which key, and its very bytes.

    A till keeps it before the first send and repeats it after a power cut.
    """

    path: str
    key: str
    body: bytes = field(repr=False)


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
class Limit:
    """Why fewer points than asked for, or than the balance, may be burned: no more than these."""

    code: str
    points: int
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class EarnedBy:
    """What one rule would give; `factor` is a fraction as text."""

    rule: str
    version: int
    points: int
    base_fen: int
    factor: str


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A rule whose points a cap has cut, and why."""

    rule: str
    version: int
    desired_points: int
    given_points: int
    cap: str
    zh: str
    en: str


@dataclass(frozen=True, kw_only=True)
class Silent:
    """A rule that gives nothing, and why; an order tells only of merchants that may give none."""

    rule: str
    why: str
    zh: str
    en: str


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
    limits: Sequence[Limit] = ()
    earned_by: Sequence[EarnedBy] = ()
    silent: Sequence[Silent] = ()
    cuts: Sequence[Cut] = ()
    discount_fen: int = 0
    coupons: Sequence[CouponUse] = ()
    left_out: Sequence[LeftOut] = ()
    runner_up: RunnerUp | None = None
    proof: StackProof | None = None


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
    discount_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order; `replayed` when the call had been answered before.

    What stands below `receipt` comes with a look-up alone.
    """

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
    discount_fen: int = 0
    coupons: Sequence[CouponUse] = ()
    silent: Sequence[Silent] = ()
    gifts: Sequence[Gift] = ()
    terminal_id: str | None = None
    cashier_id: str | None = None
    occurred_at: datetime | None = None
    lines: Sequence[OrderLine] = field(default=())
    refunded_fen: int = 0
    rolled_back_fen: int = 0
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
    discount_fen: int = 0
    unearned_fen: int = 0
    coupons: Sequence[CouponBack] = ()
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class TriedRefund:
    """What a refund would give back; `unearned_fen` it would take out for coupons."""

    fen: int
    points_fen: int
    discount_fen: int
    unearned_fen: int
    restored_points: int
    clawed_points: int
    debt_points: int
    written_off_points: int


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Both halves of an exchange; the till takes `to_pay_fen`, or gives it back below zero."""

    refund: Refund
    order: Order
    to_pay_fen: int


@dataclass(frozen=True, kw_only=True)
class Burn:
    """Points of a sale that the till keeps itself; captured, it is refunded by its `order_id`."""

    burn_id: str
    number: str
    state: str
    order_fen: int
    points: int
    worth_fen: int
    captured_points: int
    captured_fen: int
    order_id: str | None
    until: datetime
    receipt: Receipt
    replayed: bool = False


@dataclass(frozen=True, kw_only=True)
class Captured:
    """A sale that was made while the line was down.

    `offline_coupon` is the token that was taken; the tenders leave what it gave of the lines.
    `phone` or `member_code`, as it was scanned then, names a member, to earn alone. `cashier_id` is
    who sold it, unless it is the one who uploads.
    """

    number: str
    occurred_at: datetime
    lines: Sequence[Line]
    tenders: Sequence[Tender]
    phone: str | None = None
    member_code: str | None = None
    cashier_id: str | None = None
    offline_coupon: str | None = None


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A captured sale as Plaza keeps it."""

    order_id: str
    number: str
    state: str
    total_fen: int
    due_fen: int
    earned_points: int
    discount_fen: int = 0
    offline_coupon: UsedOffline | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one captured sale: accepted, or refused with a text for the cashier."""

    status: int
    order: Uploaded | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ListedOrder:
    """An order in a list; its lines come with a look-up."""

    order_id: str
    terminal_id: str
    number: str
    kind: str
    state: str
    cashier_id: str | None
    occurred_at: datetime
    updated_at: datetime
    total_fen: int
    burned_points: int
    burned_fen: int
    due_fen: int
    earned_points: int
    refunded_fen: int
    tenders: Sequence[Tender]
    discount_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class ListedRefund:
    """A refund in a list."""

    refund_id: str
    order_id: str
    terminal_id: str
    number: str
    cashier_id: str | None
    occurred_at: datetime
    updated_at: datetime
    fen: int
    points_fen: int
    restored_points: int
    clawed_points: int
    tenders: Sequence[Tender]
    discount_fen: int = 0


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """Rows by their last change; keep `next_cursor` and go on from there, now or another day."""

    rows: Sequence[T]
    next_cursor: str | None
    has_more: bool


def read(kind: type[T], sent: Mapping[str, Any], *, replayed: bool | None = None) -> T:
    """Return the value that an answer's JSON holds."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    values = {name: _value(kind, name, value) for name, value in sent.items() if name in known}
    if replayed is not None and "replayed" in known:
        values["replayed"] = replayed
    return kind(**values)


def written(value: Any) -> dict[str, Any]:
    """Return a value as JSON fields, those left out that say nothing."""
    return {name: each for name, each in vars(value).items() if each is not None}


def _value(kind: type[Any], name: str, value: Any) -> Any:
    if value is None:
        return None
    reader = _READERS.get((kind, name)) or _BY_NAME.get(name, _plain)
    return reader(value)


def read_page(body: Mapping[str, Any], rows: Sequence[T]) -> Page[T]:
    """Return a page of a list; its rows are read already."""
    return Page(rows=rows, next_cursor=body["next_cursor"], has_more=body["has_more"])


def read_exchange(body: Mapping[str, Any], *, replayed: bool) -> Exchange:
    """Return an exchange: what went back, and the new order."""
    return Exchange(
        refund=read(Refund, body["refund"], replayed=replayed),
        order=read(Order, body["order"], replayed=replayed),
        to_pay_fen=body["to_pay_fen"],
    )


def read_verdicts(body: Mapping[str, Any]) -> list[Verdict]:
    """Return what became of each sale of an upload."""
    return [_verdict(each) for each in body["verdicts"]]


def _verdict(sent: Mapping[str, Any]) -> Verdict:
    problem = sent.get("problem") or {}
    order = sent.get("order")
    return Verdict(
        status=sent["status"],
        order=read(Uploaded, order) if order else None,
        code=problem.get("code", ""),
        detail=problem.get("detail", ""),
    )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _each(kind: type[Any]) -> Callable[[Any], Any]:
    return lambda sent: tuple(read(kind, each) for each in sent)


_BY_NAME: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "until",
            "valid_from",
            "valid_until",
            "locked_until",
            "picked_up_at",
            "occurred_at",
            "updated_at",
            "since",
            "began_at",
            "closed_at",
            "first_at",
            "last_at",
        ),
        datetime.fromisoformat,
    ),
    "on": date.fromisoformat,
    "day": date.fromisoformat,
    "receipt": lambda sent: read(Receipt, sent),
    "next_expiry": lambda sent: read(Expiry, sent),
    "runner_up": lambda sent: read(RunnerUp, sent),
    "proof": lambda sent: read(StackProof, sent),
    "offline_coupon": lambda sent: read(UsedOffline, sent),
}
_READERS: Mapping[tuple[type[Any], str], Callable[[Any], Any]] = {
    (Refund, "tenders"): _each(Tender),
    (Refund, "coupons"): _each(CouponBack),
    (Order, "lines"): _each(OrderLine),
    (Order, "coupons"): _each(CouponUse),
    (Order, "silent"): _each(Silent),
    (Order, "gifts"): _each(Gift),
    (Quote, "coupons"): _each(CouponUse),
    (Quote, "left_out"): _each(LeftOut),
    (Validated, "coupons"): _each(CouponUse),
    (Validated, "left_out"): _each(LeftOut),
    (CouponUse, "funders"): _each(Funder),
    (LeftOut, "unmet"): _each(Unmet),
    (Quote, "limits"): _each(Limit),
    (Quote, "earned_by"): _each(EarnedBy),
    (Quote, "silent"): _each(Silent),
    (Quote, "cuts"): _each(Cut),
    (Totals, "cashiers"): _each(CashierTotal),
    (ZReport, "cashiers"): _each(CashierTotal),
    (ListedOrder, "tenders"): _each(Tender),
    (ListedRefund, "tenders"): _each(Tender),
    (CashierTotal, "tenders"): _each(TenderTotal),
}
