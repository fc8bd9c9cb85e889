"""Trying coupons on a sale of paper: no row is read or written (C8, C10; issue "dry run").

What a real quote would say of its coupons is said of lines, templates, a member's standing and an
instant that somebody has written down, points and what they may pay too. `docs/coupons-try.md`
shows twelve.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from app.checkout import reasons
from app.checkout.baskets import LIMIT_COUPONS, LIMIT_FEN, LIMIT_LINES, LIMIT_QUANTITY
from app.checkout.discounts import Stack, Use
from app.checkout.sharing import Gift
from app.checkout.slices import Funded
from app.checkout.spending import NO_BURN, NO_POINTS, counted
from app.checkout.stacks import Chosen, Rules
from app.members.birthdays import parse_birthday
from app.points.burning import Burn, Burning, burn
from app.points.policy import BestBy, BurnTerms
from coupons import checking, conditions, funding, reading, stacking, templates
from coupons.candidates import Held, Points
from coupons.conditions import Basket, Item, Shopper
from coupons.errors import BadTemplate
from coupons.stacking import LeftOut, Why
from coupons.templates import Template

_PATH = "trial"


@dataclass(frozen=True, kw_only=True)
class TriedCoupon:
    """A coupon of a template, claimed at an instant; `value_fen` is what is left on it, if less."""

    id: str
    template: Template
    claimed_at: datetime
    value_fen: int | None = None


@dataclass(frozen=True, kw_only=True)
class TriedPoints:
    """Points that are asked for, of a balance that any merchant accepts.

    `nothing` is what burn terms say before there is a line.
    """

    burn_points: int
    balance_points: int
    nothing: Burning


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A sale of paper, the coupons that it may use and the points that are to pay for it."""

    basket: Basket
    coupons: Sequence[TriedCoupon]
    at_most: int | None = None
    best_by: BestBy = BestBy.DISCOUNT
    points: TriedPoints | None = None


def load(document: object) -> Trial:
    """Return the trial that a document writes; what it leaves out has the default.

    Raises:
        BadTemplate: a field that is unknown, missing or of no sense, with its path.
        BadBirthday: there is no such day.
    """
    known = {"at", "member", "tenders", "lines", "coupons", "at_most", "best_by", "points"}
    given = reading.fields(document, path=_PATH, known=known)
    at = _instant(given, "at", path=_PATH)
    if at is None:
        raise BadTemplate(f"{_PATH}.at", "缺少", "missing")
    written = reading.items(given, "lines", path=_PATH)
    if not 1 <= len(written) <= LIMIT_LINES:
        raise BadTemplate(
            f"{_PATH}.lines", f"须为 1 到 {LIMIT_LINES} 行", f"1 to {LIMIT_LINES} lines"
        )
    tenders = reading.codes(given, "tenders", path=_PATH) if "tenders" in given else None
    return Trial(
        basket=Basket(
            items=tuple([_item(number, *each) for number, each in enumerate(written, start=1)]),
            shopper=_shopper(given.get("member", {}), f"{_PATH}.member"),
            at=at,
            tenders=tenders,
        ),
        coupons=list(_coupons(given, at)),
        at_most=reading.optional_integer(given, "at_most", path=_PATH, most=LIMIT_COUPONS),
        best_by=reading.choice(BestBy, given, "best_by", path=_PATH, default=BestBy.DISCOUNT),
        points=_points(given["points"], f"{_PATH}.points", at) if "points" in given else None,
    )


