"""What a holder may know of a coupon: who funds it, where, when, for whom, not with what (X2)."""

from collections.abc import Mapping
from typing import Any

from app.api.fields import Day, DoorSchema, Fen, Items, Text, Whole, YesNo
from coupons.funding import FunderKind, Part
from coupons.offers import Offer
from coupons.templates import Template

_MANY = 500


class CouponTermsSchema(DoorSchema):
    """Empty lists ask for nothing."""

    funders = Items(Text(most=80), most=_MANY, required=True)
    min_fen = Fen(required=True)
    min_quantity = Whole(required=True)
    merchants = Items(Text(most=60), most=_MANY, required=True)
    stores = Items(Text(most=60), most=_MANY, required=True)
    trades = Items(Text(most=60), most=_MANY, required=True)
    categories = Items(Text(most=60), most=_MANY, required=True)
    skus = Items(Text(most=60), most=_MANY, required=True)
    excluded = Items(Text(most=60), most=_MANY, required=True)
    weekdays = Items(Whole(least=1, most=7), most=7, required=True)
    month_days = Items(Whole(least=1, most=31), most=31, required=True)
    hours = Items(Text(most=11), most=_MANY, required=True)
    blackout = Items(Day(), most=_MANY, required=True)
    tiers = Items(Text(most=60), most=_MANY, required=True)
    paid_by = Items(Text(most=60), most=_MANY, required=True)
    first_purchase = Text(most=20, required=True, allow_none=True)
    birthday_only = Text(most=20, required=True, allow_none=True)
    exclusive = YesNo(required=True)
    group = Text(most=60, required=True, allow_none=True)
    at_most = Whole(required=True)
    personal = YesNo(required=True)
    claws_back = YesNo(required=True)


def terms_view(template: Template, offer: Offer) -> Mapping[str, Any]:
    """Return the terms of a template's coupon, by the codes that the district uses."""
    include, exclude = offer.scope.include, offer.scope.exclude
    named = ("merchants", "stores", "trades", "categories", "skus")
    return {
        "funders": [_funder(part) for part in template.terms.funding.parts],
        "min_fen": offer.threshold.min_fen,
        "min_quantity": offer.threshold.min_quantity,
        **{name: sorted(getattr(include, name)) for name in named},
        "excluded": sorted({code for name in named for code in getattr(exclude, name)}),
        "weekdays": sorted(offer.when.weekdays),
        "month_days": sorted(offer.when.month_days),
        "hours": [str(window) for window in offer.when.hours],
        "blackout": sorted(offer.when.blackout),
        "tiers": sorted(offer.who.tiers),
        "paid_by": sorted(offer.tenders),
        "first_purchase": offer.who.first_purchase,
        "birthday_only": offer.who.birthday,
        "exclusive": offer.stacking.exclusive,
        "group": offer.stacking.group,
        "at_most": offer.stacking.at_most,
        "personal": template.terms.personal,
        "claws_back": template.terms.returns.claw_back,
    }


def _funder(part: Part) -> str:
    """Return who pays, as slices name it; a merchant without a name is the one that sells."""
    if part.kind is FunderKind.DISTRICT:
        return part.kind.value
    return f"{part.kind.value}:{part.name}" if part.name else part.kind.value
