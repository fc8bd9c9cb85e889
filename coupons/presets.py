"""Ready-made templates for what a district runs every month (A6): each a function that makes one.

The district pays and a coupon is good from its claim on, unless a preset says otherwise; what is
given for something (a birthday, a payment, a card of stamps) nobody can claim. Anything else that a
template may say is changed in its document. Amounts are fen, rates basis points.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from coupons import reading, templates
from coupons.benefits import WHOLE_BPS, AmountOff, Benefit, EveryOff, Kind, PercentOff, Units
from coupons.errors import BadTemplate
from coupons.funding import FunderKind, Funding, Mode, Part
from coupons.offers import (
    PLACES,
    Birthday,
    Chosen,
    FirstPurchase,
    Offer,
    Scope,
    Stacking,
    Threshold,
    When,
    Who,
)
from coupons.templates import MOST_IN_A_RUSH, Template
from coupons.templates import Part as PackPart
from coupons.terms import Budget, Ceiling, Limits, Terms, Validity

DISTRICT_PAYS = Funding(
    mode=Mode.SHARE, parts=(Part(kind=FunderKind.DISTRICT, share_bps=WHOLE_BPS),)
)


def money_off(
    *, code: str, title_zh: str, title_en: str, fen: int, min_fen: int, days: int, total: int
) -> Template:
    """满减: so much off from a threshold on."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(AmountOff(fen=fen), threshold=Threshold(min_fen=min_fen)),
        terms=_terms(days=days, claim=True, limits=Limits(total=total)),
    )


def every_off(
    *, code: str, title_zh: str, title_en: str, every_fen: int, fen: int, times: int, days: int,
    total: int,
) -> Template:  # fmt: skip
    """每满减: so much off for every so much, at most so many times."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(
            EveryOff(every_fen=every_fen, fen=fen, times=times),
            threshold=Threshold(min_fen=every_fen),
        ),
        terms=_terms(days=days, claim=True, limits=Limits(total=total)),
    )


def discount(
    *, code: str, title_zh: str, title_en: str, off_bps: int, ceiling_fen: int, days: int,
    total: int,
) -> Template:  # fmt: skip
    """折扣: a part off, up to a ceiling; 1,500 basis points are 八五折."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(PercentOff(off_bps=off_bps, ceiling_fen=ceiling_fen)),
        terms=_terms(days=days, claim=True, limits=Limits(total=total)),
    )


def welcome(*, code: str, title_zh: str, title_en: str, fen: int, days: int) -> Template:
    """新人礼: for the first purchase in the district, once a member for ever."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(AmountOff(fen=fen), who=Who(first_purchase=FirstPurchase.DISTRICT)),
        terms=_terms(days=days, claim=True, personal=True),
    )


def member_day(
    *, code: str, title_zh: str, title_en: str, off_bps: int, ceiling_fen: int, month_day: int
) -> Template:
    """会员日: a part off on one day of every month."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(
            PercentOff(off_bps=off_bps, ceiling_fen=ceiling_fen),
            when=When(month_days=frozenset({month_day})),
        ),
        terms=_terms(days=31, claim=True, personal=True),
    )


def birthday(*, code: str, title_zh: str, title_en: str, fen: int) -> Template:
    """生日: so much off in the month of the member's birthday; granted once a year."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(AmountOff(fen=fen), who=Who(birthday=Birthday.MONTH)),
        terms=_terms(days=31, personal=True),
    )


def flash_sale(
    *, code: str, title_zh: str, title_en: str, sku: str, pay_fen: int, total: int
) -> Template:
    """秒杀: one piece of an article at a price, few of them, on the day of the claim.

    Up to `MOST_IN_A_RUSH` pieces have a gate, for the crowd that comes at once.
    """
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(
            Units(kind=Kind.FIXED_PRICE, most=1, pay_fen=pay_fen),
            scope=Scope(include=Chosen(skus=frozenset({sku}))),
        ),
        terms=replace(
            _terms(days=0, claim=True, limits=Limits(total=total)), rush=total <= MOST_IN_A_RUSH
        ),
    )


def pay_gift(
    *, code: str, title_zh: str, title_en: str, fen: int, min_fen: int, days: int, budget_fen: int
) -> Template:
    """支付有礼: given after a payment, good from the day after on, within a budget."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(AmountOff(fen=fen), threshold=Threshold(min_fen=min_fen)),
        terms=Terms(
            validity=Validity(days=days, begins_after_days=1),
            funding=DISTRICT_PAYS,
            limits=Limits(per_member=10_000),
            budget=Budget(fen=Ceiling(all=budget_fen)),
        ),
    )