def answer(trial: Trial) -> Mapping[str, Any]:
    """Return what a quote would say: the coupons with their shares, why not the others, the proof.

    `faults` is what the engine's second, separate check finds wrong in it.

    Raises:
        FundersExhausted: the caps of those who fund a coupon do not cover it.
        InsufficientPoints: more points are asked for than the balance has.
    """
    good, left_out = _in_their_days(trial)
    held = [_held(each) for each in good]
    rules = Rules(at_most=trial.at_most, points=_counted(trial))
    found = stacking.best(held, trial.basket, at_most=rules.at_most, points=rules.points)
    offered = {each.id: each for each in good}
    stack = Stack(uses=[_use(offered[use.coupon], use.shares, trial) for use in found.best.uses])
    off = [0] * len(trial.basket.items)
    for gift in stack.gifts:
        off = [fen + share for fen, share in zip(off, gift.shares, strict=True)]
    total = sum([item.amount_fen for item in trial.basket.items])
    burned = _burn(trial, off)
    chosen = Chosen(rules=rules, stack=stack, answer=found, not_usable=left_out)
    return {
        "total_fen": total,
        "discount_fen": stack.fen,
        "burn_points": burned.points,
        "burn_fen": burned.value_fen,
        "due_fen": total - stack.fen - burned.value_fen,
        "lines": [
            {"line": item.number, "discount_fen": fen, "due_fen": item.amount_fen - fen}
            for item, fen in zip(trial.basket.items, off, strict=True)
        ],
        **reasons.told(chosen),
        "faults": checking.faults(
            found, held, trial.basket, at_most=rules.at_most, points=rules.points
        ),
    }


def _counted(trial: Trial) -> Points | None:
    if trial.best_by is BestBy.DISCOUNT:
        return None
    if trial.points is None:
        return NO_POINTS
    most = min(trial.points.burn_points, trial.points.balance_points)
    return counted(trial.points.nothing, most_points=most)


def _burn(trial: Trial, off: Sequence[int]) -> Burn:
    """Return what points pay of what coupons leave.

    Raises:
        InsufficientPoints: more is asked than the balance.
    """
    if trial.points is None:
        return NO_BURN
    left = [item.amount_fen - fen for item, fen in zip(trial.basket.items, off, strict=True)]
    burnable = [fen for item, fen in zip(trial.basket.items, left, strict=True) if item.burnable]
    return burn(
        replace(trial.points.nothing, order_fen=sum(left), burnable_fen=sum(burnable)),
        asked_points=trial.points.burn_points,
        balance_points=trial.points.balance_points,
    )


def _in_their_days(trial: Trial) -> tuple[list[TriedCoupon], list[LeftOut]]:
    """Return the coupons that are good at the instant, and why the others are not."""
    good, left_out = [], []
    for each in trial.coupons:
        window = each.template.terms.validity.window(each.claimed_at)
        if window is None or window[1] <= trial.basket.at:
            left_out.append(_left_out(each, "券已过期", "it has expired"))
        elif trial.basket.at < window[0]:
            left_out.append(_left_out(each, "券未到使用时间", "it may not be used yet"))
        else:
            good.append(each)
    return good, left_out


def _left_out(coupon: TriedCoupon, zh: str, en: str) -> LeftOut:
    return LeftOut(coupon=coupon.id, why=Why.CONDITIONS, zh=zh, en=en)


def _held(coupon: TriedCoupon) -> Held:
    template = coupon.template
    value = template.value_fen if coupon.value_fen is None else coupon.value_fen
    window = template.terms.validity.window(coupon.claimed_at)
    return Held(
        id=coupon.id,
        template=template.code,
        offer=template.offer_of(value),
        expires_at=None if window is None else window[1],
        left_fen=value,
    )


def _use(coupon: TriedCoupon, shares: Sequence[int], trial: Trial) -> Use:
    template, items = coupon.template, trial.basket.items
    merchants = [item.merchant for item in items]
    given: dict[str, list[int]] = {}
    cells = funding.split(template.terms.funding, shares=shares, merchants=merchants)
    for line, parts in enumerate(cells):
        for funder, fen in parts:
            name = f"{funder.kind.value}:{funder.name}" if funder.name else funder.kind.value
            given.setdefault(name, [0] * len(items))[line] += fen
    offer = _held(coupon).offer
    counted = conditions.eligible(offer, trial.basket)
    return Use(
        coupon=coupon.id,
        template=template.code,
        zh=template.title_zh,
        en=template.title_en,
        goods_fen=sum([items[line].amount_fen for line in counted]),
        tenders=offer.tenders,
        gifts=[Gift(of=Funded(coupon.id, name), shares=fen) for name, fen in given.items()],
    )


