"""What a till wants to sell: lines, member, points to burn, how it is paid."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from app.clock import business_date
from app.errors import Invalid
from app.members.identification import KnownMember
from app.merchants.directory import ListedTerminal
from config.database import now_of

LIMIT_FEN = 2**53 - 1
LIMIT_LINES = 200
LIMIT_QUANTITY = 999_999
LIMIT_COUPONS = 30

#: How far a till's clock may be ahead of ours (semantics 40).
SKEW = timedelta(minutes=10)

_SURROGATE = re.compile("[\ud800-\udfff]")

#: Ask for the member's coupons that save most.
BEST = ("*",)

#: Ask for as many points as the order, its terms and the balance allow.
ALL_POINTS = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class BasketLine:
    """One line: `amount_fen` is its net price for all units, after the till's own discounts.

    `merchant` (code or public id) names another merchant of the district; None: the store's own.
    """

    sku: str
    name: str
    category: str
    amount_fen: int
    quantity: int = 1
    merchant: str | None = None
    refundable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Tender:
    """Money by one means of payment, in fen: cash, wechat, alipay, card, …"""

    name: str
    fen: int

    def __post_init__(self) -> None:
        sound("tenders", self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tap:
    """A till asks its member to confirm dear burns: `confirmation` names one that was asked for.

    `at` is the real instant of the request, by which a confirmation is over.
    """

    at: datetime
    confirmation: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OfflineUse:
    """A coupon that a till took without the network and that it may use, by the token's `jti`.

    `holder` made it out, whoever buys. `skewed`: the till's clock was off.
    """

    jti: str
    coupon: str
    holder: str
    skewed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """Coupons that a quote promised, as its till named them, and the fen of each, by public id."""

    names: Sequence[str]
    fen: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Basket:
    """A sale as the till asks for it. `number` is the till's own, unique per till for ever.

    `coupons` names those to use, by public id or by code; `BEST`: those of the member that save
    most. With a quote, `promised` are those that it named, good for its price as of its instant
    whatever came between but a recall, a use or a gift (semantics 41). Offline a till takes one, by
    its `token` (its jti); `offline` is what of it is honoured.

    With `tap` the member is asked before dear points are burned. An exchange earns by the time of
    its first sale and burns by its own, `spent_at`; `replaces` names the order and the refund that
    it stands for.
    """

    terminal: ListedTerminal
    number: str
    occurred_at: datetime
    lines: Sequence[BasketLine]
    member: KnownMember | None = None
    burn_points: int = 0
    coupons: Sequence[str] = ()
    promised: Promise | None = None
    cashier: str | None = None
    kind: str = field(default="sale")
    spent_at: datetime | None = None
    replaces: tuple[str, str] | None = None
    tap: Tap | None = None
    token: str | None = None
    offline: OfflineUse | None = None

    def __post_init__(self) -> None:
        if self.occurred_at.tzinfo is None:
            raise Invalid("occurred_at", "须带时区偏移", "needs an offset from UTC")
        if not 1 <= len(self.number) <= 64:
            raise Invalid("number", "须为 1 到 64 个字符", "has 1 to 64 characters")
        if not 1 <= len(self.lines) <= LIMIT_LINES:
            raise Invalid("lines", f"须为 1 到 {LIMIT_LINES} 行", f"1 to {LIMIT_LINES} lines")
        sound("number", self.number)
        sound("cashier", self.cashier)
        for position, line in enumerate(self.lines, start=1):
            for name in ("sku", "name", "category", "merchant"):
                sound(f"lines[{position}].{name}", getattr(line, name))
            within(f"lines[{position}].amount_fen", line.amount_fen)
            within(f"lines[{position}].quantity", line.quantity, least=1, most=LIMIT_QUANTITY)
        within("lines", self.total_fen)
        if self.burn_points != ALL_POINTS:
            within("burn_points", self.burn_points)
        if self.member is None and self.burn_points:
            raise Invalid("burn_points", "没有会员，不能用积分", "there is no member to burn for")
        _check_coupons(self.coupons)

    @property
    def total_fen(self) -> int:
        """Worth of all lines, before points."""
        return sum([line.amount_fen for line in self.lines])

    @property
    def business_date(self) -> date:
        """The Shanghai day of the sale."""
        return business_date(self.occurred_at)

    @property
    def burns_at(self) -> datetime:
        """The instant whose rules, terms and expiries decide what points may pay."""
        return self.spent_at or self.occurred_at

    @property
    def promised_at(self) -> datetime | None:
        """The instant at which a quote promised its coupons; None: there is none."""
        return None if self.promised is None else self.occurred_at

    def fingerprint(self, tenders: Sequence[Tender] | None = None) -> bytes:
        """Return what makes a re-send the same sale; the till's clock and cashier are not in it."""
        shape = [
            self.kind,
            self.member.public_id if self.member else None,
            self.burn_points,
            [
                [line.sku, line.name, line.category, line.amount_fen, line.quantity,
                 line.merchant, line.refundable]
                for line in self.lines
            ],
            None if tenders is None else [[tender.name, tender.fen] for tender in tenders],
            *(self.replaces or ()),
            *([list(self.coupons)] if self.coupons else []),
            *([{"token": self.token}] if self.token else []),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(shape, ensure_ascii=False).encode()).digest()


def _check_coupons(coupons: Sequence[str]) -> None:
    if len(coupons) > LIMIT_COUPONS or len(set(coupons)) < len(coupons):
        raise Invalid(
            "coupons",
            f"最多 {LIMIT_COUPONS} 张，不可重复",
            f"at most {LIMIT_COUPONS}, none of them twice",
        )
    for position, coupon in enumerate(coupons, start=1):
        sound(f"coupons[{position}]", coupon)


def within(name: str, number: int, *, least: int = 0, most: int = LIMIT_FEN) -> None:
    """Refuse a number that is out of range.

    Raises:
        Invalid: it is.
    """
    if not least <= number <= most:
        raise Invalid(name, f"须在 {least} 到 {most} 之间", f"from {least} to {most}")


def sound(name: str, written: str | None) -> None:
    """Refuse text that no database keeps: NUL, or half of a character beyond the basic plane.

    Raises:
        Invalid: it has one.
    """
    if written and ("\0" in written or (not written.isascii() and _SURROGATE.search(written))):
        raise Invalid(name, "含有无效字符", "has a character that cannot be stored")


def not_ahead(session: Session, occurred_at: datetime) -> None:
    """Refuse a business time that lies further ahead than a till's clock may be wrong.

    Raises:
        Invalid: more than ten minutes ahead of the transaction's now (semantics 40).
    """
    if occurred_at > now_of(session) + SKEW:
        raise Invalid("occurred_at", "比现在晚 10 分钟以上", "more than 10 minutes ahead of now")


def check_tenders(tenders: Sequence[Tender]) -> None:
    """Refuse tenders that can never be right.

    Raises:
        Invalid: an amount out of range, a name twice or empty.
    """
    names = [tender.name for tender in tenders]
    if len(set(names)) != len(names) or not all(1 <= len(name) <= 32 for name in names):
        raise Invalid("tenders", "支付方式重复或为空", "a tender is named twice or not at all")
    for tender in tenders:
        within(f"tenders.{tender.name}", tender.fen)