def pack(
    *, code: str, title_zh: str, title_en: str, batches: Sequence[str], total: int
) -> Template:
    """券包: one coupon of each batch, all or none."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        pack=tuple([PackPart(batch=batch, count=1) for batch in batches]),
        terms=_terms(days=0, claim=True, limits=Limits(total=total)),
    )


def cross_merchant(
    *, code: str, title_zh: str, title_en: str, fen: int, min_fen: int, days: int, merchant: str,
    payer: str,
) -> Template:  # fmt: skip
    """异业券: given at one merchant, who pays, and used at another (semantics 43)."""
    paid = Part(kind=FunderKind.MERCHANT, name=payer, share_bps=WHOLE_BPS)
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(
            AmountOff(fen=fen),
            threshold=Threshold(min_fen=min_fen),
            scope=Scope(include=Chosen(merchants=frozenset({merchant}))),
            owner=payer,
        ),
        terms=Terms(validity=Validity(days=days), funding=Funding(mode=Mode.SHARE, parts=(paid,))),
    )


def stamp_card(*, code: str, title_zh: str, title_en: str, sku: str, days: int) -> Template:
    """集章: what a full card of stamps is exchanged for, a piece of one article."""
    return Template(
        code=code,
        title_zh=title_zh,
        title_en=title_en,
        offer=_offer(
            Units(kind=Kind.EXCHANGE, most=1),
            scope=Scope(include=Chosen(skus=frozenset({sku}))),
        ),
        terms=_terms(days=days, limits=Limits(per_member=100), personal=True),
    )


PRESETS: Mapping[str, Callable[..., Template]] = {
    "money-off": money_off,
    "discount": discount,
    "welcome": welcome,
    "member-day": member_day,
    "birthday": birthday,
    "flash-sale": flash_sale,
    "pay-gift": pay_gift,
    "pack": pack,
    "cross-merchant": cross_merchant,
    "stamp-card": stamp_card,
    "every-off": every_off,
}


def made(name: str, values: Mapping[str, object]) -> Template:
    """Return what a preset makes of its parameters, read as a document of a template would be.

    Raises:
        BadTemplate: no such preset; a parameter that is unknown, missing or of no sense.
    """
    if name not in PRESETS:
        known = list(PRESETS)
        raise BadTemplate("preset", f"须为 {'、'.join(known)} 之一", f"one of {', '.join(known)}")
    wanted = parameters(name)
    given = reading.fields(values, path="values", known=wanted)
    read: dict[str, Any] = {}
    for each, kind in wanted.items():
        if each not in given:
            raise BadTemplate(f"values.{each}", "缺少", "missing")
        match kind:
            case "integer":
                read[each] = reading.integer(given, each, path="values", least=0)
            case "codes":
                read[each] = sorted(reading.codes(given, each, path="values"))
            case _ if isinstance(given[each], str):
                read[each] = given[each]
            case _:
                raise BadTemplate(f"values.{each}", "须为文本", "a text is wanted")
    return templates.load(templates.dump(PRESETS[name](**read)))


def parameters(name: str) -> Mapping[str, str]:
    """Return what a preset wants to know, each with its kind: `integer`, `text` or `codes`."""
    wanted = inspect.signature(PRESETS[name]).parameters
    kinds: Mapping[Any, str] = {int: "integer", str: "text"}
    return {each: kinds.get(wanted[each].annotation, "codes") for each in wanted}


def _offer(
    benefit: Benefit,
    *,
    threshold: Threshold | None = None,
    scope: Scope | None = None,
    when: When | None = None,
    who: Who | None = None,
    owner: str | None = None,
) -> Offer:
    place = PLACES[benefit.kind]
    return Offer(
        benefit=benefit,
        stacking=Stacking(place=place) if owner is None else Stacking(place=place, owner=owner),
        threshold=threshold or Threshold(),
        scope=scope or Scope(),
        when=when or When(),
        who=who or Who(),
    )


def _terms(
    *, days: int, claim: bool = False, limits: Limits | None = None, personal: bool = False
) -> Terms:
    return Terms(
        validity=Validity(days=days),
        funding=DISTRICT_PAYS,
        limits=limits or Limits(),
        claim=claim,
        personal=personal,
    )