def _item(number: int, path: str, document: object) -> Item:
    known = {
        "merchant", "store", "trade", "category", "sku", "quantity", "amount_fen", "burnable",
    }  # fmt: skip
    given = reading.fields(document, path=path, known=known)
    names = {name: reading.code(given, name, path=path) or "" for name in _NAMES}
    quantity = reading.optional_integer(given, "quantity", path=path, most=LIMIT_QUANTITY)
    return Item(
        number=number,
        quantity=quantity or 1,
        amount_fen=reading.integer(given, "amount_fen", path=path, least=0, most=LIMIT_FEN),
        burnable=reading.flag(given, "burnable", path=path, default=True),
        **names,
    )


def _shopper(document: object, path: str) -> Shopper:
    known = {"tier", "segments", "first_purchase", "first_at", "birthday"}
    given = reading.fields(document, path=path, known=known)
    birthday = reading.code(given, "birthday", path=path)
    return Shopper(
        tier=reading.code(given, "tier", path=path),
        segments=reading.codes(given, "segments", path=path),
        first_purchase=reading.flag(given, "first_purchase", path=path, default=False),
        first_at=reading.codes(given, "first_at", path=path),
        birthday=None if birthday is None else parse_birthday(birthday),
    )


def _points(document: object, path: str, at: datetime) -> TriedPoints:
    given = reading.fields(document, path=path, known=_POINTS)
    terms = BurnTerms(
        effective_from=at,
        min_unit_points=reading.optional_integer(given, "min_unit_points", path=path) or 1,
        max_share=_rate(given, "max_share", path=path),
        daily_limit_points=reading.optional_integer(given, "day_left_points", path=path, least=0),
    )
    rate = _rate(given, "point_value_fen", path=path)
    if not rate:
        raise BadTemplate(f"{path}.point_value_fen", "须大于 0", "above 0")
    return TriedPoints(
        burn_points=reading.integer(given, "burn_points", path=path, least=0),
        balance_points=reading.integer(given, "balance_points", path=path, least=0),
        nothing=Burning(order_fen=0, burnable_fen=0, point_value_fen=rate, terms=terms),
    )


def _rate(given: Mapping[str, object], name: str, *, path: str) -> Fraction:
    """Return a rate that is written `1`, `0.9` or `2/3`; 1 where it is not given."""
    try:
        return Fraction(reading.code(given, name, path=path) or "1")
    except (ValueError, ZeroDivisionError):
        raise BadTemplate(f"{path}.{name}", "不是分数，如 2/3", "not a rate, such as 2/3") from None


def _coupons(given: Mapping[str, object], at: datetime) -> Iterator[TriedCoupon]:
    """Return the coupons by template; the same template twice is one with more coupons."""
    seen: dict[str, tuple[Template, int]] = {}
    total = 0
    for path, document in reading.items(given, "coupons", path=_PATH):
        asked = reading.fields(
            document, path=path, known={"template", "count", "claimed_at", "value_fen"}
        )
        template = templates.load(asked.get("template"), f"{path}.template")
        before, number = seen.get(template.code, (template, 0))
        if template.offer is None or before != template:
            raise BadTemplate(
                f"{path}.template",
                "券包，或同一编号有两种内容",
                "a pack, or a code with two meanings",
            )
        count = reading.optional_integer(asked, "count", path=path, most=LIMIT_COUPONS) or 1
        total += count
        if total > LIMIT_COUPONS:
            raise BadTemplate(f"{_PATH}.coupons", "最多 30 张", "at most 30")
        seen[template.code] = (template, number + count)
        for each in range(number + 1, number + count + 1):
            yield TriedCoupon(
                id=f"{template.code}#{each}",
                template=template,
                claimed_at=_instant(asked, "claimed_at", path=path) or at,
                value_fen=reading.optional_integer(asked, "value_fen", path=path),
            )


def _instant(given: Mapping[str, object], name: str, *, path: str) -> datetime | None:
    written = given.get(name)
    if written is None:
        return None
    try:
        found = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadTemplate(
            f"{path}.{name}", "须为带时区的时间", "an instant with its offset is wanted"
        )
    return found


_POINTS = (
    "burn_points", "balance_points", "point_value_fen", "min_unit_points", "max_share",
    "day_left_points",
)  # fmt: skip
_NAMES = ("merchant", "store", "trade", "category", "sku")
