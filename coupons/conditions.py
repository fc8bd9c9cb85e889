"""Whether a coupon may be used in a sale, and if not: every reason, with the gap (C2, C8).

Pure: a sale is a `Basket` of lines with codes, a shopper and an instant. Amounts are whole fen.
"""

from calendar import isleap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from coupons.benefits import Delivery, Kind, Units
from coupons.offers import (
    DELIVERY,
    NOT_GOODS,
    PARKING,
    Birthday,
    Chosen,
    FirstPurchase,
    Offer,
    When,
)

_SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A line of a sale: `amount_fen` is its price for all units, after the till's discounts.

    Points may pay for it unless it is not `burnable`.
    """

    number: int
    merchant: str
    store: str
    trade: str
    category: str
    sku: str
    quantity: int
    amount_fen: int
    burnable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Shopper:
    """The member as offers see him. `first_at` are the merchants where he never bought before."""

    tier: str | None = None
    segments: frozenset[str] = frozenset()
    first_purchase: bool = False
    first_at: frozenset[str] = frozenset()
    birthday: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Basket:
    """A sale that coupons are to be used in. `tenders` None: not known yet, so none is refused."""

    items: tuple[Item, ...]
    shopper: Shopper
    at: datetime
    tenders: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unmet:
    """A condition that fails: a code for machines, a sentence for people, and what is missing.

    `lines` are the numbers of the lines that count towards the gap.
    """

    code: str
    zh: str
    en: str
    gap_fen: int = 0
    gap_units: int = 0
    lines: tuple[int, ...] = ()


def eligible(offer: Offer, basket: Basket) -> tuple[int, ...]:
    """Return the positions of the lines that an offer counts."""
    first = offer.who.first_purchase is FirstPurchase.MERCHANT
    return tuple(
        [
            position
            for position, item in enumerate(basket.items)
            if _counts(offer, item) and (not first or item.merchant in basket.shopper.first_at)
        ]
    )


def unmet(offer: Offer, basket: Basket) -> list[Unmet]:
    """Return every condition of an offer that a sale fails, other coupons left aside.

    Validity, limits and state of the coupon itself are not the offer's.
    """
    lines = eligible(offer, basket)
    return [
        *_wrong_time(offer.when, basket.at.astimezone(_SHANGHAI)),
        *_wrong_shopper(offer, basket, lines),
        *_wrong_tender(offer, basket),
        *_too_little(offer, basket, lines),
    ]


def short_fen(offer: Offer, amounts: Sequence[int]) -> int:
    """Return how many fen of eligible goods are missing to the threshold; 0: it is reached."""
    return max(offer.threshold.min_fen - sum(amounts), 0)


def yuan(fen: int) -> str:
    """Return fen as yuan for people."""
    return f"¥{fen // 100:,}.{fen % 100:02d}"


def _counts(offer: Offer, item: Item) -> bool:
    scope = offer.scope
    if _any_names(scope.exclude, item) or not _all_name(scope.include, item):
        return False
    if isinstance(offer.benefit, Delivery):
        return item.category == DELIVERY
    if isinstance(offer.benefit, Units) and offer.benefit.kind is Kind.PARKING:
        return item.category == PARKING
    return item.category not in NOT_GOODS or item.category in scope.include.categories


def _any_names(chosen: Chosen, item: Item) -> bool:
    return (
        item.merchant in chosen.merchants
        or item.store in chosen.stores
        or item.trade in chosen.trades
        or item.category in chosen.categories
        or item.sku in chosen.skus
    )


def _all_name(chosen: Chosen, item: Item) -> bool:
    return (
        (not chosen.merchants or item.merchant in chosen.merchants)
        and (not chosen.stores or item.store in chosen.stores)
        and (not chosen.trades or item.trade in chosen.trades)
        and (not chosen.categories or item.category in chosen.categories)
        and (not chosen.skus or item.sku in chosen.skus)
    )


def _wrong_time(when: When, local: datetime) -> Iterator[Unmet]:
    if when.weekdays and local.isoweekday() not in when.weekdays:
        days = sorted(when.weekdays)
        yield Unmet(
            code="wrong-weekday",
            zh=f"限{'、'.join(['周' + '一二三四五六日'[day - 1] for day in days])}使用",
            en=f"only on {', '.join([_WEEKDAYS[day - 1] for day in days])}",
        )
    if when.month_days and local.day not in when.month_days:
        days_text = [str(day) for day in sorted(when.month_days)]
        yield Unmet(
            code="wrong-month-day",
            zh=f"限每月 {'、'.join(days_text)} 日使用",
            en=f"only on days {', '.join(days_text)} of a month",
        )
    minute = local.hour * 60 + local.minute
    if when.hours and not any(window.hold(minute) for window in when.hours):
        windows = [str(window) for window in when.hours]
        yield Unmet(
            code="wrong-hour", zh=f"限 {'、'.join(windows)} 使用", en=f"only {', '.join(windows)}"
        )
    if local.date() in when.blackout:
        yield Unmet(
            code="blackout", zh=f"{local.date()} 不可用", en=f"not to be used on {local.date()}"
        )


def _wrong_shopper(offer: Offer, basket: Basket, lines: Sequence[int]) -> Iterator[Unmet]:
    who, shopper = offer.who, basket.shopper
    if who.tiers and shopper.tier not in who.tiers:
        tiers = sorted(who.tiers)
        yield Unmet(
            code="wrong-tier", zh=f"限等级 {'、'.join(tiers)}", en=f"only tiers {', '.join(tiers)}"
        )
    if who.segments.isdisjoint(shopper.segments) and who.segments:
        yield Unmet(code="wrong-segment", zh="仅限指定会员", en="only for chosen members")
    if _bought_before(offer, basket, lines):
        yield Unmet(code="not-first-purchase", zh="限首次消费", en="only for a first purchase")
    if who.birthday is not None and not _is_birthday(who.birthday, basket):
        month = who.birthday is Birthday.MONTH
        yield Unmet(
            code="not-birthday",
            zh="限生日当月使用" if month else "限生日当天使用",
            en="only in the month of the birthday" if month else "only on the birthday",
        )


def _bought_before(offer: Offer, basket: Basket, lines: Sequence[int]) -> bool:
    match offer.who.first_purchase:
        case FirstPurchase.DISTRICT:
            return not basket.shopper.first_purchase
        case FirstPurchase.MERCHANT:
            return not lines and any(_counts(offer, item) for item in basket.items)
        case None:
            return False


def _is_birthday(wanted: Birthday, basket: Basket) -> bool:
    born, local = basket.shopper.birthday, basket.at.astimezone(_SHANGHAI)
    if born is None:
        return False
    if wanted is Birthday.MONTH:
        return born[0] == local.month
    # Born on 29 February: kept on the 28th of other years (semantics 30).
    kept = (2, 28) if born == (2, 29) and not isleap(local.year) else born
    return kept == (local.month, local.day)


def wrong_tender(tenders: Iterable[str]) -> Unmet:
    """Return that only some tenders may pay for what a coupon counts on."""
    names = sorted(tenders)
    return Unmet(
        code="wrong-tender",
        zh=f"限用 {'、'.join(names)} 付款",
        en=f"only if paid by {', '.join(names)}",
    )


def _wrong_tender(offer: Offer, basket: Basket) -> Iterator[Unmet]:
    if offer.tenders and basket.tenders is not None and not basket.tenders <= offer.tenders:
        yield wrong_tender(offer.tenders)


def _too_little(offer: Offer, basket: Basket, lines: Sequence[int]) -> Iterator[Unmet]:
    numbers = tuple([basket.items[line].number for line in lines])
    if not lines and not _bought_before(offer, basket, lines):
        yield Unmet(code="no-eligible-line", zh="没有适用的商品", en="no goods that count")
    missing = short_fen(offer, [basket.items[line].amount_fen for line in lines])
    if missing:
        yield Unmet(
            code="below-amount",
            zh=f"适用商品再买 {yuan(missing)}{_at_zh(numbers)}",
            en=f"another {yuan(missing)} of goods that count{_at_en(numbers)}",
            gap_fen=missing,
            lines=numbers,
        )
    units = sum([basket.items[line].quantity for line in lines])
    fewest = offer.threshold.min_quantity
    if isinstance(offer.benefit, Units):
        fewest = max(fewest, offer.benefit.group - offer.benefit.given + 1)
    if (lines and units < fewest) or units < offer.threshold.min_quantity:
        yield Unmet(
            code="below-quantity",
            zh=f"适用商品再买 {fewest - units} 件{_at_zh(numbers)}",
            en=f"another {fewest - units} units of goods that count{_at_en(numbers)}",
            gap_units=fewest - units,
            lines=numbers,
        )


def _at_zh(numbers: Sequence[int]) -> str:
    return f"（第 {'、'.join(map(str, numbers))} 行）" if numbers else ""


def _at_en(numbers: Sequence[int]) -> str:
    return f" (lines {', '.join(map(str, numbers))})" if numbers else ""


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
